"""Which samples a run draws, and when: a function of the seed alone, so that a resumed run goes on the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from grounding.core import UserError
from grounding.core.seeds import generator
from grounding.tasks.asking import Moment

# Difficulty of each sample, float, shape (n,), and progress in [0, 1) -> weights >= 0, shape (n,).
Weigh = Callable[[np.ndarray, float], np.ndarray]
Drawn = dict[str, int]  # `index` of a sample, and the number of its `draw`


class Draws:
    """All draws of a run in their order; item n is the n-th.

    Args:
        samples: Number of samples.
        groups: Draws of a generation, over all processes: what is answered before the next update.
        generations: Generations of the run.
        seed: Seed of the run.
        weigh: Weights of the samples, asked at the beginning of each generation: a sample of twice the weight is drawn
            first twice as often, and none is drawn twice in a generation while another is left. None: each sample once
            a pass, in a new order every time.
        difficulty: What `weigh` is given, shape (samples,).
    """

    def __init__(
        self,
        samples: int,
        groups: int,
        generations: int,
        seed: int,
        weigh: Weigh | None = None,
        difficulty: np.ndarray | None = None,
    ) -> None:
        self.samples, self.groups, self.generations, self.seed = samples, groups, generations, seed
        self._weigh = None if weigh is None else partial(weigh, np.zeros(samples) if difficulty is None else difficulty)
        self._newest = lru_cache(2)(self._pass if weigh is None else self._weighed)

    def __len__(self) -> int:
        return self.groups * self.generations

    def __getitem__(self, draw: int) -> Drawn:
        return {"index": self.sample(draw), "draw": draw}

    def moment(self, draw: int) -> Moment:
        """What the changes of a sample see at a draw."""
        return Moment(self.seed, draw, self.progress(draw))

    def progress(self, draw: int) -> float:
        """How far the run is at a draw, in [0, 1)."""
        return draw / max(1, len(self))

    def sample(self, draw: int) -> int:
        """Index of the sample of a draw."""
        size = self.samples if self._weigh is None else self.groups
        return int(self._newest(draw // size)[draw % size])

    def others(self, generation: int, count: int, *purpose: object) -> list[Drawn]:
        """Further draws in a generation, for groups that teach nothing; other ones for another purpose."""
        rng = generator(self.seed, *purpose)
        chances = None if self._weigh is None else _chances(self._weigh(self._progress_of(generation)))
        drawn = (
            rng.choice(self.samples, count, p=chances)
            if chances is not None
            else rng.integers(self.samples, size=count)
        )
        return [{"index": int(index), "draw": generation * self.groups} for index in drawn]

    def _pass(self, number: int) -> np.ndarray:
        return generator(self.seed, "order", number).permutation(self.samples)

    def _weighed(self, number: int) -> np.ndarray:
        assert self._weigh is not None
        chances = _chances(self._weigh(self._progress_of(number)))
        possible = int(np.count_nonzero(chances))
        rng, drawn = generator(self.seed, "order", number), list[np.ndarray]()
        for start in range(0, self.groups, possible):
            drawn.append(rng.choice(self.samples, min(possible, self.groups - start), replace=False, p=chances))
        return np.concatenate(drawn)

    def _progress_of(self, generation: int) -> float:
        return self.progress(generation * self.groups)


def _chances(weights: np.ndarray) -> np.ndarray:
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise UserError("a curriculum's weights must be finite, 0 or more, and not all 0; choose another curriculum")
    return weights / weights.sum()


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
