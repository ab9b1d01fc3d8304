from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure
from grounding.tasks.objects import parse, parse_all


def answered(block):
    return f"<think>ID 9</think> <answer>{block}</answer>"


@pytest.mark.parametrize(
    ("block", "ids"),
    [
        ("3", {3}),
        ("#3", {3}),
        ("[3]", {3}),
        ("ID 3", {3}),
        ("id #3.", {3}),
        ("Target ID: 3", {3}),
        ("IDs: 1, 2 and 5", {1, 2, 5}),
        ("Target IDs: [1, 2, 5]", {1, 2, 5}),
        ("[1, 2]", {1, 2}),
        ("[1], [2]", {1, 2}),
        ("#1 #2", {1, 2}),
        ("1; 2; 1", {1, 2}),
        ("ID 1, ID 2", {1, 2}),
        ("[]", set()),
    ],
)
def test_ids(block, ids):
    assert parse_all(answered(block)) == Answer(object_ids=frozenset(ids))
    one = parse(answered(block))
    assert one == Answer(object_id=min(ids)) if len(ids) == 1 else isinstance(one, ParseFailure)


@pytest.mark.parametrize(
    "block",
    ["", "none", "-1", "1.5", "1, 2,", "1 or 2", "1,,2", "all", "1-4", "[1, 2", "1e3", "1234567", "\u0663", "three",
     "the man, 3", "3 is it", "ID", "#", "[1, [2]]x", "0x1"],
)  # fmt: skip
def test_outside_of_the_grammar(block):
    failure = parse_all(answered(block))
    assert isinstance(failure, ParseFailure) and failure.reason.startswith("expected ids")
    assert isinstance(parse(answered(block)), ParseFailure)


def test_ids_begin_at_1_and_one_is_one():
    assert parse_all(answered("1, 0")) == ParseFailure("ids begin at 1, got 0")
    assert parse(answered("1, 2")) == ParseFailure("expected one id, got 2")
    assert parse(answered("[]")) == ParseFailure("expected one id, got 0")
    assert "no <answer>" in parse("3").reason


@given(st.lists(st.integers(1, 999999), min_size=1, max_size=64))
def test_lists_are_read_back(ids):
    assert parse_all(answered(", ".join(map(str, ids)))) == parse_all(answered(str(ids)))
    assert parse_all(answered(str(ids))) == Answer(object_ids=frozenset(ids))


def test_listing_more_than_64_is_no_answer():
    assert isinstance(parse_all(answered(str(list(range(1, 66))))), ParseFailure)
