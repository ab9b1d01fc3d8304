"""How a sample is put to a policy: what is changed, what is shown, and what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grounding.core import Clip, LoadedSample, Masklets, Sample, UserTurn
from grounding.core.seeds import generator
from grounding.tasks.task import Task
from prompting import IdMarker


@dataclass(frozen=True)
class Moment:
    """When in a run a sample is asked about.

    Args:
        seed: The run's.
        draw: The sample's position in the run's order, from 0; the same for all members of a group and after a resume.
        progress: How much of the run is done, from 0 at the first draw to almost 1 at the last.
        score: Mean score of the sample's newest group that a draw may know, see `grounding.curriculum.scores`; before
            its first group, its difficulty; None if nothing is known.
    """

    seed: int
    draw: int
    progress: float
    score: float | None = None

    def rng(self, sample_id: str, purpose: str) -> np.random.Generator:
        """What a change draws from: always the same for the seed, the draw, the sample and the purpose."""
        return generator(self.seed, self.draw, sample_id, purpose)


Change = Callable[[LoadedSample, Moment], LoadedSample]  # pure; it moves the truth together with the frames


@dataclass(frozen=True, eq=False)
class Asked:
    """A sample as it was put to a policy.

    Args:
        loaded: The sample after its changes: its truth is what an answer is held against. Its clip is unmarked.
        shown: Its clip as the policy sees it.
        turn: The user's turn: texts and clips, in order.
    """

    loaded: LoadedSample
    shown: Clip
    turn: UserTurn


@dataclass(frozen=True)
class Asking:
    """The same in training, evaluation and warm-up; small enough to be sent to another process.

    Args:
        task: What is asked.
        kind: Which of its prompts.
        marker: Draws the IDs, if the task wants them.
        changes: What is done to a sample in training before it is shown, one after another.
    """

    task: Task
    kind: str
    marker: IdMarker
    changes: tuple[Change, ...] = ()

    def __call__(self, loaded: LoadedSample, now: Moment | None = None) -> Asked:
        """Change a sample, draw IDs on what is left of it if the task marks, and lay out the user's turn.

        Args:
            loaded: The sample as its source gives it.
            now: The moment of training; in evaluation there is none, and nothing is changed.
        """
        if now is not None:
            for change in self.changes:
                loaded = change(loaded, now)
        marks = self.task.marks
        shown = self.marker.annotate_clip(loaded.clip, loaded.masklets)[0] if marks else loaded.clip
        return Asked(loaded, shown, self.task.turn(self.ask(loaded.sample), shown, loaded))

    def ask(self, sample: Sample) -> str:
        """The words of the user's turn about a sample."""
        return self.task.prompt(sample, self.kind)


def without_video(sample: Sample) -> LoadedSample:
    """The sample with a black frame for its video: all that it takes to read an answer to most questions."""
    clip = Clip(np.zeros((1, 28, 28, 3), np.uint8), np.zeros(1), 1.0, (28, 28), 1.0)
    return LoadedSample(sample, clip, Masklets((28, 28), 1.0, np.zeros(1), {}))
