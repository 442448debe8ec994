"""Pictures of any kind in, DICOM files too; a warning where the mask is likely to be wrong."""

import sys
import warnings

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian
from torch import nn

from backstage import lung_metrics, xray_quality, xrays
from backstage.xray_files import as_grey
from backstage.xray_quality import Quality, Usual, fit_usual, predict_mask, quality, without_frame


class Brighter(nn.Module):
    """Stands in for a trained network: lung is what is brighter than a cut, in the upper rows."""

    image_size = 64

    def __init__(self, cut, rows=64):
        super().__init__()
        self.cut = nn.Parameter(torch.tensor(cut))
        self.rows = rows

    def forward(self, x):
        logits = x - self.cut
        logits[:, :, self.rows :] = -1
        return logits


NETS = [Brighter(0.5), Brighter(0.7, rows=32)]


def chest():
    """Two bright lungs in the upper half; the right part of the rest is grey. (64, 64), 0 to 1."""
    picture = np.zeros((64, 64), np.float32)
    picture[:, 32:] = 0.4
    picture[8:24, 6:26] = 1
    picture[8:24, 38:58] = 1
    return picture


def warning_of(model, picture, **usual):
    """The text of the one warning; an empty text if there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mask = predict_mask(model, picture, Usual(**usual))
    assert mask.shape == picture.shape and mask.dtype == bool
    assert len(caught) <= 1
    assert all(each.category is UserWarning for each in caught)
    return str(caught[0].message) if caught else ""


def test_an_empty_list_of_networks_is_named():
    with pytest.raises(ValueError, match="a list of networks, not an empty list"):
        predict_mask([], chest())


# ---- quality ----


def test_the_quality_of_a_known_mask():
    found = quality(NETS, torch.from_numpy(chest()))
    assert found == Quality(1.0, 2, pytest.approx(640 / 4096))
    one = quality(NETS[:1], torch.from_numpy(chest()))
    assert np.isnan(one.agreement)
    assert one[1:] == found[1:]


def test_agreement_is_the_dice_of_the_networks():
    turned = torch.from_numpy(chest()).rot90(1)  # one lung lies in the lower half: 2 * 1 / (1 + 2)
    assert quality(NETS, turned).agreement == pytest.approx(2 / 3)


def test_specks_are_no_pieces():
    picture = chest()
    picture[40, 10] = 1
    assert quality(NETS[:1], torch.from_numpy(picture)).pieces == 2
    picture[40:44, 6:26] = 1
    assert quality(NETS[:1], torch.from_numpy(picture)).pieces == 3


def test_a_large_picture_is_reduced_for_the_estimate(monkeypatch):
    seen = []

    def spy(nets, images):
        seen.append(images.shape[2:])
        return xrays.xray_logits(nets, images)

    for module in (xray_quality, lung_metrics):
        monkeypatch.setattr(module, "xray_logits", spy)
    large = torch.from_numpy(chest()).repeat_interleave(16, 0).repeat_interleave(20, 1)
    found = quality(NETS, large)
    assert set(seen) == {(409, 512)}
    assert found.pieces == 2
    assert found.share == pytest.approx(640 / 4096, rel=0.1)
    assert predict_mask(NETS, large.numpy()).shape == (1024, 1280)


def test_what_is_usual_leaves_out_one_in_twenty():
    found = [Quality(0.5 + i / 40, 2, 0.2) for i in range(19)] + [Quality(0.1, 5, 0.6)] * 2
    usual = fit_usual(found)
    assert usual.agreement == pytest.approx(0.1)  # the second lowest of 21
    assert usual.pieces == 5
    usual = fit_usual(found[:-1])
    assert usual.agreement == pytest.approx(0.48)  # 0.95 of the way from 0.1 to 0.5
    assert usual.pieces == 3
    assert usual.share == pytest.approx((0.1, 1))


# ---- warnings ----


def test_an_ordinary_picture_causes_no_warning():
    assert warning_of(NETS, chest()) == ""
    assert warning_of(NETS[0], chest()) == ""


def test_a_mask_of_the_whole_picture_causes_a_warning_whatever_is_usual():
    everything = [Brighter(-1.0), Brighter(-1.0)]
    words = warning_of(everything, chest(), share=(0.0, 1.0), agreement=0.0)
    assert "100% is called lung (usual: 0% to 80%)" in words


def framed(picture, value):
    return np.pad(picture, 16, constant_values=value)


CAUSES = {
    "inverted": lambda x: 1 - x,
    "turned: by 90 degrees clockwise": lambda x: np.rot90(x, 1).copy(),
    "turned: by 90 degrees counterclockwise": lambda x: np.rot90(x, -1).copy(),
    "upside down": lambda x: np.rot90(x, 2).copy(),
    "framed": lambda x: framed(x, 1),
    "like two pictures side by side": lambda x: np.concatenate([x, x], 1),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_warning_names_the_cause(cause):
    text = warning_of(NETS, CAUSES[cause](chest()))
    assert text.count("It looks") == 1
    assert f"It looks {cause}" in text
    assert text.endswith("the networks agree to 1.00.")


def test_the_warning_reports_what_was_found_and_what_to_expect():
    text = warning_of(NETS, np.rot90(chest()).copy())
    assert "agree to 0.67 only (usual: 0.94 or more), expect a Dice near 0.3" in text
    noise = np.random.default_rng(0).random((64, 64))
    text = warning_of(NETS, noise)
    assert "the networks agree" in text
    assert "pieces (usual: 2 or fewer)" in text
    assert "It looks" not in text


def test_one_network_warns_by_pieces_and_share():
    four = np.concatenate([chest(), chest()], 1)
    text = warning_of(NETS[0], four)
    assert text == "the mask has 4 pieces (usual: 2 or fewer)."
    assert warning_of(NETS[:1], four) == text
    text = warning_of(NETS[0], chest(), share=(0.2, 0.5))
    assert text == "16% is called lung (usual: 20% to 50%)."
    assert "16%" in warning_of(NETS[0], chest(), share=(0, 0.1))
    assert warning_of(Brighter(2.0), chest()).startswith("0% is called lung")


def test_the_bounds_can_be_chosen():
    turned = np.rot90(chest()).copy()
    assert warning_of(NETS, turned, agreement=0.6, share=(0.05, 0.8)) == ""
    assert "0.67 only" in warning_of(NETS, turned, agreement=0.7, share=(0.05, 0.8))
    four = np.concatenate([chest(), chest()], 1)
    assert warning_of(NETS[0], four, pieces=4) == ""


@pytest.mark.parametrize("rows, named", [(3, True), (12, False)])
def test_a_cause_is_named_only_if_the_networks_agree_clearly_better(rows, named):
    picture = chest()
    picture[40 : 40 + rows, :60] = 0.6  # of both networks only one calls it lung, as the frame
    inner = quality(NETS, torch.from_numpy(picture)).agreement
    text = warning_of(NETS, np.pad(picture, 2, constant_values=0.6), agreement=inner, share=(0, 1))
    assert "agree to" in text
    assert ("It looks framed" in text) == named


@pytest.mark.parametrize("found", [Quality(0.8, 2, 0.3), Quality(0.99, 4, 0.3)])
def test_the_best_of_the_usual_changes_is_named(monkeypatch, found):
    table = {
        "good": Quality(0.95, 2, 0.3),
        "better": Quality(0.98, 2, 0.3),
        "also good": Quality(0.96, 2, 0.3),
        "in four pieces": Quality(0.99, 4, 0.3),
    }
    monkeypatch.setattr(xray_quality, "_changes", lambda grey: {name: name for name in table})
    monkeypatch.setattr(xray_quality, "quality", lambda nets, name: table[name])
    named = xray_quality._cause(NETS, None, found, Usual())
    assert named == " It looks better, the networks agree to 0.98."


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_frame_is_cropped_and_nothing_else(value):
    inner = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    frame = torch.from_numpy(np.pad(inner.numpy(), ((3, 9), (5, 0)), constant_values=value))
    frame[1, 1] += 0.01 if value == 0 else -0.01  # as JPEG leaves it
    assert torch.equal(without_frame(frame), inner)
    assert torch.equal(without_frame(inner), inner)
    assert without_frame(torch.zeros(20, 20)).numel() > 0


# ---- DICOM ----


def write_dicom(path, values, kind="MONOCHROME2", **tags):
    """Write values (rows, columns) of 12 bits, or (rows, columns, 3) of 8, as a DICOM file."""
    bits = 12 if values.ndim == 2 else 8
    values = values.astype(np.uint16 if bits == 12 else np.uint8)
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID
    file.Rows, file.Columns = values.shape[:2]
    file.SamplesPerPixel = 1 if values.ndim == 2 else 3
    if values.ndim == 3:
        file.PlanarConfiguration = 0
    file.PhotometricInterpretation = kind
    file.BitsAllocated = 8 * values.dtype.itemsize
    file.BitsStored = bits
    file.HighBit = bits - 1
    file.PixelRepresentation = 0
    file.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    file.save_as(path, enforce_file_format=True)
    return path


def raw():
    """Numbers of 12 bits, from 100 to 3899. (40, 60)"""
    return np.linspace(100, 3899, 2400).round().reshape(40, 60)


def scaled(values):
    return torch.from_numpy((values - values.min()) / np.ptp(values)).float()


@pytest.mark.parametrize("name", ["xray.dcm", "XRAY.DCM", "xray.dicom", "IM000001"])
def test_a_dicom_file_is_known_by_its_ending_or_its_mark(tmp_path, name):
    path = write_dicom(tmp_path / name, raw())
    for place in (path, str(path)):
        assert torch.allclose(as_grey(place), scaled(raw()), atol=1e-6)


def test_monochrome1_is_inverted(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", raw(), "MONOCHROME1")
    assert torch.allclose(as_grey(path), 1 - scaled(raw()), atol=1e-6)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_slope_intercept_and_window_are_applied_in_this_order(tmp_path, kind):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000, "WindowWidth": 2001}
    path = write_dicom(tmp_path / "a.dcm", raw(), kind, **tags)
    wanted = ((2 * raw() - 1000 - 2999.5) / 2000 + 0.5).clip(0, 1)  # DICOM PS3.3 C.11.2.1.2.1
    assert (wanted == 0).any() and (wanted == 1).any()
    wanted = torch.from_numpy(wanted).float()
    if kind == "MONOCHROME1":
        wanted = 1 - wanted
    assert torch.allclose(as_grey(path), wanted, atol=1e-6)


def test_of_several_windows_the_first_is_taken(tmp_path):
    tags = {"WindowCenter": [1000, 3000], "WindowWidth": [1001, 101]}
    path = write_dicom(tmp_path / "a.dcm", raw(), **tags)
    wanted = ((raw() - 999.5) / 1000 + 0.5).clip(0, 1)
    assert torch.allclose(as_grey(path), torch.from_numpy(wanted).float(), atol=1e-6)


def test_a_slope_may_be_negative(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", raw(), RescaleSlope=-1, RescaleIntercept=4095)
    assert torch.allclose(as_grey(path), 1 - scaled(raw()), atol=1e-6)


def test_a_mask_of_a_dicom_file(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", 4000 * chest())
    assert np.array_equal(predict_mask(NETS, path), chest() > 0.5)


def test_a_dicom_file_without_pydicom_says_what_to_install(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", raw())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ValueError, match="a.dcm is a DICOM file: pip install pydicom"):
        as_grey(path)


def test_other_dicom_files_are_refused(tmp_path):
    (tmp_path / "text.DCM").write_text("not a picture")
    (tmp_path / "half").write_bytes(write_dicom(tmp_path / "a.dcm", raw()).read_bytes()[:-1000])
    for name in ("text.DCM", "half", "nothing.dcm"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as DICOM"):
            as_grey(tmp_path / name)
    colours = np.zeros((20, 20, 3))
    with pytest.raises(ValueError, match="of kind RGB; an X-ray is MONOCHROME1 or 2"):
        as_grey(write_dicom(tmp_path / "b.dcm", colours, "RGB"))


# ---- damaged pictures ----


def png(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).save(path)
    return path


def test_a_damaged_picture_is_refused(tmp_path):
    path = png(tmp_path)
    content = path.read_bytes()
    place = content.index(b"IDAT")  # before it stands how many bytes its chunk has
    path.write_bytes(content[: place - 4] + b"\0\0\0\4" + content[place:])
    with pytest.raises(ValueError, match="a.png cannot be read as a picture"):
        as_grey(path)


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"picture \(DecompressionBombError\)"):
        as_grey(png(tmp_path))
