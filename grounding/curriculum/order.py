"""Which samples a run draws, and when: a function of the seed alone, so that a resumed run goes on the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from grounding.core import UserError
from grounding.core.seeds import generator
from grounding.curriculum.scores import Difficulty, Scores
from grounding.tasks.asking import Moment

# Difficulty of the n samples and progress in [0, 1) -> weights >= 0, shape (n,).
Weigh = Callable[[Difficulty, float], np.ndarray]
Weights = Callable[[int, float], np.ndarray]  # a generation and its progress -> weights >= 0, shape (n,)
Drawn = dict[str, int]  # `index` of a sample, and the number of its `draw`


@dataclass(frozen=True, eq=False)
class Weighted:
    """Weights of samples by their difficulty; where by it none would be drawn, all are alike.

    Args:
        weigh: Says them; None weighs all alike.
        scores: Say how difficult the samples are.
        factors: What each weight is multiplied by, >= 0, shape (n,).
        refresh: After so many generations the newest scores count; 0 leaves it at what was known before the run.
    """

    weigh: Weigh | None
    scores: Scores
    factors: np.ndarray
    refresh: int = 0

    def __call__(self, generation: int, progress: float) -> np.ndarray:
        """The weights in a generation, >= 0, shape (n,)."""
        if self.weigh is None:
            return self.factors
        known = self.scores.known(generation if self.refresh else 0, max(1, self.refresh))
        weights = self.factors * self.weigh(known, progress)
        return weights if weights.any() else self.factors


class Draws:
    """All draws of a run in their order; item n is the n-th.

    Args:
        samples: Number of samples.
        groups: Draws of a generation, over all processes: what is answered before the next update.
        generations: Generations of the run.
        seed: Seed of the run.
        weights: Of the samples, by generation: one of twice the weight is drawn first twice as often, and none is drawn
            twice in a generation while another is left. None: each sample once a pass, in a new order every time.
        scores: Keeps what the run's groups score, if draws depend on it.
    """

    def __init__(
        self,
        samples: int,
        groups: int,
        generations: int,
        seed: int,
        weights: Weights | None = None,
        scores: Scores | None = None,
    ) -> None:
        self.samples, self.groups, self.generations, self.seed = samples, groups, generations, seed
        self.scores, self._weights = scores, weights
        self._newest = lru_cache(2)(self._pass if weights is None else self._weighed)

    def __len__(self) -> int:
        return self.groups * self.generations

    def __getitem__(self, draw: int) -> Drawn:
        return {"index": self.sample(draw), "draw": draw}

    def moment(self, index: int, draw: int) -> Moment:
        """What the changes of a sample see at a draw."""
        if self.scores is None:
            return Moment(self.seed, draw, self.progress(draw))
        score = float(self.scores.known(draw // self.groups).mean[index])
        return Moment(self.seed, draw, self.progress(draw), None if math.isnan(score) else score)

    def progress(self, draw: int) -> float:
        """How far the run is at a draw, in [0, 1)."""
        return draw / max(1, len(self))

    def sample(self, draw: int) -> int:
        """Index of the sample of a draw."""
        size = self.samples if self._weights is None else self.groups
        return int(self._newest(draw // size)[draw % size])

    def others(self, generation: int, count: int, *purpose: object) -> list[Drawn]:
        """Further draws in a generation, for groups that teach nothing; other ones for another purpose."""
        rng = generator(self.seed, *purpose)
        if self._weights is None:
            drawn = rng.integers(self.samples, size=count)
        else:
            drawn = rng.choice(self.samples, count, p=self._chances(self._weights, generation))
        return [{"index": int(index), "draw": generation * self.groups} for index in drawn]

    def _pass(self, number: int) -> np.ndarray:
        return generator(self.seed, "order", number).permutation(self.samples)

    def _weighed(self, number: int) -> np.ndarray:
        assert self._weights is not None
        chances = self._chances(self._weights, number)
        possible = int(np.count_nonzero(chances))
        rng, drawn = generator(self.seed, "order", number), list[np.ndarray]()
        for start in range(0, self.groups, possible):
            drawn.append(rng.choice(self.samples, min(possible, self.groups - start), replace=False, p=chances))
        return np.concatenate(drawn)

    def _chances(self, weights: Weights, generation: int) -> np.ndarray:
        found = weights(generation, self.progress(generation * self.groups))
        if not (np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0):
            raise UserError(
                "a curriculum's weights must be finite, 0 or more, and not all 0; choose another curriculum"
            )
        return found / found.sum()


@dataclass(frozen=True)
class Rows:
    """Numbers of draws as a trainer asks for them: each a row for every member of its group.

    Args:
        groups: Draws of a generation.
        members: Rows of a group.
        repeats: How often the trainer asks for each generation's rows.
        generations: Generations of the run.
    """

    groups: int
    members: int
    repeats: int
    generations: int

    def __len__(self) -> int:
        return self.groups * self.members * self.repeats * self.generations

    def __iter__(self) -> Iterator[int]:
        for number in range(self.generations):
            rows = np.repeat(np.arange(number * self.groups, (number + 1) * self.groups), self.members).tolist()
            for _ in range(self.repeats):
                yield from rows
