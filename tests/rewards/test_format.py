from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from rewards.base import Meta
from rewards.format import (
    TAGS,
    box_format,
    glue_format,
    planned_think_format,
    think_answer_format,
    time_caption_format,
)


def value(text: str) -> float | None:
    return think_answer_format(ParseFailure("not looked at"), Answer(), Meta(text))


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think><answer>b</answer>",
        "<think>a</think> <answer>b</answer>",
        "  <think>a\nb</think>\n\n<answer>\nb\n</answer>\n",
        "<think>1 < 2 and <b>bold</b></think> <answer>b</answer>",  # only our own tags matter
        "<think></think> <answer></answer>",  # contents are not looked at, as in the paper
    ],
)
def test_well_formed(text):
    assert value(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "<answer>b</answer>",
        "<think>a</think>",
        "<think>a</think> <answer>b",
        "<think>a <answer>b</answer>",
        "a</think> <answer>b</answer>",
        "x <think>a</think> <answer>b</answer>",
        "<think>a</think> <answer>b</answer> x",
        "<think>a</think> so <answer>b</answer>",
        "<answer>b</answer> <think>a</think>",
        "<think>a</think> <answer>b</answer> <answer>c</answer>",
        "<think>a</think> <think>b</think> <answer>c</answer>",
        "<think><think>a</think></think> <answer>c</answer>",
        "<think>a</think> <answer><answer>c</answer></answer>",
        "<think>a <answer>b</answer></think>",
        "<think>a</think> <answer><think>c</answer>",
        "<think>a <answer></think> b</answer>",
        "<THINK>a</THINK> <ANSWER>b</ANSWER>",
        "<think>a</think> <answer>b <ANSWER></answer>",  # an extra tag in capitals
        "</answer><think></think><answer>",
    ],
)
def test_ill_formed(text):
    assert value(text) == 0.0


plain = st.text().filter(lambda text: not any(tag in text.lower() for tag in TAGS))


@given(plain, plain, st.sampled_from(["", " ", "\n", "\t\n "]))
def test_any_thinking_and_any_answer_pass(thinking, answer, gap):
    assert value(f"<think>{thinking}</think>{gap}<answer>{answer}</answer>") == 1.0


@given(plain, plain, st.sampled_from(TAGS), st.integers(0, 200))
def test_one_tag_more_never_passes(thinking, answer, tag, at):
    text = f"<think>{thinking}</think> <answer>{answer}</answer>"
    assert value(text[:at] + tag + text[at:]) == 0.0


@given(st.lists(st.sampled_from([*TAGS, " ", "a"]), max_size=8))
def test_exactly_one_order_of_tags_passes(parts):
    bare = [part for part in parts if part.startswith("<")]
    assert value("".join(parts)) in (0.0, 1.0)
    if bare != list(TAGS):
        assert value("".join(parts)) == 0.0


# Planned thinking (PRIMO R1)

PLAN = (
    "<think>so <planning>p</planning> <observation>o</observation> then <reasoning>r</reasoning></think> "
    "<answer>45%</answer>"
)


def planned(text):
    return planned_think_format(ParseFailure("not looked at"), Answer(), Meta(text))


def test_planned_thinking_with_words_between_its_sections_passes():
    assert planned(PLAN) == planned(f" {PLAN}\n") == 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<planning>p</planning>", ""),  # a section is missing
        ("<planning>p</planning>", "<planning>p</planning><planning>p</planning>"),  # or comes twice
        ("<planning>p</planning>", "<Planning>p</Planning>"),
        ("</think> ", "</think> so "),  # words where none belong
        ("<think>so", "well <think>so"),
        ("45%</answer>", "45%</answer>!"),
        ("<reasoning>r</reasoning></think>", "</think><reasoning>r</reasoning>"),  # a section outside of the thinking
        (
            "<observation>o</observation> then <reasoning>r</reasoning>",
            "<reasoning>r</reasoning><observation>o</observation>",
        ),
        ("<observation>o</observation>", "<observation>o</think></observation>"),
    ],
)  # fmt: skip
def test_planned_thinking_out_of_order_fails(old, new):
    assert old in PLAN and planned(PLAN.replace(old, new)) == 0.0


# Forms whose inside the parser has read


def test_a_box_must_have_been_read():
    formed = Meta("<think>a</think> <answer>[1, 2, 3, 4]</answer>")
    read = Answer(box=(1.0, 2.0, 3.0, 4.0))
    assert box_format(read, Answer(), formed) == 1.0
    assert box_format(read, Answer(), Meta("<answer>[1, 2, 3, 4]</answer>")) == 0.0  # no thinking
    assert box_format(Answer(), Answer(), formed) == box_format(ParseFailure("reversed"), Answer(), formed) == 0.0


def test_glue_comes_last_and_must_have_been_read():
    text = "<think>t</think> <answer>B</answer>\n<glue>[(2.0, 6.5)]</glue>"
    read = Answer(intervals=(Interval(2.0, 6.5),), choices=frozenset("B"))
    assert glue_format(read, Answer(), Meta(text)) == 1.0
    assert glue_format(Answer(intervals=()), Answer(), Meta(text)) == 1.0  # 'never' is a list of ordered pairs
    assert glue_format(Answer(choices=frozenset("B")), Answer(), Meta(text)) == 0.0  # glue was not readable
    assert glue_format(ParseFailure("no tags"), Answer(), Meta(text)) == 0.0
    for worse in (text + "x", "x" + text, text.replace("</answer>\n", "</answer> and "), text + "<glue></glue>",
                  text.replace("<glue>", "<answer>"), "<think>t</think><glue>[]</glue><answer>B</answer>"):  # fmt: skip
        assert glue_format(read, Answer(), Meta(worse)) == 0.0


# Traces of time and caption (Video-Thinker)

TRIPLE = "<time>{}-{}</time> <caption>c</caption> <think>t</think> "
END = "so it is <answer>B</answer>"


def traced(count, end=END):
    return "".join(TRIPLE.format(i, i + 1) for i in range(count)) + end


def cites(count):
    return Answer(choices=frozenset("B"), intervals=tuple(Interval(i, i + 1) for i in range(count)))


@pytest.mark.parametrize(("count", "expected"), [(0, 0.0), (1, 1.0), (3, 1.0), (64, 1.0), (65, 0.0)])
def test_one_to_64_triples(count, expected):
    assert time_caption_format(cites(count), Answer(), Meta(traced(count))) == expected


def test_cited_times_last_and_lie_in_the_video():
    assert time_caption_format(cites(3), Answer(), Meta(traced(3), duration=3.0)) == 1.0
    assert time_caption_format(cites(3), Answer(), Meta(traced(3), duration=2.9)) == 0.0  # the last ends at 3 s
    empty = Answer(intervals=(Interval(2, 2),))
    assert time_caption_format(empty, Answer(), Meta(traced(1))) == 0.0
    assert time_caption_format(Answer(), Answer(), Meta(traced(1))) == 0.0  # its time could not be read
    assert time_caption_format(cites(2), Answer(), Meta(traced(1))) == 0.0
    assert time_caption_format(ParseFailure("no letter"), Answer(), Meta(traced(1))) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        traced(1, "B"),
        traced(1) + " x",
        traced(1) + END,
        END + traced(1),
        traced(1).replace("<caption>c</caption>", ""),
        traced(1).replace("<think>t</think>", "<think>t"),
        "<think>t</think> <time>0-1</time> <caption>c</caption> " + END,
    ],
)
def test_traces_out_of_order_fail(text):
    assert time_caption_format(cites(1), Answer(), Meta(text)) == 0.0
