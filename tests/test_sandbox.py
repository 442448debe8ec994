"""The sandbox: its JavaScript computes what PyTorch computes, its weights reach Python, and the
page follows mouse and keyboard."""

import base64
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from traitlets import TraitError

import helpers as h
from backstage import report
from backstage.sandbox_page import page
from backstage.sandbox_panel import Sandbox
from backstage.sandbox_view import HiddenView, two_views

STATE = json.loads((h.ROOT / "report/sandbox.json").read_text(encoding="utf-8"))
NAMES = ["w11", "w12", "b1", "w21", "w22", "b2", "v1", "v2", "c"]
STARTS = {"near": np.arange(9.0), "far": np.linspace(-15, 15, 9)}
POINTS = np.array([[0.1, 0.2], [0.9, 1.1], [0.0, 1.0]])


@pytest.fixture
def sandbox():
    return Sandbox(POINTS, [0, 0, 1], STARTS)


# ---- the numbers ----

ANSWERS = """
import { accuracy, adam, closest, gradient, loss } from "./sandbox.mjs";
import { NAMES, randomStart, zeroLine } from "./sandbox.mjs";
import { readFileSync } from "node:fs";
const { points, labels, starts } = JSON.parse(readFileSync("state.json"));
const answer = (p) => ({
  loss: loss(p, points, labels),
  accuracy: accuracy(p, points, labels),
  gradient: gradient(p, points, labels),
  steps: [...adam(p, points, labels, 0.1, 10)],
  closest: closest(p),
});
const found = Object.entries(starts).map(([name, p]) => [name, answer(p)]);
const random = Array.from({ length: 1000 }, randomStart);
const side = Array.from({ length: 11 }, (_, k) => k - 5);
const disc = side.flatMap((y) => side.map((x) => 9 - x ** 2 - y ** 2));
const circle = zeroLine(disc, 11);
console.log(JSON.stringify({ NAMES, random, circle, starts: Object.fromEntries(found) }));
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the module's functions give under Node for the record's points and starts."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(h.ROOT / "backstage/sandbox.js", folder / "sandbox.mjs")
    (folder / "state.json").write_text(json.dumps(STATE))
    (folder / "answers.mjs").write_text(ANSWERS)
    done = subprocess.run(["node", "answers.mjs"], cwd=folder, capture_output=True, check=True)
    return json.loads(done.stdout)


def network_loss(p, points, labels):
    """The loss of the nine numbers p by PyTorch, and the logits."""
    w1 = torch.stack([p[0:2], p[3:5]])
    z = torch.tanh(points @ w1.T + p[[2, 5]])
    logits = z @ p[6:8] + p[8]
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels), logits


@pytest.mark.parametrize("name", STATE["starts"])
def test_the_pages_numbers_are_those_of_pytorch(answers, name):
    points = torch.tensor(STATE["points"], dtype=torch.float64)
    labels = torch.tensor(STATE["labels"], dtype=torch.float64)
    p = torch.tensor(STATE["starts"][name], dtype=torch.float64, requires_grad=True)
    found = answers["starts"][name]
    optimizer = torch.optim.Adam([p], lr=0.1)
    for step in range(10):
        loss, logits = network_loss(p, points, labels)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            assert abs(found["loss"] - loss.item()) < 1e-9
            assert np.abs(np.subtract(found["gradient"], p.grad.numpy())).max() < 1e-9
            assert found["accuracy"] == ((logits > 0) == (labels > 0)).double().mean().item()
        optimizer.step()
        assert np.abs(np.subtract(found["steps"][step], p.detach().numpy())).max() < 1e-6


def test_stuck_is_where_two_corners_of_different_classes_meet(answers):
    closest = {name: found["closest"] for name, found in answers["starts"].items()}
    assert closest["stuck"]["distance"] < 0.3
    assert min(closest["by hand"]["distance"], closest["trained"]["distance"]) > 1


def test_the_page_names_the_numbers_and_draws_starts_as_pytorch_does(answers):
    assert answers["NAMES"] == NAMES
    size = np.abs(answers["random"])
    assert size.shape == (1000, 9) and 0.99 * np.sqrt(0.5) < size.max() <= np.sqrt(0.5)
    assert np.abs(np.mean(answers["random"])) < 0.03


def test_the_boundary_of_a_disc_is_a_closed_circle(answers):
    ends = np.reshape(answers["circle"], (-1, 2))  # two ends of each piece
    radius = np.hypot(*(ends - 5).T)
    assert np.abs(radius - 3).max() < 0.1
    _, counts = np.unique(ends.round(9), axis=0, return_counts=True)
    assert (counts == 2).all(), "each end of a piece is the beginning of another"


# ---- the notebook's side ----


def test_the_first_start_is_shown_first(sandbox):
    assert sandbox.weights == STARTS["near"].tolist()
    assert sandbox.state()["starts"]["far"] == STARTS["far"].tolist()


def test_weights_from_the_page_reach_python(sandbox):
    sent = [0.5, *range(1, 9)]
    message = {"method": "update", "state": {"weights": sent}, "buffer_paths": []}
    sandbox._handle_msg({"content": {"data": message}, "buffers": []})
    assert sandbox.weights == sent


@pytest.mark.parametrize("bad", [[1, 2], [np.nan] * 9, [[0] * 9], list("abcdefghi"), [None] * 9])
def test_weights_that_are_no_nine_numbers_are_refused(sandbox, bad):
    with pytest.raises((ValueError, TraitError), match="weights: need 9 finite numbers, not"):
        sandbox.weights = bad
    assert sandbox.weights == STARTS["near"].tolist()


def test_bad_starts_and_points_are_refused():
    with pytest.raises(ValueError, match="the start 'wide': need 9 numbers from -15 to 15, not"):
        Sandbox(POINTS, [0, 0, 1], {"wide": np.full(9, 15.1)})
    with pytest.raises(ValueError, match="the start 'short': need 9 numbers"):
        Sandbox(POINTS, [0, 0, 1], {"short": np.zeros(8)})
    with pytest.raises(ValueError, match="needs at least one start"):
        Sandbox(POINTS, [0, 0, 1], {})
    for points, labels in (
        (POINTS[:2], [0, 0, 1]),
        (POINTS, [0, 0, 2]),
        (POINTS[:, :1], [0, 0, 1]),
        (POINTS, [0.9, 0.2, 1]),
        (POINTS, [[0], [0], [1]]),
    ):
        with pytest.raises(
            ValueError, match=r"need points \(n, 2\) and n labels, each 0 or 1, not"
        ):
            Sandbox(points, labels, STARTS)


def test_where_no_panel_can_be_shown_there_is_a_still_picture(sandbox, monkeypatch):
    shown = {}
    monkeypatch.setattr(
        "backstage.sandbox_panel.display", lambda data, **more: shown.update(data=data, **more)
    )
    still = Figure(figsize=(4, 1))
    still.text(0.5, 1.2, "a title above the edge")
    sandbox.show(still, alt="Nothing.")
    data = shown["data"]
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(data)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert shown["metadata"]["image/png"] == {"alt": "Nothing.", "width": picture.width // 2}
    grey = np.asarray(picture.convert("L"))
    rows = np.flatnonzero((grey < 128).any(1))
    assert 0 < rows[0] and rows[-1] < len(grey) - 1, "nothing is cut at the edge"


def test_the_record_is_what_a_sandbox_saves(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_folder", tmp_path)
    sandbox.save()
    saved = json.loads((tmp_path / "sandbox.json").read_text())
    assert saved == sandbox.state() and saved.keys() == STATE.keys()
    assert '"far":[-15.0,' in page(tmp_path / "sandbox.json")


# ---- the still picture ----

NETWORK = (np.array([[4, 4], [-4, -4]]), np.array([-2, 6]), np.array([[8, 8]]), np.array([-8]))


def test_the_still_picture_shows_both_planes():
    fig = two_views(*h.xor_points(40, 0.1, np.random.default_rng(0)), NETWORK, "loss 0.002")
    assert [ax.get_title() for ax in fig.axes] == ["input plane", "loss 0.002"]
    assert len(fig.legends[0].get_texts()) == 3


def test_clusters_on_one_spot_carry_labels_on_different_sides():
    ax = Figure().subplots()
    view = HiddenView(ax, *h.xor_points(40, 0.1, np.random.default_rng(0)))
    view.show(np.zeros((2, 2)), np.ones(2), np.ones((1, 2)), np.zeros(1))  # all points on one spot
    assert {label.get_text() for label in view.labels} == {"00", "01", "10", "11"}
    assert len({tuple(np.round(label.xy, 9)) for label in view.labels}) == 1
    assert len({label.xyann for label in view.labels}) == 4
