"""The sandbox follows its sliders and buttons, trains, stops, takes back; its picture is sharp."""

import asyncio
import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import helpers as h
from backstage.sandbox_panel import TRAIN, Model, Sandbox
from backstage.sandbox_view import DENSE, WIDTH, HiddenView, LossTrace, TwoViews

NAMES = ["a", "b", "c"]
PRESETS = {"near": np.array([1.0, 2.0, 3.25]), "far": np.array([-9.0, 0.0, 12.0])}


def loss(values):
    return float(np.square(values).sum())


def picture(values, losses):
    return f"{values.tolist()} after {losses}".encode()


def halves(values):
    for _ in range(100):
        values = values / 2
        yield values


@pytest.fixture
def sandbox():
    model = Model(loss, picture, halves, lambda: np.array([20.0, 0.5, 0.5]))
    return Sandbox(NAMES, PRESETS, model, [["a"], ["b", "c"]])


def shown(sandbox):
    return [slider.value for slider in sandbox.sliders.values()]


def press(sandbox, label):
    sandbox.buttons[label].click()


def run(steps, sandbox):
    """Carry out steps as a notebook's kernel would, with time for a training between them."""

    async def session():
        for step in steps:
            step()
            await asyncio.sleep(0.1)
        while sandbox.training is not None:
            await asyncio.sleep(0.01)

    asyncio.run(session())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_all_sliders_and_draws_once(sandbox, name):
    drawn = []
    sandbox.image.observe(drawn.append, "value")
    press(sandbox, "far" if name == "near" else "near")
    press(sandbox, name)
    assert shown(sandbox) == PRESETS[name].tolist()
    assert sandbox.image.value == picture(sandbox.values, sandbox.losses)
    assert len(drawn) == 2


def test_a_slider_moves_its_number_alone(sandbox):
    sandbox.sliders["b"].value = -4.5
    assert sandbox.values.tolist() == [1, -4.5, 3.25]
    assert sandbox.losses == [loss(PRESETS["near"]), loss([1, -4.5, 3.25])]
    assert sandbox.image.value == picture(sandbox.values, sandbox.losses)


def test_a_number_beyond_its_slider_is_kept(sandbox):
    press(sandbox, "random start")
    assert sandbox.values.tolist() == [20, 0.5, 0.5] and shown(sandbox) == [15, 0.5, 0.5]
    sandbox.sliders["b"].value = 1
    assert sandbox.values.tolist() == [20, 1, 0.5], "another slider was moved"


def test_a_typed_value_beyond_the_slider_stops_at_its_end(sandbox):
    sandbox.sliders["a"].value = 99
    assert sandbox.values[0] == 15


def test_undo_takes_back_the_last_change_and_all_of_a_drag(sandbox):
    first = sandbox.image.value
    for value in (1.1, 1.2, 1.3):
        sandbox.sliders["a"].value = value
    dragged = sandbox.image.value
    sandbox.sliders["b"].value = 5
    press(sandbox, "far")
    for expected in ([1.3, 5, 3.25], [1.3, 2, 3.25], [1, 2, 3.25], [1, 2, 3.25]):
        press(sandbox, "undo")
        assert sandbox.values.tolist() == expected and shown(sandbox) == expected
        if expected == [1.3, 2, 3.25]:
            assert sandbox.image.value == dragged
    assert sandbox.image.value == first and sandbox.losses == [loss(PRESETS["near"])]


def test_a_training_shows_every_step_and_is_one_change(sandbox):
    run([lambda: press(sandbox, TRAIN)], sandbox)
    assert len(sandbox.losses) == 101 and np.allclose(sandbox.values, 0)
    assert sandbox.losses[1] == loss(PRESETS["near"] / 2)
    assert sandbox.buttons[TRAIN].description == TRAIN
    press(sandbox, "undo")
    assert sandbox.values.tolist() == PRESETS["near"].tolist() and len(sandbox.losses) == 1


def stops(sandbox):
    return {
        "the same button": lambda: press(sandbox, TRAIN),
        "a preset": lambda: press(sandbox, "far"),
        "undo": lambda: press(sandbox, "undo"),
        "a slider": lambda: setattr(sandbox.sliders["a"], "value", 7),
    }


@pytest.mark.parametrize("name", ["the same button", "a preset", "undo", "a slider"])
def test_a_training_stops_at_once(sandbox, name):
    seen = []

    def stop():
        assert sandbox.buttons[TRAIN].description == "stop"
        stops(sandbox)[name]()
        seen.append(len(sandbox.losses))

    run([lambda: press(sandbox, TRAIN), stop, lambda: None], sandbox)
    assert len(sandbox.losses) == seen[0] < 50, "it went on after it was stopped"
    assert sandbox.buttons[TRAIN].description == TRAIN


def test_a_training_can_begin_right_after_another_was_stopped(sandbox):
    def restart():
        press(sandbox, TRAIN)
        press(sandbox, TRAIN)

    run([lambda: press(sandbox, TRAIN), restart], sandbox)
    assert len(sandbox.losses) > 100, "the second training ended with the first"


def test_a_preset_that_the_sliders_cannot_show_is_refused():
    model = Model(loss, picture, halves, lambda: np.zeros(3))
    with pytest.raises(ValueError, match="'wide': need 3 values from -15 to 15, not .*16"):
        Sandbox(NAMES, {"wide": np.array([0, 0, 16.0])}, model, [NAMES])
    with pytest.raises(ValueError, match="'short': need 3 values"):
        Sandbox(NAMES, {"short": np.zeros(2)}, model, [NAMES])


# The picture.

NETWORK = (np.array([[4.0, 4.0], [-4.0, -4.0]]), np.array([-2.0, 6.0]), np.array([[8.0, 8.0]]))


@pytest.fixture(scope="module")
def views():
    h.use_style()
    return TwoViews(*h.xor_points(40, 0.1, np.random.default_rng(0)))


def draw(views, bias, losses):
    page = views.picture((*NETWORK, np.array([bias])), "a caption", losses)
    return np.asarray(Image.open(io.BytesIO(page))).astype(int)


def test_the_picture_has_the_pixels_of_a_screen_of_high_resolution(views):
    page = draw(views, -8.0, [0.1])
    assert page.shape[1] == WIDTH * DENSE >= 1600


def test_the_picture_follows_the_numbers_and_the_losses(views):
    first = draw(views, -8.0, [0.1])
    assert np.array_equal(first, draw(views, -8.0, [0.1]))
    apart = np.abs(first - draw(views, -7.0, [0.1])).max(-1)
    assert (apart > 0)[: len(apart) // 2].any(), "the planes stay as they were"
    apart = np.abs(first - draw(views, -8.0, [0.1, 1.0])).max(-1)
    assert not (apart > 0)[: len(apart) // 2].any() and (apart > 0).any()


def test_clusters_on_one_spot_carry_labels_on_different_sides():
    ax = Figure().subplots()
    view = HiddenView(ax, *h.xor_points(40, 0.1, np.random.default_rng(0)))
    view.show(np.zeros((2, 2)), np.ones(2), np.ones((1, 2)), np.zeros(1))  # all points on one spot
    assert {label.get_text() for label in view.labels} == {"00", "01", "10", "11"}
    assert len({tuple(np.round(label.xy, 9)) for label in view.labels}) == 1
    assert len({label.xyann for label in view.labels}) == 4


def test_the_trace_shows_the_last_losses():
    trace = LossTrace(Figure().subplots())
    trace.show(list(range(1, 301)))
    x, y = trace.line.get_data()
    assert len(x) == 200 and y[0] == 101 and y[-1] == 300
    assert trace.now.get_ydata() == [300]
    assert math.isclose(trace.line.axes.lines[-1].get_ydata()[0], math.log(2) / 2)
