"""The toy world where objects leave and come back, and questions about all times of a thing, also of one that is not
there; with it clips that are annotated in part or that are hard, as real training data has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grounding.core import Answer, Interval, LoadedSample, Sample, UserError
from grounding.core.seeds import generator
from grounding.datasets.toy import (
    COLOURS,
    MAX_OBJECTS,
    SECONDS,
    SHAPES,
    Question,
    Toy,
    ToyObject,
    ToySource,
    make_query,
    make_world,
    paint,
)
from rewards.segments import merged

NEVER = 0.2  # how often a clip's own question is about something that is not there; our choice


def make_returning(rng: np.random.Generator, level: int, objects: int) -> list[ToyObject]:
    """Objects of which one at least leaves and comes back: such ones stand there twice, with one ID.

    As for the rest, each object is as likely there in one second as in another, whether or not it was before: the
    tiny policy took the likeliest second to follow for the one that it saw.
    """
    while True:
        world = [visit for thing in make_world(rng, level, objects, any_stay) for visit in _visits(thing, rng)]
        if len(world) > objects:
            return world


def any_stay(rng: np.random.Generator) -> tuple[int, int]:
    """The first and the last of any seconds."""
    while not len(seconds := np.flatnonzero(rng.integers(0, 2, size=int(SECONDS)))):
        pass
    return seconds[0], seconds[-1] + 1


def _visits(thing: ToyObject, rng: np.random.Generator) -> list[ToyObject]:
    """The object in its first and last second, and in half of those between."""
    first, last = int(thing.interval.start), int(thing.interval.end) - 1
    seen = [at for at in range(first, last + 1) if at in (first, last) or rng.integers(2)]
    return [replace(thing, interval=one) for one in merged([Interval(at, at + 1) for at in seen])]


def ask_all_times(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """When each object is there, the target first, and when something is that is not; this comes first now and then."""
    visits: dict[int, list[ToyObject]] = {}
    for one in world:
        visits.setdefault(one.id, []).append(one)
    stays = [replace(own[0], interval=Interval(own[0].interval.start, own[-1].interval.end)) for own in visits.values()]
    asked = [
        Question(make_query(one, stays, rng), Answer(intervals=tuple(visit.interval for visit in own)), own[0])
        for one, own in zip(stays, visits.values(), strict=True)
    ]
    asked.sort(key=lambda one: one.about.id != target.id)
    never = Question(f"the {_absent(world, rng)}", Answer(intervals=()), target)
    return [never, *asked] if rng.random() < NEVER else [*asked, never]


def _absent(world: Sequence[ToyObject], rng: np.random.Generator) -> str:
    """The name of a thing that is not there, nor another of its colour."""
    colours = sorted(set(COLOURS) - {thing.colour for thing in world})
    return f"{rng.choice(SHAPES)} in {rng.choice(colours)}"


VISITS = Toy(ask_all_times, make_returning, paint)


@dataclass(frozen=True)
class FlawedSource(ToySource):
    """Toy clips of which some are hard, and some are annotated in part: only the first of several time ranges is there.

    Which clips these are follows from their numbers. `meta["hard"]` says whether a clip is hard: it has twins and one
    object more. `meta["whole_truth"]` is the truth with all ranges.

    Args:
        partial: Share of the clips that are annotated in part; they ask about something that comes twice.
        hard: Share of the clips that are hard.
    """

    partial: float = 0.0
    hard: float = 0.0

    def sample(self, number: int) -> Sample:
        """As `ToySource.sample`, with its flaws."""
        hard = bool(generator(number, "hard").random() < self.hard)
        sample = self._harder.sample(number) if hard else super().sample(number)
        meta = {**sample.meta, "hard": hard, "whole_truth": sample.truth}
        if generator(number, "partial").random() >= self.partial:
            return replace(sample, meta=meta)
        questions = sorted(sample.meta["questions"], key=lambda one: len(one.truth.segments or ()) < 2)
        own, ranges = questions[0], questions[0].truth.segments or ()
        if len(ranges) < 2:
            raise UserError(f"nothing comes twice in toy clip {number}; leave out data.partial")
        meta |= {**own.meta, "questions": questions, "whole_truth": own.truth}
        return replace(sample, query=own.query, truth=replace(own.truth, intervals=ranges[:1]), meta=meta)

    def load(self, sample: Sample) -> LoadedSample:
        """As `ToySource.load`."""
        return self._harder.load(sample) if sample.meta["hard"] else super().load(sample)

    def version(self, sample: Sample) -> str:
        """As `ToySource.version`."""
        return self._harder.version(sample) if sample.meta["hard"] else super().version(sample)

    @property
    def _harder(self) -> ToySource:
        return ToySource(self.numbers, 2, min(MAX_OBJECTS, self.objects + 1), self.fps, self.toy)
