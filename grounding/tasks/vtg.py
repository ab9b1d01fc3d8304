"""Temporal grounding: when a sentence holds, once, or in several segments where the data says them all.

Whether a truth is one `interval` or a list of `intervals` decides what is asked for, how the answer is read, and what
is measured; how many segments the list has is not told.

Grammar of the answer block, all of it: one time range, as `grounding.tasks.times` reads it; for several segments a
list of them, `3 to 7, 12 to 15.5`, `3-7 12-15.5` (MUSEG) or `[(3, 7), (12, 15.5)]`. `none`, or `[]`, says that the
sentence never holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from grounding.core import Answer, Interval, LoadedSample, ParseFailure, Sample, UserError
from grounding.core.samples import normalise_query
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.toy import COLOURS, NAMES, WORLD, Question, ToyObject, ask_where
from grounding.datasets.toy_visits import VISITS
from grounding.tasks.tags import answered, block_of
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Lesson, Teaching, partial
from grounding.tasks.times import read_range, read_ranges, write_seconds
from grounding.tasks.toy_questions import colour_and_second
from rewards import Meta, segments_iou

PROMPTS = {
    "full": (
        'Sentence: "{query}"\n'
        "Find when the sentence holds, in seconds from the start of the video.\n"
        "First think inside <think> </think>: go through what happens and when. "
        "Then give {form}\n"
        "A and B are seconds, with up to two decimals."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "When: {query}",
}
ONE = "one time range, in exactly this form:\n<think>your thoughts</think> <answer>A to B</answer>"
SEVERAL = (
    "all time ranges in their order, in exactly this form, with as many ranges as there are, "
    "and the one word none as the answer if there are none:\n"
    "<think>your thoughts</think> <answer>A to B, A to B</answer>"
)
NONE = "none"  # says that the sentence never holds
THRESHOLDS = (0.3, 0.5, 0.7)  # of R1@t and F1@t
HALF = 0.75  # how often the warm-up teaches only the first half of one of several time ranges; our choice


def parse(text: str) -> Said:
    """Read one time range, or none, strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    if _says_none(block):
        return Answer(intervals=())
    interval = block if isinstance(block, ParseFailure) else read_range(block)
    return interval if isinstance(interval, ParseFailure) else Answer(interval)


def parse_segments(text: str) -> Said:
    """Read a list of at most 64 time ranges strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    if _says_none(block):
        return Answer(intervals=())
    intervals = block if isinstance(block, ParseFailure) else read_ranges(block)
    return intervals if isinstance(intervals, ParseFailure) else Answer(intervals=intervals)


def _says_none(block: str | ParseFailure) -> bool:
    return isinstance(block, str) and block.removesuffix(".").rstrip().lower() == NONE


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse` or `parse_segments` reads it back within 0.005 s.

    Raises:
        UserError: If the truth says no time, or the thinking holds one of the tags.
    """
    if truth.segments is None:
        raise UserError("the truth of a vtg sample must have an interval or intervals")
    ranges = [f"{write_seconds(one.start)} to {write_seconds(one.end)}" for one in truth.segments]
    return answered(", ".join(ranges) or NONE, thinking)


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """The IoU of the first range said with the true range that it fits best; of several segments, figures of all too.

    `R1@t` counts an IoU of exactly t, as Charades-STA, ActivityNet and QVHighlights do. `F1@t` pairs ranges said with
    true ones one to one, as many as have an IoU of t or more. `union_IoU` is that of all seconds. Where the truth is
    'never', saying so gets everything. `refusal_precision` is there where 'never' was said, and 1 where that is true;
    `refusal_recall` where it is true, and 1 where it was said.

    Raises:
        UserError: If the truth says no time.
    """
    if truth.segments is None:
        raise UserError("time ranges can only be scored against a truth with an interval or intervals")
    answer = (said.segments if isinstance(said, Answer) else None) or ()
    never = isinstance(said, Answer) and said.segments == () == truth.segments
    iou = max((answer[0].iou(one) for one in truth.segments), default=0.0) if answer else float(never)
    figures = {"mIoU": iou, **{f"R1@{level}": float(iou >= level) for level in THRESHOLDS}}
    if isinstance(said, Answer) and said.segments == ():
        figures["refusal_precision"] = float(never)
    if truth.segments == ():
        figures["refusal_recall"] = float(never)
    if truth.intervals is None:
        return figures
    both = max(1, len(answer) + len(truth.intervals))
    f1 = {f"F1@{level}": float(never or 2 * pairs(answer, truth.intervals, level) / both) for level in THRESHOLDS}
    counted = isinstance(said, Answer) and said.segments is not None and len(answer) == len(truth.intervals)
    return {**figures, **f1, "union_IoU": segments_iou(said, truth, Meta()) or 0.0, "count_accuracy": float(counted)}


def pairs(said: Sequence[Interval], true: Sequence[Interval], level: float) -> int:
    """The most pairs of a range said and a true one, each in one pair at most, with an IoU of `level` or more."""
    taken: dict[int, int] = {}  # true -> said

    def place(one: int, tried: set[int]) -> bool:
        for other in range(len(true)):
            if other not in tried and said[one].iou(true[other]) >= level:
                tried.add(other)
                if other not in taken or place(taken[other], tried):
                    taken[other] = one
                    return True
        return False

    return sum(place(one, set()) for one in range(len(said)))


def score(figures: Mapping[str, float]) -> float:
    """The IoU; of several segments that of all seconds, for one of them said alone is not all that is asked."""
    return figures.get("union_IoU", figures["mIoU"])


def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """When each object of a toy clip is there, and no more."""
    return [replace(one, truth=Answer(one.truth.interval)) for one in ask_where(target, world, rng)]


def halved(question: Question, rng: np.random.Generator) -> Answer:
    """The truth, of whose time ranges most end in their middle, as if somebody had stopped too early.

    Something is left to reinforcement learning on purpose. Ranges are only a second long, mostly, and to cut both ends
    would leave two annotations of the same one nothing in common.
    """
    ranges = question.truth.intervals or ()
    cut = [Interval(one.start, (one.start + one.end) / 2) if rng.random() < HALF else one for one in ranges]
    return replace(question.truth, intervals=tuple(cut))


def partly(question: Question, rng: np.random.Generator) -> Answer:
    """The truth, of whose time ranges each end is a second further inside now and then, see `partial`."""
    ranges = question.truth.intervals or ()
    return replace(question.truth, intervals=tuple(partial(one, rng) for one in ranges))


def second_by_second(question: Question, taught: Answer) -> str:
    """The words of the query, then for each second of the clip whether the truth holds in it: its colour, or `none`.

    To name only the seconds in which it holds, in their order, was learnt late: what the tiny policy said was the
    likeliest second to follow. So the truth is thought of, also where only a part of it is taught.
    """
    name = normalise_query(question.query).removeprefix("the ")
    colour = next(word for word in name.split() if word in COLOURS)
    ranges = question.truth.segments or ()
    there = [any(one.start <= at < one.end for one in ranges) for at in range(len(NAMES))]
    return " ".join(
        [name, *(f"{second} {colour if seen else 'none'}" for second, seen in zip(NAMES, there, strict=True))]
    )


def _read(text: str, loaded: LoadedSample) -> Said:
    return parse(text) if loaded.sample.truth.intervals is None else parse_segments(text)


def _fill(sample: Sample) -> dict[str, str]:
    return {"form": ONE if sample.truth.intervals is None else SEVERAL}


VTG = Task(
    name="vtg",
    needs=(("interval", "intervals"),),
    prompts=PROMPTS,
    rewards="when",
    read=_read,
    say=answer_text,
    measure=measure,
    score=score,
    fill=_fill,
    toy=replace(WORLD, ask=ask),
)

# On the toy world where things come again, or never.
VTG_VISITS = replace(
    VTG,
    toy=VISITS,
    teaching=Teaching(
        steps=400,
        lessons=(Lesson(0.25, asks=False), Lesson(0.15, pace=0.6), Lesson(0.6, shows="whole", pace=0.8)),
        label=halved,
        think=second_by_second,
        says=colour_and_second,
    ),
)

# In rooms: one time range in which a thing is seen, or none.
VTG_ROOMS = replace(VTG, toy=ROOMS, teaching=replace(VTG_VISITS.teaching, label=partly))
