from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure
from grounding.tasks.boxes import parse_box, parse_point

SIZE = (200, 400)  # height, width


def answered(block):
    return f"<think>[9, 9, 9, 9]</think> <answer>{block}</answer>"


@pytest.mark.parametrize(
    "block",
    [
        '{"bbox_2d": [10, 20, 30.5, 40], "label": "chair"}',
        '[{"bbox_2d": [10, 20, 30.5, 40]}]',
        '\n[\n {"label": "a [b] {c}",\n "bbox_2d": [10,20,30.5,40]}\n]',
        "[10, 20, 30.5, 40]",
        "(10,20,30.5,40)",
        "[ 10 , 20 , 30.5 , 40 ]",
    ],
)
def test_boxes_in_json_or_brackets(block):
    assert parse_box(answered(block), SIZE) == Answer(box=(10.0, 20.0, 30.5, 40.0))


def test_thousandths_are_of_width_and_height():
    # x: 500 / 1000 of 400 = 200, 1000 is 400; y: 250 / 1000 of 200 = 50, 500 is 100.
    found = parse_box(answered("[500, 250, 1000, 500]"), SIZE, "thousandths")
    assert found == Answer(box=(200.0, 50.0, 400.0, 100.0))
    assert parse_point(answered("[500, 250]"), SIZE, "thousandths") == Answer(point=(200.0, 50.0))
    assert isinstance(parse_box(answered("[500, 250, 1001, 500]"), SIZE, "thousandths"), ParseFailure)


def test_pixels_may_reach_past_the_image_and_are_not_cut():
    assert parse_box(answered("[0, 0, 5000, 5000]"), SIZE) == Answer(box=(0.0, 0.0, 5000.0, 5000.0))


def test_points():
    for block in ('{"point_2d": [10, 20]}', "[10, 20]", "(10, 20)", '[{"point_2d": [10, 20], "label": "x"}]'):
        assert parse_point(answered(block), SIZE) == Answer(point=(10.0, 20.0))
    for block in ("10, 20", "[10]", "[10, 20, 30]", '{"bbox_2d": [10, 20]}', "[-1, 2]"):
        assert isinstance(parse_point(answered(block), SIZE), ParseFailure)


@pytest.mark.parametrize(
    "block",
    [
        "",
        "10, 20, 30, 40",
        "[10, 20, 30]",
        "[10, 20, 30, 40, 50]",
        "[10, 20, 30, 40",
        "[10, 20, 30, 40)x",
        "[-10, 20, 30, 40]",
        "[1e1, 20, 30, 40]",
        '{"bbox_2d": [10, 20, 30]}',
        '{"bbox_2d": "10, 20, 30, 40"}',
        '{"bbox_2d": [10, 20, 30, "40"]}',
        '{"bbox_2d": [10, 20, 30, true]}',
        '{"bbox_2d": [10, 20, 30, NaN]}',
        '{"bbox_2d": [10, 20, 30, Infinity]}',
        '{"bbox_2d": [10, 20, 30, 1e309]}',
        '{"bbox_2d": [10, 20, 30, 1' + "0" * 500 + "]}",
        '{"bbox_2d": [10, 20, 30, null]}',
        '{"bbox_2d": {"x": 1}}',
        '{"box": [10, 20, 30, 40]}',
        '{"bbox_2d": [10, 20, 30, 40], "bbox_2d": [1, 2, 3, 4]}',  # JSON would take the last
        '[{"bbox_2d": [10, 20, 30, 40]}, {"bbox_2d": [1, 2, 3, 4]}]',  # several guesses
        "[[10, 20, 30, 40]]",
        "{'bbox_2d': [10, 20, 30, 40]}",
        "the box is [10, 20, 30, 40]",
        "[" * 2000,
        '{"a":' * 400,
        "```json [10, 20, 30, 40] ```",
    ],
)
def test_outside_of_the_grammar(block):
    failure = parse_box(answered(block), SIZE)
    assert isinstance(failure, ParseFailure)
    assert failure.reason.startswith('expected {"bbox_2d": [4 numbers from 0 to 100000]}')


@pytest.mark.parametrize("block", ["[30, 20, 10, 40]", "[10, 40, 30, 20]"])
def test_reversed_boxes(block):
    assert "reversed" in parse_box(answered(block), SIZE).reason


def test_the_tags_come_first():
    assert "no <answer>" in parse_box("[1, 2, 3, 4]", SIZE).reason
    assert "no <answer>" in parse_point("<think><answer>[1, 2]</answer></think>", SIZE).reason


corners = st.tuples(*[st.integers(0, 1_000_000).map(lambda n: n / 100)] * 4)


@given(corners)
def test_boxes_are_read_back(c):
    box = (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
    assert parse_box(answered(json.dumps({"bbox_2d": box})), SIZE) == Answer(box=box)
    assert parse_box(answered(str(list(box))), SIZE) == Answer(box=box)
