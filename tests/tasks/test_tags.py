from __future__ import annotations

import pytest

from grounding.tasks.tags import last_answer


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
