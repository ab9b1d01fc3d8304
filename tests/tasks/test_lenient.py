from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks import stvg, vtg
from grounding.tasks.answers import parse_choices, parse_grounded, parse_number
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


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ('["00:12", "00:25"]', 12, 25),
        ('It is "00:12", "01:25.5".', 12, 85.5),
        ('{"relevant_windows": [["00:12", "00:25"]]}', 12, 25),
        ('{"relevant_windows": [[12.0, 25.0]]}', 12, 25),
        ('```json\n[{"start_time": "00:00.00",\n "end_time": "02:45.00", "event": "x"}]\n```', 0, 165),
        ("{'start': 12.54, 'end': 17.83}", 12.54, 17.83),
        ("start: 12.54, end: 17.83", 12.54, 17.83),
        ("Start time: 12 seconds; end time: 17 seconds", 12, 17),
        ('{"begin_timestamp": "1:02:03", "end_timestamp": "1:02:05"}', 3723, 3725),
        ('{"\u65f6\u95f4\u8303\u56f4": "80.3\u79d2\u523090.2\u79d2"}', 80.3, 90.2),
        ("\u7b2c80\u79d2\u81f3\u7b2c90\u79d2", 80, 90),
        ('{"\u5f00\u59cb\u65f6\u95f4": 3, "\u7ed3\u675f\u65f6\u95f4": 7}', 3, 7),
        ("from frame 120 to 348, that is 4.0 to 11.6 s", 4.0, 11.6),
    ],
)
def test_ranges_as_json_and_chinese_write_them(text, start, end):
    for block in (text, f"<think>t</think><answer>{text}</answer>"):
        read = Lenient(vtg.parse, RANGES)
        assert read(block) == Answer(Interval(start, end)), block


@pytest.mark.parametrize(
    "text",
    [
        "A person walks from frame 120 to 348",
        "frames 120-348",
        "between 120 and 348 frames",
        "from 10% to 20% of the video",
        "from 1 to 2 minutes",
        "1\u52065\u79d2\u52301\u520620\u79d2",  # 1 min 5 s to 1 min 20 s
        '{"start_frame": 120, "end_frame": 348}',
        "it lasts 3 to 12345678",
        '{"end": 7, "start": 3}',
    ],
)
def test_other_units_are_not_seconds(text):
    read = Lenient(vtg.parse, RANGES)
    assert isinstance(read(text), ParseFailure) and read.counts == {"failed": 1}


@pytest.mark.parametrize(
    ("text", "letters", "times", "way"),
    [
        ("<answer>B</answer><glue>[(5.2, 10.4)]</glue>", "B", (Interval(5.2, 10.4),), "strict"),
        ("<answer>(B) cuddle him</answer><glue>[(5.2, 10.4)]</glue>", "B", (Interval(5.2, 10.4),), "words"),
        ("<ANSWER>B</ANSWER><glue>[(5.2, 10.4)]</glue>", "B", (Interval(5.2, 10.4),), "tags"),
        ("<answer>(B) cuddle him</answer><glue>none</glue>", "B", None, "words"),
        ("<answer>who knows</answer><glue>[(5.2, 10.4)]</glue>", None, (Interval(5.2, 10.4),), "strict"),
    ],
)
def test_each_part_of_an_answer_is_read_in_the_first_way_that_has_it(text, letters, times, way):
    read = Lenient(partial(parse_grounded, options=5), LETTERS)
    assert read(text) == Answer(choices=letters and frozenset(letters), intervals=times)
    assert read.counts == {way: 1}


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
