"""The search for a digit network's recipe: its rule, on losses that are known."""

from dataclasses import replace

import numpy as np
import prose
import pytest

import helpers as h
from backstage import digit_changes
from backstage import digit_search as search

START = h.Recipe(epochs=4, rate=0.1, one_cycle=True)
NOISE = np.array([0.0, 0.001, -0.001, 0.002, -0.002])


def tried(name, *losses):
    loss = np.array(losses)
    return search.Tried(name, START, False, loss, 100 * loss)


def test_a_change_is_kept_if_it_is_clear_and_large_enough():
    base = np.full(5, 0.2) + NOISE
    clear, small, unclear, worse = digit_changes.compare(
        [
            tried("start", *base),
            tried("clear", *(base - 0.03 + NOISE / 10)),
            tried("small", *(base - 0.01 + NOISE / 10)),
            tried("unclear", *(base - 0.03 + 40 * NOISE)),
            tried("worse", *(base + 0.03 + NOISE / 10)),
        ]
    )
    assert clear.better and clear.gain == pytest.approx(0.15)
    assert small.loss_difference.high < 0 and not small.better
    assert unclear.gain > digit_changes.LEAST and not unclear.better
    assert worse.worse and not (clear.worse or small.worse or unclear.worse)
    verdicts = [one.verdict for one in (clear, small, unclear, worse)]
    assert verdicts == ["kept", "better, but by less than a tenth", "open", "clearly worse"]


def test_a_printed_number_is_the_same_in_text_and_in_formulas():
    text = digit_changes.printed(-0.26, 1)
    assert text == r"\text{$-0.3$}" and prose.plain(text) == "−0.3"
    assert prose.plain(digit_changes.printed(0.26, 1)) == "+0.3"


def test_the_table_shows_what_the_rule_looks_at():
    runs = [tried("start", 0.20, 0.22, 0.21), tried("changed", 0.18, 0.20, 0.20)]
    before, after = digit_changes.table(runs[0], digit_changes.compare(runs))
    assert before == ["start", "0.2100", "", "", r"21.00 $\pm$ 1.00", ""]
    assert after[:4] == ["changed", "0.1933", "$-7.9$", "$-31$ to $-2$"]
    assert after[4:] == [r"19.33 $\pm$ 1.15", "$-3.10$ to $-0.23$"]


def test_what_was_kept_is_combined():
    adamw = replace(START, weight_decay=0.0, rate=0.01)
    candidates = search.one_change_each(START, replace(START, one_cycle=False), adamw)
    assert search.combine(START, candidates, []) == START
    both = search.combine(START, candidates, ["AdamW, weight decay", "augmentation"])
    assert both == replace(START, rate=0.01, weight_decay=search.DECAY, augment=True)


def last_row(recipe, he, seed):
    loss = float("nan") if recipe.rate > 0.05 else 1 - recipe.rate
    return {"val/loss": loss, "val/accuracy": 0.5}


def test_a_training_that_diverged_never_wins():
    candidates = [search.Candidate(str(r), replace(START, rate=r)) for r in (0.01, 0.03, 0.1)]
    found = search.try_all(last_row, candidates, range(2))
    assert np.isinf(found[2].loss).all()
    assert search.best_of(found).name == "0.03"
