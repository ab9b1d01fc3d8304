"""Controls: what answers are worth that do not come from the video. A figure that is no better shows no seeing.

- `blind`: the policy is asked the same about a blanked video;
- `other`: the policy is asked the same about the video of another sample;
- `constant`: one text is said about every video, the best for training samples (`best_constant`);
- `question_only`: of options, what training questions tell about the question and its options alone.

What is said is read and measured as if it had been said about the sample's own video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grounding.core import Answer, Clip, LoadedSample, UserError, UserTurn
from grounding.evaluation.metrics import Score, score, summarise
from grounding.evaluation.question_only import QuestionRule
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_prefix import generate
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.options import options_of
from grounding.tasks.task import Said, Task

NAMES = ("blind", "other", "constant", "question_only")
GREY = 128  # of every pixel of a blanked clip
DIGITS = 9  # to which means are compared, so that rounding breaks no tie


@dataclass(frozen=True, eq=False)
class Reply:
    """What was said about a sample without seeing its video.

    Args:
        text: Word for word.
        said: The decoded answer, or why there is none.
        score: How good it is for the sample.
    """

    text: str
    said: Said
    score: Score


class Partners:
    """Whose video stands in for a sample's: that of the last sample before it that has another video.

    The first ones have none before them, and take the first such sample of all. So the partners depend on the order
    of the samples alone and not on batches, and no more than two clips are held.

    Args:
        first_of_another: Gives the first sample whose video is not this one, or None if there is none.
    """

    def __init__(self, first_of_another: Callable[[str], LoadedSample | None]) -> None:
        self._first_of_another = first_of_another
        self._last: LoadedSample | None = None
        self._partner: LoadedSample | None = None

    def next(self, loaded: LoadedSample) -> LoadedSample | None:
        """The partner of the next sample in the evaluation's order."""
        if self._last is None:
            self._partner = self._first_of_another(loaded.sample.video)
        elif self._last.sample.video != loaded.sample.video:
            self._partner = self._last
        self._last = loaded
        return self._partner


@dataclass(frozen=True)
class Controls:
    """Answers the samples of an evaluation, given in its order, without seeing their videos.

    Args:
        policy: The policy, asked greedily.
        asking: What it is asked.
        max_new_tokens: Longest completion.
        partners: Find the videos of `other`.
        constant: The text that is said about every video; None if none is known.
        rule: Takes options for `question_only`; None if none is known.
    """

    policy: Policy
    asking: Asking
    max_new_tokens: int
    partners: Partners
    constant: str | None
    rule: QuestionRule | None

    def replies(self, batch: Sequence[Asked]) -> list[dict[str, Reply]]:
        """What is said about each sample of a batch, by the names of `NAMES`; one that cannot be had is not there."""
        texts = {
            "blind": self._say([self._encoded(blanked(asked.turn)) for asked in batch]),
            "other": self._say([self._other(asked.loaded) for asked in batch]),
            "constant": [self.constant] * len(batch),
            "question_only": [self._by_rule(asked.loaded) for asked in batch],
        }
        return [
            {name: self._judged(said, asked.loaded) for name in NAMES if (said := texts[name][place]) is not None}
            for place, asked in enumerate(batch)
        ]

    def _other(self, loaded: LoadedSample) -> VideoPrompt | None:
        """The sample's question about the partner's video, with the partner's IDs drawn."""
        partner = self.partners.next(loaded)
        if partner is None:
            return None
        try:
            return self._encoded(self.asking(replace(partner, sample=loaded.sample)).turn)
        except UserError:  # this question and that video together are longer than the model's context, say
            return None

    def _by_rule(self, loaded: LoadedSample) -> str | None:
        """The constant answer with the options that the rule takes.

        None for a question without options, and where the task needs more and no constant answer is known.
        """
        if self.rule is None or loaded.sample.truth.choices is None or not options_of(loaded.sample):
            return None
        task = self.asking.task
        said = None if self.constant is None else task.read(self.constant, loaded)
        known = replace(said if isinstance(said, Answer) else Answer(), choices=self.rule(loaded.sample))
        return None if task.lacks(known.parts) else task.say(known, "")

    def _encoded(self, turn: UserTurn) -> VideoPrompt:
        return self.policy.encode([turn])[0]

    def _say(self, prompts: Sequence[VideoPrompt | None]) -> list[str | None]:
        asked = [prompt for prompt in prompts if prompt is not None]
        texts = iter(generate(self.policy, asked, self.max_new_tokens) if asked else [])
        return [None if prompt is None else next(texts) for prompt in prompts]

    def _judged(self, text: str, loaded: LoadedSample) -> Reply:
        task = self.asking.task
        said = task.read(text, loaded)
        return Reply(text, said, score(task, said, loaded.sample.truth))


def blanked(turn: UserTurn) -> UserTurn:
    """The turn with every pixel of every clip grey, and so with no drawn ID; sizes, times and words stay."""
    return tuple(_blank(part) if isinstance(part, Clip) else part for part in turn)


def _blank(clip: Clip) -> Clip:
    return clip.with_frames(np.full_like(clip.frames, GREY))


def unseen(loaded: LoadedSample) -> LoadedSample:
    """The sample with a blank clip that takes no memory: all that reading and measuring an answer needs."""
    clip = loaded.clip
    return replace(loaded, clip=clip.with_frames(np.broadcast_to(np.uint8(GREY), clip.frames.shape)))


def best_constant(task: Task, texts: Iterable[str], clips: Sequence[LoadedSample]) -> str | None:
    """The one of the texts that serves best as the same answer to all clips; None if there are none.

    The mean of the task's first metric decides; of equal ones that of the next, and in the end the earlier text.

    Args:
        task: Reads and measures.
        texts: Perfect answers to some clips, say.
        clips: What each text is tried on.
    """

    def means(text: str) -> list[float]:
        scores = [score(task, task.read(text, one), one.sample.truth) for one in clips]
        return [round(mean, DIGITS) for mean in summarise(scores).values()]

    return max(dict.fromkeys(texts), key=means, default=None)
