"""How a sample is put to a policy: what is shown, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.core import Clip, LoadedSample, Sample
from grounding.tasks.task import Task
from prompting import IdMarker


@dataclass(frozen=True)
class Asking:
    """The same in training, evaluation and warm-up; small enough to be sent to another process.

    Args:
        task: What is asked.
        kind: Which of its prompts.
        marker: Draws the IDs, if the task wants them.
    """

    task: Task
    kind: str
    marker: IdMarker

    def show(self, loaded: LoadedSample) -> Clip:
        """The clip as the policy sees it."""
        if not self.task.marks:
            return loaded.clip
        return self.marker.annotate_clip(loaded.clip, loaded.masklets)[0]

    def ask(self, sample: Sample) -> str:
        """The user's turn about a sample."""
        return self.task.prompt(sample, self.kind)
