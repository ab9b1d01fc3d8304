from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure
from rewards.format import TAGS, think_answer_format


def value(text: str) -> float | None:
    return think_answer_format(ParseFailure("not looked at"), Answer(), text)


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
