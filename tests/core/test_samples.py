"""Samples and answers."""

from __future__ import annotations

import dataclasses

import pytest

from grounding.core import Answer, Interval, ParseFailure, Sample, UserError


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
