from __future__ import annotations

import pytest

from grounding.core import ParseFailure
from grounding.tasks.tags import block_of, expected, last_answer, last_block


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<answer>a</answer>", "a"),
        ("<think>t</think> <answer>a</answer>", "a"),
        ("t</think> <answer>a</answer>", "a"),  # the chat template opened the thinking
        ("<think>t</think> <answer>a</answer> <answer>b</answer>", "b"),
        ("<think>t</think> <answer>a</answer> <answer>b", "a"),  # the last one that is complete
        ("<think>t</think> <answer></answer>", ""),
        ("<think>t</think> <answer>a</answer> <think>u", "a"),
        ("<answer><answer>a</answer>", "a"),
        ("<answer>a</answer>b</answer>", "a</answer>b"),  # no grammar holds a tag, so this fails later
    ],
)
def test_the_last_block_outside_of_the_thinking(text, expected):
    assert last_answer(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "<answer>a",
        "a</answer>",
        "</answer>a<answer>",
        "<think><answer>a</answer></think>",  # only considered
        "<think><answer>a</answer></think> I do not know",
        "<think><answer>a</answer>",  # cut off while thinking
        "<answer>a</answer> <think>t</think>",  # thought after answering
        "<think>t</think> <think><answer>a</answer>",
        "<think>t <answer>a</think> b</answer>",
        "<Answer>a</Answer>",
    ],
)
def test_no_block(text):
    assert last_answer(text) is None


def test_other_blocks_and_what_is_said_of_them():
    text = "<think><glue>a</glue></think><answer>b</answer><glue>c\n d</glue>"
    assert last_block(text, "glue") == "c\n d"
    assert block_of(text, "glue") == "c d" and block_of(text) == "b"
    assert block_of("c", "glue") == ParseFailure("no <glue>...</glue> after the thinking")
    assert block_of(f"<glue>{'a ' * 1024}b</glue>", "glue") == ParseFailure("the glue is longer than 2048 characters")
    assert len(block_of(f"<glue>{'a ' * 1024}</glue>", "glue")) == 2047  # counted without surplus white space


def test_a_failure_shows_the_beginning_of_what_came():
    assert expected("a number", "x" * 200) == ParseFailure(f"expected a number, got {'x' * 80!r}")
