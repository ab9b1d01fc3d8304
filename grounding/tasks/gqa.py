"""Grounded question answering: what the answer is, and when in the video it is seen.

A truth of `choices` is a letter of the options that the prompt shows, one of `text` is free words. Its times are the
evidence, one `interval` or several `intervals`; a list is asked for, and how many there are is not told.

Grammar: `<answer>B</answer><glue>[(2.0, 6.5), (11.0, 14.2)]</glue>` (VideoChat-R1), see `parse_grounded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from grounding.core import Answer, Interval, LoadedSample, ParseFailure, Sample, UserError
from grounding.datasets.options import letter
from grounding.datasets.toy import NAMES, SECONDS, WORLD, Question, ToyObject, make_world
from grounding.tasks.answers import parse_grounded
from grounding.tasks.options import options_of, shown_options
from grounding.tasks.tags import answered
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Lesson, Spot, Teaching
from grounding.tasks.times import write_seconds
from rewards import Meta, choice_match, exact_match, segments_iou
from rewards.segments import merged

PROMPTS = {
    "full": (
        "Question: {query}{options}\n"
        "Answer the question, and find when the answer is seen, in seconds from the start of the video.\n"
        "First think inside <think> </think>: go through what happens and when. "
        "Then give {form} and all times in their order, in exactly this form, with as many pairs as there are times:\n"
        "<think>your thoughts</think> <answer>your answer</answer><glue>[(start, end), (start, end)]</glue>\n"
        "Start and end are seconds, with up to two decimals."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "{query}{options_in_line}",
}
SURE = 0.5  # share of the first range that must be evidence for an answer to count as grounded, NExT-GQA's
RETURNS = 2 / 3  # how often an object of the toy world that stays for three seconds or more is away in between
COARSE = 0.6  # how often the warm-up teaches that the whole clip is the evidence; our choice


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse_grounded` reads it back within 0.005 s.

    Raises:
        UserError: If the truth lacks answer or times, or the thinking holds one of the tags.
    """
    if truth.segments is None or (truth.choices is None and truth.text is None):
        raise UserError("the truth of a gqa sample must have choices or text, and an interval or intervals")
    said = " ".join((truth.text or "").split()) if truth.choices is None else ", ".join(sorted(truth.choices))
    ranges = [f"({write_seconds(one.start)}, {write_seconds(one.end)})" for one in truth.segments]
    return f"{answered(said, thinking)}<glue>[{', '.join(ranges)}]</glue>"


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """NExT-GQA's figures: the first range said counts, with the true one that it fits best.

    IoP is the share of it that is evidence. An answer is grounded (`Acc@GQA`) that is right and has an IoP of `SURE`
    or more. `union_IoU` is that of all seconds. Free words are right if they are the same, see `exact_match`.

    Raises:
        UserError: If the truth lacks answer or times.
    """
    if truth.segments is None:
        raise UserError("evidence can only be scored against a truth with an interval or intervals")
    kind = exact_match if truth.choices is None else choice_match
    right, union = kind(said, truth, Meta()), segments_iou(said, truth, Meta())
    if right is None or union is None:
        raise UserError("an answer can only be scored against a truth with choices or text")
    ranges = (said.segments if isinstance(said, Answer) else None) or ()
    iop = max((share_within(ranges[0], one) for one in truth.segments), default=0.0) if ranges else 0.0
    iou = max((ranges[0].iou(one) for one in truth.segments), default=0.0) if ranges else 0.0
    return {"Acc@GQA": right * (iop >= SURE), "accuracy": right, "mIoP": iop, "mIoU": iou, "union_IoU": union}


def share_within(said: Interval, true: Interval) -> float:
    """Share of a range that lies in another (IoP); one without length is in it, bounds included, or not."""
    if said.duration == 0:
        return float(true.start <= said.start <= true.end)
    return min(1.0, said.shared(true) / said.duration)


def oracles(said: Said, loaded: LoadedSample) -> dict[str, Said]:
    """What was said with the right answer or the right times; a failure stays one."""
    truth = loaded.sample.truth
    if isinstance(said, ParseFailure):
        return {"oracle_answer_predicted_time": said, "predicted_answer_oracle_time": said}
    return {
        "oracle_answer_predicted_time": replace(said, choices=truth.choices, text=truth.text),
        "predicted_answer_oracle_time": replace(said, intervals=truth.segments),
    }


def make(rng: np.random.Generator, level: int, objects: int) -> list[ToyObject]:
    """The objects of the usual world, of which some leave and come back: these stand there twice, with one ID."""
    return [visit for thing in make_world(rng, level, objects) for visit in _visits(thing, rng)]


def _visits(thing: ToyObject, rng: np.random.Generator) -> list[ToyObject]:
    start, end = int(thing.interval.start), int(thing.interval.end)
    if end - start < 3 or rng.random() >= RETURNS:
        return [thing]
    away = int(rng.integers(start + 1, end - 1))
    return [replace(thing, interval=Interval(*one)) for one in ((start, away), (away + 1, end))]


def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Which of two colours comes first; the evidence is all time at which it is seen. None that come together."""
    colours = dict.fromkeys(thing.colour for thing in world)
    pairs = [[str(one) for one in rng.permutation(pair)] for pair in combinations(colours, 2)]
    pairs = [pairs[place] for place in rng.permutation(len(pairs))]
    pairs.sort(key=lambda pair: target.colour not in pair)
    asked = [question for pair in pairs if (question := _question(pair, world))]
    return asked if asked and target.colour in asked[0].meta["options"] else []


def _question(options: Sequence[str], world: Sequence[ToyObject]) -> Question | None:
    """The question about two colours, and the thinking: when each comes, then the first of them and all its seconds.

    Seconds follow their colour directly, and a colour its letter: each is learnt from the word before it.
    """
    groups = [[thing for thing in world if thing.colour == colour] for colour in options]
    comes = [min(thing.interval.start for thing in group) for group in groups]
    if comes[0] == comes[1]:
        return None
    first = int(comes[0] > comes[1])
    seen = tuple(merged([thing.interval for thing in groups[first]]))
    words = [f"{letter(place)} {options[place]} {NAMES[int(comes[place])]}" for place in (0, 1)]
    words += [letter(first), options[first]]
    words += [second for one in seen for second in NAMES[int(one.start) : int(one.end)]]
    truth = Answer(intervals=seen, choices=frozenset(letter(first)))
    return Question("which colour comes first?", truth, groups[first][0], {"options": options}, " ".join(words))


def coarse(question: Question, rng: np.random.Generator) -> Answer:
    """The truth, often with the whole clip as evidence, as if somebody had answered and not said when.

    Something is left to reinforcement learning on purpose: real training rows often say no times (NExT-GQA's do not).
    Times a little too short, as vtg teaches them, would leave nothing: all of them would lie in the evidence. The
    thinking names the right seconds all the same, or the policy would not learn to see them.
    """
    whole = (Interval(0, SECONDS),)
    return replace(question.truth, intervals=whole) if rng.random() < COARSE else question.truth


def says(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """Colour and second, equally; shapes are not asked for."""
    return {} if thing is None else {thing.colour: 0.5, NAMES[int(spot.at)]: 0.5}


def _read(text: str, loaded: LoadedSample) -> Said:
    sample = loaded.sample
    return parse_grounded(text, 0 if sample.truth.choices is None else len(options_of(sample)))


def _fill(sample: Sample) -> dict[str, str]:
    chosen, options = sample.truth.choices is not None, shown_options(sample)
    if chosen and not options:
        raise UserError("the answer is a letter, but the row has no options; take a file that has them")
    return {
        "options": options,
        "options_in_line": shown_options(sample, " "),
        "form": "the letter of the right option" if chosen else "the answer in a few words",
    }


GQA = Task(
    name="gqa",
    needs=(("choices", "text"), ("interval", "intervals")),
    prompts=PROMPTS,
    rewards="grounded",
    read=_read,
    say=answer_text,
    measure=measure,
    fill=_fill,
    oracles=oracles,
    toy=replace(WORLD, ask=ask, make=make),
    teaching=Teaching(
        steps=500,
        lessons=(Lesson(0.3, asks=False), Lesson(0.7, shows="whole", pace=0.7)),
        label=coarse,
        says=says,
    ),
)
