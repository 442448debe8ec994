"""Grading: each mischief costs its own points and nothing else, and the tables are harmless."""

import csv
import io
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import grade
import nbformat
import pytest
from fingerprint import ROOT
from grading import runner
from grading.kernel import Gone
from grading.marks import released_in, task
from grading.points import marks_of, results_in
from grading.sandbox import Limits, Sandbox
from grading.surroundings import environment
from grading.tables import as_csv, markdown, one_line
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

LIMITS = Limits(seconds=3, wait=120, total=1500, memory=500, disk=20, processes=80)
CHECKS = {  # of the exercises of a small notebook, in its order
    "right": "assert right == 4, f'{right} is not 4'",
    "wrong": "assert wrong == 4, f'{wrong} is not 4'",
    "edited": "assert edited == 4, 'the released check ran'",
    "deleted": "assert deleted == 4, 'the released check ran'",
    "stays": "assert stays == 4",
    "dies": "assert dies() == 4",
    "exits": "assert exits == 4",
    "forks": "assert forks == 4",
    "eats": "assert eats == 4",
    "shares": "assert shares == 4",
    "hangs": "assert hangs == 4",
    "prints": "assert prints == 4",
    "fills": "assert fills == 4",
    "calls": "assert calls == 4, 'no connection'",
    "spies": "assert spies, 'nothing was found'",
    "peeps": "assert peeps, 'nothing was found'",
    "escapes": "assert escapes == 0, f'{escapes} places outside could be written to'",
    "nan": "assert abs(nan - 4) < 1, f'{nan} is not 4'",
    "raises": "assert raises() == 4",
    "syntax": "assert syntax == 4",
    "skipped": "assert skipped == 4",
    "µ": "assert µ == 4, 'µ is not 4: Zürich 東京'",
    "quits": "assert quits == 4",
    "removes": "assert removes == 4 and not Path('mine').exists(), 'it is still there'",
    "last": "assert last == 4 and skipped == 4, 'what came before was lost'",
}
SKIPPED = """
import linecache
def use(exercise, namespace):
    linecache.cache[f"<solution {exercise} 1>"] = (0, None, [], "")
    namespace["skipped"] = 4
"""
FORKS = """import os, time
for _ in range(200):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
forks = 4"""
STAYS = """while True:
    try:
        while True:
            pass
    except KeyboardInterrupt:
        pass"""
SHARES = """import mmap
shares = mmap.mmap(-1, 800 << 20)
shares[::4096] = bytes(len(shares) // 4096)
"""
REMOVES = """import os, shutil
Path('mine').mkdir()
shutil.rmtree(Path.cwd(), ignore_errors=True)
shutil.rmtree(PLACE, ignore_errors=True)
try:
    os.remove(FILE)
except OSError:
    pass
removes = 4"""
CALLS = """import socket
calls = 0
with socket.create_connection(('127.0.0.1', PORT), timeout=5):
    calls = 4"""
SPIES = "import os\nspies = [v for k, v in os.environ.items() if 'KEY' in k or 'TOKEN' in k]"
ESCAPES = """import os
escapes = 0
for place in (PLACE, sys.prefix, sys.base_prefix, '/usr', '/etc/passwd', '/proc/sys/kernel'):
    escapes += os.access(place, os.W_OK)"""


def mark(exercise, kind):
    check = kind == "check"
    return {
        "nbgrader": {
            "schema_version": 3,
            "grade_id": f"{exercise}-{kind}",
            "solution": not check,
            "grade": check,
            "locked": check,
            **({"points": 1} if check else {}),
        }
    }


def notebook(answers, checks=CHECKS):
    """A practice notebook with these answers; the others are stubs."""
    cells = [new_markdown_cell("# Why?"), new_code_cell("import sys\nfrom pathlib import Path")]
    for exercise, check in checks.items():
        answer = answers.get(exercise, f"{exercise} = None")
        cells.append(new_code_cell(answer, metadata=mark(exercise, "answer")))
        cells.append(new_code_cell(check, metadata=mark(exercise, "check")))
    return new_notebook(cells=cells)


def by_id(nb, grade_id):
    return next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """A small practice edition."""
    folder = tmp_path_factory.mktemp("edition")
    nbformat.write(notebook({}), folder / "small.ipynb")
    (folder / "solutions.py").write_text(SKIPPED)
    return folder


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A folder that submissions must not change, with a file of this user."""
    folder = tmp_path_factory.mktemp("victim")
    (folder / "diary.txt").write_text("secret thoughts")
    return folder


def filled(victim, port):
    """Answers that are wrong in all ways, and some right ones."""
    place = repr(str(victim))
    diary = repr(str(victim / "diary.txt"))
    return {
        "right": "right = 4",
        "wrong": "wrong = 5",
        "edited": "edited = 5",
        "deleted": "deleted = 5",
        "stays": STAYS,
        "dies": "import os\ndies = lambda: os._exit(0)",
        "exits": "exits = 4\nexit()",
        "forks": FORKS,
        "eats": "eats = bytearray(3 << 30)",
        "shares": SHARES,
        "hangs": "while True:\n    pass",
        "prints": "for i in range(1_000_000):\n    print(i)\nprints = 4",
        "fills": "open('large', 'wb').write(bytes(30 << 20))\nfills = 4",
        "removes": REMOVES.replace("PLACE", place).replace("FILE", diary),
        "calls": CALLS.replace("PORT", str(port)),
        "spies": SPIES,
        "peeps": f"peeps = open({diary}).read()",
        "escapes": ESCAPES.replace("PLACE", place),
        "nan": "nan = float('nan')",
        "raises": "def raises():\n    raise ValueError('a | b\\n=c\\x1b[31m')",
        "syntax": "syntax = (",
        "skipped": "import solutions\nsolutions.use('skipped', globals())",
        "µ": "µ = 5",
        "quits": "sys.exit()\nquits = 4",
        "last": "last = 4",
    }


ENDING = {"stays", "dies", "exits"}  # the other half of those that end the kernel is in the second
MESSAGES = {
    "right": "",
    "wrong": "5 is not 4",
    "edited": "the released check ran",
    "deleted": "the released check ran",
    "stays": "took longer than 3 s",
    "dies": "ended the kernel",
    "exits": "ended the kernel",
    "forks": "started more than 40 processes",
    "eats": "MemoryError",
    "shares": "used more than 500 MB of memory",
    "hangs": "took longer than 3 s",
    "fills": "OSError: [Errno 27] File too large",
    "calls": "ConnectionRefusedError: [Errno 111] Connection refused",
    "spies": "nothing was found",
    "escapes": "",
    "nan": "nan is not 4",
    "raises": "ValueError: a | b =c",
    "skipped": "filled in with the project's own answer",
    "µ": "µ is not 4: Zürich 東京",
    "quits": "SystemExit",
    "removes": "",
    "last": "",
}


def spoil(nb):
    """What a student may do to checks."""
    by_id(nb, "edited-check").source = "pass"
    by_id(nb, "edited-check").metadata.nbgrader.update(points=100, grade=False, solution=True)
    nb.cells.remove(by_id(nb, "deleted-check"))
    return nb


@pytest.fixture(scope="module")
def class_folder(edition, victim, tmp_path_factory):
    """Submissions of a class; the port is that of a server on this computer."""
    folder = tmp_path_factory.mktemp("class")
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = filled(victim, server.getsockname()[1])
        for number, name in enumerate(("=Anna", "Żółć 東|")):
            own = {k: v for k, v in answers.items() if (k in ENDING) != number or k in CALM}
            nbformat.write(spoil(notebook(own)), folder / f"{name}.ipynb")
        (folder / "broken.ipynb").write_text('{"cells": [')
        (folder / "binary.ipynb").write_bytes(b"\xff\xfe\x00")
        (folder / "deep.ipynb").write_text("[" * 100_000)
        nbformat.write(new_notebook(cells=[new_code_cell("1")]), folder / "other.ipynb")
        twice = notebook({})
        twice.cells.append(new_code_cell("1", metadata=mark("wrong", "answer")))
        nbformat.write(twice, folder / "twice.ipynb")
        yield folder


CALM = {"right", "last", "skipped"}
NOT_GRADED = {
    "broken": "It is no Jupyter notebook: its JSON is broken or incomplete.",
    "binary": "It is no text in UTF-8, and so no notebook.",
    "deep": "It is no Jupyter notebook: its JSON is broken or incomplete.",
    "other": "It is no practice notebook: none of its cells has a mark of one.",
    "twice": "It has the cell wrong-answer more than once.",
}


@pytest.fixture(scope="module")
def sandbox(edition, tmp_path_factory):
    return Sandbox(edition, LIMITS, tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="module")
def graded(class_folder, edition, sandbox):
    """What came of the class, by name of the submission."""
    if not sandbox.closed:
        pytest.skip(f"files and network cannot be closed off here: {sandbox.why}")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOME_API_KEY", "0123456789")
    paths = grade.submissions(class_folder)
    done = {g.name: g for g in grade.grade_all(paths, released_in(edition), sandbox)}
    patch.undo()
    return done


@pytest.mark.parametrize("exercise", MESSAGES)
def test_each_mischief_costs_its_own_points_alone(graded, exercise):
    name = "=Anna" if exercise in ENDING else "Żółć 東|"
    found = {m.exercise: m for m in graded[name].marks}[exercise]
    assert found.message == MESSAGES[exercise]
    assert (found.points, found.most) == (float(not found.message), 1)


def test_a_million_lines_at_most_take_too_long(graded):
    found = {m.exercise: m for m in graded["Żółć 東|"].marks}["prints"]
    assert found.message in ("", "took longer than 3 s")


def test_what_comes_after_the_end_of_a_kernel_is_graded(graded):
    solved = {m.exercise for m in graded["=Anna"].marks if m.passed}
    assert solved == {"right", "last"}
    assert not graded["=Anna"].problem and not graded["Żółć 東|"].problem


def test_files_of_this_computer_are_neither_seen_nor_changed(graded, victim):
    messages = {m.exercise: m.message for m in graded["Żółć 東|"].marks}
    assert messages["peeps"].startswith("FileNotFoundError")
    assert (victim / "diary.txt").read_text() == "secret thoughts"
    assert len(list(victim.iterdir())) == 1


def test_an_error_in_the_answer_is_what_is_told(graded):
    messages = {m.exercise: m.message for m in graded["Żółć 東|"].marks}
    assert messages["syntax"].startswith("SyntaxError")


@pytest.mark.parametrize("name", NOT_GRADED)
def test_what_cannot_be_graded_gets_a_sentence(graded, name):
    assert graded[name].problem == NOT_GRADED[name]
    assert graded[name].points == 0


def test_a_class_has_a_row_for_each(graded):
    header, rows = grade.table([graded[name] for name in sorted(graded)], single=False)
    assert [row[0] for row in rows] == sorted(["=Anna", "Żółć 東|", *NOT_GRADED])
    total = len(CHECKS)
    assert rows[0][:4] == ["=Anna", "small", "2", str(total)]
    assert "dies: ended the kernel; " in rows[0][4]
    written = list(csv.reader(io.StringIO(as_csv(header, rows))))
    assert written[1][0] == "'=Anna" and len(written) == len(rows) + 1
    assert "| Żółć 東\\| |" in markdown(header, rows)


def test_the_isolation_is_stated(sandbox, edition, tmp_path):
    if sandbox.closed:
        assert "without network" in sandbox.note
    assert "WITH network" in Sandbox(edition, LIMITS, tmp_path, closed=False).note


def test_it_works_where_nothing_can_be_closed_off(edition, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "0123456789")
    answers = {
        name: filled(tmp_path, 1)[name] for name in ("right", "wrong", "dies", "spies", "last")
    }
    answers["skipped"] = "skipped = 4"
    nbformat.write(notebook(answers), tmp_path / "n.ipynb")
    (tmp_path / "used").mkdir()
    sandbox = Sandbox(edition, LIMITS, tmp_path / "used", closed=False)
    marks = grade.grade(tmp_path / "n.ipynb", "n", released_in(edition), sandbox).marks
    messages = {m.exercise: m.message for m in marks}
    assert messages["wrong"] == "5 is not 4" and messages["spies"] == "nothing was found"
    assert {m.exercise for m in marks if m.passed} == {"right", "skipped", "last"}


def link_to(folder, link):
    link.symlink_to(folder)
    return link


def seen(sandbox, path):
    """Whether a submission sees a file or folder."""
    cell = {"source": f"assert __import__('os').path.exists({str(path)!r})", "kind": "check"}
    return sandbox.run([cell], ".") == ([{"cell": 0, "error": None, "filled": []}], "")


def test_data_behind_links_is_seen(sandbox, edition, tmp_path, monkeypatch):
    if not sandbox.closed:
        pytest.skip(f"files cannot be closed off here: {sandbox.why}")
    for name in ("data", "used"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/digits.txt").write_text("0123456789")
    link = link_to(link_to(tmp_path / "data", tmp_path / "first"), tmp_path / "second")
    monkeypatch.setenv("COURSEWORK_DATA", str(link))
    assert seen(Sandbox(edition, LIMITS, tmp_path / "used"), link / "digits.txt")


def test_python_behind_a_link_is_seen(sandbox, edition, tmp_path, monkeypatch):
    if not sandbox.closed:
        pytest.skip(f"files cannot be closed off here: {sandbox.why}")
    link = link_to(sys.base_prefix, tmp_path / "python")
    monkeypatch.setattr(sys, "base_prefix", str(link))
    (tmp_path / "used").mkdir()
    sandbox = Sandbox(edition, LIMITS, tmp_path / "used")
    assert sandbox.closed and seen(sandbox, link / "bin")


FORGES = """import os
with open(f'/proc/{os.getppid()}/fd/1', 'a') as results:
    results.write('\\n' * 2000 + '[' * 200_000)"""


def test_results_cannot_be_forged_by_way_of_their_file(sandbox, edition, tmp_path, monkeypatch):
    if not sandbox.closed:
        pytest.skip(f"files cannot be closed off here: {sandbox.why}")
    monkeypatch.setattr(os, "getuid", lambda: 1000)  # then all runs as the same user
    same = Sandbox(edition, LIMITS, tmp_path)
    if not same.closed:
        pytest.skip(f"files can be closed off by root alone: {same.why}")
    cells = [{"source": FORGES, "kind": "answer"}, {"source": "assert 1 == 2", "kind": "check"}]
    results, why = same.run(cells, ".")
    assert not why and [result["cell"] for result in results] == [0, 1]
    assert results[0]["error"].startswith("PermissionError")


def test_a_kernel_leaves_no_files_open(tmp_path):
    limits = {"folder": str(tmp_path), "processes": 80, "memory": 500}
    script = f"from grading.kernel import Kernel; Kernel({limits}).close()"
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", script]
    done = subprocess.run(command, cwd=ROOT / "tools", capture_output=True, text=True)
    assert done.returncode == 0 and "unclosed file" not in done.stderr


# Without a kernel.


class FakeKernel:
    """Runs nothing; the cell that reads exit ends it."""

    def __init__(self, limits):
        pass

    def run(self, source):
        if source == "exit":
            raise Gone("ended the kernel")
        return None, []

    def close(self):
        pass


@pytest.mark.parametrize(
    "kinds, skipped",
    [
        (["answer", "check", "", "check"], {2}),
        (["answer", "check", "answer", "check"], {2}),
        (["answer", "", "check", "check"], {0, 2}),
        (["", "", "check", "check"], {2}),
    ],
)
def test_an_answer_is_left_out_where_its_check_ends_the_kernel(monkeypatch, kinds, skipped):
    monkeypatch.setattr(runner, "Kernel", FakeKernel)
    cells = [{"source": "a = 4", "kind": kind} for kind in kinds]
    cells[2]["source"] = "exit"
    assert runner.one_pass(cells, {"until": math.inf}, set(), set()) == skipped


RESULT = b'{"cell": 1, "error": null, "filled": []}'
FORGED = [
    b"[" * 200_000,
    b'{"cell": 2, "error": null, "filled": 5}',
    b'{"cell": 2, "error": [], "filled": []}',
    b'{"cell": 2, "filled": []}',
    b'{"cell": "2", "error": null, "filled": []}',
    b"2",
    b"{",
    b"\xff",
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda line: line[:40].decode(errors="replace"))
def test_only_results_are_read_as_results(forged):
    assert len(list(results_in(b"\n".join([RESULT, forged, RESULT])))) == 2


def test_a_submission_that_cannot_be_graded_stops_no_other(edition, tmp_path):
    class Broken:
        def run(self, cells, place):
            raise RecursionError("maximum recursion\ndepth exceeded")

    nbformat.write(notebook({}), tmp_path / "a.ipynb")
    nbformat.write(notebook({}), tmp_path / "b.ipynb")
    paths = grade.submissions(tmp_path)
    found = {g.name: g for g in grade.grade_all(paths, released_in(edition), Broken())}
    assert set(found) == {"a", "b"}
    text = "It could not be graded: RecursionError: maximum recursion depth exceeded."
    assert [(g.points, g.problem) for g in found.values()] == [(0, text)] * 2


def test_copies_that_jupyter_keeps_are_no_submissions(tmp_path):
    for folder in (".ipynb_checkpoints", ".ipynb_of_anna"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "n.ipynb").write_text("{}")
    assert list(grade.submissions(tmp_path)) == [".ipynb_of_anna/n"]


@pytest.fixture
def wish(edition, tmp_path):
    """Prepare a notebook as a submission."""

    def prepared(nb):
        nbformat.write(nb, tmp_path / "n.ipynb")
        return task(tmp_path / "n.ipynb", released_in(edition))

    return prepared


def test_checks_are_those_of_the_released_notebook(wish):
    found = wish(spoil(notebook({"edited": "edited = 5"})))
    assert [c.source for c in found.cells if c.kind == "check"] == list(CHECKS.values())
    places = [(c.exercise, c.kind) for c in found.cells if c.kind]
    assert places.index(("deleted", "check")) == places.index(("deleted", "answer")) + 1
    assert {c.points for c in found.cells if c.kind == "check"} == {1}


def test_a_check_that_was_made_text_is_code_again(wish):
    nb = notebook({})
    check = by_id(nb, "wrong-check")
    nb.cells[nb.cells.index(check)] = new_markdown_cell("pass", metadata=check.metadata)
    assert len([c for c in wish(nb).cells if c.kind == "check"]) == len(CHECKS)


def test_a_submission_that_is_too_large_is_not_read(edition, tmp_path):
    path = tmp_path / "large.ipynb"
    with path.open("wb") as file:
        file.truncate(20_000_001)  # a hole, no bytes on the disk
    with pytest.raises(ValueError, match=r"It is larger than 20 MB\."):
        task(path, released_in(edition))


def test_cells_of_ones_own_are_run(wish):
    nb = notebook({})
    nb.cells.insert(1, new_code_cell("import math"))
    assert wish(nb).cells[0].source == "import math"


def test_a_missing_answer_costs_its_exercise(wish):
    nb = notebook({})
    nb.cells.remove(by_id(nb, "wrong-answer"))
    found = wish(nb)
    assert found.missing == ["wrong"]
    marks = marks_of(found, results_of(found, check="NameError: no such thing"))
    (mark,) = [mark for mark in marks if mark.exercise == "wrong"]
    assert (mark.points, mark.message) == (0, "its answer cell is missing")


def results_of(found, **errors):
    """What came of all cells: the errors of the answers and of the checks of "wrong"."""
    return [
        {"cell": n, "error": errors.get(cell.kind) if cell.exercise == "wrong" else None}
        for n, cell in enumerate(found.cells)
    ]


def test_an_error_in_an_answer_that_passes_its_checks_is_none(wish):
    found = wish(notebook({}))
    marks = marks_of(found, results_of(found, answer="ValueError: on the last line"))
    assert all(mark.passed and mark.points == mark.most for mark in marks)


def test_what_a_cell_gave_first_counts(wish):
    found = wish(notebook({}))
    marks = marks_of(found, results_of(found, check="no") + results_of(found))
    assert {m.exercise: m.message for m in marks if not m.passed} == {"wrong": "no"}


def test_what_was_not_run_has_no_points(wish):
    marks = marks_of(wish(notebook({})), [])
    assert {m.message for m in marks} == {"was not run"}
    assert sum(m.points for m in marks) == 0


def test_exercises_with_several_checks_give_part_of_their_points(edition, tmp_path):
    checks = {"a": "1", "a-2": "2"}
    nb = notebook({}, checks)
    by_id(nb, "a-2-check").metadata.nbgrader.grade_id = "a-check-2"
    nbformat.write(nb, tmp_path / "n.ipynb")
    found = task(tmp_path / "n.ipynb", released_in(tmp_path))
    results = [{"cell": n, "error": None} for n in range(len(found.cells) - 1)]
    results.append({"cell": len(found.cells) - 1, "error": "no"})
    (mark,) = marks_of(found, results)
    assert (mark.exercise, mark.points, mark.most, mark.message) == ("a", 1, 2, "no")


@pytest.mark.parametrize("start", "=+-@")
def test_no_spreadsheet_computes_what_a_student_wrote(start):
    ((text,),) = csv.reader(io.StringIO(as_csv([f"{start}1+1"], [])))
    assert text == f"'{start}1+1"


def test_a_message_stays_in_its_cell():
    assert one_line("a\x1b[31m\n b\x00\u202e") == "a b"
    assert len(one_line("x" * 10**6)) == 301
    shown = markdown(["message"], [["a|b\n<img src=x> `c` \udcff"]])
    assert shown.splitlines()[2] == r"| a\|b &lt;img src=x> \`c\` ? |"


def test_only_harmless_variables_are_passed_on(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "0123456789")
    monkeypatch.setenv("LANG", "C.UTF-8")
    env = environment(Path("home"), Path("scratch"), "")
    assert "SOME_API_KEY" not in env and env["LANG"] == "C.UTF-8" and env["HOME"] == "home"


def test_the_command_writes_a_table_whatever_the_marks(edition, tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.ipynb").write_text("{")
    out = tmp_path / "grades.csv"
    ask = ["grade.py", str(tmp_path), "--edition", str(edition), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ask)
    monkeypatch.setattr(grade.signal, "signal", lambda *_: None)
    assert grade.main() == 0
    assert "broken" in capsys.readouterr().out
    assert out.read_text().splitlines()[1].startswith("broken,,0,,It is no Jupyter notebook")


REFUSED = {
    "There is no file or folder nowhere": ["nowhere"],
    "There is no notebook in": ["EMPTY"],
    "run `make practice` first": [__file__, "--edition", "EMPTY"],
    "whole numbers from 1 on": [__file__, "--seconds", "0"],
    "there is no folder nowhere for the table": [__file__, "--out", "nowhere/grades.csv"],
    "ends in .md or .csv, not to grades.xlsx": [__file__, "--out", "grades.xlsx"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_begin_is_refused_with_a_sentence(words, tmp_path, monkeypatch, capsys):
    ask = [str(tmp_path) if text == "EMPTY" else text for text in REFUSED[words]]
    monkeypatch.setattr(sys, "argv", ["grade.py", *ask])
    monkeypatch.setattr(grade.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        grade.main()
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_ctrl_c_ends_all_that_runs(edition, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    ended = []
    monkeypatch.setattr(grade, "grade", interrupted)
    monkeypatch.setattr(Sandbox, "stop", lambda sandbox: ended.append(sandbox))
    monkeypatch.setattr(grade.signal, "signal", lambda *_: None)
    (tmp_path / "n.ipynb").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["grade.py", str(tmp_path), "--edition", str(edition)])
    assert grade.main() == 130
    assert len(ended) == 1 and "no table was written" in capsys.readouterr().err
