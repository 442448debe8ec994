"""Lungs: the loader, phantoms, folds, the U-Net, masks of any X-ray, and a killed training."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import helpers as h
from backstage import lungs, sources
from backstage.lung_checks import KEYS, PARTS
from backstage.lungs import load_lungs, patient_folds
from backstage.phantoms import chest_phantoms
from backstage.settings import ROOT
from backstage.xray_files import as_grey
from backstage.xray_quality import predict_mask
from backstage.xrays import from_square, to_square, xray_logits

REAL = Path(os.environ.get("COURSEWORK_DATA", "nowhere")) / lungs.STORED_FILE
HEADER = "split,index,patient_group,source_url,image_licence"


def arrays(size=(16, 24)):
    rng = np.random.default_rng(0)
    out = {}
    for part, n in (("train", 5), ("val", 2), ("test", 3)):
        out[f"x_{part}"] = rng.random((n, *size, 1), np.float32)
        out[f"y_{part}"] = (rng.random((n, *size, 1)) < 0.3).astype(np.uint8)
    return out


def save(folder, content, name="xrays.npz"):
    np.savez(folder / name, **content)
    return folder


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No data folder, nothing beside the notebook, an empty cache, no network."""
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    monkeypatch.setattr(sources, "CACHE", tmp_path / "cache")

    def unreachable(url):
        raise OSError("no network")

    monkeypatch.setattr(sources, "fetch", unreachable)
    return tmp_path / "cache"


# ---- loading ----


def test_any_file_of_the_layout_is_read_from_folder_or_path(tmp_path):
    content = arrays()
    save(tmp_path, content)
    np.savez(tmp_path / "another.npz", a=np.zeros(3))  # not of that layout: passed over
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for root in (tmp_path, tmp_path / "xrays.npz", str(tmp_path)):
        data = load_lungs(root)
        x, y = data.test.tensors
        assert x.shape == y.shape == (3, 1, 16, 24)
        assert x.dtype == y.dtype == torch.float32
        assert np.array_equal(x[:, 0].numpy(), content["x_test"][..., 0])
        assert np.array_equal(y[:, 0].numpy(), content["y_test"][..., 0])
        assert data.label == ""
        assert data.patients is None
        assert data.views is None
        assert data.credits["test"] == ["", "", ""]
        assert "xrays.npz" in data.source
        assert "licence" in data.source


def test_eight_bit_xrays_are_scaled(tmp_path):
    content = arrays()
    content["x_val"] = np.full_like(content["x_val"], 255, np.uint8)
    assert load_lungs(save(tmp_path, content)).val.tensors[0].unique() == 1


def test_a_file_beside_the_notebook_is_found(offline):
    save(Path.cwd(), arrays())
    assert "xrays.npz" in load_lungs().source


def test_of_both_known_files_the_courses_own_wins(tmp_path, capsys):
    for name in lungs.KNOWN:
        save(tmp_path, arrays(), name)
    assert "JSRT" in load_lungs(tmp_path).source
    assert "the course's is taken" in capsys.readouterr().out


def test_other_xrays_than_those_of_the_text_are_announced(tmp_path, capsys):
    save(tmp_path, arrays(), lungs.STORED_FILE)
    load_lungs(tmp_path)
    assert capsys.readouterr().out == ""
    load_lungs(save(tmp_path, arrays(), lungs.COURSE_FILE))
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("THE TEXT'S NUMBERS SPEAK OF OTHER X-RAYS")


def changed(key, change):
    content = arrays()
    content[key] = change(content[key])
    return content


def with_one_nan(x):
    x.flat[7] = np.nan
    return x


WRONG = {
    "lacks y_val": {key: a for key, a in arrays().items() if key != "y_val"},
    "x_val in xrays.npz is float32 of shape (2, 16)": changed("x_val", lambda a: a[:, :, 0, 0]),
    "y_test in xrays.npz is uint8 of shape (3, 16, 24, 3)": changed(
        "y_test", lambda a: a.repeat(3, 3)
    ),
    "x_train in xrays.npz is float32 of shape (0, 16, 24, 1)": changed("x_train", lambda a: a[:0]),
    "x_train in xrays.npz is <U5": changed("x_train", lambda a: a.astype("U5")),
    "y_test in xrays.npz has 2 masks for 3 images": changed("y_test", lambda a: a[:2]),
    "all must agree": changed("x_test", lambda a: a.swapaxes(1, 2)),
    "1 values that are NaN": changed("x_train", with_one_nan),
    "ranges from 0 to 255": changed("x_val", lambda a: np.round(a / a.max() * 255) * (a > 0.1)),
    "ranges from -1": changed("x_test", lambda a: a * 0 - 1),
    "x_test in xrays.npz ranges from -0.002": changed("x_test", lambda a: a - a.min() - 0.002),
    "besides 0 and 1 it holds 1 other values, such as 0.5": changed("y_train", lambda a: a / 2),
    "such as 254": changed("y_val", lambda a: a * 254),
    "such as 0.99": changed("y_val", lambda a: a * 0.99),
    "such as -1": changed("y_val", lambda a: -a.astype(int)),
    "every mask is empty": changed("y_test", lambda a: a * 0),
    "69% of the pixels lung": changed("y_train", lambda a: 1 - a),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_a_wrong_file_is_described(tmp_path, complaint):
    save(tmp_path, WRONG[complaint])
    with pytest.raises(ValueError) as e:
        load_lungs(tmp_path / "xrays.npz")
    assert complaint in str(e.value), str(e.value)


SLIPS = {
    "x_val: values clipped to 0 to 1": changed("x_val", lambda a: a / a.max() * 1.001),
    "x_test: values clipped to 0 to 1": changed("x_test", lambda a: a - a.min() - 1e-9),
    "y_train: values rounded to 0 and 1": changed("y_train", lambda a: a * 0.999),
    "y_val: 0 and 255 taken as 0 and 1": changed("y_val", lambda a: a * 255),
    "": changed("y_test", lambda a: a > 0),
}


@pytest.mark.parametrize("note", SLIPS)
def test_a_slip_is_put_right_and_reported_in_one_line(tmp_path, capsys, note):
    data = load_lungs(save(tmp_path, SLIPS[note], lungs.STORED_FILE))
    printed = capsys.readouterr().out
    assert printed.count("\n") == (1 if note else 0)
    assert note in printed
    for part in PARTS:
        x, y = getattr(data, part).tensors
        assert np.abs(x[:, 0].numpy() - arrays()[f"x_{part}"][..., 0]).max() < 0.01
        assert np.array_equal(y[:, 0].numpy(), arrays()[f"y_{part}"][..., 0])


def test_arrays_without_a_channel_axis_are_taken(tmp_path):
    flat = {key: a[..., 0] for key, a in arrays().items()}
    data = load_lungs(save(tmp_path, flat))
    assert data.train.tensors[0].shape == (5, 1, 16, 24)
    assert np.array_equal(data.train.tensors[0][:, 0].numpy(), flat["x_train"])


def test_what_is_no_npz_or_not_there_is_refused(tmp_path):
    (tmp_path / lungs.STORED_FILE).write_bytes(b"PK\x03\x04 half of a file")
    for root, words in ((tmp_path, "cannot be read as .npz"), (tmp_path / "none", "no folder")):
        with pytest.raises(ValueError, match=words):
            load_lungs(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="x_train"):
        load_lungs(tmp_path / "empty")
    np.savez(tmp_path / "evil.npz", **{key: np.array([{}], object) for key in KEYS})
    with pytest.raises(ValueError, match="cannot be read"):
        load_lungs(tmp_path / "evil.npz")
    with open(tmp_path / "single.npz", "wb") as file:
        np.save(file, np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"a single array \(2, 3\), as in a .npy file"):
        load_lungs(tmp_path / "single.npz")


def table_of(content, more=lambda i: ""):
    return [
        f"{part},{i},p{i // 2},https://a.b/{i},CC BY 4.0{more(i)}"
        for part in PARTS
        for i in range(len(content[f"x_{part}"]))
    ]


def test_the_sources_table_names_patients_licences_and_views(tmp_path):
    content = arrays()
    save(tmp_path, content)
    table = tmp_path / "xrays_sources.csv"
    table.write_text("\n".join([HEADER, *reversed(table_of(content))]))
    data = load_lungs(tmp_path)
    assert list(data.patients["train"]) == ["p0", "p0", "p1", "p1", "p2"]
    assert data.credits["test"][2] == "https://a.b/2, CC BY 4.0"
    assert data.views is None
    rows = table_of(content, lambda i: ",AP Supine" if i % 2 else ",PA")
    table.write_text("\n".join([f"{HEADER},view", *rows]))
    assert list(load_lungs(tmp_path).views["test"]) == ["PA", "AP Supine", "PA"]


def test_a_sources_table_that_does_not_fit_is_refused(tmp_path):
    content = arrays()
    save(tmp_path, content)
    rows = table_of(content)
    table = tmp_path / "xrays_sources.csv"
    for count, wrong in ((9, rows[1:]), (11, [*rows, rows[0]]), (10, [*rows[1:], rows[1]])):
        table.write_text("\n".join([HEADER, *wrong]))
        with pytest.raises(ValueError, match=f"{count} rows, the arrays 10 images"):
            load_lungs(tmp_path)
    table.write_text("split,index,source_url\n")
    with pytest.raises(ValueError, match="lacks the columns patient_group, image_licence"):
        load_lungs(tmp_path)


def test_without_data_and_network_phantoms_are_announced_and_labelled(offline, capsys):
    data = load_lungs(seed=3)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "NO X-RAYS" in printed
    assert "OTHER X-RAYS" in printed
    assert "phantom" in data.label
    assert "phantom" in data.source
    x, y = data.train.tensors
    share = y.mean((1, 2, 3))
    assert 0 <= x.min() and x.max() <= 1
    assert set(y.unique().tolist()) == {0, 1}
    assert 0.1 < share.min() and share.max() < 0.6
    assert share.std() > 0.02, "phantoms must differ"
    assert x[y > 0.5].mean() + 0.1 < x[:, :, 40:100, 50:78].mean(), "lungs are dark"
    again = load_lungs(seed=3).train.tensors[0]
    assert torch.equal(x, again)
    assert not torch.equal(x, load_lungs(seed=4).train.tensors[0])


def test_phantoms_are_drawn_as_ever():
    drawn = chest_phantoms(3, np.random.default_rng(0), 64)
    assert drawn.x.shape == drawn.y.shape == (3, 64, 64, 1)
    assert drawn.y.sum() == 3957
    assert drawn.x.astype(np.float64).sum() == pytest.approx(3692.5421723371874, rel=1e-6)
    row = [0.1986108, 0.26931524, 0.19333437, 0.20485513]
    assert drawn.x[0, 30, 20:24, 0] == pytest.approx(row, abs=1e-6)


def served(content):
    """Stands in for the download."""

    def fetch(url):
        assert url == lungs.JSRT
        return content

    return fetch


def packed(content):
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def test_the_download_is_cached_and_a_bad_one_is_not(offline, monkeypatch, capsys):
    monkeypatch.setattr(sources, "fetch", served(b"<html>sign in</html>"))
    assert "phantom" in load_lungs().label
    assert "NOTHING USABLE" in capsys.readouterr().out
    assert not list(offline.glob("*.npz"))
    monkeypatch.setattr(sources, "fetch", served(packed(arrays())))
    assert "JSRT" in load_lungs().source
    assert (offline / lungs.COURSE_FILE).exists()
    monkeypatch.setattr(sources, "fetch", None)  # the second time from the cache
    assert "van Ginneken" in load_lungs().source


DAMAGE = {
    "cut": lambda b: b[:-9],
    "changed": lambda b: b[:900] + b"xxxx" + b[904:],
    "empty": lambda b: b"",
    "a web page": lambda b: b"<html>sign in</html>",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_in_the_cache_is_fetched_again(offline, monkeypatch, capsys, damage):
    good = packed(arrays())
    offline.mkdir()
    path = offline / lungs.COURSE_FILE
    path.write_bytes(DAMAGE[damage](good))
    assert "phantom" in load_lungs().label, "no network: announced, and nothing is lost"
    monkeypatch.setattr(sources, "fetch", served(good))
    assert "JSRT" in load_lungs().source
    assert path.read_bytes() == good
    printed = capsys.readouterr().out
    assert f"{lungs.COURSE_FILE} cannot be read as .npz" in printed
    assert "fetched again" in printed
    assert "unsafe" not in printed and "pickle" not in printed


def test_a_damaged_file_that_cannot_be_fetched_is_refused(offline, tmp_path):
    offline.mkdir()
    (offline / lungs.STORED_FILE).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"{lungs.STORED_FILE} cannot be read") as e:
        load_lungs()
    assert "pickle" not in str(e.value)
    (offline / lungs.COURSE_FILE).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"{lungs.COURSE_FILE} cannot be read"):
        load_lungs(offline)


def test_a_cache_that_cannot_be_written_costs_a_line_and_no_xrays(offline, monkeypatch, capsys):
    offline.touch()
    monkeypatch.setattr(sources, "fetch", served(packed(arrays())))
    assert "JSRT" in load_lungs().source
    assert f"The cache {offline} cannot be written" in capsys.readouterr().out


@pytest.mark.skipif(not REAL.exists(), reason="COURSEWORK_DATA has no X-rays")
def test_the_shared_xrays():
    data = load_lungs(REAL)
    assert [len(getattr(data, part)) for part in PARTS] == [70, 12, 28]
    assert "CC BY-NC-SA" in data.source
    train, val, test = (set(data.patients[part]) for part in PARTS)
    assert [len(patients) for patients in (train, val, test)] == [39, 6, 19]
    assert not train & test
    assert not val & test
    assert all("http" in c and "CC BY" in c for part in PARTS for c in data.credits[part])
    assert {view for part in PARTS for view in data.views[part]} == {"PA", "AP", "AP Supine"}
    assert (data.views["train"] == "AP Supine").sum() == 13
    assert 0.2 < data.train.tensors[1].mean() < 0.4


# ---- folds ----


def test_folds_hold_out_each_image_once_and_never_split_a_patient():
    patients = np.repeat([f"p{i}" for i in range(13)], np.arange(13) % 3 + 1)
    folds = patient_folds(patients, 4, seed=1)
    assert len(folds) == 4
    everything = np.arange(len(patients))
    assert np.array_equal(np.sort(np.concatenate([fold.held_out for fold in folds])), everything)
    for fold in folds:
        assert np.array_equal(np.union1d(fold.train, fold.held_out), everything)
        assert not set(patients[fold.train]) & set(patients[fold.held_out])


def test_the_seed_of_the_folds_matters():
    patients = np.repeat(np.arange(12), 2)
    held_out = [
        [fold.held_out.tolist() for fold in patient_folds(patients, 3, seed)] for seed in (0, 0, 1)
    ]
    assert held_out[0] == held_out[1] != held_out[2]
    with pytest.raises(ValueError):
        patient_folds(patients, 13, seed=0)


# ---- the network ----


@pytest.mark.parametrize(
    "shape, width, depth, channels",
    [((64, 64), 8, 4, (1, 1)), ((24, 40), 4, 3, (2, 3)), ((6, 2), 3, 1, (1, 2))],
)
def test_size_in_is_size_out(shape, width, depth, channels):
    net = h.UNet(*channels, width, depth).eval()
    seen = []
    for block in net.down:
        block.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert net(torch.rand(2, channels[0], *shape)).shape == (2, channels[1], *shape)
    assert seen == [(width * 2**k, shape[0] // 2**k, shape[1] // 2**k) for k in range(depth + 1)]


@pytest.mark.parametrize(
    "shape", [(1, 1, 24, 32), (1, 1, 32, 20), (1, 2, 32, 32), (1, 32, 32), (1, 1, 0, 32)]
)
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="divisible by 16"):
        h.UNet(1, 1, 2, 4)(torch.zeros(shape))


@pytest.mark.parametrize(
    "sizes", [(0, 1, 8, 4), (1, 0, 8, 4), (1, 1, 0, 4), (1, 1, 8, 0), (1, 1, 8.0, 4), (1, 1, 8, -1)]
)
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="whole number"):
        h.UNet(*sizes)


def test_exposure_contrast_and_company_do_not_matter():
    net = h.UNet(1, 1, 4, 2)
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 1, 16, 16))  # so that batch norm has seen something
        net.eval()
        x = torch.rand(3, 1, 16, 16)
        assert torch.allclose(net(0.3 * x + 0.2), net(x), atol=1e-3)
        assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-5), (
            "an X-ray's logits depend on its batch"
        )


def test_every_skip_connection_carries_something():
    """With nothing coming up from below a level, its skip connection alone must do."""
    x = torch.rand(2, 1, 16, 16)
    for level in range(3):
        net = h.UNet(1, 1, 2, 3)
        seen = []
        net.merge[level].register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        torch.nn.init.zeros_(net.up[level].weight)
        net(x)
        assert seen[0].std(0).sum() > 0.1, "two X-rays look alike"
        assert net.merge[level][0].in_channels == 2 * net.up[level].out_channels


# ---- masks of any X-ray ----


class Bright(torch.nn.Module):
    """Stands in for a trained network: logit = brightness - 1/2."""

    image_size = 64

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        assert x.shape[2:] == (64, 64)
        assert not self.training
        return self.scale * (x - 0.5)


def box():
    """A bright rectangle on black, uint8, (40, 60)."""
    grey = np.zeros((40, 60), np.uint8)
    grey[10:30, 20:50] = 255
    return grey


@pytest.mark.parametrize("shape", [(64, 64), (50, 81), (90, 33), (256, 200)])
def test_a_mask_lies_where_the_xray_shows_it(shape):
    rows, columns = shape
    image = np.zeros(shape)
    image[rows // 4 : rows // 2, columns // 3 :] = 1
    mask = predict_mask(Bright(), image)
    assert mask.shape == shape
    assert mask.dtype == bool
    wrong = (mask != (image > 0.5)).mean()
    assert wrong < 0.03, f"{wrong:.1%} of the pixels"


def test_arrays_pictures_and_files_give_the_same(tmp_path):
    grey = box()
    Image.fromarray(grey).save(tmp_path / "xray.png")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "alpha.png")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "xray.jpeg", quality=95)
    wanted = predict_mask(Bright(), grey)
    assert wanted.sum() == pytest.approx(600, rel=0.1)
    images = [
        grey / 255.0,
        grey[..., None].repeat(3, 2),
        Image.fromarray(grey),
        tmp_path / "xray.png",
        str(tmp_path / "alpha.png"),
    ]
    for image in [*images, tmp_path / "xray.jpeg"]:
        assert (predict_mask([Bright(), Bright()], image) == wanted).mean() > 0.99


NUMBERS = {
    "0.0 to 255.0": lambda grey: grey.astype(float),
    "colours to 255.0": lambda grey: grey[..., None].repeat(3, 2).astype(np.float32),
    "int16": lambda grey: grey.astype(np.int16) * 8 - 1024,
    "int16, all of it": lambda grey: np.where(grey > 0, 32767, -32768).astype(np.int16),
    "uint16": lambda grey: grey.astype(np.uint16) * 257,
    "big-endian uint16": lambda grey: (grey.astype(np.uint16) * 257).astype(">u2"),
    "uint32": lambda grey: grey.astype(np.uint32) * 16_843_009,
    "int64": lambda grey: grey.astype(np.int64) * 1000,
    "bool": lambda grey: grey > 0,
    "a little outside": lambda grey: grey / 255.0 * 1.0000001 - 1e-8,
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_kind_are_brought_to_the_same_range(kind):
    grey = as_grey(NUMBERS[kind](box()))
    assert grey.dtype == torch.float32
    assert torch.allclose(grey, torch.from_numpy(box() / 255).float(), atol=1e-5)


def test_numbers_from_0_to_1_and_dark_integers_are_not_stretched():
    for image in (box() / 1000, (box() // 4), box().astype(np.uint16)):
        assert as_grey(image).max() < 0.3


@pytest.mark.parametrize("colour, inside, outside", [(0, 0, 1), (255, 1, 0)])
def test_a_picture_that_lies_in_its_transparency_is_laid_on_a_ground(
    tmp_path, colour, inside, outside
):
    rgba = np.full((40, 60, 4), colour, np.uint8)
    rgba[..., 3] = box()
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    for image in (rgba, tmp_path / "alpha.png", Image.fromarray(rgba[..., 2:], "LA")):
        grey = as_grey(image)
        assert grey[20, 30] == pytest.approx(inside, abs=1e-6)
        assert grey[0, 0] == pytest.approx(outside, abs=1e-6)


def test_transparency_beside_colours_is_left_aside():
    rgba = box()[..., None].repeat(4, 2)
    rgba[..., 3] = 128
    rgba[:20, :, 3] = 255
    assert torch.equal(as_grey(rgba), as_grey(rgba[..., :3].copy()))


def test_sixteen_bits_in_a_file_are_kept(tmp_path):
    deep = box().astype(np.uint16) * 257
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        assert torch.equal(as_grey(tmp_path / name), as_grey(deep))


def test_what_is_no_xray_is_refused(tmp_path):
    (tmp_path / "xray.png").write_text("not a picture")
    no_numbers = np.full((20, 20), "a")
    holes = np.full((20, 20), np.nan)
    for image in (np.zeros(5), np.zeros((20, 20, 2)), np.zeros((0, 5)), holes, no_numbers):
        with pytest.raises(ValueError, match="image"):
            predict_mask(Bright(), image)
    for path in (tmp_path / "xray.png", tmp_path / "nothing.png"):
        with pytest.raises(ValueError, match="cannot be read"):
            predict_mask(Bright(), path)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_empty_picture_is_refused(value, channels):
    image = np.full((40, 60, channels), value, np.uint8)
    with pytest.raises(ValueError, match="everywhere: there is nothing to see"):
        predict_mask(Bright(), image)


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="15 x 60 pixels; allowed are 16 or more"):
        predict_mask(Bright(), box()[:15])


def test_logits_of_several_networks_are_averaged():
    images = torch.rand(3, 1, 64, 64)
    double = Bright()
    double.scale.data.fill_(3)
    logits = xray_logits([Bright(), double], images)
    assert torch.allclose(logits, 2 * xray_logits(Bright(), images))
    assert torch.allclose(logits, 2 * (images - 0.5), atol=1e-6)


def test_squares_and_back():
    for shape in ((48, 48), (48, 70), (71, 48)):
        images = torch.zeros(2, 1, *shape)
        images[:, :, 10:30, 12:40] = 1
        square = to_square(images, max(shape))
        assert square.shape[2:] == (max(shape),) * 2
        assert square.sum() == images.sum()
        assert torch.equal(from_square(square, shape), images)


# ---- training ----


def dice(a, y):
    a = (a > 0).float()
    return 2 * (a * y).sum((1, 2, 3)) / (a + y).sum((1, 2, 3)).clamp(min=1)


LOSS = F.binary_cross_entropy_with_logits


def noisy(x, y, generator):
    return x + 0.05 * torch.randn(x.shape, generator=generator), y


def phantoms(n, size, seed):
    drawn = chest_phantoms(n, np.random.default_rng(seed), size)
    return [torch.from_numpy(np.moveaxis(a, 3, 1)).float() for a in drawn]


class Trained:
    """A small training with all that a checkpoint has to bring back; its network and rows."""

    def __init__(self, checkpoint=None, epochs=7, width=3, log=lambda row: None):
        torch.set_num_threads(1)
        h.seed_everything(1)
        x, y = phantoms(16, 24, 0)
        self.net = h.UNet(1, 1, width, 2)
        train = h.batches(TensorDataset(x[:12], y[:12]), 4, 1)
        val = h.batches(TensorDataset(x[12:], y[12:]), 4)
        optimizer = torch.optim.AdamW(self.net.parameters(), 1e-2)
        steps = epochs * len(train)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
        hooks = [
            h.Augment(noisy),
            h.Validate(val, LOSS, dice, "dice"),
            h.Schedule(cycle),
            h.KeepBest("val/dice"),
        ]
        if checkpoint is not None:
            hooks.append(h.Checkpoint(checkpoint))
        hooks.append(h.Log(log))  # after the checkpoint, which is on disk when `log` is called
        self.rows = h.fit(self.net, train, LOSS, optimizer, epochs, hooks)


def say_and_wait(row):
    print("epoch", row["epoch"], flush=True)
    time.sleep(600 if row["epoch"] == 4 else 0)


def test_a_training_killed_in_the_middle_ends_with_the_same_curve(tmp_path):
    """SIGKILL after the fourth of seven epochs: what is on disk is all that is left."""
    path = tmp_path / "lungs.pt"
    script = f"import test_lungs as t; t.Trained({str(path)!r}, log=t.say_and_wait)"
    here = Path(__file__).parent
    more = {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{here}",
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | more)
    try:
        printed = (line.strip() for line in process.stdout)
        assert "epoch 4" in printed, "it ended before its fourth epoch"
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    finally:
        process.kill()
    assert path.exists(), "the killed process left no checkpoint"
    whole = Trained()
    with pytest.raises(ValueError, match="other parameters"):
        Trained(path, width=4)
    with pytest.raises(ValueError, match="other settings"):
        Trained(path, epochs=9)
    again = Trained(path)
    assert len(again.rows) == 7
    assert again.rows == whole.rows
    states = zip(whole.net.state_dict().values(), again.net.state_dict().values())
    assert all(torch.equal(a, b) for a, b in states)


def test_a_small_network_learns_phantoms_better_than_their_mean():
    h.seed_everything(0)
    x, y = phantoms(40, 32, 5)
    net = h.UNet(1, 1, 4, 3)
    net.image_size = 32
    train = h.batches(TensorDataset(x[:28], y[:28]), 4, 0)
    test = h.batches(TensorDataset(x[28:], y[28:]), 12)
    h.fit(net, train, LOSS, torch.optim.AdamW(net.parameters(), 1e-2), 14)
    mean_mask = y[:28].mean(0, keepdim=True).expand(12, -1, -1, -1) - 0.5
    mean = dice(mean_mask, y[28:]).mean()
    score = h.evaluate(net, test, LOSS, dice).score
    assert score > 0.9
    assert score > mean + 0.05, f"{score:.3f} against {mean:.3f}"
    masks = np.stack([predict_mask(net, image[0].numpy()) for image in x[28:]])
    logits = torch.from_numpy(masks)[:, None].float() - 0.5
    assert dice(logits, y[28:]).mean() == pytest.approx(score, abs=1e-6)
