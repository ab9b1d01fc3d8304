from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks import stvg, vtg
from grounding.tasks.answers import parse_choices, parse_number
from grounding.tasks.boxes import parse_box
from grounding.tasks.lenient import BOXES, LETTERS, NUMBERS, RANGES, Lenient


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("<think>t</think> <answer>3 to 7</answer>", "strict"),
        ("<think>t</think> <ANSWER>3 to 7</ANSWER>", "tags"),
        ("<think>t</think> <answer>3 to 7", "tags"),
        ("<think>t</think> <ANSWER>3 to 7</ANSWER> I am sure.", "tags"),
        ("<think>t</think> 3 to 7", "bare"),
        ("3 to 7", "bare"),
        ("<think>t</think> <answer>The event lasts from 3 to 7 seconds, I think.</answer>", "words"),
        ("It is not 0 to 1 but 3 to 7.", "words"),  # the last one
    ],
)
def test_each_way_reads_the_same_and_is_counted(text, way):
    read = Lenient(vtg.parse, RANGES)
    assert read(text) == Answer(Interval(3, 7))
    assert read.counts == {way: 1}
    assert read.rescued == (way != "strict")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "<think>3 to 7</think>",
        "<think>3 to 7</think> no idea",
        "<think>it lasts from 3 to 7",  # cut off while thinking
        "<THINK>3 to 7</THINK> no idea",
        "<think>t</think> <answer>7 to 3</answer>",  # wrong is not unreadable
        "it lasts 12345678 to 9",  # a longer number has no tail that is a time
        "<think>t</think> <answer>no idea</answer> unless 3 to 7",  # what stands in the tags is the answer
    ],
)
def test_the_thinking_is_never_searched_and_wrong_stays_wrong(text):
    read = Lenient(vtg.parse, RANGES)
    assert read(text) == vtg.parse(text) and isinstance(read(text), ParseFailure)
    assert read.counts == {"failed": 2} and read.rescued == 0


def test_counts_add_up():
    read = Lenient(vtg.parse, RANGES)
    for text in ["<answer>1-2</answer>", "1-2", "1-2 perhaps", "nothing", "<answer>1-2"]:
        read(text)
    assert read.counts == {"strict": 1, "bare": 1, "words": 1, "failed": 1, "tags": 1} and read.rescued == 3


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("<answer>B. a red car</answer>", "B"),
        ("<answer>Answer: B</answer>", "B"),
        ("<answer>the answer is B</answer>", "B"),
        ("<answer>I take option B here</answer>", "B"),
        ("<answer>it is (B), the car</answer>", "B"),
        ("<answer>A person walks by</answer>", None),  # a word, not an option
        ("<answer>a person</answer>", None),
    ],
)
def test_letters_in_words(text, letter):
    found = Lenient(partial(parse_choices, options=4), LETTERS)(text)
    assert found == Answer(choices=frozenset(letter)) if letter else isinstance(found, ParseFailure)


def test_numbers_boxes_and_whole_answers_in_words():
    assert Lenient(parse_number, NUMBERS)("<answer>about 12.5 metres</answer>") == Answer(number=12.5)
    box = Lenient(partial(parse_box, size=(100, 100)), BOXES)
    assert box('```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "x"}]\n```') == Answer(box=(1.0, 2.0, 3.0, 4.0))
    both = Lenient(stvg.parse, stvg.GRAMMAR)
    assert both("So: Target ID: 3, Time range: 1 to 2, as I said") == Answer(Interval(1, 2), 3)


@given(st.text(), st.lists(st.sampled_from(["<answer>", "</answer>", "<think>", "</think>", "1-2", " "]), max_size=8))
def test_what_is_read_strictly_stays_as_it_is(noise, pieces):
    text = noise + "".join(pieces)
    strict = vtg.parse(text)
    lenient = Lenient(vtg.parse, RANGES)(text)
    assert lenient == strict or isinstance(strict, ParseFailure)
