"""The sandbox's page in a browser without a window: mouse, keyboard, typing, training, undo."""

import shutil

import pytest

import helpers as h
from backstage.sandbox_page import page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking".split()
SWITCHES += "--no-first-run --disable-component-update --disable-sync".split()
PICTURES = "[...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL())"
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "sandbox.html"
    path.write_text(page(), encoding="utf-8")
    return path.as_uri()


def visit(browser, address, **settings):
    """Open the page 900 pixels wide; what goes wrong in it is kept in `page.wrong`."""
    context = browser.new_context(viewport={"width": 900, "height": 850}, offline=True, **settings)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    opened.wrong = []
    opened.on("console", lambda message: opened.wrong.append(message.text))
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.goto(address)
    opened.wait_for_function("document.querySelector('.score').textContent")
    return opened


@pytest.fixture
def sandbox(browser, address):
    opened = visit(browser, address)
    yield opened
    assert opened.wrong == []
    opened.context.close()


def press(sandbox, name):
    sandbox.get_by_role("button", name=name, exact=True).click()
    sandbox.evaluate(FRAMES)


def loss(sandbox):
    return float(sandbox.locator(".score").text_content().split()[1])


def numbers(sandbox):
    boxes = sandbox.locator("input[type=number]").all()
    return {
        box.get_attribute("aria-label").split(",")[0]: float(box.input_value()) for box in boxes
    }


def slider(sandbox, name):
    return sandbox.get_by_role("slider", name=name, exact=True)


def test_a_slider_is_dragged_with_the_mouse_and_undo_takes_all_of_it_back(sandbox):
    first, before = numbers(sandbox), sandbox.evaluate(PICTURES)
    assert first["c"] == -8 and loss(sandbox) < 0.01
    place = slider(sandbox, "c").bounding_box()
    middle = place["y"] + place["height"] / 2
    sandbox.mouse.move(place["x"] + 8 + (place["width"] - 16) * 7 / 30, middle)
    sandbox.mouse.down()
    sandbox.mouse.move(place["x"] + place["width"] / 2, middle, steps=8)
    sandbox.mouse.up()
    sandbox.evaluate(FRAMES)
    assert abs(numbers(sandbox)["c"]) < 0.2 and loss(sandbox) > 0.5
    after = sandbox.evaluate(PICTURES)
    assert all(old != new for old, new in zip(before, after)), "a picture stays as it was"
    press(sandbox, "undo")
    assert numbers(sandbox) == first
    assert sandbox.evaluate(PICTURES) == before


def test_a_number_is_typed(sandbox):
    box = sandbox.get_by_label("w21, typed")
    for typed, kept in (("-1.5", -1.5), ("99", 15), ("", 15)):
        box.fill(typed)
        box.press("Enter")
        sandbox.evaluate(FRAMES)
        assert numbers(sandbox)["w21"] == kept == float(slider(sandbox, "w21").input_value())


def test_the_keyboard_alone_is_enough(sandbox):
    sandbox.keyboard.press("Tab")
    for _ in range(6):  # past the buttons
        sandbox.keyboard.press("Tab")
    sandbox.keyboard.press("ArrowRight")
    assert numbers(sandbox)["w11"] == 4.1
    slider(sandbox, "b2").focus()
    sandbox.keyboard.press("ArrowLeft")
    assert numbers(sandbox)["b2"] == 5.9


def test_a_training_is_watched_stopped_and_taken_back(sandbox):
    press(sandbox, "stuck")
    sandbox.get_by_label("w21, typed").fill("-3")
    sandbox.get_by_label("w21, typed").press("Enter")
    before, high = numbers(sandbox), loss(sandbox)
    press(sandbox, "train from here")
    sandbox.wait_for_function(
        f"+document.querySelector('.score').textContent.split(' ')[1] < {high}"
    )
    press(sandbox, "stop")
    halfway = numbers(sandbox)
    assert halfway != before
    sandbox.wait_for_timeout(200)
    assert numbers(sandbox) == halfway, "it went on after it was stopped"
    press(sandbox, "undo")
    assert numbers(sandbox) == before
    press(sandbox, "train from here")
    sandbox.get_by_role("button", name="train from here").wait_for()
    assert loss(sandbox) < 0.05, "a hundred steps from here solve it"


def test_a_slider_stops_a_training(sandbox):
    press(sandbox, "train from here")
    slider(sandbox, "c").press("ArrowRight")
    shown = numbers(sandbox)
    assert sandbox.get_by_role("button", name="train from here").is_visible()
    sandbox.wait_for_timeout(200)
    assert numbers(sandbox) == shown


def test_a_button_that_sets_a_network_stops_a_training(sandbox):
    press(sandbox, "train from here")
    press(sandbox, "stuck")
    shown = numbers(sandbox)
    assert sandbox.get_by_role("button", name="train from here").is_visible()
    sandbox.wait_for_timeout(200)
    assert numbers(sandbox) == shown


def test_stuck_shows_its_two_corners_on_one_spot(sandbox):
    press(sandbox, "stuck")
    assert "01 and 11, are 0.0" in sandbox.locator(".apart").text_content()
    press(sandbox, "random start")
    assert max(map(abs, numbers(sandbox).values())) <= 0.71


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_900_pixels_and_is_drawn_in_the_screens_own_pixels(browser, address, scheme):
    opened = visit(browser, address, device_scale_factor=2, color_scheme=scheme)
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert opened.evaluate(wide)
    sharp = "[...document.querySelectorAll('canvas')].every((c) => c.width === 2 * c.clientWidth)"
    assert opened.evaluate(sharp)
    assert slider(opened, "w11").bounding_box()["width"] > 316, "a step is less than a pixel"
    colour = opened.evaluate("getComputedStyle(document.querySelector('.xor-sandbox')).color")
    light = sum(map(float, colour.strip("rgb()").split(","))) > 380
    assert light == (scheme == "dark"), "ink and paper are alike"
    assert opened.wrong == []
    opened.context.close()


def test_the_page_asks_for_nothing_from_elsewhere():
    text = page()
    assert "http" not in text.replace("<!DOCTYPE html>", "")
    assert (h.ROOT / "backstage/sandbox.js").read_text(encoding="utf-8") in text


def test_python_is_told_of_each_change_and_its_changes_are_shown(browser, tmp_path):
    connected = page().replace(
        "save_changes: () => {},\n  on: () => {},",
        "save_changes: () => { window.told = values.weights; },\n"
        "  on: (_, hear) => { window.tell = (p) => { values.weights = p; hear(); }; },",
    )
    path = tmp_path / "connected.html"
    path.write_text(connected, encoding="utf-8")
    sandbox = visit(browser, path.as_uri())
    sandbox.get_by_label("w21, typed").fill("-1.5")
    sandbox.get_by_label("w21, typed").press("Enter")
    assert sandbox.evaluate("told[3]") == -1.5
    sandbox.evaluate("tell([1, 2, 3, 4, 5, 6, 7, 8, 9])")
    assert sorted(numbers(sandbox).values()) == list(range(1, 10))
    assert sandbox.wrong == []
    sandbox.context.close()
