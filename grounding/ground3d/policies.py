"""The first two steps made of policies: when the object is seen, and where it is in the picture of one view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from grounding.core import Answer, Clip, LoadedSample, Masklets, Sample, UserError
from grounding.core.seeds import generator
from grounding.core.video import shrunk_size
from grounding.ground3d.footage import Footage
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import Sampling, sample
from grounding.tasks.box import BOX
from grounding.tasks.task import Said, Task
from grounding.tasks.vtg import VTG

MOST = 1000  # answers about when
TEMPERATURE = 1.0  # of the answers that are drawn; our default, that of training


@dataclass(frozen=True, eq=False)
class Asker:
    """A policy, and how it was trained to look.

    Args:
        policy: The model.
        kind: Which prompts it knows: full or short.
        max_new_tokens: Longest answer.
        fps: Views a second that it is shown.
        max_frames: Most of them.
        max_pixels: Most pixels of each.
        size: (height, width) that they are brought to, whatever their shape; None keeps the shape.
    """

    policy: Policy
    kind: str
    max_new_tokens: int
    fps: float
    max_frames: int
    max_pixels: int
    size: tuple[int, int] | None = None

    def clip(self, footage: Footage) -> Clip:
        """The views of a whole scene that the policy is shown."""
        return footage.clip(self.fps, self.max_frames, self._size(footage))

    def still(self, footage: Footage, view: int) -> Clip:
        """One view as the policy is shown it."""
        return footage.still(view, self._size(footage))

    def _size(self, footage: Footage) -> tuple[int, int]:
        return self.size or shrunk_size(footage.size, self.max_pixels)

    @torch.no_grad()
    def ask(self, task: Task, about: LoadedSample, answers: int, seed: int) -> list[Said]:
        """The likeliest answer, then `answers` - 1 that are drawn, always the same for a seed, a query and a scene.

        Raises:
            UserError: If the prompt cannot be put to the policy: too long, or it holds the model's own tokens.
        """
        turn = task.turn(task.prompt(about.sample, self.kind), about.clip, about)
        prompt = self.policy.encode([turn])
        features = self.policy.encode_videos(prompt)
        rows = sample(self.policy, prompt, 1, Sampling(self.max_new_tokens, temperature=0.0), features)
        if answers > 1:
            drawn = (1, answers - 1, self.max_new_tokens)
            numbers = torch.from_numpy(generator(seed, about.sample.id, task.name, "answers").random(drawn))
            rows += sample(
                self.policy, prompt, answers - 1, Sampling(self.max_new_tokens, TEMPERATURE), features, numbers
            )
        texts = self.policy.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [task.read(text, about) for text in texts]


@dataclass(frozen=True, eq=False)
class PolicySteps:
    """`Steps.snippets` and `Steps.box` made of policies, perhaps of the same one.

    Args:
        when: Knows task vtg.
        where: Knows task box.
        answers: How often the first is asked when: once for its likeliest answer, the other times it draws one. Our
            default; the paper takes one answer.
        seed: What is drawn with.

    Raises:
        UserError: If `answers` is not from 1 to `MOST`.
    """

    when: Asker
    where: Asker
    answers: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.answers <= MOST:
            raise UserError(f"snippets must be 1 to {MOST}, got {self.answers}")

    def snippets(self, query: str, footage: Footage) -> list[Said]:
        """Answers about when, the likeliest first; whether there is such an object is for that one to say."""
        truth = Answer(intervals=())  # not known; as a list, it tells the task that "none" is an answer, too
        about = _about(query, footage, self.when.clip(footage), truth)
        return self.when.ask(VTG, about, self.answers, self.seed)

    def box(self, query: str, footage: Footage, view: int) -> Said:
        """The likeliest answer about where."""
        still = self.where.still(footage, view)
        height, width = footage.size
        about = _about(query, footage, still, Answer(box=(0, 0, width, height), size=footage.size))
        return self.where.ask(BOX, about, 1, self.seed)[0]


def _about(query: str, footage: Footage, clip: Clip, truth: Answer) -> LoadedSample:
    sample = Sample(f"{footage.name}: {query}", footage.name, query, truth)
    return LoadedSample(sample, clip, Masklets(footage.size, 1.0, np.zeros(1), {}))
