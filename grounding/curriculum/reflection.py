"""Which annotations are partial: a model is asked whether the sentence also holds where it is not annotated.

This is the Boundary Reflection Agent of VideoTG-R1 (arXiv 2510.23397), which has multimodal models predict relevant
times outside of the annotated interval, and discards samples that have such. How they are asked, how often, and when
they are believed is not public: all numbers in `ReflectionConfig`, and what else is done than to discard, are ours.

How far the model can be trusted is measured before, without labels: of samples that have several time ranges one is
hidden, and the model should find it; asked about them as they are, it should find nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median

import numpy as np

from grounding.core import Clip, Interval, LoadedSample, OnBroken, ParseFailure, Sample, Source, UserError, UserTurn
from grounding.core.checks import shown, unknown, within
from grounding.core.seeds import generator
from grounding.curriculum.masking import blank
from grounding.curriculum.replies import MOST, Backend, Request, replies, request_key, silent
from grounding.curriculum.votes import Found, Margin, clipped, near, outside, pieces, voted
from grounding.datasets.cut import cut
from grounding.tasks.asking import Asking, without_video
from rewards.segments import merged

LABELS = ("complete", "partial", "boundary_error", "unparsable")
MODES = ("mask", "cut")
ACTIONS = ("drop", "extend", "downweight")


@dataclass
class ReflectionConfig:
    """How annotations are probed, and what is done with partial ones; all numbers are our defaults."""

    mode: str = "mask"  # mask: the annotated ranges are blanked; cut: each part between them is shown alone
    replies: int = 3  # to each question
    margin: float = 1.0  # seconds around an annotated range in which no other event is looked for
    margin_share: float = 0.1  # of the range's length, if that is more
    least: float = 2.0  # seconds of the shortest part of a video that is looked at
    found: float = 1.0  # seconds of the shortest range found that counts
    found_share: float = 0.3  # of the median length of the annotated ranges, if that is more
    iou: float = 0.5  # from which on the ranges of two replies are the same
    agreement: float = 2 / 3  # share of the replies that must name a range
    precision: float = 0.8  # that the probe must have, or nothing is filtered
    calibration: int = 200  # samples on which the probe is measured, at most
    action: str = "drop"  # what becomes of partial samples: drop, extend (by the ranges found) or downweight
    weight: float = 0.5  # of a partial sample, for downweight

    @property
    def votes(self) -> int:
        """How many replies must name a range."""
        return ceil(self.agreement * self.replies - 1e-9)

    @property
    def around(self) -> Margin:
        """The margin of annotated ranges."""
        return Margin(self.margin, self.margin_share)


def check_reflection(config: ReflectionConfig) -> list[str]:
    """What cannot work, a line each."""
    seconds = ("margin", "margin_share", "least", "found", "found_share")
    rules = [(name, getattr(config, name), 0 <= getattr(config, name) < 1e9, "0 or more") for name in seconds]
    rules += [
        ("replies", config.replies, 1 <= config.replies <= MOST, f"1 to {MOST}"),
        ("iou", config.iou, 0 < config.iou <= 1, "above 0 and at most 1"),
        ("agreement", config.agreement, 0 < config.agreement <= 1, "above 0 and at most 1"),
        ("precision", config.precision, 0 <= config.precision <= 1, "0 to 1"),
        ("calibration", config.calibration, config.calibration >= 1, "at least 1"),
        ("weight", config.weight, 0 <= config.weight <= 1, "0 to 1"),
    ]
    errors = [
        f"reflection.{name} must be {rule}, got {shown(value)}" for name, value, right, rule in rules if not right
    ]
    choices = [("mode", config.mode, MODES), ("action", config.action, ACTIONS)]
    return errors + [
        unknown(f"reflection.{name}", value, known) for name, value, known in choices if value not in known
    ]


@dataclass(frozen=True)
class Verdict:
    """What was found outside of a sample's annotation.

    Args:
        id: The sample's.
        label: `partial` where enough replies name another event, `boundary_error` where what they name only goes on
            from an annotated range, `unparsable` where too few can be read or the video cannot, else `complete`.
        found: All that was named, what most replies named first.
        readable: How many replies could be read.
    """

    id: str
    label: str
    found: tuple[Found, ...] = ()
    readable: int = 0


@dataclass(frozen=True)
class Probe:
    """The question whether a sample's sentence also holds outside of some time ranges.

    Args:
        place: Of the sample in its source.
        id: The sample's.
        annotated: The ranges, disjoint and in order.
        duration: Of the video in seconds.
    """

    place: int
    id: str
    annotated: tuple[Interval, ...]
    duration: float


@dataclass(frozen=True)
class Calibration:
    """How far the probe can be trusted, by samples with several time ranges: who annotated several looked for all.

    Args:
        items: Samples that were asked about twice, with one range hidden and as they are.
        found: How many were called partial with one hidden.
        wrong: How many were called partial as they are.
    """

    items: int
    found: int
    wrong: int

    @property
    def precision(self) -> float | None:
        """Share of those called partial that were; None where none was called so."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Share of those with a hidden range that were called partial; None where there are none."""
        return self.found / self.items if self.items else None


@dataclass(frozen=True)
class Agent:
    """Asks a model about the samples of a source.

    Args:
        source: The samples; their truths say when.
        asking: What is asked; its changes are not made.
        backend: Who is asked.
        config: How, and what replies come to.
        store: The file that keeps the replies; what it knows is not asked again.
        told: See `replies`.
        on_broken: Takes each sample that cannot be used, whose verdict is `unparsable`; if None, the first one stops.
        broken: What is wrong with those, by their places.
        cost: What was spent: `requests` and `replies`, `known` requests that were not asked again, `frames` shown,
            `seconds`.
    """

    source: Source
    asking: Asking
    backend: Backend
    config: ReflectionConfig
    store: Path
    told: Callable[[int, int], None] = silent
    on_broken: OnBroken | None = None
    broken: dict[int, UserError] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def probes(self) -> list[Probe]:
        """One for each sample; where no row tells a video's length, the video is read for it.

        Raises:
            UserError: Naming the sample, if it says no time or its video cannot be read.
        """
        return [self._probe(place, sample) for place, sample in enumerate(self.source.samples)]

    def calibrate(self, probes: Sequence[Probe]) -> Calibration:
        """Ask about samples that have several time ranges, with one of them hidden and as they are."""
        several = [probe for probe in probes if len(probe.annotated) > 1]
        drawn = generator("calibration").permutation(len(several))[: self.config.calibration]
        whole = [several[place] for place in sorted(drawn)]
        labels = [one.label for one in self.verdicts([*map(with_one_hidden, whole), *whole])]
        hidden, untouched = labels[: len(whole)], labels[len(whole) :]
        return Calibration(len(whole), hidden.count("partial"), untouched.count("partial"))

    def verdicts(self, probes: Sequence[Probe]) -> Iterator[Verdict]:
        """What comes of each probe, in their order; frames are read when they are asked about.

        Raises:
            UserError: If there will be no replies, or a sample cannot be used and none may be left out.
        """
        done = 0
        while done < len(probes):
            known = set(self.broken)
            try:
                for verdict in self._answered(probes[done:]):
                    done += 1
                    yield verdict
            except UserError:
                if self.on_broken is None or known == self.broken.keys():
                    raise
                for place in self.broken.keys() - known:  # the others are asked about again; replies are in the store
                    self.on_broken(self.source.samples[place], str(self.broken[place]))

    def _answered(self, probes: Sequence[Probe]) -> Iterator[Verdict]:
        begin, parts = time.perf_counter(), [self._parts(probe) for probe in probes]
        requests = [self._request(probe, part) for probe, own in zip(probes, parts, strict=True) for part in own]
        count = self.config.replies
        texts = replies(requests, count, self.backend, self.store, self._told())
        for probe, own in zip(probes, parts, strict=True):
            yield self._verdict(probe, [(part, next(texts)) for part in own])
        self.cost["seconds"] += time.perf_counter() - begin

    def _probe(self, place: int, sample: Sample) -> Probe:
        spans, duration = sample.truth.segments, sample.meta.get("duration")
        if spans is None:
            raise UserError(f"sample {sample.id} says no time, so nothing outside of it can be looked for")
        length = float(duration) if isinstance(duration, int | float) else self._length(place, sample)
        return Probe(place, sample.id, tuple(merged(spans)), length)

    def _length(self, place: int, sample: Sample) -> float:
        """Seconds of a video; 0 where it cannot be read and may be left out."""
        try:
            return self.source.load(sample).clip.duration
        except UserError as error:
            if self.on_broken is None:
                raise
            self.broken[place] = error
            self.on_broken(sample, str(error))
            return 0.0

    def _looked_at(self, probe: Probe) -> list[Interval]:
        return pieces(probe.annotated, probe.duration, self.config.around, self.config.least)

    def _parts(self, probe: Probe) -> list[Interval]:
        """The parts of the video that are shown one by one; none where there is nowhere to look, or no video."""
        if probe.place in self.broken:
            return []
        looked = self._looked_at(probe)
        if self.config.mode == "mask":
            return [Interval(0.0, probe.duration)] if looked else []
        return [part for part in outside(probe.annotated, probe.duration) if clipped(part, looked)]

    def _request(self, probe: Probe, part: Interval) -> Request:
        ranges = probe.annotated if self.config.mode == "mask" else (part,)
        done = [self.config.mode, [[float(one.start), float(one.end)] for one in ranges]]
        key = request_key(self.source, self._sample(probe), self.asking, done)
        return Request(key, partial(self._turn, probe, part), f"sample {probe.id}")

    def _turn(self, probe: Probe, part: Interval) -> UserTurn:
        sample = self._sample(probe)
        try:
            loaded = replace(self.source.load(sample), sample=sample)
            with within(f"sample {sample.id}"):
                loaded = blanked(loaded, probe.annotated) if self.config.mode == "mask" else cut(loaded, part)
            turn = self.asking(loaded).turn
        except UserError as error:
            self.broken[probe.place] = error
            raise
        self.cost["frames"] += sum(len(one) for one in turn if isinstance(one, Clip))
        return turn

    def _sample(self, probe: Probe) -> Sample:
        """The sample as if nobody knew when, or how often."""
        sample = self.source.samples[probe.place]
        return replace(sample, truth=replace(sample.truth, interval=None, intervals=()))

    def _told(self) -> Callable[[int, int], None]:
        """Counts requests when it is first told of them."""
        first = [True]

        def told(answered: int, total: int) -> None:
            if first:
                first.clear()
                self.cost["known"] += answered
                self.cost["requests"] += total - answered
                self.cost["replies"] += (total - answered) * self.config.replies
            self.told(answered, total)

        return told

    def _verdict(self, probe: Probe, asked: Sequence[tuple[Interval, Sequence[str]]]) -> Verdict:
        """What the replies about each part come to; the first about each are one reply, and so on."""
        if not asked:
            return Verdict(probe.id, "unparsable" if probe.place in self.broken else "complete")
        config, sample, looked = self.config, self._sample(probe), self._looked_at(probe)
        lengths = [one.duration for one in probe.annotated]
        shortest = max(config.found, config.found_share * median(lengths or [0.0]))
        readable, seen = 0, []
        for turn in range(config.replies):
            said = [spans for part, texts in asked if (spans := self._said(sample, texts[turn], part)) is not None]
            readable += bool(said)
            seen.append(
                [
                    (place, near(span, probe.annotated, config.around))
                    for spans in said
                    for span in spans
                    for place in clipped(span, looked)
                    if place.duration >= shortest
                ]
            )
        found = voted(seen, config.iou)
        return Verdict(probe.id, self._label(found, readable), tuple(found), readable)

    def _said(self, sample: Sample, text: str, part: Interval) -> list[Interval] | None:
        """When the sentence holds by a reply about a part, in the video's seconds; None where it cannot be read."""
        said = self.asking.task.read(text, without_video(sample))
        if isinstance(said, ParseFailure) or said.segments is None:
            return None
        if sample.truth.choices is not None and said.choices != sample.truth.choices:
            return []  # it is evidence of another answer
        moved = [Interval(one.start + part.start, one.end + part.start) for one in said.segments]
        return [span for one in moved for span in clipped(one, [part])]

    def _label(self, found: Sequence[Found], readable: int) -> str:
        if readable < self.config.votes:
            return "unparsable"
        agreed = [one for one in found if one.votes >= self.config.votes]
        if not agreed:
            return "complete"
        return "boundary_error" if all(one.near for one in agreed) else "partial"


def with_one_hidden(probe: Probe) -> Probe:
    """The probe of a sample as if one of its time ranges had not been annotated; always the same one."""
    missing = int(generator(probe.id, "hidden").integers(len(probe.annotated)))
    return replace(probe, annotated=(*probe.annotated[:missing], *probe.annotated[missing + 1 :]))


def blanked(loaded: LoadedSample, spans: Sequence[Interval]) -> LoadedSample:
    """The sample without the frames of some time ranges, see `masking.blank`."""
    return blank(loaded, np.array([any(one.start <= at < one.end for one in spans) for at in loaded.clip.pts]))
