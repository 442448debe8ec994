"""The hand-in: refused with a list, or written so that it works elsewhere."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import submission


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


def test_a_project_that_breaks_rules_is_refused_with_a_list(project):
    assert not submission.problems(project)
    (project / "requirements.txt").unlink()
    (project / "report/figures/left_over.pdf").write_bytes(b"%PDF")
    links = "[see](nowhere.md), [and](https://example.org)"
    (project / "notes.md").write_text(f"key: {20 * 'a1'} {links}")
    found = submission.problems(project)
    assert len(found) == 4
    for words in (
        "requirements.txt is missing",
        "left_over is not shown",
        "notes.md: holds what looks like a key",
        "nowhere.md",
    ):
        assert any(words in problem for problem in found)


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
