"""What a reward is, what it may look at, and the table of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from grounding.core import Answer, ParseFailure, UserError

Part = TypeVar("Part")


@dataclass(frozen=True)
class Meta:
    """What is known about a completion besides its answer; unknown fields are None.

    Args:
        text: The model's whole text.
        duration: Of the video, seconds, > 0.
        progress: Of the training: 0 at its first step, 1 at its end.
        tokens: Length of the completion.
        max_tokens: Length at which completions are cut off, >= 1.
        previous: The progress of the task (percent) that the model was told, where it tells how it went on.

    Raises:
        UserError: If a number is out of its range.
    """

    text: str = ""
    duration: float | None = None
    progress: float | None = None
    tokens: int | None = None
    max_tokens: int | None = None
    previous: float | None = None

    def __post_init__(self) -> None:
        limits = {"duration": 5e-324, "progress": 0, "tokens": 0, "max_tokens": 1, "previous": -math.inf}
        for name, least in limits.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and least <= value):
                raise UserError(f"meta.{name} must be a finite number >= {least:g}, got {value!r}")
        if self.progress is not None and self.progress > 1:
            raise UserError(f"meta.progress must be between 0 and 1, got {self.progress!r}")

    def need(self, name: str) -> float:
        """The number called `name`.

        Raises:
            UserError: If it is not known: the caller has to give it, a guess would be a wrong reward.
        """
        value = getattr(self, name)
        if value is None:
            raise UserError(f"this reward needs meta.{name}, which is not known; give Meta(text, {name}=...)")
        return value


RewardFunction = Callable[[Answer | ParseFailure, Answer, Meta], float | None]


@dataclass(frozen=True)
class Reward:
    """A reward function with the range that it promises.

    Args:
        name: What configs and logs call it.
        function: Pure `(answer, truth, meta) -> value`; None means 'not scored', which is not the same as 0.
        low: Least value it may return.
        high: Greatest value it may return.
    """

    name: str
    function: RewardFunction
    low: float
    high: float

    def __call__(self, answer: Answer | ParseFailure, truth: Answer, meta: Meta | str) -> float | None:
        """The value of one answer, checked against the declared range.

        Args:
            answer: What was read from the model's text, decoded; or why nothing could be read.
            truth: The right answer.
            meta: What else is known; a text alone stands for `Meta(text)`.

        Raises:
            UserError: If the function returned a number outside [low, high], or NaN, or needs what meta lacks.
        """
        value = self.function(answer, truth, Meta(meta) if isinstance(meta, str) else meta)
        if value is not None and not self.low <= value <= self.high:
            raise UserError(
                f"reward {self.name} returned {value}, outside its declared range [{self.low}, {self.high}]; "
                "mend the function or its range"
            )
        return value


REWARDS: dict[str, Reward] = {}


def reward(*, range: tuple[float, float]) -> Callable[[RewardFunction], RewardFunction]:
    """Enter a function into `REWARDS` under its own name; the function itself stays as it is.

    Args:
        range: Least and greatest value that it may return.

    Raises:
        UserError: If the range is empty or NaN, or the name is taken.
    """
    low, high = range
    if not low < high:
        raise UserError(f"a reward's range must be (low, high) with low < high, got {range}")

    def enter(function: RewardFunction) -> RewardFunction:
        name = function.__name__
        if name in REWARDS:
            raise UserError(f"there is a reward named {name} already; choose another name")
        REWARDS[name] = Reward(name, function, low, high)
        return function

    return enter


def compare(
    answer: Answer | ParseFailure,
    truth: Answer,
    part: Callable[[Answer], Part | None],
    score: Callable[[Part, Part], float],
) -> float | None:
    """Score one part of an answer against the same part of the truth.

    Args:
        answer: The answer, or why there is none.
        truth: The right answer.
        part: Takes the part out of either.
        score: Of the answer's part and the truth's.

    Returns:
        None where the truth lacks the part; 0 for a failure or an answer that lacks it; else the score.
    """
    right = part(truth)
    if right is None:
        return None
    said = None if isinstance(answer, ParseFailure) else part(answer)
    return 0.0 if said is None else score(said, right)
