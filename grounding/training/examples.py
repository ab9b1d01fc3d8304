"""From a sample to what a policy reads: frames, with IDs drawn at load time if the task does so, and the prompt."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import SimpleNamespace
from typing import Generic, Protocol, TypeVar

from grounding.core import LoadedSample, OnBroken, Sample, Source, UserError
from grounding.jobs.workers import Workers
from grounding.policies.policy import Policy, VideoPrompt
from grounding.tasks.asking import Asking, Moment

MOST_BROKEN = 10  # samples in a row that are passed over before the data as a whole is held to be broken

Drawn = dict[str, object]  # a row of a dataset: `index` of a sample, and the number of its `draw`


@dataclass(frozen=True, eq=False)
class Example:
    """A sample that is ready for the policy.

    Args:
        loaded: The sample, after its changes, with its truth and masklets; its clip is unmarked.
        prompt: The model's inputs, made of the frames as it is shown them.
        passed_over: The samples before it that could not be used and why, where it stands in for them.
    """

    loaded: LoadedSample
    prompt: VideoPrompt
    passed_over: tuple[tuple[Sample, str], ...] = ()


def make_examples(
    loaded: Sequence[LoadedSample], policy: Policy, asking: Asking, now: Moment | None = None
) -> list[Example]:
    """Encode some samples as the policy is asked about them, at some moment of training or in evaluation."""
    asked = [asking(one, now) for one in loaded]
    prompts = policy.encode([one.turn for one in asked])
    return [Example(one.loaded, prompt) for one, prompt in zip(asked, prompts, strict=True)]


@dataclass(frozen=True)
class ExampleMaker:
    """Makes the example of a sample's index; small enough to be sent to another process.

    Args:
        source: Where samples come from.
        policy: Whose processor encodes them; its weights are not needed, see `without_weights`.
        asking: What is shown and asked.
        skip_broken: Whether the next sample stands in for one that cannot be used; else it stops the run.
    """

    source: Source
    policy: Policy
    asking: Asking
    skip_broken: bool = False

    def __call__(self, index: int, now: Moment | None = None) -> Example:
        """Read, change, draw and encode a sample.

        Args:
            index: Of the sample.
            now: The moment that its changes see; None leaves it as it is.

        Raises:
            UserError: If it cannot be used (its video gives no frames, its prompt is too long, ...); with
                `skip_broken`, if neither can the nine after it.
        """
        if not self.skip_broken:
            return self._make(index, now)
        broken: list[tuple[Sample, str]] = []
        for offset in range(MOST_BROKEN):
            number = (index + offset) % len(self.source.samples)
            try:
                then = replace(now, score=None) if now and broken else now  # the score is that of another sample
                return replace(self._make(number, then), passed_over=tuple(broken))
            except UserError as error:
                broken.append((self.source.samples[number], str(error)))
        raise UserError(f"{MOST_BROKEN} samples in a row cannot be used; mend the data, the last: {broken[-1][1]}")

    def _make(self, index: int, now: Moment | None) -> Example:
        sample = self.source.samples[index]
        loaded = self.source.load(sample)
        try:
            return make_examples([loaded], self.policy, self.asking, now)[0]
        except UserError as error:
            raise UserError(f"sample {sample.id}: {error}") from error


def without_weights(policy: Policy) -> Policy:
    """The part of a policy that encodes prompts: its processor, and of its model only the configuration."""
    return replace(policy, model=SimpleNamespace(config=policy.model.config))


class Makeshift(Protocol):
    """What may stand in for samples that cannot be used."""

    @property
    def passed_over(self) -> Sequence[tuple[Sample, str]]:
        """Those samples, and why."""


Made = TypeVar("Made", bound=Makeshift)
Wanted = tuple[int, Moment | None]  # index of a sample, and the moment that it is asked for


class Ahead(Generic[Made]):
    """Makes things before they are needed, each once while it is kept.

    Args:
        make: Makes what is wanted; can be sent to another process.
        keep: How many stay in memory: those of two batches, the one in use and the one asked for.
        workers: Processes that make them; 0 makes them when they are needed. They are the same.
        moments: The moment of a sample's index and a draw, for things that depend on it.
        on_broken: Takes each sample that cannot be used, once.
    """

    def __init__(
        self,
        make: Callable[[int, Moment | None], Made],
        keep: int,
        workers: int = 0,
        moments: Callable[[int, int], Moment] | None = None,
        on_broken: OnBroken | None = None,
    ) -> None:
        self.keep = keep
        self._on_broken = on_broken
        self._told: set[str] = set()  # ids
        self._make, self._moments = make, moments
        self._workers = Workers(make, workers) if workers else None
        self._asked: OrderedDict[Wanted, Callable[[], Made]] = OrderedDict()

    def wanted(self, row: Drawn) -> Wanted:
        """What a dataset row asks for."""
        index, draw = row["index"], row.get("draw", 0)
        assert isinstance(index, int) and isinstance(draw, int)
        return index, self._moments(index, draw) if self._moments else None

    def ask(self, rows: Sequence[Drawn]) -> Sequence[Drawn]:
        """Have what some rows ask for made ahead; gives the rows as they are."""
        self.pending(rows)
        return rows

    def __call__(self, rows: Sequence[Drawn]) -> list[Made]:
        """What the rows ask for, one a row; rows that ask for the same share it.

        Raises:
            UserError: If a sample cannot be used; if a worker died.
        """
        found = {wanted: wait() for wanted, wait in self.pending(rows).items()}
        for sample, why in [broken for one in found.values() for broken in one.passed_over]:
            if self._on_broken and sample.id not in self._told:
                self._told.add(sample.id)
                self._on_broken(sample, why)
        return [found[self.wanted(row)] for row in rows]

    def pending(self, rows: Sequence[Drawn]) -> dict[Wanted, Callable[[], Made]]:
        """What waits for each thing that some rows ask for; the ones asked for longest ago are let go."""
        every = list(dict.fromkeys(map(self.wanted, rows)))
        for wanted in every:
            if wanted not in self._asked:
                make = self._workers.start if self._workers else self._later
                self._asked[wanted] = make(*wanted)
            self._asked.move_to_end(wanted)
        found = {wanted: self._asked[wanted] for wanted in every}
        while len(self._asked) > self.keep:
            self._asked.popitem(last=False)
        return found

    def close(self) -> None:
        """End the workers; what they were asked for is dropped."""
        if self._workers:
            self._workers.close()

    def _later(self, index: int, now: Moment | None) -> Callable[[], Made]:
        return cache(partial(self._make, index, now))


class Collator:
    """Turns dataset rows into trainer inputs; a video asked for G times is read, drawn and encoded once.

    With workers, whoever hands `ask` to the data loader and the rows to the collator when they are needed waits for
    no video that could be read in a step's time: the loader asks for a batch while the one before it is learnt from.

    Args:
        source: Where samples come from.
        policy: Whose processor encodes them.
        asking: What is shown and asked.
        keep: How many examples stay in memory: those of two batches, the one in use and the one asked for.
        workers: Processes that make examples ahead; 0 makes them when they are needed. The examples are the same.
        on_broken: Takes each sample that cannot be used, once, and the next one stands in for it; if None, it stops
            the run.
        moments: The moment of a sample's index and a draw, which its changes see.
    """

    def __init__(
        self,
        source: Source,
        policy: Policy,
        asking: Asking,
        keep: int,
        workers: int = 0,
        on_broken: OnBroken | None = None,
        moments: Callable[[int, int], Moment] | None = None,
    ) -> None:
        self.seconds_waited = 0.0  # for examples, since the start or since somebody set it to 0
        make = ExampleMaker(source, without_weights(policy), asking, on_broken is not None)
        self._ahead = Ahead(make, keep, workers, moments if asking.changes else None, on_broken)
        self.ask, self.close = self._ahead.ask, self._ahead.close

    def __call__(self, rows: Sequence[Drawn]) -> list[dict[str, object]]:
        """Inputs of the trainer, one a row; rows of one index share their example."""
        begin = time.perf_counter()
        examples = self._ahead(rows)
        self.seconds_waited += time.perf_counter() - begin
        return [
            {"prompt": one.loaded.sample.query, "example": one, "group": row["index"]}
            for one, row in zip(examples, rows, strict=True)
        ]
