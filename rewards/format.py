"""Rewards for the form of the text; what stands inside the tags is the other rewards' matter."""

from __future__ import annotations

import re

from grounding.core import Answer, ParseFailure
from grounding.core.tags import TAGS
from rewards.base import Meta, reward

GLUE = (*TAGS, "<glue>", "</glue>")
PLANNED = (
    *("<think>", "<planning>", "</planning>", "<observation>", "</observation>", "<reasoning>", "</reasoning>"),
    *TAGS[1:],
)
CAPTIONED = ("<time>", "</time>", "<caption>", "</caption>", "<think>", "</think>")
MAX_CAPTIONS = 64  # more would be written for the reward

_TAG: dict[tuple[str, ...], re.Pattern[str]] = {
    tags: re.compile(f"(</?(?:{'|'.join(sorted({tag.strip('</>') for tag in tags}))})>)", re.IGNORECASE | re.ASCII)
    for tags in (TAGS, GLUE, PLANNED, (*CAPTIONED, *TAGS[2:]))
}


def around(text: str, tags: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Cut a text at every tag of these names, in any case and order; linear in its length.

    Args:
        text: The model's text.
        tags: `GLUE` or another of the layouts above.

    Returns:
        The tags as they stand there, and the texts before, between and after them.
    """
    pieces = _TAG[tags].split(text)
    return pieces[1::2], pieces[::2]


@reward(range=(0.0, 1.0))
def think_answer_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the text is one `<think>...</think>`, white space or nothing, and one `<answer>...</answer>`; else 0.

    STVG-R1's r_f (and Time-R1's, VideoChat-R1's, Scene-R1's), stricter in one thing: a tag that is nested or comes
    twice, in capitals too, fails.

    Returns:
        0 or 1, never None.
    """
    found, texts = around(meta.text, TAGS)
    return float(tuple(found) == TAGS and _blank(texts[0], texts[2], texts[4]))


@reward(range=(0.0, 1.0))
def planned_think_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the thinking holds `<planning>`, `<observation>` and `<reasoning>` in this order, then comes the answer.

    PRIMO R1 (arXiv 2603.15600). Free words may stand between the sections of the thinking, nowhere else.

    Returns:
        0 or 1, never None.
    """
    found, texts = around(meta.text, PLANNED)
    return float(tuple(found) == PLANNED and _blank(texts[0], texts[8], texts[10]))


@reward(range=(0.0, 1.0))
def box_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the text is well formed as in `think_answer_format` and a box could be read from it; else 0.

    Ours, for Scene-R1's second stage: its `<answer>` must be JSON with a `bbox_2d`, which the task's parser reads.

    Returns:
        0 or 1, never None.
    """
    return think_answer_format(answer, truth, meta) if isinstance(answer, Answer) and answer.box is not None else 0.0


@reward(range=(0.0, 1.0))
def glue_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if thinking, answer and `<glue>` follow one another and glue holds a list of ordered pairs; else 0.

    VideoChat-R1's grounded QA. The list was read by the task's parser.

    Returns:
        0 or 1, never None.
    """
    found, texts = around(meta.text, GLUE)
    read = isinstance(answer, Answer) and answer.intervals is not None
    return float(tuple(found) == GLUE and read and _blank(texts[0], texts[2], texts[4], texts[6]))


@reward(range=(0.0, 1.0))
def time_caption_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 for one to 64 `<time>..</time> <caption>..</caption> <think>..</think>`, then `<answer>..</answer>`; else 0.

    Video-Thinker's trace (arXiv 2510.23473), whose score is not published; the rule is ours. Every time was read by
    the task's parser, lasts, and ends within the video where its duration is known. Free words may stand between.

    Returns:
        0 or 1, never None.
    """
    found, texts = around(meta.text, (*CAPTIONED, *TAGS[2:]))
    triples = len(found) // len(CAPTIONED)
    if not 1 <= triples <= MAX_CAPTIONS or tuple(found) != (*CAPTIONED * triples, *TAGS[2:]) or not _blank(texts[-1]):
        return 0.0
    if isinstance(answer, ParseFailure) or answer.intervals is None or len(answer.intervals) != triples:
        return 0.0
    return float(all(one.duration > 0 and one.end <= (meta.duration or one.end) for one in answer.intervals))


def _blank(*texts: str) -> bool:
    return not any(text.strip() for text in texts)
