"""Hostile texts: nothing raises, nothing leaves its range, nothing takes quadratic time, no trick pays."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

import rewards.format
from grounding.core import Answer, Interval, Masklets, ParseFailure
from grounding.core.rle import encode
from grounding.tasks import stvg, tags
from grounding.tasks.stvg import measure, parse, read
from rewards import PRESETS, Meta, WeightedSum, think_answer_format

GOOD = "<think>the red one: 3</think> <answer>Target ID: 3, Time range: 2.0 to 7.0</answer>"
PIECES = [
    *("<think>", "</think>", "<answer>", "</answer>", "<ANSWER>", "<answer", "answer>", "<", ">", "</"),
    *("Target ID: ", "Time range: ", "3", "#3", "[3]", "ID 3", "1, 2", "0", "-1", ", ", "\n", " ", "\t", "\u3000"),
    *("2.0 to 7.0", "7 to 2", "nan", "inf", "1e309", "-0.0", "9" * 400, "0." + "1" * 50, "1-2", "to", "and", ":"),
    *(
        "\u0663",
        "\uff13",
        "\u00b2",
        "\u0130",
        "\u017f",
        "\ud800",
        "\x00",
        "\U0001f534",
        "\u202e",
        "{query}",
        "%s",
        "\\",
    ),
]
EVERYTHING = WeightedSum(PRESETS["tubelet"])
PAPER = WeightedSum(PRESETS["stvg_r1"])


def scene():
    """20 s at 5 fps; ids 1-4 stand side by side in every frame; the truth is id 3 from 2 to 8 s."""
    tracks = {}
    for object_id in range(1, 5):
        dense = np.zeros((8, 40), bool)
        dense[:, 10 * (object_id - 1) : 10 * object_id] = True
        tracks[object_id] = (encode(dense),) * 100
    masklets = Masklets((8, 40), 5.0, np.arange(100) / 5.0, tracks)
    interval = Interval(2.0, 8.0)
    return masklets, Answer(interval, 3, masklets.tube(3, interval))


MASKLETS, TRUTH = scene()


def check(text):
    answer = read(text, MASKLETS)
    assert isinstance(answer, Answer | ParseFailure)
    parts = EVERYTHING.parts(answer, TRUTH, text)
    assert all(0.0 <= value <= 1.0 for value in parts.values()), text[:200]
    assert all(0.0 <= value <= 1.0 for value in measure(answer, TRUTH).values())
    return answer


def mutated(rng):
    text = list(GOOD)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        cut = rng.choice([0, 0, 1, 1, 3, 20])
        text[at : at + cut] = rng.choice([rng.choice(PIECES), "", chr(rng.randrange(0x3000))])
    return "".join(text)


def assembled(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(30)))


def test_thirty_thousand_random_and_mutated_texts():
    rng = random.Random(0)
    outcomes = [check(mutated(rng) if n % 2 else assembled(rng)) for n in range(30_000)]
    parsed = sum(isinstance(answer, Answer) for answer in outcomes)
    assert 1_000 < parsed < 29_000  # the fuzz reaches both sides


BOMBS = [
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "<answer></answer>",
    "<think></think><answer></answer>",
    "<answer><answer",
    "</answe",
    "<",
    " ",
    "\n",
    "9",
    "Target ID: 3, Time range: 2 to 7 ",
    "target id: ",
    "\u0663",
    "\u0130",
]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("frame", ["{}", "<think>{}</think> <answer>Target ID: 3, Time range: 2 to 7</answer>",
                                   "<think>t</think> <answer>{}</answer>",
                                   "<think>t</think> <answer>Target ID: 3, Time range: 2{}to 7</answer>"])  # fmt: skip
def test_long_bombs(bomb, frame):
    check(frame.format(bomb * (100_000 // len(bomb))))


SOURCES = {module.__file__ for module in (stvg, tags, rewards.format)}


def lines_run(function, *arguments):
    """How many lines of our Python a call runs: a loop over the text's characters or tags would show."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line" and frame.f_code.co_filename in SOURCES  # not the callbacks of a passing gc
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("bomb", BOMBS)
def test_work_in_python_does_not_grow_with_the_length(bomb):
    # What is left are single passes of str methods, and a regular expression that sees 256 characters at most.
    short, long = bomb * 300, bomb * 30_000  # both too long for an answer block
    for text_of in ("{}", "<think>{}</think> <answer>{}</answer>"):
        small, large = text_of.replace("{}", short), text_of.replace("{}", long)
        assert lines_run(parse, large) == lines_run(parse, small) > 5
        nothing = Answer()
        assert lines_run(think_answer_format, nothing, nothing, Meta(large)) == lines_run(
            think_answer_format, nothing, nothing, Meta(small)
        )


# Probes of a policy that would rather not look. An honest good answer: the right id and 2 to 7 s of 2 to 8 s,
# tIoU = vIoU = 5 / 6; stvg_r1 = 5/6 + 1 + 1 = 2.83; tubelet = 5/6 + 1 + 5/6 + 0.5 = 3.17.

ALL_ANSWERS = " ".join(
    f"<answer>Target ID: {i}, Time range: {s} to {s + 6}</answer>" for i in (1, 2, 3, 4) for s in range(0, 14, 2)
)
PROBES = {
    # name: (text, reward stvg_r1, reward tubelet)
    # Every answer in a row: the last one counts (id 4, 12-18 s: nothing right), and the form is lost.
    "many answers": (f"<think>t</think> {ALL_ANSWERS}", 0.0, 0.0),
    # The truth among the guesses of the thinking, then one wrong answer: form only.
    "answers in the thinking": (
        "<think>ID 3, 2.0 to 8.0</think> <answer>Target ID: 1, Time range: 9 to 10</answer>",
        1.0,
        0.5,
    ),
    "answer block in the thinking": (f"<think>{GOOD}</think> <answer>see above</answer>", 0.0, 0.0),
    # Well formed, but not an answer: form only.
    "all ids": ("<think>t</think> <answer>Target ID: 1, 2, 3, 4, Time range: 2 to 8</answer>", 1.0, 0.5),
    "several times": ("<think>t</think> <answer>Target ID: 3, Time range: 0 to 6, 2 to 8</answer>", 1.0, 0.5),
    "empty tags": ("<think></think><answer></answer>", 1.0, 0.5),
    # The whole video: 6 / 20 = 0.3 with the right id, and the tube 30 / 100 frames.
    "whole video": ("<think>t</think> <answer>Target ID: 3, Time range: 0 to 20</answer>", 2.3, 2.1),
    "whole video, wrong id": ("<think>t</think> <answer>Target ID: 1, Time range: 0 to 20</answer>", 1.3, 0.8),
    # Far past the end: 6 / 999,999 of the time; frames past the end do not exist: 30 / 100.
    "for ever": ("<think>t</think> <answer>Target ID: 3, Time range: 0 to 999999</answer>", 2 + 6e-6, 1.8 + 6e-6),
    "no time at all": ("<think>t</think> <answer>Target ID: 3, Time range: 4 to 4</answer>", 2.0, 1.5),
    # The good answer in three wrappings: it counts, the form does not; stuffing adds nothing.
    "tag stuffing": (f"<think></think><answer></answer>{GOOD}", 5 / 6 + 1, 5 / 3 + 1),
    "tag stuffing within": (GOOD.replace("the red", "<think>the <answer>red"), 5 / 6 + 1, 5 / 3 + 1),
    "form twice": (GOOD + GOOD, 5 / 6 + 1, 5 / 3 + 1),
}


def total(weighted, text):
    return weighted.total(weighted.parts(read(text, MASKLETS), TRUTH, text))


@pytest.mark.parametrize("name", PROBES)
def test_what_each_trick_gets(name):
    text, paper, ours = PROBES[name]
    assert total(PAPER, text) == pytest.approx(paper, abs=1e-6)
    assert total(EVERYTHING, text) == pytest.approx(ours, abs=1e-6)


def test_no_trick_pays_more_than_an_honest_good_answer():
    assert total(PAPER, GOOD) == pytest.approx(5 / 6 + 2)
    assert total(EVERYTHING, GOOD) == pytest.approx(5 / 3 + 1.5)
    for text, _, _ in PROBES.values():
        assert total(PAPER, text) < total(PAPER, GOOD)
        assert total(EVERYTHING, text) < total(EVERYTHING, GOOD)
