"""Referring video object segmentation: all objects that a sentence means, said by the IDs drawn on the video.

Grammar of the answer block: a list of IDs, as `grounding.tasks.objects` reads it, `3` or `1, 2 and 5`; `[]` says that
no object is meant. The masks of an answer are those of its objects, on every frame of the video.
"""

from __future__ import annotations

from dataclasses import replace
from math import floor

from grounding.core import Answer, LoadedSample, Masklets, ParseFailure, UserError
from grounding.datasets.toy import MOTIONS, NAMES, ToyObject
from grounding.datasets.toy_sets import SETS
from grounding.masks.segmentation import similarities
from grounding.tasks.objects import parse_all
from grounding.tasks.tags import answered
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Spot, Teaching
from rewards import Meta, id_set_f1

PROMPTS = {
    "full": (
        "Each object in the video carries a number drawn on it. That number is the object's ID.\n"
        'Sentence: "{query}"\n'
        "Find all objects that the sentence means: one, or several.\n"
        "First think inside <think> </think>: go through what the objects do, and compare them by their IDs. "
        "Then give the IDs of all that are meant, and of no other object, in exactly this form:\n"
        "<think>your thoughts</think> <answer>IDs: N, N</answer>\n"
        "N is a whole number, and there are as many as objects are meant; [] says that none is."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "Which: {query}",
}


WAYS = tuple(motion.split()[1] for motion in MOTIONS)  # what visual tokens call motions


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse_all` reads its IDs back.

    Raises:
        UserError: If the truth names no objects, or the thinking holds one of the tags.
    """
    if truth.ids is None:
        raise UserError("the truth of an rvos sample must have object_ids or an object_id")
    return answered(f"IDs: {', '.join(map(str, sorted(truth.ids)))}" if truth.ids else "[]", thinking)


def decode(answer: Said, masklets: Masklets) -> Said:
    """Complete a parsed answer with the masks of its objects; an ID that does not exist has none."""
    if isinstance(answer, ParseFailure):
        return answer
    return replace(answer, region=masklets.region(answer.ids or ()))


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """How well the decoded masks fit the true ones, and the named objects the true ones.

    J, F and J&F, their mean, are means over all frames of the video, as MeViS scores them.

    Raises:
        UserError: If the truth has no region.
    """
    if truth.region is None:
        raise UserError("masks can only be scored against a truth with a region")
    region = said.region if isinstance(said, Answer) else None
    j, f = similarities(region, truth.region) if region else (0.0, 0.0)
    return {"J&F": (j + f) / 2, "J": j, "F": f, "set_F1": id_set_f1(said, truth, Meta()) or 0.0}


def oracles(said: Said, loaded: LoadedSample) -> dict[str, Said]:
    """The answer if all its IDs had been right: the ceiling that the tracking sets."""
    return {"oracle_ids": decode(Answer(object_ids=loaded.sample.truth.ids), loaded.masklets)}


def _read(text: str, loaded: LoadedSample) -> Said:
    return decode(parse_all(text), loaded.masklets)


def look_id_motion_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """Shape, colour and the ID that is drawn, mostly, and motion and second; the shares are our choice."""
    if thing is None:
        return {}
    words = dict.fromkeys((thing.shape, thing.colour, str(thing.id)), 0.8 / 3)
    return words | {thing.motion.split()[1]: 0.1, NAMES[floor(spot.at)]: 0.1}


RVOS = Task(
    name="rvos",
    needs=(("object_ids", "object_id"), ("region",)),
    prompts=PROMPTS,
    rewards="objects",
    read=_read,
    say=answer_text,
    measure=measure,
    oracles=oracles,
    marks=True,
    toy=SETS,
    teaching=Teaching(says=look_id_motion_and_second, vocabulary=(*NAMES, *WAYS)),
)
