"""Spatio-temporal video grounding with IDs drawn on the video: prompt, answer text, parser, decoding to a tube."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from grounding.core import Answer, Interval, LoadedSample, Masklets, ParseFailure, Tube, UserError
from grounding.datasets.toy import WORLD
from grounding.tasks.tags import answered, last_answer
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Teaching, look_id_and_second
from grounding.tasks.times import write_seconds

# One user turn, no system message, the video after the text.
PROMPTS = {
    "full": (
        "Each object in the video carries a number drawn on it. That number is the object's ID.\n"
        'Sentence: "{query}"\n'
        "Find when the sentence holds, in seconds from the start of the video, and the ID of the object it is about.\n"
        "First think inside <think> </think>: go through what happens and when, and compare the objects by their IDs. "
        "Then give one ID and one time range, in exactly this form:\n"
        "<think>your thoughts</think> <answer>Target ID: N, Time range: A to B</answer>\n"
        "N is a whole number; A and B are seconds, with up to two decimals."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "Query: {query}",
}

THRESHOLDS = (0.3, 0.5, 0.7)  # of vIoU@R

MAX_ANSWER = 256  # characters of an answer block; the longest form of the grammar needs fewer than 100

# Read after runs of white space were made one space; no quantifier is unbounded, so there is nothing to backtrack into.
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,17})?)"
_UNIT = r"(?:[ ]?(?:seconds|second|secs|sec|s))?"
GRAMMAR = re.compile(
    rf"""
    [ ]?target[ ]id[ ]?:
    [ ]?(?:id[ ]?)?(?:\#?([0-9]{{1,6}})|\[([0-9]{{1,6}})\])
    [ ]?[,;.]?[ ]?
    time[ ]range[ ]?:
    [ ]?(?:from[ ]|between[ ])?{_NUMBER}{_UNIT}
    [ ]?(?:to|and|[-–—])[ ]?{_NUMBER}{_UNIT}
    [ ]?\.?[ ]?
    """,  # noqa: RUF001
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse` reads it back within 0.005 s.

    Args:
        truth: With interval and object id.
        thinking: What to put between the think tags.

    Raises:
        UserError: If the truth lacks interval or id, or the thinking holds one of the tags.
    """
    if truth.interval is None or truth.object_id is None:
        raise UserError("the truth of an stvg sample must have an interval and an object id")
    start, end = write_seconds(truth.interval.start), write_seconds(truth.interval.end)
    return answered(f"Target ID: {truth.object_id}, Time range: {start} to {end}", thinking)


def parse(text: str) -> Said:
    """Read a model's text strictly: all of the answer or nothing, never an exception, linear in the text's length.

    Only the last `<answer>` block after the thinking is read, and all of it must be
    `Target ID: N, Time range: A to B`. N may be written `3`, `#3`, `[3]` or `ID 3`; it is one number >= 1. The range
    may be written `12.5 to 17`, `12.5s to 17s`, `12-17`, `12.5 and 17` or `from 3 to 7 seconds`, with A <= B.

    Returns:
        An answer with interval and id but no tube yet, or the reason why there is none.
    """
    block = last_answer(text)
    if block is None:
        return ParseFailure("no <answer>...</answer> after the thinking")
    block = " ".join(block.split())
    if len(block) > MAX_ANSWER:
        return ParseFailure(f"the answer is longer than {MAX_ANSWER} characters")
    found = GRAMMAR.fullmatch(block)
    if found is None:
        return ParseFailure(f"expected 'Target ID: N, Time range: A to B', got {block[:80]!r}")
    plain, bracketed, start, end = found.groups()
    object_id = int(plain or bracketed)
    if object_id == 0:
        return ParseFailure("ids begin at 1, got 0")
    if float(end) < float(start):
        return ParseFailure(f"the time range is reversed: {start} to {end}")
    return Answer(Interval(float(start), float(end)), object_id)


def decode(answer: Said, masklets: Masklets) -> Said:
    """Complete a parsed answer with the tube that it names: that object's own boxes within its interval.

    Frames in which the object is not seen have no box; another object's box is never taken instead. An id that does
    not exist has no tube: it stays None, which scores 0. The interval stays as it was said, also past the video's end.
    """
    if isinstance(answer, ParseFailure):
        return answer
    if answer.interval is None or answer.object_id is None:
        return ParseFailure("a tube needs both an interval and an object id")
    return replace(answer, tube=_tube(answer.object_id, answer.interval, masklets))


def read(text: str, masklets: Masklets) -> Said:
    """`decode(parse(text))`: from a model's text to a tube, or the reason why there is none."""
    return decode(parse(text), masklets)


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """How good a decoded answer is; a part that it lacks scores 0.

    tIoU is of seconds, vIoU of source frames. Where the truth has no id, no answer names the right object.

    Raises:
        UserError: If the truth lacks interval or tube.
    """
    if truth.interval is None or truth.tube is None:
        raise UserError("an answer can only be scored against a truth with interval and tube")
    answer = said if isinstance(said, Answer) else Answer()
    tiou = answer.interval.iou(truth.interval) if answer.interval else 0.0
    viou = answer.tube.viou(truth.tube) if answer.tube else 0.0
    figures = {name: float(value) for name, value in overlap_figures(np.array(tiou), np.array(viou)).items()}
    return figures | {"id_accuracy": float(answer.object_id is not None and answer.object_id == truth.object_id)}


def score(figures: Mapping[str, float]) -> float:
    """The vIoU: the right object at the right time."""
    return figures["m_vIoU"]


def overlap_figures(tious: np.ndarray, vious: np.ndarray) -> dict[str, np.ndarray]:
    """What each sample adds to the figures that papers give; benchmarks are scored by them too.

    Args:
        tious: Temporal IoUs, any shape; NaN for a sample that takes no part.
        vious: Volume IoUs, likewise.

    Returns:
        `m_tIoU`, `m_vIoU`, and `vIoU@R`, which is 1 strictly above R, as TubeDETR and HC-STVG have it. NaN stays NaN.
    """
    above = {f"vIoU@{level}": np.where(np.isnan(vious), np.nan, vious > level) for level in THRESHOLDS}
    return {"m_tIoU": tious, "m_vIoU": vious, **above}


def oracles(said: Said, loaded: LoadedSample) -> dict[str, Said]:
    """The answer if its id, its time, or both had been right: what the masks and each part cost.

    Tubes are decoded through the masklets, so both oracles together show the ceiling that the masks set. A failure
    stays one wherever a part of it would be needed.
    """
    truth, masklets = loaded.sample.truth, loaded.masklets

    def mixed(interval: Interval | None, object_id: int | None) -> Answer:
        return Answer(interval, object_id, _tube(object_id, interval, masklets))

    both = {"oracle_id_oracle_time": mixed(truth.interval, truth.object_id)}
    if isinstance(said, ParseFailure):
        return {**both, "oracle_id_predicted_time": said, "predicted_id_oracle_time": said}
    return {
        **both,
        "oracle_id_predicted_time": mixed(said.interval, truth.object_id),
        "predicted_id_oracle_time": mixed(truth.interval, said.object_id),
    }


def _read(text: str, loaded: LoadedSample) -> Said:
    return read(text, loaded.masklets)


def _tube(object_id: int | None, interval: Interval | None, masklets: Masklets) -> Tube | None:
    """The object's own boxes; None without an interval or such an object."""
    if interval is None or object_id is None or object_id not in masklets.tracks:
        return None
    return masklets.tube(object_id, interval)


STVG = Task(
    name="stvg",
    needs=(("interval",), ("tube", "object_id")),
    prompts=PROMPTS,
    rewards="tubelet",
    read=_read,
    say=answer_text,
    measure=measure,
    score=score,
    oracles=oracles,
    marks=True,
    toy=WORLD,
    teaching=Teaching(says=look_id_and_second),
)
