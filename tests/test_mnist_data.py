"""MNIST's loader: where it looks, what it refuses, and the split that must not change."""

import errno
import functools
import gzip
import hashlib
import http.server
import os
import threading
import time

import numpy as np
import pytest
import torch

from backstage import mnist, sources

PARTS = ("train", "val", "test")
SHAPES = ((60, 28, 28), (60,), (20, 28, 28), (20,))
real = pytest.mark.skipif(
    "COURSEWORK_DATA" not in os.environ, reason="no real MNIST named by COURSEWORK_DATA"
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """The address of a web server that has what is in tmp_path."""
    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def small(monkeypatch, tmp_path, server):
    """Bytes of a small MNIST of noise, an empty cache, a dead mirror and one that has it."""
    rng = np.random.default_rng(0)
    files = {}
    (tmp_path / "mirror").mkdir()
    for name, shape in zip(list(mnist.FILES), SHAPES):
        values = rng.integers(0, 256 if len(shape) == 3 else 10, shape, np.uint8)
        header = b"".join(int(n).to_bytes(4, "big") for n in (2048 + len(shape), *shape))
        files[name] = header + values.tobytes()
        digest = hashlib.sha256(files[name]).hexdigest()
        monkeypatch.setitem(mnist.FILES, name, mnist.IdxFile(shape, digest))
        (tmp_path / "mirror" / f"{name}.gz").write_bytes(gzip.compress(files[name], mtime=7))
    monkeypatch.setattr(sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sources, "RETRIES", 0)
    monkeypatch.setattr(mnist, "MIRRORS", (f"{server}/dead/", f"{server}/mirror/"))
    monkeypatch.setattr(mnist, "HELD_OUT", 10)
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return files


def put(files, folder, pack=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if pack else name)
        path.write_bytes(gzip.compress(content) if pack else content)
    return folder


def dotted(name):
    return name.replace("-idx", ".idx")


# Names of a file as it is handed out elsewhere: by 7-zip and Kaggle, by torchvision.
SHAPES_AT_HAND = {
    "packed, a dot": lambda name: dotted(name) + ".gz",
    "a dot": dotted,
    "a folder each": lambda name: f"{name}/{name}",
    "a folder each, a dot": lambda name: f"{name}/{dotted(name)}",
    "torchvision": lambda name: f"MNIST/raw/{name}",
    "torchvision, packed": lambda name: f"MNIST/raw/{name}.gz",
    "torchvision's inner folder": lambda name: f"raw/{name}",
}


def images_in(content, count):
    return np.frombuffer(content, np.uint8, offset=16).reshape(count, 28, 28)


def lengths(data):
    return [len(getattr(data, part)) for part in PARTS]


# ---- what is read ----


@pytest.mark.parametrize(
    "pack, inside", [(True, "mnist"), (True, ""), (False, "mnist"), (False, "")]
)
def test_files_are_read_packed_or_not_and_normalised(small, tmp_path, pack, inside):
    put(small, tmp_path / "own" / inside, pack)
    data = mnist.load_mnist(tmp_path / "own", seed=3)
    assert lengths(data) == [50, 10, 20]
    assert data.label == ""
    x = data.train.tensors[0]
    assert abs(x.mean()) < 1e-5
    assert abs(x.std(correction=0) - 1) < 1e-5
    raw = images_in(small["t10k-images-idx3-ubyte"], 20)
    back = (data.test.tensors[0][:, 0] * data.std + data.mean) * 255
    assert np.abs(back.numpy() - raw).max() < 1e-3
    assert data.test.tensors[1].tolist() == list(small["t10k-labels-idx1-ubyte"][8:])


@pytest.mark.parametrize("shape", SHAPES_AT_HAND)
def test_files_under_other_usual_names_are_read(small, tmp_path, monkeypatch, shape):
    for name, content in small.items():
        path = tmp_path / "own" / SHAPES_AT_HAND[shape](name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    assert lengths(mnist.load_mnist(tmp_path / "own")) == [50, 10, 20]
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "own"))
    assert mnist.load_mnist().label == ""


def test_a_file_that_was_unpacked_but_kept_its_name_is_read(small, tmp_path):
    folder = put(small, tmp_path / "own", pack=False)
    for path in list(folder.iterdir()):
        path.rename(f"{path}.gz")
    assert lengths(mnist.load_mnist(folder)) == [50, 10, 20]


def test_the_split_is_by_seed_keeps_pairs_and_loses_nothing(small, tmp_path):
    put(small, tmp_path / "own")
    a, same, other = (mnist.load_mnist(tmp_path / "own", seed) for seed in (1, 1, 2))
    assert torch.equal(a.val.tensors[0], same.val.tensors[0])
    assert not torch.equal(a.val.tensors[1], other.val.tensors[1])
    raw = images_in(small["train-images-idx3-ubyte"], 60)
    labels = small["train-labels-idx1-ubyte"][8:]
    wanted = sorted((image.tobytes(), label) for image, label in zip(raw, labels))
    x, y = (torch.cat(pair) for pair in zip(a.train.tensors, a.val.tensors))
    pixels = ((x[:, 0] * a.std + a.mean) * 255).round().byte().numpy()
    found = sorted((image.tobytes(), int(label)) for image, label in zip(pixels, y))
    assert found == wanted


def test_the_first_examples_are_copies(small):
    data = mnist.load_mnist()
    few = data.first(5, test=2)
    assert lengths(few) == [5, 10, 2]
    assert torch.equal(few.train.tensors[0], data.train.tensors[0][:5])
    assert few.train.tensors[0].untyped_storage().nbytes() == 5 * 28 * 28 * 4
    assert few.val is data.val


def test_files_beside_the_notebook_are_found(small, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.chdir(put(small, tmp_path / "notebook"))
    assert lengths(mnist.load_mnist()) == [50, 10, 20]


# ---- downloads ----


def test_a_file_that_a_server_does_not_have_is_asked_for_once(small, server, monkeypatch):
    waits = []
    monkeypatch.setattr(sources, "RETRIES", 1)
    monkeypatch.setattr(sources.time, "sleep", waits.append)
    with pytest.raises(OSError, match="404"):
        sources.fetch(f"{server}/nothing")
    assert not waits


def test_a_dead_mirror_is_passed_over_and_the_cache_used_next_time(small, monkeypatch):
    mnist.load_mnist()
    assert not list(sources.CACHE.rglob("*tmp*"))
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert len(mnist.load_mnist().train) == 50


def test_a_server_that_does_not_answer_is_given_up(small, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/",))
    assert "stand-in" in mnist.load_mnist().label
    assert "NO MNIST HERE" in capsys.readouterr().out


def full_disk(path, content):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_full_cache_costs_a_line_and_no_data(small, monkeypatch, capsys):
    monkeypatch.setattr(sources, "write_whole", full_disk)
    assert mnist.load_mnist().label == ""
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "No space left on device" in printed


def test_a_cache_that_cannot_be_made_costs_a_line_and_no_data(small, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sources, "CACHE", tmp_path / "file/cache")
    assert mnist.load_mnist().label == ""
    assert f"The cache {tmp_path}/file/cache cannot be written" in capsys.readouterr().out


def test_a_damaged_file_in_a_cache_that_cannot_be_written_is_passed_over(small, monkeypatch):
    mnist.load_mnist()
    path = sources.CACHE / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"damaged")
    monkeypatch.setattr(sources, "write_whole", full_disk)
    assert mnist.load_mnist().label == ""
    assert path.read_bytes() == b"damaged"


class Slow(Quiet):
    """Promises a thousand bytes; sends one at a time, half of them and nothing more, or none."""

    asked = 0

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        Slow.asked += 1
        if "silent" in self.path:
            time.sleep(2)
            return
        if "half" in self.path:
            self.wfile.write(bytes(500))
            return
        for _ in range(200):
            try:
                self.wfile.write(b"x")
            except OSError:  # it was given up
                return
            time.sleep(0.05)


@pytest.fixture
def slow():
    """The address of a web server that does not do what it promises."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_server_from_which_bytes_trickle_is_given_up(small, slow, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT", 0.5)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="too slow"):
        sources.fetch(f"{slow}/trickle")
    assert time.monotonic() - start < 5


def test_no_download_takes_for_ever(small, slow, monkeypatch):
    monkeypatch.setattr(sources, "SLOWEST", 0.1)
    monkeypatch.setattr(sources, "LONGEST", 0.3)
    with pytest.raises(TimeoutError, match="too slow"):
        sources.fetch(f"{slow}/trickle")


def test_a_silent_server_is_asked_once(small, slow, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT", 0.3)
    monkeypatch.setattr(Slow, "asked", 0)
    with pytest.raises(OSError, match="timed out"):
        sources.fetch(f"{slow}/silent")
    assert Slow.asked == 1


def test_half_a_file_counts_as_none(small, slow, server, monkeypatch):
    with pytest.raises(OSError, match="500"):
        sources.fetch(f"{slow}/half")
    monkeypatch.setattr(mnist, "MIRRORS", (f"{slow}/half/", f"{server}/mirror/"))
    assert mnist.load_mnist().label == ""


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-9], lambda b: b[:200] + b"x" + b[201:], lambda b: b"", lambda b: b"<html>"],
    ids=["cut", "changed", "empty", "a web page"],
)
def test_a_damaged_file_in_the_cache_is_named_and_fetched_again(small, capsys, damage):
    mnist.load_mnist()
    path = sources.CACHE / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    assert len(mnist.load_mnist().train) == 50
    printed = capsys.readouterr().out
    assert "train-images-idx3-ubyte.gz" in printed
    assert "fetched again" in printed


def test_a_mirror_with_wrong_content_leaves_nothing_in_the_cache(small, tmp_path, capsys):
    for name in small:
        (tmp_path / "mirror" / f"{name}.gz").write_bytes(gzip.compress(b"something else"))
    assert "stand-in" in mnist.load_mnist().label
    assert not list(sources.CACHE.rglob("*.gz"))
    assert "NO MNIST HERE" in capsys.readouterr().out


# ---- what is refused ----


def test_a_damaged_file_of_the_users_own_is_named_and_left_alone(small, tmp_path):
    path = put(small, tmp_path / "own") / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte.gz is not MNIST.*replace it"):
        mnist.load_mnist(tmp_path / "own")
    assert path.exists()


def test_a_folder_without_mnist_is_refused(small, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no MNIST: train-images-idx3-ubyte is in none of"):
        mnist.load_mnist(tmp_path / "empty")
    with pytest.raises(ValueError, match="there is no folder"):
        mnist.load_mnist(tmp_path / "nowhere")


# ---- the stand-in, and the real thing ----


def test_offline_the_stand_in_is_announced_and_labelled(small, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "MIRRORS", ())
    data = mnist.load_mnist()
    assert capsys.readouterr().out.count("\n") == 1
    assert "8 x 8" in data.label
    assert data.train.tensors[0].shape[1:] == (1, 28, 28)
    assert set(data.test.tensors[1].tolist()) == set(range(10))


def checksum(*tensors):
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(
    "seed, first, train, val",
    [
        (0, [2, 8, 2, 0, 6, 8, 6, 5], "723d706539579a60", "64fd4e02d94be66f"),
        (3, [1, 1, 2, 9, 9, 7, 3, 8], "b57e53d0849d05cb", "197fbc24bd828468"),
    ],
)
def test_the_stand_in_is_split_as_ever(small, monkeypatch, seed, first, train, val):
    monkeypatch.setattr(mnist, "MIRRORS", ())
    data = mnist.load_mnist(seed=seed)
    assert data.train.tensors[1][:8].tolist() == first
    assert checksum(data.train.tensors[1]) == train
    assert checksum(data.val.tensors[1]) == val


@real
@pytest.mark.parametrize(
    "seed, mean, std, train, val",
    [
        (0, 0.1306724049619848, 0.3081231432450183, "77bad10de5caf9f0", "9329672d63273a6e"),
        (3, 0.13072714895048929, 0.30818607987148416, "affde428a2c43b97", "c82c1b010fb4a9ab"),
    ],
)
def test_the_real_thing_is_split_as_ever(seed, mean, std, train, val):
    data = mnist.load_mnist(seed=seed)
    assert lengths(data) == [55000, 5000, 10000]
    assert data.mean == pytest.approx(mean, rel=1e-12)
    assert data.std == pytest.approx(std, rel=1e-12)
    assert checksum(data.train.tensors[1]) == train
    assert checksum(data.val.tensors[1]) == val
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(data.test.tensors[1]).tolist() == counts
