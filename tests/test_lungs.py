"""Lungs: the loader and its complaints, phantoms, the U-Net, masks of any film, and a training killed in the middle."""

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
import imagedata

REAL = Path(os.environ.get("COURSEWORK_DATA", "nowhere")) / "lung_xray_256.npz"


def arrays(size=(16, 24)):
    rng = np.random.default_rng(0)
    out = {}
    for part, n in (("train", 5), ("val", 2), ("test", 3)):
        out[f"x_{part}"] = rng.random((n, *size, 1), np.float32)
        out[f"y_{part}"] = rng.integers(0, 2, (n, *size, 1)).astype(np.uint8)
    return out


def save(folder, content, name="films.npz"):
    np.savez(folder / name, **content)
    return folder


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No data folder, an empty cache, no network."""
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    monkeypatch.setattr(imagedata, "CACHE", tmp_path / "cache")

    def unreachable(url, path, timeout=10):
        raise OSError("no network")

    monkeypatch.setattr(imagedata, "fetch", unreachable)
    return tmp_path / "cache"


# ---- loading ----


def test_any_file_of_the_layout_is_read_from_folder_or_path(tmp_path):
    content = arrays()
    save(tmp_path, content)
    np.savez(tmp_path / "another.npz", a=np.zeros(3))  # not of that layout: passed over
    for root in (tmp_path, tmp_path / "films.npz", str(tmp_path)):
        data = h.load_lungs(root)
        x, y = data.test.tensors
        assert x.shape == y.shape == (3, 1, 16, 24) and x.dtype == y.dtype == torch.float32
        assert np.array_equal(x[:, 0].numpy(), content["x_test"][..., 0])
        assert data.label == "" and data.patients is None and "films.npz" in data.source
        assert "licence" in data.source and data.credits["test"] == ["", "", ""]


def test_eight_bit_films_are_scaled(tmp_path):
    content = arrays()
    content["x_val"] = np.full_like(content["x_val"], 255, np.uint8)
    assert h.load_lungs(save(tmp_path, content)).val.tensors[0].unique() == 1


def changed(key, change):
    content = arrays()
    content[key] = change(content[key])
    return content


WRONG = {
    "lacks y_val": {k: v for k, v in arrays().items() if k != "y_val"},
    "x_val in films.npz is float32 of shape (2, 16, 24)": changed("x_val", lambda a: a[..., 0]),
    "y_test in films.npz is uint8 of shape (3, 16, 24, 3)": changed("y_test", lambda a: a.repeat(3, 3)),
    "x_train in films.npz is float32 of shape (0, 16, 24, 1)": changed("x_train", lambda a: a[:0]),
    "x_train in films.npz is <U5": changed("x_train", lambda a: a.astype("U5")),
    "y_test has 2 masks for 3 images": changed("y_test", lambda a: a[:2]),
    "all must agree": changed("x_test", lambda a: a.swapaxes(1, 2)),
    "1 values that are NaN": changed("x_train", lambda a: np.where(np.arange(a.size).reshape(a.shape) == 7, np.nan, a)),
    "ranges from 0 to 255": changed("x_val", lambda a: np.round(a / a.max() * 255) * (a > 0.1)),
    "ranges from -1": changed("x_test", lambda a: a * 0 - 1),
    "besides 0 and 1 it holds 1 other values, such as 0.5": changed("y_train", lambda a: a / 2),
    "such as 255": changed("y_val", lambda a: a * 255),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_a_wrong_file_is_described(tmp_path, complaint):
    save(tmp_path, WRONG[complaint])
    with pytest.raises(ValueError) as e:
        h.load_lungs(tmp_path / "films.npz")
    words = complaint.replace("y_test has", "y_test in films.npz has")
    assert words in str(e.value), str(e.value)


def test_what_is_no_npz_or_not_there_is_refused(tmp_path):
    (tmp_path / "lung_xray_256.npz").write_bytes(b"PK\x03\x04 half of a file")
    for root, words in ((tmp_path, "cannot be read as .npz"), (tmp_path / "nothing", "no folder")):
        with pytest.raises(ValueError, match=words):
            h.load_lungs(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="x_train"):
        h.load_lungs(tmp_path / "empty")
    np.savez(tmp_path / "evil.npz", **{k: np.array([{}], object) for k in imagedata.KEYS})
    with pytest.raises(ValueError, match="cannot be read"):
        h.load_lungs(tmp_path / "evil.npz")


def test_the_sources_table_names_patients_and_licences_or_is_refused(tmp_path):
    content = arrays()
    save(tmp_path, content)
    rows = [
        f"{part},{i},p{i // 2},https://a.b/{i},CC BY 4.0"
        for part in imagedata.PARTS
        for i in range(len(content[f"x_{part}"]))
    ]
    table = tmp_path / "films_sources.csv"
    table.write_text("\n".join(["split,index,patient_group,source_url,image_licence", *reversed(rows)]))
    data = h.load_lungs(tmp_path)
    assert list(data.patients["train"]) == ["p0", "p0", "p1", "p1", "p2"]
    assert data.credits["test"][2] == "https://a.b/2, CC BY 4.0"
    table.write_text("\n".join(["split,index,patient_group,source_url,image_licence", *rows[1:]]))
    with pytest.raises(ValueError, match="9 rows, the arrays 10 images"):
        h.load_lungs(tmp_path)


def test_without_data_and_network_phantoms_are_announced_and_labelled(offline, capsys):
    data = h.load_lungs(seed=3)
    assert "NO X-RAYS" in capsys.readouterr().out and "phantom" in data.label and "phantom" in data.source
    x, y = data.train.tensors
    share = y.mean((1, 2, 3))
    assert 0 <= x.min() and x.max() <= 1 and set(y.unique().tolist()) == {0, 1}
    assert 0.1 < share.min() and share.max() < 0.6 and share.std() > 0.02, "phantoms must differ"
    assert (x[y > 0.5].mean() + 0.1) < x[:, :, 40:100, 50:78].mean(), "lungs are dark"
    again = h.load_lungs(seed=3).train.tensors[0]
    assert torch.equal(x, again) and not torch.equal(x, h.load_lungs(seed=4).train.tensors[0])


def test_the_download_is_cached_and_a_bad_one_deleted(offline, monkeypatch, capsys):
    def served(content):
        def fetch(url, path, timeout=10):
            assert url == imagedata.JSRT
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

        return fetch

    monkeypatch.setattr(imagedata, "fetch", served(b"<html>sign in</html>"))
    assert "phantom" in h.load_lungs().label and "NOT USABLE" in capsys.readouterr().out
    assert not list(offline.glob("*.npz"))
    save(offline, arrays(), "served.npz")
    monkeypatch.setattr(imagedata, "fetch", served((offline / "served.npz").read_bytes()))
    (offline / "served.npz").unlink()
    assert "JSRT" in h.load_lungs().source and (offline / "lung_field_dataset.npz").exists()
    monkeypatch.setattr(imagedata, "fetch", None)  # the second time from the cache
    assert "van Ginneken" in h.load_lungs().source


@pytest.mark.skipif(not REAL.exists(), reason="COURSEWORK_DATA has no X-rays")
def test_the_shared_films():
    data = h.load_lungs()
    assert [len(getattr(data, part)) for part in imagedata.PARTS] == [70, 12, 28] and "CC BY-NC-SA" in data.source
    patients = [set(data.patients[part]) for part in imagedata.PARTS]
    assert [len(p) for p in patients] == [39, 6, 19] and not patients[0] & patients[2] and not patients[1] & patients[2]
    assert all("http" in c and "CC BY" in c for part in imagedata.PARTS for c in data.credits[part])
    assert 0.2 < data.train.tensors[1].mean() < 0.4


# ---- the network ----


@pytest.mark.parametrize(
    "shape, width, depth, channels", [((64, 64), 8, 4, (1, 1)), ((24, 40), 4, 3, (2, 3)), ((6, 2), 3, 1, (1, 2))]
)
def test_size_in_is_size_out(shape, width, depth, channels):
    net = h.UNet(*channels, width, depth).eval()
    seen = []
    for block in net.down:
        block.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert net(torch.rand(2, channels[0], *shape)).shape == (2, channels[1], *shape)
    assert seen == [(width * 2**k, shape[0] // 2**k, shape[1] // 2**k) for k in range(depth + 1)]


@pytest.mark.parametrize("shape", [(1, 1, 24, 32), (1, 1, 32, 20), (1, 2, 32, 32), (1, 32, 32), (1, 1, 0, 32)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="divisible by 16"):
        h.UNet(1, 1, 2, 4)(torch.zeros(shape))


@pytest.mark.parametrize(
    "sizes", [(0, 1, 8, 4), (1, 0, 8, 4), (1, 1, 0, 4), (1, 1, 8, 0), (1, 1, 8.0, 4), (1, 1, 8, -1)]
)
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match="whole numbers"):
        h.UNet(*sizes)


def test_exposure_contrast_and_company_do_not_matter():
    net = h.UNet(1, 1, 4, 2)
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 1, 16, 16))  # so that batch norm has seen something
        net.eval()
        x = torch.rand(3, 1, 16, 16)
        assert torch.allclose(net(0.3 * x + 0.2), net(x), atol=1e-3)
        assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-5), "a film's logits depend on its batch"


def test_every_skip_connection_carries_something():
    """With nothing coming up from below a level, its skip connection alone must pass the film on."""
    x = torch.rand(2, 1, 16, 16)
    for level in range(3):
        net = h.UNet(1, 1, 2, 3)
        seen = []
        net.merge[level].register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        torch.nn.init.zeros_(net.up[level].weight)
        net(x)
        assert seen[0].std(0).sum() > 0.1, "two films look alike"
        assert net.merge[level][0].in_channels == 2 * net.up[level].out_channels


# ---- masks of any film ----


class Bright(torch.nn.Module):
    """Stands in for a trained network: logit = brightness - 1/2."""

    film_size = 64

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        assert x.shape[2:] == (64, 64) and not self.training
        return self.scale * (x - 0.5)


@pytest.mark.parametrize("shape", [(64, 64), (50, 81), (90, 33), (256, 200)])
def test_a_mask_lies_where_the_film_says(shape):
    film = np.zeros(shape)
    rows, columns = shape
    film[rows // 4 : rows // 2, columns // 3 :] = 1
    mask = h.predict_mask(Bright(), film)
    assert mask.shape == shape and mask.dtype == bool
    wrong = (mask != (film > 0.5)).mean()
    assert wrong < 0.03, f"{wrong:.1%} of the pixels"


def test_arrays_pictures_and_files_give_the_same(tmp_path):
    grey = np.zeros((40, 60), np.uint8)
    grey[10:30, 20:50] = 255
    Image.fromarray(grey).save(tmp_path / "film.png")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "alpha.png")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "film.jpeg", quality=95)
    wanted = h.predict_mask(Bright(), grey)
    assert wanted.sum() == pytest.approx(600, rel=0.1)
    images = [
        grey / 255.0,
        grey[..., None].repeat(3, 2),
        Image.fromarray(grey),
        tmp_path / "film.png",
        str(tmp_path / "alpha.png"),
    ]
    for image in [*images, tmp_path / "film.jpeg"]:
        assert (h.predict_mask([Bright(), Bright()], image) == wanted).mean() > 0.99


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "film.png").write_text("not a picture")
    for image in (np.zeros(5), np.zeros((4, 4, 2)), np.zeros((0, 5)), np.full((4, 4), np.nan), np.array([["a"]])):
        with pytest.raises(ValueError, match="image"):
            h.predict_mask(Bright(), image)
    for path in (tmp_path / "film.png", tmp_path / "nothing.png"):
        with pytest.raises(ValueError, match="cannot be read"):
            h.predict_mask(Bright(), path)


def test_squares_and_back():
    for shape in ((48, 48), (48, 70), (71, 48)):
        films = torch.zeros(2, 1, *shape)
        films[:, :, 10:30, 12:40] = 1
        square = imagedata.to_square(films, max(shape))
        assert square.shape[2:] == (max(shape),) * 2 and square.sum() == films.sum()
        assert torch.equal(imagedata.from_square(square, shape), films)


# ---- training ----


def dice(a, y):
    a = (a > 0).float()
    return 2 * (a * y).sum((1, 2, 3)) / (a + y).sum((1, 2, 3)).clamp(min=1)


TASK = h.Task(F.binary_cross_entropy_with_logits, dice, "dice")


def noisy(x, y, chance):
    return x + 0.05 * torch.randn(x.shape, generator=chance), y


def films(n, size, seed):
    x, y = imagedata.chest_phantoms(n, np.random.default_rng(seed), size)
    return [torch.from_numpy(np.moveaxis(a, 3, 1)).float() for a in (x, y)]


def training(checkpoint=None, epochs=7, width=3, log=lambda row: None):
    """A small training with all that a checkpoint has to bring back; gives the network and its rows."""
    torch.set_num_threads(1)
    h.seed_everything(1)
    x, y = films(16, 24, 0)
    net = h.UNet(1, 1, width, 2)
    train, val = h.batches(TensorDataset(x[:12], y[:12]), 4, 1), h.batches(TensorDataset(x[12:], y[12:]), 4)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * len(train))
    return net, h.fit(net, train, val, optimizer, epochs, log, TASK, schedule, noisy, checkpoint, keep="best")


def say_and_wait(row):
    print("epoch", row["epoch"], flush=True)
    time.sleep(600 if row["epoch"] == 4 else 0)


def test_a_training_killed_in_the_middle_ends_with_the_same_curve(tmp_path):
    """SIGKILL, which no process can catch, after the fourth of seven epochs: what is on disk is all that is left."""
    path = tmp_path / "lungs.pt"
    script = f"import test_lungs as t; t.training({str(path)!r}, log=t.say_and_wait)"
    here = Path(__file__).parent
    env = os.environ | {"PYTHONPATH": f"{here.parent}{os.pathsep}{here}", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert "epoch 4" in (line.strip() for line in process.stdout), "it ended before its fourth epoch"
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
    assert path.exists(), "the killed process left no checkpoint"
    whole, rows = training()
    with pytest.raises(ValueError, match="other parameters"):
        training(path, width=4)
    with pytest.raises(ValueError, match="other settings"):
        training(path, epochs=9)
    again, resumed = training(path)
    assert len(resumed) == 7 and resumed == rows
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))


def test_a_small_network_learns_phantoms_better_than_their_mean():
    h.seed_everything(0)
    x, y = films(40, 32, 5)
    net = h.UNet(1, 1, 4, 3)
    net.film_size = 32
    train, test = TensorDataset(x[:28], y[:28]), h.batches(TensorDataset(x[28:], y[28:]), 12)
    h.fit(net, h.batches(train, 4, 0), test, torch.optim.AdamW(net.parameters(), 1e-2), 14, task=TASK)
    mean = dice(y[:28].mean(0, keepdim=True).expand(12, -1, -1, -1) - 0.5, y[28:]).mean()
    score = h.evaluate(net, test, TASK)[1]
    assert score > 0.9 and score > mean + 0.05, f"{score:.3f} against {mean:.3f}"
    masks = np.stack([h.predict_mask(net, film[0].numpy()) for film in x[28:]])
    assert dice(torch.from_numpy(masks)[:, None].float() - 0.5, y[28:]).mean() == pytest.approx(score, abs=1e-6)
