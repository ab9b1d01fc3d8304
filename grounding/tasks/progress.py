"""Progress: how far a goal is reached when the video ends, in percent (PRIMO R1, SOLE-R1).

Grammar of the answer block, all of it: one number with or without `%`, `45%`, `8.5` or `-10%`. Less than 0 says that
things are worse than at the start. A row may tell the progress that was said `previous`ly; the prompt repeats it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import floor

import numpy as np

from grounding.core import Answer, LoadedSample, Sample, UserError
from grounding.datasets.toy import FPS, NAMES, Question, ToyObject
from grounding.datasets.toy_ways import WAYS, WORDS, place
from grounding.tasks.answers import parse_progress
from grounding.tasks.tags import answered
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Lesson, Spot, Teaching
from rewards import Meta, progress_nearness, relative_accuracy
from rewards.answer import PERCENT

LAGS = 0.75  # how often a label that the warm-up teaches lags behind; our choice
LAG = 20.0  # by how many points; our choice
PROMPTS = {
    "full": (
        'Goal: "{query}"\n'
        "The video shows somebody or something on the way to this goal.{told}\n"
        "Estimate how far the goal is reached at the end of the video, in percent: 0% is the start, 100% is the goal; "
        "less than 0% says that things are worse than at the start.\n"
        "First think inside <think> </think>: what has to be done, what is seen, how far it is done. "
        "Then give one number, in exactly this form:\n"
        "<think>your thoughts</think> <answer>N%</answer>"
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "Goal: {query}{told}",
}


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse_progress` reads it back within 0.005 points.

    Raises:
        UserError: If the truth has no number, or one that is no percentage; if the thinking holds one of the tags.
    """
    if abs(_known(truth)) > PERCENT:
        raise UserError(f"a progress must be 0 to 100 (percent), or less than 0, down to -100, got {truth.number:g}")
    return answered(f"{percent(_known(truth))}%", thinking)


def percent(value: float) -> str:
    """A number with up to two decimals: 45, 8.5, -10."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """Two scores, 1 where the number is right.

    `nearness` is 1 minus the distance as a share of 100 points, at least 0. `relative_score` is 1 minus the distance as
    a share of the true number, at least 0 (what PRIMO R1 publishes); where 0 is true, 1 for 0 and else 0.

    Raises:
        UserError: If the truth has no number.
    """
    _known(truth)
    scores = {"nearness": progress_nearness, "relative_score": relative_accuracy}
    return {name: score(said, truth, Meta()) or 0.0 for name, score in scores.items()}


def gather(said: Sequence[tuple[Sample, Said]]) -> list[dict[str, float]]:
    """`MAE` of each sample in points of percent, the less the better, and `Pearson` of each episode.

    An answer that cannot be read is 100 points off, and none counts as further off.

    `Pearson` is the correlation of said and true progress within an episode, -1 to 1. The episode's last sample has it,
    so that the mean is over episodes. It is 0 where all that is said is the same or some of it cannot be read, and
    there is none where all that is true is the same. Samples are of one episode if they have the same `episode` in
    their meta; without one, if they have the same goal and video.
    """
    found = [{"MAE": PERCENT * (1 - measure(one, sample.truth)["nearness"])} for sample, one in said]
    episodes: dict[str, list[int]] = defaultdict(list)
    for number, (sample, _) in enumerate(said):
        episodes[str(sample.meta.get("episode", (sample.video, sample.query)))].append(number)
    for numbers in episodes.values():
        true = [_known(said[number][0].truth) for number in numbers]
        if len(set(true)) > 1:
            found[numbers[-1]]["Pearson"] = correlation([said[number][1] for number in numbers], true)
    return found


def correlation(said: Sequence[Said], true: Sequence[float]) -> float:
    """Pearson's correlation of answers with at least two different truths; 0 where it is not known."""
    numbers = [one.number for one in said if isinstance(one, Answer) and one.number is not None]
    if len(numbers) < len(true) or len(set(numbers)) == 1:
        return 0.0
    return float(np.corrcoef(numbers, true)[0, 1])


def _known(truth: Answer) -> float:
    if truth.number is None:
        raise UserError("the truth of a progress sample must have a number, its percent")
    return truth.number


def _read(text: str, loaded: LoadedSample) -> Said:
    return parse_progress(text)


def _fill(sample: Sample) -> dict[str, str]:
    return {"told": "" if sample.previous is None else f" Before: {percent(sample.previous)}%."}


def says(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """Shape, colour, second and place on the ruler, equally."""
    if thing is None:
        return {}
    words = (thing.shape, thing.colour, NAMES[floor(spot.at)], WORDS[place(thing, int(spot.at * FPS))])
    return dict.fromkeys(words, 1 / len(words))


def lagging(question: Question, rng: np.random.Generator) -> Answer:
    """The truth, or, as labels lag behind what is seen, too little: something is left to reinforcement learning."""
    true = _known(question.truth)
    return Answer(number=max(0.0, true - LAG) if rng.random() < LAGS else true)


PROGRESS = Task(
    name="progress",
    needs=(("number",),),
    prompts=PROMPTS,
    rewards="progress",
    read=_read,
    say=answer_text,
    measure=measure,
    gather=gather,
    fill=_fill,
    toy=WAYS,
    teaching=Teaching(
        steps=650,
        lessons=(
            Lesson(0.28, asks=False),
            Lesson(0.27, shows="end", pace=0.8),
            Lesson(0.45, shows="whole", pace=0.8),
        ),
        label=lagging,
        says=says,
        vocabulary=(*NAMES, *WORDS),
    ),
)
