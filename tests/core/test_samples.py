"""Samples and answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, Mask, ParseFailure, Sample, UserError, rle
from grounding.core.samples import normalise_query


def test_an_answer_holds_what_the_task_asks_for() -> None:
    assert Answer() == Answer(None, None, None)
    answer = Answer(Interval(1, 2), object_id=3)
    assert (answer.interval, answer.object_id, answer.tube) == (Interval(1, 2), 3, None)
    assert answer == Answer(Interval(1, 2), object_id=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.object_id = 4  # type: ignore[misc]


def test_a_parse_failure_is_a_value() -> None:
    assert ParseFailure("no tag") == ParseFailure("no tag")
    assert not isinstance(ParseFailure("no tag"), BaseException)


def test_a_sample() -> None:
    sample = Sample("a1", "v.mp4", "who waves?", Answer(object_id=2))
    assert sample.meta == {}
    assert sample.meta is not Sample("a2", "v.mp4", "who?", Answer()).meta


@pytest.mark.parametrize(
    ("identity", "query", "message"),
    [("", "who?", "id must not be empty"), ("a1", "", "sample a1: query"), ("a1", " \n\t", "sample a1: query")],
)
def test_bad_samples(identity: str, query: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Sample(identity, "v.mp4", query, Answer())


def test_one_segment_or_several_are_read_alike() -> None:
    one, two = Interval(1, 2), Interval(4, 5)
    assert Answer().segments is None and Answer().ids is None
    assert Answer(one).segments == (one,)
    assert Answer(one, intervals=(one, two)).segments == (one, two)
    assert Answer(intervals=()).segments == ()  # 'never' is an answer
    assert Answer(object_id=3).ids == {3}
    assert Answer(object_ids=frozenset([1, 2])).ids == {1, 2}
    assert Answer(object_ids=frozenset()).ids == set()


def test_a_mask_covers_the_points_of_its_pixels() -> None:
    dense = np.zeros((4, 6), bool)
    dense[1:3, 2:5] = True  # rows 1 and 2, columns 2 to 4
    mask = Mask((4, 6), rle.encode(dense))
    assert mask.covers(2.0, 1.0) and mask.covers(4.99, 2.99)  # half-open pixels
    assert not mask.covers(5.0, 1.0) and not mask.covers(2.0, 3.0) and not mask.covers(1.99, 1.0)
    for x, y in ((-0.5, 1.0), (2.0, -0.5), (6.0, 1.0), (2.0, 4.0), (float("nan"), 1.0), (1e309, 1.0)):
        assert not mask.covers(x, y)  # outside of the image, and never its other side
    assert mask == Mask((4, 6), rle.encode(dense))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"box": (0.0, 0.0, float("nan"), 1.0)}, "box must be finite"),
        ({"box": (2.0, 0.0, 1.0, 1.0)}, "x1 <= x2"),
        ({"box": (0.0, 2.0, 1.0, 1.0)}, "y1 <= y2"),
        ({"point": (0.0, float("inf"))}, "point must be finite"),
        ({"number": float("nan")}, "number must be finite"),
    ],
)
def test_an_answer_holds_finite_numbers(part: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Answer(**part)
    assert Answer(number=0.0, box=(0.0, 0.0, 0.0, 0.0), point=(-1.0, 5.0)).number == 0.0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("The man walks.", "the man walks"),
        ("  The  man\nwalks . ", "the man walks"),
        ("Who is 1.8 m tall", "who is 1.8 m tall"),
        ("Well...", "well"),
    ],
)
def test_normalise_query(query: str, expected: str) -> None:
    assert normalise_query(query) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(query: str) -> None:
    assert normalise_query(normalise_query(query)) == normalise_query(query)
