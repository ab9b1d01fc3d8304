"""Temporal grounding: from a text to the interval, or the intervals, that it answers with.

Grammar of the answer block, all of it: one time range, as `grounding.tasks.times` reads it; for several segments a
list of them, `3 to 7, 12 to 15.5`, `3-7 12-15.5` (MUSEG) or `[(3, 7), (12, 15.5)]`, and `[]` for 'never'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grounding.core import Answer, LoadedSample, ParseFailure, UserError
from grounding.datasets.toy import Question
from grounding.tasks.tags import answered, block_of
from grounding.tasks.task import Said, Task
from grounding.tasks.times import read_range, read_ranges, write_seconds

PROMPTS = {
    "full": (
        'Sentence: "{query}"\n'
        "Find when the sentence holds, in seconds from the start of the video.\n"
        "First think inside <think> </think>: go through what happens and when. "
        "Then give one time range, in exactly this form:\n"
        "<think>your thoughts</think> <answer>A to B</answer>\n"
        "A and B are seconds, with up to two decimals."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "When: {query}",
}
THRESHOLDS = (0.3, 0.5, 0.7)  # of R1@t


def parse(text: str) -> Said:
    """Read one time range strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    interval = block if isinstance(block, ParseFailure) else read_range(block)
    return interval if isinstance(interval, ParseFailure) else Answer(interval)


def parse_segments(text: str) -> Said:
    """Read a list of at most 64 time ranges strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    intervals = block if isinstance(block, ParseFailure) else read_ranges(block)
    return intervals if isinstance(intervals, ParseFailure) else Answer(intervals=intervals)


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse` reads it back within 0.005 s.

    Raises:
        UserError: If the truth lacks the interval, or the thinking holds one of the tags.
    """
    if truth.interval is None:
        raise UserError("the truth of a vtg sample must have an interval")
    return answered(f"{write_seconds(truth.interval.start)} to {write_seconds(truth.interval.end)}", thinking)


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """How well the interval fits; `R1@t` counts an IoU of exactly t, as Charades-STA and ActivityNet do.

    Raises:
        UserError: If the truth lacks the interval.
    """
    if truth.interval is None:
        raise UserError("a time range can only be scored against a truth with an interval")
    interval = said.interval if isinstance(said, Answer) else None
    iou = interval.iou(truth.interval) if interval else 0.0
    return {"mIoU": iou, **{f"R1@{threshold}": float(iou >= threshold) for threshold in THRESHOLDS}}


def toy(questions: Sequence[Question]) -> Sequence[Question]:
    """When, and no more."""
    return [replace(one, truth=Answer(one.truth.interval)) for one in questions]


def _read(text: str, loaded: LoadedSample) -> Said:
    return parse(text)


VTG = Task(
    name="vtg",
    needs=(("interval",),),
    prompts=PROMPTS,
    rewards="timezero",
    read=_read,
    say=answer_text,
    measure=measure,
    toy=toy,
)
