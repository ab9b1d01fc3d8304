"""Hostile texts for every parser and every reward: never an exception, always in range.

`python scripts/fuzz.py --texts 1000000` makes a million texts; here there are 30,000. How long reading takes is shown
by `python scripts/bench.py rewards`.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import fuzz

from grounding.core import ParseFailure
from rewards import REWARDS

TEXTS = 30_000


def test_every_reward_is_fuzzed() -> None:
    assert {*fuzz.FORMS, *(name for names in fuzz.FOR.values() for name in names)} == set(REWARDS)
    assert set(fuzz.FOR) == set(fuzz.PARSERS)


def test_random_and_mutated_texts() -> None:
    counts: Counter[str] = Counter()
    for text in fuzz.hostile(TEXTS, 0):
        counts.update(fuzz.check(text))
    for name in fuzz.PARSERS:  # the fuzz reaches both sides of every grammar
        assert TEXTS / 1000 < counts[name] < TEXTS * 0.9, (name, counts[name])


def test_the_same_seed_makes_the_same_texts() -> None:
    assert list(fuzz.hostile(50, 3)) == list(fuzz.hostile(50, 3)) != list(fuzz.hostile(50, 4))


@given(st.text() | st.lists(st.sampled_from(fuzz.PIECES)).map("".join))
@example("<answer>" * 3000 + "</answer>" * 3000)
@example("<think>" * 3000 + "<answer>1 to 2</answer>")
@example("<answer>" + "[" * 1500 + "</answer>")
@example("<answer>" + "1 to 2 " * 200 + "</answer>")
@example("<answer>" + '{"bbox_2d": [' + "9" * 1500 + ", 1, 1, 1]}</answer>")
def test_texts_that_hypothesis_thinks_of(text: str) -> None:
    fuzz.check(text)


@pytest.mark.parametrize(
    ("parser", "reward"),
    [
        (lambda text: 1 / 0, None),
        (lambda text: None, None),
        (None, lambda answer, truth, meta: 2.0),
        (None, lambda answer, truth, meta: float("nan")),
        (None, lambda answer, truth, meta: 0.5),  # for a failure, too
    ],
)
def test_what_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, parser: object, reward: object) -> None:
    if parser is not None:
        monkeypatch.setitem(fuzz.PARSERS, "range", parser)
    else:
        bad = REWARDS["temporal_iou"].__class__("temporal_iou", reward, 0.0, 1.0)
        monkeypatch.setitem(REWARDS, "temporal_iou", bad)
    with pytest.raises(Exception):  # noqa: B017
        fuzz.check("no tags at all")


def test_the_command_says_which_text_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fuzz.main(texts=20)
    assert "20 texts of seed 0: no exception, every reward within its range" in capsys.readouterr().out
    monkeypatch.setitem(fuzz.PARSERS, "range", lambda text: ParseFailure("") if len(text) % 2 else [][0])
    with pytest.raises(AssertionError, match=r"text \d+ of seed 0 fails: '") as caught:
        fuzz.main(texts=20)
    assert isinstance(caught.value.__cause__, IndexError)


def test_one_text_alone(capsys: pytest.CaptureFixture[str]) -> None:
    fuzz.main(texts=5, only=3)
    third = list(fuzz.hostile(5, 0))[3]
    assert capsys.readouterr().out.startswith(ascii(third) + "\n1 texts")


@pytest.mark.parametrize("text", fuzz.GOOD)
def test_good_texts_are_read_by_more_than_the_parsers_of_free_words(text: str) -> None:
    assert (fuzz.check(text) - {"words", "cited"}) or "he opens" in text or "the man" in text
