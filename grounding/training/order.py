"""Which samples a run trains on, and when: a function of the seed alone, so that a resumed run goes on the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch.utils.data import Sampler

from grounding.core.seeds import generator


@dataclass(frozen=True)
class GroupOrder(Sampler[int]):
    """Indices of samples for a whole run: groups of equal indices, a new permutation for every pass over the samples.

    Args:
        samples: Number of samples.
        groups: Groups of a generation, over all processes.
        members: Rows of a group.
        repeats: How often the trainer asks for each generation's rows.
        generations: Generations of the run.
        seed: Seed of the run.
    """

    samples: int
    groups: int
    members: int
    repeats: int
    generations: int
    seed: int

    def __len__(self) -> int:
        return self.groups * self.members * self.repeats * self.generations

    def __iter__(self) -> Iterator[int]:
        for number in range(self.generations):
            rows = [index for index in self.of_generation(number) for _ in range(self.members)]
            for _ in range(self.repeats):
                yield from rows

    def of_generation(self, number: int) -> list[int]:
        """Sample of each group of a generation, length `groups`."""
        places = range(number * self.groups, (number + 1) * self.groups)
        passes = {place // self.samples for place in places}
        orders = {which: generator(self.seed, "order", which).permutation(self.samples) for which in passes}
        return [int(orders[place // self.samples][place % self.samples]) for place in places]
