"""The pictures of W&B's own display: the characters of a terminal, drawn where they stood."""

import pytest

pytest.importorskip("pty", reason="a terminal is made as on Linux and macOS")
import pyte
import wandb
import wandb_pictures
from wandb_pictures import Picture

SHOWN = ("loss", (1, 1), 24)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A project's folder with two offline runs, "first" and "second", of three epochs each."""
    monkeypatch.setattr(wandb_pictures.h, "ROOT", tmp_path)
    folder = tmp_path / "build/runs/xor-mlops"
    folder.mkdir(parents=True)
    for name in ("first", "second"):
        place = {"mode": "offline", "dir": folder, "settings": wandb.Settings(silent=True)}
        with wandb.init(project="test", name=name, **place) as run:
            for epoch in range(3):
                run.log({"epoch": epoch, "train/loss": 0.7 - 0.1 * epoch})
    return folder


def test_a_run_is_found_by_its_name_and_shown(runs):
    picture = Picture("xor-mlops", "first", *SHOWN)
    found = wandb_pictures.find(picture)
    assert found.parent == runs / "wandb"
    shown = wandb_pictures.screen_of(found, picture)
    assert "[1-1 of 1 filtered from 2 total]" in shown.display[0]
    assert any(wandb_pictures._dots(c) for c in "".join(shown.display)), "no curve was drawn"
    with pytest.raises(FileNotFoundError, match="run the notebook first"):
        wandb_pictures.find(Picture("xor-mlops", "third", *SHOWN))


def test_characters_and_dots_are_drawn_where_they_stand():
    screen = pyte.Screen(4, 2)
    pyte.Stream(screen).feed("a\r\n \x1b[38;2;255;0;0m\u2881")  # the first and the last dot
    ax = wandb_pictures.draw(screen).axes[0]
    assert [(t.get_text(), t.get_position()[0]) for t in ax.texts] == [("a", 0)]
    (line,) = ax.lines
    assert line.get_xydata().tolist() == [[1.25, 1.125], [1.75, 1.875]]
    assert line.get_color() == "#ff0000"


def test_a_display_without_charts_is_not_waited_for_forever(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_pictures, "PATIENCE", 1.0)
    monkeypatch.setattr(wandb_pictures, "QUIET", 0.1)
    with pytest.raises((TimeoutError, OSError)):
        wandb_pictures.screen_of(tmp_path, Picture("xor-mlops", "", *SHOWN))
