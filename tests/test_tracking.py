"""Tracking and its faults, each in a process of its own: no key, no server, a silent one, ..."""

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import matplotlib
import pytest

from backstage import tracker, tracking, wandb_server

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import json, pathlib, time
from backstage import tracking

tracking.RUNS = pathlib.Path({runs!r})
history = []
start = time.time()
about = {{"seed": 0, "data": "noisy XOR"}}
with tracking.track("a run", about, "a-group", ["a-tag"]) as run:
    waited = time.time() - start
    for epoch in range(1, {epochs} + 1):
        loss = 0.7 / epoch
        row = {{"epoch": epoch, "train/loss": loss, "val/loss": 2 * loss, "val/accuracy": 1 - loss}}
        history.append(row)
        run.log(row)
    {during}
    trained = time.time()
ending = time.time() - trained
print(json.dumps(dict(mode=run.mode, waited=waited, ending=ending, history=history)))
"""


def training(tmp_path, during="pass", epochs=5, runs=None, **env):
    """Start a tracked training in a process of its own."""
    return started(
        SCRIPT.format(runs=str(runs or tmp_path / "runs"), during=during, epochs=epochs),
        tmp_path,
        **env,
    )


def started(script, tmp_path, **env):
    """Start a script without a key, in a home of its own."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    quiet = {
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
        "NETRC": os.devnull,
        "HOME": str(tmp_path),
        "MPLCONFIGDIR": matplotlib.get_cachedir(),  # building another one takes long, and says so
    }
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=keep | quiet | env,
    )


SLOW = "W&B is not done with this run"  # what a busy machine may add


def outcome(process, seconds=180):
    """What a training printed for people, and its last line as a dict; it ends without noise."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    *said, last = [line for line in out.strip().splitlines() if not line.startswith(SLOW)]
    assert not err, f"noise: {err}"
    result = json.loads(last)
    assert len(result["history"]) == 5, "training must not suffer from tracking"
    return said, result


def inspect(folder):
    """All records of an offline run as JSON lines, by W&B's own reader."""
    wandb = Path(sys.executable).with_name("wandb")
    done = subprocess.run(
        [wandb, "leet", "inspect", "--json", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this wandb cannot inspect runs: {done.stderr[:80]}")
    return done.stdout


class Server(http.server.ThreadingHTTPServer):
    """Plays W&B's server; `silent`: it never answers, `refuses`: no key is right."""

    daemon_threads = True
    silent = refuses = False

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}"
            asked = json.loads(sent).get("variables") or {} if "graphql" in self.path else {}
            while self.server.silent:
                time.sleep(0.1)
            project = {"id": "p", "name": "project", "entity": {"id": "e", "name": "team"}}
            bucket = {
                "id": "b",
                "name": asked.get("name", "run1"),
                "displayName": "a run",
                "config": "{}",
                "project": project,
            }
            info = {
                "cliVersionInfo": {"max_cli_version": "99", "min_cli_version": "0.1"},
                "features": [],
            }
            viewer = {
                "id": "v",
                "entity": "team",
                "flags": "{}",
                "username": "u",
                "teams": {"edges": []},
            }
            data = {
                "upsertBucket": {"bucket": bucket, "inserted": True},
                "viewer": viewer,
                "serverInfo": info,
            }
            data |= {
                "model": {"bucket": None},
                "createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []},
            }
            body = json.dumps({"data": data} if "graphql" in self.path else {}).encode()
            self.send_response(401 if self.server.refuses and "graphql" in self.path else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST

        def log_message(self, *args):
            pass


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Server.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.silent = False
    server.shutdown()


def with_key(server_or_port):
    port = getattr(server_or_port, "server_port", server_or_port)
    return {"WANDB_BASE_URL": f"http://127.0.0.1:{port}", "WANDB_API_KEY": "k" * 40}


def test_without_a_key_every_row_is_kept_offline_as_it_was_in_memory(tmp_path):
    said, result = outcome(training(tmp_path))
    assert result["mode"] == "offline" and len(said) == 1 and "wandb sync" in said[0]
    (folder,) = (tmp_path / "runs/a-group/wandb").glob("offline-run-*")
    records = [json.loads(line) for line in inspect(folder).splitlines() if line.strip()]
    text = json.dumps(records)
    rows = [
        r for r in walk(records) if {"epoch", "train/loss", "val/loss", "val/accuracy"} <= set(r)
    ]
    kept = [{k: r[k] for k in result["history"][0]} for r in rows]
    assert [r for r in result["history"] if r not in kept] == [], (
        "every row must be found in the run"
    )
    for recorded in ("noisy XOR", "commit", "torch", "a-group", "a-tag"):
        assert recorded in text, f"{recorded} is not recorded"


def logged_rows(folder):
    return inspect(folder).count('"history":')


def walk(thing):
    """Every dict in nested JSON; lists of {key, value_json} items become dicts."""
    if isinstance(thing, str) and thing[:1] in "{[":
        try:
            thing = json.loads(thing)
        except ValueError:
            return
    if isinstance(thing, dict):
        yield thing
        for value in thing.values():
            yield from walk(value)
    elif isinstance(thing, list):
        items = [i for i in thing if isinstance(i, dict)]
        pairs = [(i.get("key") or ".".join(i.get("nested_key", [])), i) for i in items]
        if pairs and all(k and ("value_json" in i or "value" in i) for k, i in pairs):
            yield {
                k: json.loads(i["value_json"]) if "value_json" in i else i["value"]
                for k, i in pairs
            }
        for value in thing:
            yield from walk(value)


def test_a_wrong_key_is_no_obstacle(tmp_path):
    said, result = outcome(training(tmp_path, WANDB_API_KEY="not a key"))
    assert result["mode"] == "offline" and result["waited"] < 40


def test_a_closed_port_costs_no_time(tmp_path):
    said, result = outcome(training(tmp_path, **with_key(9)))
    assert result["mode"] == "offline" and result["waited"] < 40
    assert len(said) == 2 and "does not answer" in said[0] and "wandb sync" in said[1]


def test_a_silent_server_costs_seconds(tmp_path, server):
    server.silent = True
    said, result = outcome(training(tmp_path, **with_key(server)))
    assert result["mode"] == "offline" and result["waited"] < 40
    assert "does not answer" in said[0]


def test_a_key_that_the_server_refuses_is_said_and_the_run_kept(tmp_path, server):
    server.refuses = True
    said, result = outcome(training(tmp_path, **with_key(server)))
    assert result["mode"] == "offline" and len(said) == 2 and said[0].startswith("tracking offline")
    assert list((tmp_path / "runs/a-group/wandb").glob("offline-run-*"))


def test_a_server_that_answers_is_used(tmp_path, server):
    said, result = outcome(training(tmp_path, **with_key(server)))
    assert (
        result["mode"] == "online"
        and len(said) == 1
        and said[0].startswith("tracked: http://127.0.0.1")
    )


def test_a_server_that_vanishes_mid_run_ends_nothing_and_loses_nothing(tmp_path, server):
    process = training(tmp_path, "print('trained', flush=True); time.sleep(3)", **with_key(server))
    assert process.stdout.readline().strip() == "trained"
    server.silent = True
    trained = time.time()
    said, result = outcome(process)
    assert result["mode"] == "online" and result["ending"] < 16
    assert time.time() - trained < 35, "nor does the end of the program wait for it"
    assert "wandb sync" in said[-1] and list(
        (tmp_path / "runs/a-group/wandb").glob("run-*/*.wandb")
    )


def test_a_run_folder_that_cannot_be_written_is_said_once(tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    said, result = outcome(training(tmp_path, runs=tmp_path / "blocked"))
    assert result["mode"] == "disabled" and len(said) == 1 and said[0].startswith("not tracked")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("mount"), reason="needs to mount"
)
def test_a_full_run_folder_does_not_end_the_training(tmp_path):
    runs = tmp_path / "small"
    runs.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(runs)], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        process = training(tmp_path, runs=runs)
        out, err = process.communicate(timeout=180)
        assert (
            process.returncode == 0
            and len(json.loads(out.strip().splitlines()[-1])["history"]) == 5
        ), err
        assert "takes no more rows: No space left" in out
    finally:
        subprocess.run(["umount", "-l", str(runs)])


def test_ctrl_c_closes_the_run_and_keeps_it(tmp_path):
    process = training(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    out, err = process.communicate(timeout=180)
    assert process.returncode != 0 and "KeyboardInterrupt" in err
    assert "wandb sync" in out and list(
        (tmp_path / "runs/a-group/wandb").glob("offline-run-*/*.wandb")
    )


def test_two_at_once_keep_apart(tmp_path):
    both = [training(tmp_path) for _ in range(2)]
    assert all(outcome(process)[1]["mode"] == "offline" for process in both)
    assert len(list((tmp_path / "runs/a-group/wandb").glob("offline-run-*"))) == 2


def test_disabled_leaves_nothing(tmp_path):
    said, result = outcome(training(tmp_path, WANDB_MODE="disabled"))
    assert result["mode"] == "disabled" and said == [] and not list(tmp_path.glob("runs/*/wandb/*"))


def test_a_run_folder_that_disappears_is_said(tmp_path):
    said, result = outcome(training(tmp_path, "import shutil; shutil.rmtree(tracking.RUNS)"))
    assert "takes no more rows: No such file" in said[0] and said[1].startswith("tracked in part")


NESTED = """
import datetime, json, pathlib
import numpy as np
from backstage import tracking

tracking.RUNS = pathlib.Path({runs!r})
dates = np.array(["2020-01-01"], dtype="datetime64[D]")
strange = [None, [1, 2], {{1: {{2: 3}}}}, {{"a": object(), "path": pathlib.Path("x"), "b": dates}}]
with tracking.track("outer", {{"which": "outer"}}, "outer") as outer:
    outer.log({{"epoch": 1, "loss": 0.5}})
    for config in strange:
        with tracking.track("inner", config, "inner", quiet=True) as inner:
            inner.log({{"epoch": 1, "loss": np.array([0.5, 1.5]), "dates": dates}})
            inner.log({{"epoch": 2, "what": np.array([object()]), "none": np.array([])}})
        assert inner.trouble is None and inner.rows[0]["loss"] == 1
        inner.log({{"epoch": 3}})  # too late, but no reason to end
    outer.log({{"epoch": 2, "loss": 0.4}})
    outer.log(None)
print(json.dumps({{"history": outer.rows + inner.rows}}))
"""


def test_runs_inside_a_run_take_any_settings_and_any_arrays(tmp_path):
    process = started(NESTED.format(runs=str(tmp_path / "runs")), tmp_path)
    said, _ = outcome(process)
    assert len([line for line in said if "UsageError" in line or "RuntimeError" in line]) == 4
    assert "NoneType" in said[-2] and said[-1].startswith("tracked in part")
    (outer,) = (tmp_path / "runs/outer/wandb").glob("offline-run-*")
    assert logged_rows(outer) == 2, "what is logged after the inner runs is kept"
    inner = list((tmp_path / "runs/inner/wandb").glob("offline-run-*"))
    assert [logged_rows(folder) for folder in inner] == [2, 2, 2, 2]


REFUSED = """
import json, os
from backstage.wandb_server import tracking_mode

for name, value in {asked}:
    os.environ[name] = value
    print(json.dumps(tracking_mode()))
    del os.environ[name]
"""


def test_a_variable_that_cannot_be_used_is_named_with_what_is_allowed(tmp_path):
    asked = [
        ("WANDB_MODE", "garbage"),
        ("WANDB_BASE_URL", "nonsense"),
        ("WANDB_SILENT", "perhaps"),
        ("WANDB_MODE", "shared"),
        ("WANDB_MODE", "online"),
        ("WANDB_MODE", ""),
    ]
    out, err = started(REFUSED.format(asked=asked), tmp_path).communicate(timeout=180)
    found = [json.loads(line) for line in out.splitlines()]
    assert [mode for mode, _ in found] == ["disabled"] * 3 + ["offline"] * 3, err
    for (name, value), (_, reason) in zip(asked[:5], found[:5], strict=True):
        assert name in reason and repr(value) in reason
    assert "'online', 'offline'" in found[0][1] and "valid URL" in found[1][1]
    assert "online, offline, disabled" in found[3][1] and "no key" in found[4][1]
    assert found[5][1] is None


def test_a_refused_variable_does_not_end_the_training(tmp_path):
    said, result = outcome(training(tmp_path, WANDB_MODE="garbage"))
    assert result["mode"] == "disabled" and len(said) == 1 and "WANDB_MODE is 'garbage'" in said[0]


def test_without_wandb_the_training_goes_on_with_one_line(tmp_path):
    (tmp_path / "wandb.py").write_text("raise ImportError('broken')")
    script = training(tmp_path, "import backstage.sweeps, helpers", PYTHONPATH=str(tmp_path))
    said, result = outcome(script)
    assert result["mode"] == "disabled"
    assert said == ["not tracked: wandb cannot be imported (ImportError: broken)"]


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps its caches elsewhere")
def test_without_a_home_nothing_is_written_to_stderr(tmp_path):
    said, result = outcome(training(tmp_path, HOME="/dev/null/home"))
    assert result["mode"] == "offline" and len(said) == 1


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_kill_costs_the_last_few_seconds_only(tmp_path):
    kill = "time.sleep(6); import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert training(tmp_path, kill).wait(timeout=180) != 0
    (folder,) = (tmp_path / "runs/a-group/wandb").glob("offline-run-*")
    assert logged_rows(folder) == 5


class SlowRun:
    """Takes a while for every row, as W&B does on a busy machine."""

    def __init__(self, folder):
        self.dir = str(folder / "files")
        self.rows = []

    def log(self, row):
        time.sleep(0.01)
        self.rows.append(row)

    def finish(self, exit_code):
        self.rows.append("finished")


def test_a_slow_wandb_holds_up_neither_training_nor_end_and_loses_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tracker, "PATIENCE", {0.1: "waiting", 0.2: "in the background"})
    slow = SlowRun(tmp_path)
    run = tracker.Tracker(slow, "offline")
    start = time.time()
    for epoch in range(200):
        run.log({"epoch": epoch})
    run.finish()
    assert time.time() - start < 1.5, "the rows alone take two seconds"
    assert capsys.readouterr().out.split("\n")[:2] == ["waiting", "in the background"]
    deadline = time.time() + 60
    while "finished" not in slow.rows and time.time() < deadline:
        time.sleep(0.05)
    assert slow.rows == [*run.rows, "finished"] and len(run.rows) == 200


def test_the_longest_wait_at_the_end_of_a_run_is_below_20_seconds():
    assert sum(tracker.PATIENCE) < 20 and wandb_server.FINISH_TIMEOUT < sum(tracker.PATIENCE)


@pytest.mark.parametrize("error, code", [(None, 0), (ValueError, 1), (KeyboardInterrupt, 1)])
def test_a_run_that_an_error_ends_has_failed(monkeypatch, tmp_path, error, code):
    codes = []
    slow = SlowRun(tmp_path)
    monkeypatch.setattr(slow, "finish", codes.append)
    monkeypatch.setattr(tracking, "_start", lambda plan: tracker.Tracker(slow, "offline"))
    with contextlib.suppress(ValueError, KeyboardInterrupt):
        with tracking.track("a run", {}, "a-group", quiet=True):
            if error:
                raise error
    assert codes == [code]
