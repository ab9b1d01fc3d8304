"""`scripts/bench.py rewards` at a small size: every figure is there, and all forms compute the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import fuzz
from benchmarks import rewards

from grounding.core import ParseFailure, Tube
from rewards import REWARDS

pytestmark = pytest.mark.slow


def test_every_figure_is_measured() -> None:
    found = rewards.rewards(calls=2, repeats=1, longest=800)
    assert all(found[bar.figure] > 0 for bar in rewards.BARS)
    assert set(found["us_a_tube"]) == {"official_loop", "single", "batched"}
    assert {"ratio_official_loop", "time range, a text of 2 kB"} <= set(rewards.summary(found))


def test_the_official_loop_by_hand() -> None:
    full, half = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0]
    truth = Tube(10, np.array([full] * 4))
    assert rewards.official_viou(Tube(12, np.array([full, half, full])), truth) == pytest.approx(1.5 / 5)  # 10..14
    assert rewards.official_viou(Tube(14, np.array([full])), truth) == 0.0


def test_every_text_has_2_kb_and_is_read() -> None:
    for name, (parse, text) in rewards.reading().items():
        assert 1990 <= len(text) <= 2000, name
        assert not isinstance(parse(text), ParseFailure), name


def test_what_reads_hostile_texts_is_everything() -> None:
    names = rewards.readers()
    assert {*fuzz.PARSERS, *REWARDS, "lenient stvg"} <= names.keys()
    for read in names.values():
        read(next(iter(fuzz.long_texts(100))))


def test_hostile_texts_are_timed_by_their_slowest() -> None:
    lengths = []

    def read(text: str) -> None:
        lengths.append(len(text))

    found = rewards.on_hostile(read, 1, 8000)
    assert found.keys() == {"ms_2kB", "growth"} and found["growth"] > 0
    assert {900 <= length <= 17000 for length in lengths} == {True}  # alone, and twice within tags
    assert len(lengths) == 3 * 3 * len(list(fuzz.long_texts(100)))  # three lengths, three turns each
