"""What a reward is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grounding.core import Answer, ParseFailure, UserError

RewardFunction = Callable[[Answer | ParseFailure, Answer, str], float | None]


@dataclass(frozen=True)
class Reward:
    """A reward function with the range that it promises.

    Args:
        name: What configs and logs call it.
        function: Pure `(answer, truth, text) -> value`; None means 'not scored', which is not the same as 0.
        low: Least value it may return.
        high: Greatest value it may return.
    """

    name: str
    function: RewardFunction
    low: float
    high: float

    def __call__(self, answer: Answer | ParseFailure, truth: Answer, text: str) -> float | None:
        """The value of one answer, checked against the declared range.

        Args:
            answer: What was read from the model's text, decoded; or why nothing could be read.
            truth: The right answer.
            text: The model's whole text.

        Raises:
            UserError: If the function returned a number outside [low, high], or NaN.
        """
        value = self.function(answer, truth, text)
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
