"""companions/cs7643, from outside: its own tests, the submission, the data scripts.

Its modules have common names (utils, models, tests), so they are used in processes of their own.
"""

import ast
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import notebooks
import numpy as np
import pytest

HOME = Path(__file__).resolve().parent.parent / "companions/cs7643"


@pytest.fixture
def copy(tmp_path):
    """The companion's code in a folder of its own, without data."""
    folder = tmp_path / "copy"
    skip = shutil.ignore_patterns(
        "*.csv", "__pycache__", "*.ipynb", "*.pdf", "*.zip", "*.png", "figures"
    )
    shutil.copytree(HOME, folder, ignore=skip)
    return folder


@pytest.fixture(scope="module")
def get_data():
    spec = importlib.util.spec_from_file_location("get_data", HOME / "data/get_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder, *command, **env):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, **env}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


def idx(images, labels):
    """The two IDX files of images (n, h, w) and labels (n,), as bytes."""
    head = struct.pack(">4I", 2051, *images.shape)
    return head + images.tobytes(), struct.pack(">2I", 2049, len(labels)) + labels.tobytes()


def digits(n, rng):
    """n images of 28 x 28 on which a network can be tried: class k has a bright row 2k + 4."""
    labels = (np.arange(n) % 10).astype(np.uint8)
    images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
    images[np.arange(n), 2 * labels + 4] += 180
    return images, labels


def test_its_unit_tests_pass_and_notice_mistakes(copy):
    """The mutation test is among them."""
    done = run(copy, sys.executable, "-m", "unittest", "discover")
    assert done.returncode == 0 and "OK" in done.stderr, done.stderr
    assert int(done.stderr.split("Ran ")[1].split()[0]) >= 40, "all tests are found"
    assert done.stdout == ""


def test_importing_and_calling_prints_nothing(copy):
    code = """
import main, utils, models, optimizer
X, y = [[0.0] * 784] * 70, [3] * 70
net = models.TwoLayerNet(hidden_size=4)
utils.train(0, *utils.generate_batched_data(X, y, 32, True, 1), net, optimizer.SGD(0.1))
utils.evaluate(*utils.generate_batched_data(X, y), net)
utils.plot_curves([1.0], [0.1], [1.0], [0.1])
"""
    done = run(copy, sys.executable, "-W", "error", "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


IMPORTS = {  # those of the assignment's skeleton; its rules allow no other
    "main.py": {"argparse", "copy", "models", "optimizer", "utils", "yaml"},
    "utils.py": {"matplotlib.pyplot", "numpy", "random", "time"},
    "models/__init__.py": {"softmax_regression", "two_layer_nn"},
    "models/_base_network.py": {"numpy"},
    "models/softmax_regression.py": {"_base_network", "numpy"},
    "models/two_layer_nn.py": {"_base_network", "numpy"},
    "optimizer/__init__.py": {"sgd"},
    "optimizer/_base_optimizer.py": set(),
    "optimizer/sgd.py": {"_base_optimizer", "numpy"},
}


def imported(path):
    """The modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_files_import_what_the_skeleton_imports():
    files = [p for folder in (".", "models", "optimizer") for p in (HOME / folder).glob("*.py")]
    assert {p.relative_to(HOME).as_posix(): imported(p) for p in files} == IMPORTS


def test_tests_and_data_scripts_need_no_other_package():
    own = {"main", "models", "optimizer", "tests", "utils"}
    for path in [*HOME.glob("tests/*.py"), *HOME.glob("data/*.py")]:
        packages = {name.split(".")[0] for name in imported(path)}
        assert packages <= {"numpy", "yaml"} | own | sys.stdlib_module_names, path.name


NEWER = re.compile(r"\b(list|dict|tuple|set|type)\[|\.remove(pre|suf)fix\(|zip\(.*strict=")


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.py")), ids=lambda p: p.name)
def test_the_code_is_python_3_8(path):
    """The course had 3.9 once: neither syntax nor types nor methods of later versions."""
    text = path.read_text(encoding="utf-8")
    unions = [n for n in ast.walk(ast.parse(text, feature_version=(3, 8))) if is_union(n)]
    assert not unions, f"line {unions[0].lineno}: | joins types from 3.10 on, dicts from 3.9 on"
    assert not NEWER.search(text)


def is_union(node):
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.BitOr)


def old_python():
    """The oldest interpreter before 3.11 that has what the companion needs, or None."""
    for name in ("python3.8", "python3.9", "python3.10"):
        path = shutil.which(name)
        check = [path, "-c", "import matplotlib, numpy, yaml"]
        if path and subprocess.run(check, capture_output=True).returncode == 0:
            return path
    return None


@pytest.mark.skipif(not old_python(), reason="no python3.8, 3.9 or 3.10 with NumPy and Matplotlib")
def test_its_unit_tests_pass_under_an_old_python(copy):
    done = run(copy, old_python(), "-m", "unittest", "discover")
    assert done.returncode == 0 and "OK" in done.stderr, done.stderr


def test_the_submission_unpacks_and_runs(copy, tmp_path, get_data):
    (copy / "data/mnist_train.csv").write_text("not for the zip")
    done = run(copy, "sh", "collect_submission.sh")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(copy / "assignment_1_submission.zip") as pack:
        names = pack.namelist()
        pack.extractall(tmp_path / "unpacked")
    configs = {f"configs/config_{name}.yaml" for name in ("exp", "softmax", "twolayer")}
    assert {name for name in names if not name.endswith("/")} == set(IMPORTS) | configs
    home = tmp_path / "unpacked"
    rng = np.random.default_rng(0)
    (home / "data").mkdir()
    for name, n in (("mnist_train.csv", 400), ("mnist_test.csv", 101)):
        get_data.write_csv(home / "data" / name, get_data.rows(*idx(*digits(n, rng))))
    config = home / "configs/config_exp.yaml"
    config.write_text(re.sub(r"epochs: \d+", "epochs: 3", config.read_text()))
    command = (sys.executable, "main.py", "--config", "configs/config_exp.yaml")
    first = run(home, *command)
    again = run(home, *command)
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout, "the same seed, the same result"
    train, test, result = first.stdout.splitlines()
    assert train == "./data/mnist_train.csv holds 400 images; the full set has 60,000"
    assert test == "./data/mnist_test.csv holds 101 images; the full set has 10,000"
    assert re.fullmatch(r"Final Accuracy on Test Data: [01]\.\d{4}", result)
    for name in ("loss", "accuracy"):
        assert (home / f"{name}_curves.png").stat().st_size > 5000


def fails(folder, config, *more):
    """What main.py writes to standard error about this Train section."""
    (folder / "configs/config_exp.yaml").write_text(f"Train:\n  {config}\n")
    done = run(folder, sys.executable, "main.py", "--config", "configs/config_exp.yaml", *more)
    assert done.returncode != 0 and done.stdout.count("Final") == 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_main_says_what_is_wrong_before_it_works(copy):
    assert "write 0.001" in fails(copy, "learning_rate: 1e-3")
    assert "get_data.sh" in fails(copy, "learning_rate: 0.1")
    assert "--seed must be 0 or more" in fails(copy, "learning_rate: 0.1", "--seed=-1")


@pytest.mark.parametrize("debug", [True, False])
def test_a_diverging_run_fails_with_or_without_debug(copy, get_data, debug):
    for name in ("mnist_train.csv", "mnist_test.csv"):
        lines = get_data.rows(*idx(*digits(200, np.random.default_rng(0))))
        get_data.write_csv(copy / "data" / name, lines)
    said = fails(copy, f"learning_rate: 1.0e+300\n  debug: {debug}")
    assert re.search(r"main.py: training, epoch \d+: the loss of batch \d+ is nan", said)


def test_data_script_turns_idx_files_into_csv(copy, get_data, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    source = tmp_path / "data/mnist"
    source.mkdir(parents=True)
    made = {name: digits(n, rng) for name, n in (("train", 12), ("t10k", 5))}
    sums = {}
    for name, pair in made.items():
        for kind, content in zip(("images-idx3-ubyte", "labels-idx1-ubyte"), idx(*pair)):
            (source / f"{name}-{kind}.gz").write_bytes(gzip.compress(content))
            sums[f"{name}-{kind}"] = hashlib.sha256(content).hexdigest()
    done = run(copy / "data", "sh", "get_data.sh", COURSEWORK_DATA=str(source.parent))
    assert done.returncode == 1 and "SHA-256" in done.stderr, "not MNIST: refused"
    assert not list(copy.glob("data/*mnist*"))

    packed = source / "train-images-idx3-ubyte.gz"
    whole = packed.read_bytes()
    for broken in (whole[:20] + bytes(20) + whole[40:], whole[:-9], b"not gzip"):
        packed.write_bytes(broken)
        done = run(copy / "data", "sh", "get_data.sh", COURSEWORK_DATA=str(source.parent))
        assert done.returncode == 1 and str(packed) in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    packed.write_bytes(whole)

    monkeypatch.setenv("COURSEWORK_DATA", str(source.parent))
    monkeypatch.setattr(get_data, "FILES", sums)
    monkeypatch.setattr(get_data, "HERE", tmp_path)
    get_data.main()
    for name, csv in (("train", "mnist_train.csv"), ("t10k", "mnist_test.csv")):
        images, labels = made[name]
        table = np.loadtxt(tmp_path / csv, delimiter=",", dtype=int)
        assert np.array_equal(table, np.column_stack([labels, images.reshape(len(labels), -1)]))


def test_data_script_writes_whole_files_or_none(get_data, tmp_path):
    images, labels = idx(*digits(3, np.random.default_rng(2)))
    for bad in (
        (images[:-1], labels),
        (images, labels[:-1]),
        (labels + bytes(16), labels),
        (images, images),
    ):
        with pytest.raises(ValueError, match="IDX"):
            get_data.write_csv(tmp_path / "x.csv", get_data.rows(*bad))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.environ.get("COURSEWORK_DATA"), reason="needs COURSEWORK_DATA")
def test_the_real_files_are_the_known_ones(get_data):
    labels = get_data.unpacked("t10k-labels-idx1-ubyte", get_data.FILES["t10k-labels-idx1-ubyte"])
    assert list(labels[8:16]) == [7, 2, 1, 0, 4, 1, 4, 9]


def test_the_writeup_shows_every_table_and_text():
    """Numbers and figures are looked after in test_report.py."""
    tex = (HOME / "writeup.tex").read_text(encoding="utf-8")
    for folder, command, suffix in (("tables", "tablebody", ".tex"), ("texts", "input", "")):
        shown = set(re.findall(rf"\\{command}\{{{folder}/([^}}]+)\}}", tex))
        assert shown == {p.name.removesuffix(suffix) for p in (HOME / folder).iterdir()}, folder


def test_the_notebook_holds_the_texts_as_the_writeup_has_them():
    cells = json.loads((HOME / "cs7643.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for path in (HOME / "texts").glob("*.md"):
        assert path.read_text(encoding="utf-8").strip() in prose, f"{path.name} differs"


def test_reviews_and_answers_keep_to_350_words_and_read_as_markdown_and_latex():
    texts = sorted((HOME / "texts").glob("*.md"))
    assert len(texts) == 6
    for path in texts:
        text = path.read_text()
        assert 150 < len(text.split()) <= 350, f"{path.name} has {len(text.split())} words"
        assert not set(text) & set('%&#_^~\\"{}*`<>'), (
            f"{path.name} has signs that only one of them understands"
        )


def test_the_readme_quotes_the_numbers_of_the_record():
    assert not notebooks.prose_problems(HOME / "README.md")
    assert "<!--livingSeeds-->" in (HOME / "README.md").read_text(encoding="utf-8")
