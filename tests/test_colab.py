"""The first code cell of a notebook: it fetches the project on Colab, looks for it elsewhere."""

import json
import os
import re
import subprocess
import sys
import zipfile

import bootstrap
import fingerprint
import nbformat
import notebooks
import pytest

ROOT = fingerprint.ROOT
CELL = notebooks.COLAB.read_text(encoding="utf-8")
OWN = notebooks.home()
PLACEHOLDER = "YOUR--NAME/deep-learning-coursework"

# What stands for Colab: its module, its answers about the open notebook, its uploads one by one.
COLAB = """
import io, json, os, sys, types, urllib.request
uploads = json.loads(os.environ["UPLOADS"])
def upload():
    names = uploads.pop(0)
    return dict.fromkeys(names, b"")
google = types.ModuleType("google")
google.colab = types.ModuleType("google.colab")
google.colab.files = types.SimpleNamespace(upload=upload)
sys.modules |= {"google": google, "google.colab": google.colab}
def urlopen(url, timeout):
    with open("../sessions", "rb") as file:
        return io.BytesIO(file.read())
urllib.request.urlopen = urlopen
"""
REPORT = """
import helpers, json, os, sys
print(json.dumps({"from": helpers.FROM, "folder": os.getcwd(), "path": sys.path, "left": uploads}))
"""
# It hands out ../sessions, and what lies in ../raw as if it came from raw.githubusercontent.com.
CURL = """#!/bin/sh
for url; do :; done
case $url in
*/api/sessions) cat ../sessions ;;
https://raw.githubusercontent.com/*) cat "../raw/${url#https://raw.githubusercontent.com/}" ;;
esac 2> /dev/null
"""
PIP = "import os, sys\nopen(os.environ['PIP_LOG'], 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"


class Computer:
    """A folder that stands for a computer: git, curl, pip and /content are its own."""

    def __init__(self, folder):
        self.folder = folder
        self.content = folder / "content"
        for name in ("content", "bin", "modules", "raw", "git"):
            (folder / name).mkdir()
        (folder / "bin/curl").write_text(CURL)
        (folder / "bin/curl").chmod(0o755)
        (folder / "modules/pip.py").write_text(PIP)
        github = f'[url "file://{folder}/git/"]\n\tinsteadOf = https://github.com/\n'
        (folder / "gitconfig").write_text(github)
        self.open_notebook("fileId=1abc", "n.ipynb")

    def open_notebook(self, path, name):
        (self.folder / "sessions").write_text(json.dumps([{"path": path, "name": name}]))

    def project(self, place):
        """Write a small project: its helpers tell where they are from."""
        text = (ROOT / "tools/bootstrap.py").read_text().replace("/content", str(self.content))
        files = {
            "helpers.py": f"FROM = {place.name!r}",
            "backstage/__init__.py": "",
            "tools/bootstrap.py": text,
            "companions/one/one.ipynb": "",
            "companions/one/own.py": "",
        }
        for name, content in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(content)
        return place

    def on_github(self, home, bootstrap=True, git=True):
        """Put a project at an address: the bootstrap for curl, a bare repository for git."""
        place = self.project(self.folder / "sources" / home.replace("/", "+"))
        if bootstrap:
            raw = self.folder / "raw" / home / "HEAD/tools/bootstrap.py"
            raw.parent.mkdir(parents=True)
            raw.write_text((place / "tools/bootstrap.py").read_text())
        if git:
            me = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
            for command in (["init", "-q"], ["add", "."], [*me, "commit", "-qm", "a"]):
                subprocess.run(["git", *command], cwd=place, check=True)
            bare = self.folder / "git" / f"{home}.git"
            subprocess.run(["git", "clone", "-q", "--bare", place, bare], check=True)

    def zip(self, name, *files):
        """Put a zip of a project, or of the named files, where an upload would put it."""
        place = self.project(self.folder / "zipped" / "project-main")
        with zipfile.ZipFile(self.content / name, "w") as z:
            for path in sorted(place.rglob("*")) if not files else ():
                z.write(path, path.relative_to(place.parent))
            for file in files:
                z.writestr(file, "")

    def run(self, uploads=(), colab=True, cell=CELL):
        """Run the cell; what it printed, and what the next cell finds, or nothing."""
        own = {"PIP_LOG": str(self.folder / "pip.log")}
        own |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        own |= {"GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig"), "HOME": str(self.folder)}
        own |= {"PYTHONPATH": str(self.folder / "modules"), "UPLOADS": json.dumps(list(uploads))}
        code = (COLAB if colab else "uploads = []\n") + cell + REPORT
        command = [sys.executable, "-S", "-c", code]  # -S: the project is not installed
        done = subprocess.run(
            command, cwd=self.content, env=os.environ | own, capture_output=True, text=True
        )
        *printed, last = done.stdout.splitlines() or [""]
        found = json.loads(last) if last.startswith('{"from"') else None
        assert "Traceback" not in done.stderr, done.stderr
        said = printed if found else done.stdout.splitlines()
        return said + done.stderr.splitlines(), found


@pytest.fixture
def computer(tmp_path):
    if sys.platform == "win32":
        pytest.skip("Colab is Linux: its commands are played by shell scripts")
    return Computer(tmp_path)


def test_the_project_is_cloned_installed_and_importable(computer):
    computer.on_github(OWN)
    said, found = computer.run()
    home = computer.content / "coursework"
    assert said == []
    assert found["from"] == OWN.replace("/", "+")
    assert found["path"][:2] == [str(home), str(home / "companions/one")]
    assert found["folder"] == str(home)
    installed = (computer.folder / "pip.log").read_text()
    assert installed == f"install -q -e {home}\n"


def test_a_second_run_and_a_restart_find_what_is_there(computer):
    computer.on_github(OWN)
    computer.run()
    (computer.folder / "git" / f"{OWN}.git").rename(computer.folder / "away")
    assert computer.run()[1]["from"] == OWN.replace("/", "+")


def test_a_fork_from_which_the_notebook_was_opened_goes_first(computer):
    computer.on_github(OWN)
    computer.on_github("a-student/fork.1")
    opened = "https%3A%2F%2Fgithub.com%2Fa-student%2Ffork.1%2Fblob%2Fmain%2Fn.ipynb"
    computer.open_notebook(f"fileId={opened}", "n.ipynb")
    assert computer.run()[1]["from"] == "a-student+fork.1"


@pytest.mark.parametrize("known", ["none", "bootstrap"])
def test_a_repository_without_the_project_gives_way_to_the_projects_own(computer, known):
    computer.on_github(OWN)
    if known == "bootstrap":
        computer.on_github("a-student/notes", git=False)
    path = "fileId=https%3A%2F%2Fgithub.com%2Fa-student%2Fnotes%2Fblob%2Fmain%2Fn.ipynb"
    computer.open_notebook(path, "n.ipynb")
    said, found = computer.run()
    assert said == []
    assert found["from"] == OWN.replace("/", "+")


@pytest.mark.parametrize("answer", ["", "[]", '[{"path": 1}]', '{"message": "no"}'])
def test_an_unexpected_answer_of_colab_does_no_harm(computer, answer):
    computer.on_github(OWN)
    (computer.folder / "sessions").write_text(answer)
    said, found = computer.run()
    assert said == []
    assert found["folder"] == str(computer.content / "coursework")


@pytest.mark.parametrize("name", ["one.ipynb", "Copy%20of%20one.ipynb"])
def test_a_companion_runs_in_its_own_folder(computer, name):
    computer.on_github(OWN)
    computer.open_notebook("fileId=1abc", name)
    assert computer.run()[1]["folder"] == str(computer.content / "coursework/companions/one")


WRONG = {
    "Nothing was uploaded": [],
    "notes.txt is not a zip": ["notes.txt"],
    "cut.zip is not a zip, or a damaged one": ["cut.zip"],
    "other.zip has no helpers.py": ["other.zip"],
    "half.zip has no helpers.py with the folder backstage": ["half.zip"],
}


@pytest.fixture
def wrong(computer):
    """A computer with files that are not the project's zip."""
    (computer.content / "notes.txt").write_text("no zip")
    computer.zip("cut.zip")
    whole = (computer.content / "cut.zip").read_bytes()
    (computer.content / "cut.zip").write_bytes(whole[: len(whole) // 2])
    computer.zip("other.zip", "a.txt", "b/helpers.txt")
    computer.zip("half.zip", "project/helpers.py")
    return computer


def upload_later(computer, name="project.zip"):
    """A cell before which the project's zip is not there; it comes with the upload of that name."""
    computer.zip(name)
    (computer.content / name).rename(computer.folder / name)
    move = f"    if {name!r} in names: os.rename('../{name}', {name!r})\n"
    return COLAB.replace("    return dict", move + "    return dict")


@pytest.mark.parametrize("words", WRONG)
def test_without_git_it_asks_again_after_a_wrong_upload(wrong, words, monkeypatch):
    wrong.on_github(OWN, git=False)
    monkeypatch.setitem(globals(), "COLAB", upload_later(wrong))
    said, found = wrong.run([WRONG[words], ["project.zip"], ["never"]])
    assert found["from"] == "project-main"
    assert found["left"] == [["never"]]
    assert len(said) == 2
    assert f"cannot be fetched from github.com/{OWN}" in said[0]
    assert words in said[1] and said[1].endswith("please upload the project's zip.")


@pytest.mark.parametrize("bootstrap", [True, False])
def test_it_asks_three_times_and_then_says_what_to_do(wrong, bootstrap):
    if bootstrap:
        wrong.on_github(OWN, git=False)
    said, found = wrong.run([[], ["notes.txt"], ["other.zip"], ["a fourth time"]])
    assert found is None
    assert len(said) == (5 if bootstrap else 4)
    assert ("run this cell again" if bootstrap else "Rerun this") in said[-1]


@pytest.mark.parametrize("words", list(WRONG)[::3])
def test_without_an_address_it_goes_straight_to_the_upload(wrong, words, monkeypatch):
    monkeypatch.setitem(globals(), "COLAB", upload_later(wrong))
    said, found = wrong.run([WRONG[words], ["project.zip"], ["never"]])
    assert found["from"] == "project-main"
    assert found["left"] == [["never"]]
    assert len(said) == 2
    assert all("pload the project's zip" in line and "make address TO=" in line for line in said)


def test_a_zip_that_lies_there_already_is_taken(wrong):
    wrong.zip("project (1).zip")
    assert wrong.run()[1]["from"] == "project-main"


def test_a_failing_pip_is_told_and_does_not_stop_the_cell(computer):
    computer.on_github(OWN)
    (computer.folder / "modules/pip.py").write_text("raise SystemExit(1)")
    said, found = computer.run()
    assert [line.startswith("pip could not install") for line in said] == [True]
    assert found["from"] == OWN.replace("/", "+")


def test_elsewhere_one_sentence_tells_the_two_ways_to_helpers(computer):
    said, found = computer.run(colab=False)
    assert found is None
    assert len(said) == 1
    for words in ("in the unzipped project", f"pip install git+https://github.com/{OWN}"):
        assert words in said[0]


def test_elsewhere_it_does_nothing_where_helpers_are(computer):
    (computer.content / "helpers.py").write_text("FROM = 'here'")
    said, found = computer.run(colab=False)
    assert said == []
    assert found["from"] == "here"
    assert found["folder"] == str(computer.content)


def test_the_cell_is_short_and_hands_over_to_a_small_file():
    assert len(CELL.splitlines()) <= 20
    assert CELL.startswith("# @title ")
    assert callable(bootstrap.main)


# make address


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one notebook, whose address can be changed."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "COLAB", tmp_path / "tools/colab_cell.py")
    (tmp_path / "tools").mkdir()
    for name in ("pyproject.toml", "README.md", "tools/colab_cell.py"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    badge = f"# A\n[b](https://colab.research.google.com/github/{OWN}/blob/main/n.ipynb)"
    cells = [nbformat.v4.new_markdown_cell(badge), nbformat.v4.new_code_cell("import helpers as h")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    return tmp_path


def git(project, *command):
    subprocess.run(["git", *command], cwd=project, check=True, stderr=subprocess.DEVNULL)


def test_address_writes_the_cell_and_the_address_everywhere(project):
    path = project / "n.ipynb"
    notebooks.address([path], "https://github.com/me/mine")
    assert notebooks.home() == "me/mine"
    nb = fingerprint.read(path)
    assert "github/me/mine/blob/main/n.ipynb" in nb.cells[0].source
    assert 'home = "me/mine"' in nb.cells[1].source
    assert nb.cells[1].metadata == notebooks.COLAB_METADATA
    assert [cell.cell_type for cell in nb.cells] == ["markdown", "code", "code", "markdown"]
    once = path.read_bytes()
    notebooks.address([path], "https://github.com/me/mine")
    assert path.read_bytes() == once


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/me/my.mine",
        "https://github.com/me/my.mine.git",
        "https://github.com/me/my.mine/",
        "https://" + "someone:secret" + "@github.com/me/my.mine.git",
        "git@github.com:me/my.mine.git",
        "ssh://git@github.com/me/my.mine.git",
    ],
)
def test_the_address_is_that_of_origin(project, remote, capsys):
    git(project, "init", "-q")
    git(project, "remote", "add", "origin", remote)
    notebooks.address([project / "n.ipynb"])
    assert notebooks.home() == "me/my.mine"
    assert 'home = "me/my.mine"' in fingerprint.read(project / "n.ipynb").cells[1].source
    assert "secret" not in (project / "pyproject.toml").read_text()
    assert capsys.readouterr().out == ""
    notebooks.address([project / "n.ipynb"], "git@github.com:you/yours.git")
    assert notebooks.home() == "you/yours", "TO= goes first"


@pytest.mark.parametrize("remote", [None, "https://gitlab.com/me/mine", "../elsewhere"])
def test_without_origin_on_github_the_address_stays(project, remote, capsys):
    if remote:
        git(project, "init", "-q")
        git(project, "remote", "add", "origin", remote)
    notebooks.address([project / "n.ipynb"])
    assert notebooks.home() == OWN
    (said,) = capsys.readouterr().out.splitlines()
    assert OWN in said and "TO=" in said


def test_the_origin_of_a_folder_above_is_not_the_projects(project, monkeypatch):
    git(project, "init", "-q")
    git(project, "remote", "add", "origin", "https://github.com/me/mine")
    (project / "inside").mkdir()
    monkeypatch.setattr(notebooks, "ROOT", project / "inside")
    assert notebooks.origin() is None


@pytest.mark.parametrize("to", ["mine", "https://example.org/me/mine", "https://github.com/me"])
def test_an_address_that_is_not_on_github_is_refused(project, to):
    with pytest.raises(ValueError, match="has to look like https://github.com/OWNER/NAME, not"):
        notebooks.address([project / "n.ipynb"], to)


def test_nobody_can_register_the_placeholder():
    """GitHub's names of owners hold letters, digits, and single hyphens between them."""
    allowed = r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
    assert re.fullmatch(allowed, "deep-learning-coursework")
    assert not re.fullmatch(allowed, PLACEHOLDER.split("/")[0])
