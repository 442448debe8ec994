"""The hand-in: refused with a list, or written so that it works elsewhere."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
import submission
from leaks import leaks, text_of, texts_of


@pytest.fixture
def project(tmp_path):
    """A copy of the project's tracked files, in a repository of its own."""
    root = tmp_path / "project"
    for path in submission.sources():
        target = root / path.relative_to(submission.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (root / "report/report.pdf").write_bytes(b"%PDF")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def test_a_project_that_breaks_rules_is_refused_with_a_list(project, tmp_path, monkeypatch):
    assert not submission.problems(project)
    (project / "requirements.txt").unlink()
    (project / "report/figures/left_over.pdf").write_bytes(b"%PDF")
    links = "[see](nowhere.md), [and](https://example.org)"
    (project / "tests/notes.md").write_text(f"key: {20 * 'a1'} {links}")
    (tmp_path / "private.txt").write_text("a diary")
    (project / "diary.txt").symlink_to(tmp_path / "private.txt")
    new = project / "tests/notes.md"
    monkeypatch.setattr(submission, "sources", lambda root: [new])  # the others were found good
    found = submission.problems(project)
    assert len(found) == 5
    for words in (
        "requirements.txt is missing",
        "left_over is not shown",
        "tests/notes.md: line 1 holds what looks like a key",
        "nowhere.md",
        "diary.txt is a link that leads out of the project",
    ):
        assert any(words in problem for problem in found)


def test_a_report_that_could_not_be_built_is_told(monkeypatch, capsys):
    monkeypatch.setattr(submission, "problems", list)
    monkeypatch.setattr(submission, "write", lambda folder: [])
    monkeypatch.setattr(shutil, "which", lambda command: None)
    submission.main()
    assert "latexmk is missing: report.pdf is the stored one" in capsys.readouterr().out


def test_links_that_lead_out_or_nowhere_are_named_and_not_packed(tmp_path):
    root = tmp_path / "project"
    (root / "inside").mkdir(parents=True)
    (root / "inside/own.txt").write_text("own")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/private.txt").write_text("a diary")
    (root / ".venv").symlink_to(tmp_path / "folder")  # is not handed in anyway
    good = {"to_file": "inside/own.txt", "to_folder": "inside"}
    bad = {
        "file_out": "../folder/private.txt",
        "folder_out": "../folder",
        "absolute": tmp_path / "folder/private.txt",
        "nowhere": "gone.txt",
        "loop": "loop",
    }
    for name, target in (good | bad).items():
        (root / name).symlink_to(target)
    for _ in range(2):  # as an unpacked zip, then as a repository
        assert sorted(submission.links_out(root)) == sorted(bad)
        packed = [path.relative_to(root).as_posix() for path in submission.sources(root)]
        assert packed == ["inside/own.txt", "to_file"]
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)


# Keys are computed here, so that this file holds none.
HEX = hashlib.sha1(b"a key").hexdigest()
TOKEN = "ghp_" + HEX[:36]
BASE64 = base64.b64encode(hashlib.sha512(b"a key").digest()).decode()
LEAKING = {
    "lower-case.json": f'{{"key": "{HEX}"}}',
    "bare.txt": f"key {HEX}",
    "upper-case.txt": f"key {HEX.upper()}",
    "new-wandb.md": "wandb_v1_" + HEX,
    "github.sh": f"git clone https://{TOKEN}@example.org",
    "amazon.txt": "AKIA" + "Z7Q3XK5MB2NVRT9L",
    "private.pem": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "password.yaml": "pass" + "word: correcthorse",
    "password.py": "pass" + "word = 'correcthorse'",
    "long.py": f"x = '{BASE64}'",
    "drawing.svg": f"<!-- {TOKEN} -->",
    "package-lock.json": f'"{TOKEN}"',
    "windows.txt": TOKEN,
}
PATHS = {
    "unix.py": "open('/ho" + "me/anna/x')",
    "mac.tex": "/Us" + "ers/anna/x",
    "windows.py": "open('C:\\Us" + "ers\\anna\\x')",
    "escaped.json": '"c:\\\\Us' + 'ers\\\\anna\\\\x"',
}


@pytest.mark.parametrize("name", LEAKING)
def test_a_key_is_found_in_any_text_and_never_shown_whole(tmp_path, name):
    path = tmp_path / name
    path.write_text(f"\n{LEAKING[name]}\n", encoding="utf-16" if "windows" in name else "utf-8")
    found = list(leaks([text_of(path)], path.suffix))
    assert found
    for leak in found:
        assert leak.line == 2
        assert "looks like a key" in leak.what
        assert not [word for word in re.findall(r"\w{5,}", LEAKING[name]) if word in leak.what]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_of_somebodys_computer_is_found(name):
    (leak,) = leaks([PATHS[name]], name[-3:])
    assert "a machine's path" in leak.what and "anna" in leak.what


def test_checksums_and_links_are_no_leaks():
    digest = hashlib.sha256(b"data").hexdigest()
    assert not list(leaks([f"x = '{digest}'\ny = '{digest[:16]}'\nhttps://example.org/a"], ".py"))


def test_a_notebook_is_searched_cell_by_cell_but_not_its_pictures():
    picture = nbformat.v4.new_output("display_data", {"image/png": TOKEN})
    movie = nbformat.v4.new_output(
        "display_data", {"text/html": f'<img src="data:image/gif;base64,{HEX}=">'}
    )
    printed = nbformat.v4.new_output("stream", text=f"in /ho{''}me/anna, {HEX}")
    cells = [
        nbformat.v4.new_markdown_cell("fine"),
        nbformat.v4.new_code_cell("1", outputs=[picture, movie]),
        nbformat.v4.new_code_cell(f"login('{TOKEN}')", outputs=[printed]),
    ]
    nb = nbformat.v4.new_notebook(cells=cells, metadata={"note": HEX})
    found = list(leaks(texts_of(nb)))
    assert {leak.text for leak in found} == {3, 4}
    assert {"path" in leak.what for leak in found if leak.text == 3} == {True, False}


def test_the_zip_holds_the_sources_without_the_pdf_and_its_tests_run(project, tmp_path):
    archive, report = submission.write(tmp_path / "out", project)
    assert report.read_bytes() == b"%PDF"
    with zipfile.ZipFile(archive) as z:
        names = {n.removeprefix("deep-learning-coursework/") for n in z.namelist()}
        z.extractall(tmp_path / "elsewhere")
    assert {"README.md", "requirements.txt", "helpers.py", "Makefile", "report/report.tex"} <= names
    assert "backstage/report.py" in names
    assert "report/report.pdf" not in names
    assert not any(name.startswith((".git/", "build/", ".venv/")) for name in names)
    assert not any(".egg-info" in name for name in names)
    there = tmp_path / "elsewhere/deep-learning-coursework"
    tests = ["tests/test_frame.py", "tests/test_notebooks.py", "tests/test_nanograd.py"]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(run, cwd=there, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout[-2000:]
