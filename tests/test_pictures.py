"""Pictures and movies show what they say they show."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

import helpers as h
from backstage.style import BLACK, BLUE, GREEN, ORANGE, PURPLE
from backstage.xor_movie import Filmed, film_frames, plot_snapshots
from backstage.xor_view import QuickMap, class_map

ROOT = Path(__file__).resolve().parent.parent
DRAWN = {"class 0": BLUE, "class 1": ORANGE, "unit 1": GREEN, "unit 2": PURPLE, "output": BLACK}
FEW = 5  # grey levels


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_boundaries_are_drawn_where_the_network_changes_sign(ax):
    view = h.XorView(ax, *h.xor_points(10, 0.1, np.random.default_rng(0)))
    w1 = np.array([[1.0, 2.0], [-1.0, 1.0]])
    b1 = np.array([-1.0, 0.2])
    w2 = np.array([[2.0, -1.0]])
    b2 = np.array([0.3])
    view.show(w1, b1, w2, b2)
    for line, w, b in zip(view.lines, w1, b1):
        assert np.abs(line.get_xydata() @ w + b).max() < 1e-9
    curve = view.curve.get_xydata()
    curve = curve[np.isfinite(curve).all(1)]
    assert len(curve) > 10
    assert np.abs(np.tanh(curve @ w1.T + b1) @ w2[0] + b2).max() < 0.01
    shown = np.asarray(view.image.get_array())
    corner = np.tanh(w1 @ [-0.7, 1.7] + b1) @ w2[0] + b2  # top left
    assert np.isclose(shown[-1, 0], 1 / (1 + np.exp(-corner[0])))


def test_a_plane_without_a_boundary_has_no_curve(ax):
    view = h.XorView(ax, *h.xor_points(10, 0.1, np.random.default_rng(0)))
    view.show_logits(np.full((73, 73), 1000.0))
    assert not np.isfinite(view.curve.get_xydata()).any()
    assert np.all(view.image.get_array() == 1)


def frames_of_a_moving_square(count=40):
    frames = np.full((count, 30, 40, 3), 255, np.uint8)
    for i, frame in enumerate(frames):
        frame[10:15, i : i + 5] = (0, 114, 178)
        frame[20:25, 5:10] = (230, 159, 0)
    return frames


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_gif_shows_its_frames(count):
    frames = frames_of_a_moving_square(40)[:count]
    durations = [100 + 10 * (i % 3) for i in range(count)]
    movie = Image.open(io.BytesIO(h.gif(list(frames), durations, 8)))
    assert getattr(movie, "n_frames", 1) == count
    for i, frame in enumerate(frames):
        movie.seek(i)
        shown = np.asarray(movie.convert("RGB")).astype(int)
        assert np.abs(shown - frame).max() <= 12
        if count > 1:
            assert movie.info["duration"] == durations[i]


def test_a_gif_has_one_palette_and_stores_only_what_moves():
    frames = frames_of_a_moving_square()
    whole = h.gif(list(frames), [100] * len(frames), 8)
    still = h.gif([frames[0]] * len(frames), [100] * len(frames), 8)
    first = h.gif([frames[0]], [100], 8)
    assert len(still) < len(first) + 60 * len(frames)
    assert len(whole) < len(first) + 120 * len(frames)
    movie = Image.open(io.BytesIO(whole))
    assert movie.info["transparency"] == 8 and movie.info["loop"] == 0


def test_a_small_thing_keeps_its_colour_beside_many_others():
    """Thousands of colours in a wide area; one pixel in ten thousand is orange."""
    frames = []
    for i in range(10):
        frame = np.zeros((100, 100, 3), np.uint8)
        frame[..., 0] = np.arange(100) + 10 * i
        frame[..., 2] = np.arange(100)[:, None] + 100
        frame[50, 50] = (230, 159, 0)
        frames.append(frame)
    movie = Image.open(io.BytesIO(h.gif(frames, [100] * 10)))
    for i in range(10):
        movie.seek(i)
        shown = np.asarray(movie.convert("RGB")).astype(int)[50, 50]
        assert np.abs(shown - (230, 159, 0)).max() <= FEW


@pytest.mark.parametrize("colours", [0, 256])
def test_a_palette_that_no_gif_can_have_is_refused(colours):
    with pytest.raises(ValueError, match="1 to 255 colours, not"):
        h.gif(frames_of_a_moving_square(2), [100, 100], colours)


@pytest.fixture(scope="module")
def filmed():
    """Frames of two small networks in training, and the movie made of them."""
    w1 = np.array([[4.0, 4.0], [-4.0, -4.0]])
    b1 = np.array([-2.0, 6.0])
    w2 = np.array([[8.0, 8.0]])
    b2 = np.array([-8.0])
    steps = np.linspace(0.1, 1, 12)
    weights = [[step * p for p in (w1, b1, w2, b2)] for step in steps]
    turned = [[p[0] * (1, -1), *p[1:]] for p in weights]
    history = [{"val/loss": 0.5}] * 11
    h.use_style()
    points = h.xor_points(120, 0.1, np.random.default_rng(0))
    frames = film_frames([Filmed("one", history, weights), Filmed("two", history, turned)], points)
    return frames, h.gif(frames, [100] * 12)


def test_a_movie_is_as_wide_as_a_page(filmed):
    frames, movie = filmed
    assert len(frames) == 12 and frames[0].shape[1] == 800
    assert Image.open(io.BytesIO(movie)).size == (800, frames[0].shape[0])


@pytest.mark.parametrize("name", DRAWN)
def test_whatever_is_drawn_in_a_movie_is_shown_in_its_colour(filmed, name):
    frames, movie = filmed
    movie = Image.open(io.BytesIO(movie))
    colour = np.round(255 * np.array(to_rgb(DRAWN[name])))
    for i in (0, 6, 11):
        drawn = (frames[i] == colour).all(-1)
        movie.seek(i)
        shown = np.asarray(movie.convert("RGB")).astype(int)
        assert drawn.sum() > 100, f"the {name} is not drawn in full colour"
        assert np.abs(shown[drawn] - colour).max() <= FEW
        assert np.abs(shown - frames[i]).mean() < 1


def test_the_stored_movie_is_sharp_small_and_has_all_colours():
    path = ROOT / "report/figures/xor_movie.gif"
    movie = Image.open(path)
    assert path.stat().st_size < 1_500_000 and movie.size[0] >= 800 and movie.n_frames == 96
    assert len(set(zip(*[iter(movie.getpalette("RGB"))] * 3))) >= 128
    for i in (60, 80, 95):
        movie.seek(i)
        shown = np.asarray(movie.convert("RGB")).astype(int)
        for name, colour in (DRAWN | {"page": "white"}).items():
            gap = np.abs(shown - np.round(255 * np.array(to_rgb(colour)))).max(-1)
            assert (gap <= FEW).sum() > 200, f"frame {i} shows no {name}"


def test_a_map_drawn_fast_looks_like_one_drawn_by_matplotlib():
    p = np.add.outer(np.linspace(0, 0.3, 9), np.linspace(0, 0.6, 9))  # rises to the right and up
    pages = []
    for draw in (class_map, QuickMap):
        fig, ax = plt.subplots(figsize=(3, 3), dpi=100)
        draw(ax, p, 0, 1)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        fig.canvas.draw()
        pages.append(np.asarray(fig.canvas.buffer_rgba()).astype(int))
        plt.close(fig)
    apart = np.abs(pages[0] - pages[1]).max(-1)
    assert (apart > FEW).mean() < 0.04, "more than the borders between colours differ"


def test_only_what_moves_is_drawn_again(ax):
    (line,) = ax.plot([0, 1], [0, 1], c="black")
    ax.plot([0, 1], [1, 0], c="red")
    draw = h.animate(ax.figure, [(ax, line)])
    before = draw()
    line.set_ydata([0.2, 0.2])
    after = draw()
    line.set_ydata([0, 1])
    assert before.dtype == np.uint8 and before.ndim == 3 and before.shape[2] == 3
    assert not np.array_equal(before, after) and np.array_equal(before, draw())


def test_curves_are_the_columns_of_the_rows(ax):
    rows = [
        {"epoch": 1, "train/loss": 0.6, "val/loss": 0.7},
        {"epoch": 2, "train/loss": 0.4, "val/loss": 0.5},
    ]
    h.plot_losses(ax, rows, best=0.1)
    training, validation, best = ax.lines
    assert training.get_xydata().tolist() == [[1, 0.6], [2, 0.4]]
    assert validation.get_ydata().tolist() == [0.7, 0.5] and best.get_ydata()[0] == 0.1
    h.plot_rows(ax, rows, "val/loss", scale=100)
    assert ax.lines[3].get_ydata().tolist() == [70, 50] and ax.get_xlabel() == "epoch"


@pytest.mark.parametrize("horizontal", [False, True])
def test_shares_stand_in_per_cent_with_their_interval(ax, horizontal):
    h.plot_shares(ax, [1, 2], np.array([81, 0]), 263, horizontal)
    points = ax.lines[0].get_xydata()[:, ::-1] if horizontal else ax.lines[0].get_xydata()
    assert np.allclose(points, [[1, 100 * 81 / 263], [2, 0]])
    ends = ax.collections[0].get_segments()[0][:, 0 if horizontal else 1]
    assert np.allclose(sorted(ends), [25.53, 36.62], atol=5e-3)


def test_ticks_of_a_logarithmic_axis_are_plain_numbers(ax):
    ax.set_xscale("log")
    ax.set_xlim(0.005, 2)
    h.log_ticks(ax.xaxis, [0.01, 0.1, 1])
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.01", "0.1", "1"]
    assert not len(ax.xaxis.get_minorticklocs())


def test_a_confusion_matrix_names_its_mistakes(ax):
    h.show_confusion(ax, np.array([[50, 2, 0], [0, 60, 0], [7, 0, 40]]))
    assert {(t.get_text(), *t.get_position()) for t in ax.texts} == {("2", 1, 0), ("7", 0, 2)}


def test_a_snapshot_rounds_the_loss_once():
    points = h.xor_points(10, 0.1, np.random.default_rng(0))
    weights = (np.eye(2), np.zeros(2), np.ones((1, 2)), np.zeros(1))
    films = [Filmed("one", [{"val/loss": 0.3746}], [weights, weights]) for _ in range(2)]
    fig = plot_snapshots(films, points, (0, 1))
    titles = {ax.get_title() for ax in fig.axes}
    plt.close(fig)
    assert {"epoch 0", "epoch 1, loss 0.375"} <= titles
