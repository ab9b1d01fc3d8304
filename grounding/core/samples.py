"""A sample to be grounded, and an answer to it: the same `Answer` type holds truths and predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from grounding.core import rle
from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.masklets import Masklets
from grounding.core.regions import Region
from grounding.core.tubes import Tube


@dataclass(frozen=True)
class Mask:
    """A region of an image.

    Args:
        size: (height, width) in pixels.
        counts: Compressed COCO runs, as `grounding.core.rle` makes them.
    """

    size: tuple[int, int]
    counts: bytes

    def covers(self, x: float, y: float) -> bool:
        """Whether the pixel that holds the point, `[x, x + 1) x [y, y + 1)`, is part of the region."""
        height, width = self.size
        return 0 <= x < width and 0 <= y < height and bool(rle.decode(self.counts, self.size)[int(y), int(x)])


@dataclass(frozen=True)
class Answer:
    """What is claimed (or known) about a query; a part that the task does not ask for is None.

    Args:
        interval: When.
        object_id: Which object, by its masklet id (>= 1).
        tube: Where, on the source frames.
        intervals: When, for tasks with several segments or moments, in the order said; () says never.
        object_ids: Which objects, for tasks with several; empty says none.
        box: Where in an image, xyxy pixels.
        point: Where in an image, (x, y) pixels.
        mask: What a point should hit; truths only.
        choices: Letters of the options taken, in capitals.
        text: Free words.
        number: A count, a measure, or a progress in percent.
        region: Where the objects are, pixel by pixel, on the source frames.
        also: Other words that are as right as `text`; truths only.
        size: (height, width) in pixels of the image that box and point are in, where it is known; answers with and
            without it are equal.

    Raises:
        UserError: If box, point or number is not finite, or the box is reversed.
    """

    interval: Interval | None = None
    object_id: int | None = None
    tube: Tube | None = None
    intervals: tuple[Interval, ...] | None = None
    object_ids: frozenset[int] | None = None
    box: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    mask: Mask | None = None
    choices: frozenset[str] | None = None
    text: str | None = None
    number: float | None = None
    region: Region | None = None
    also: tuple[str, ...] | None = None
    size: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("box", self.box), ("point", self.point), ("number", (self.number or 0.0,))):
            if value is not None and not all(map(math.isfinite, value)):
                raise UserError(f"an answer's {name} must be finite, got {value}")
        if self.box is not None and (self.box[2] < self.box[0] or self.box[3] < self.box[1]):
            raise UserError(f"an answer's box must be (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got {self.box}")

    @property
    def parts(self) -> list[str]:
        """Names of the parts that are there."""
        return [one.name for one in fields(self) if one.compare and getattr(self, one.name) is not None]

    @property
    def segments(self) -> tuple[Interval, ...] | None:
        """All times: `intervals`, or the one `interval`, or None where neither is asked for."""
        if self.intervals is not None:
            return self.intervals
        return None if self.interval is None else (self.interval,)

    @property
    def ids(self) -> frozenset[int] | None:
        """All objects: `object_ids`, or the one `object_id`, or None where neither is asked for."""
        if self.object_ids is not None:
            return self.object_ids
        return None if self.object_id is None else frozenset([self.object_id])


@dataclass(frozen=True)
class ParseFailure:
    """A model text that holds no valid answer; scored 0 and counted, never raised.

    Args:
        reason: One line for logs.
    """

    reason: str


@dataclass(frozen=True)
class Sample:
    """One query about one video, with its truth.

    Args:
        id: Unique within its dataset.
        video: What the dataset loads the video by (a path relative to its root, a seed, ...).
        query: The sentence to ground, not empty.
        truth: The right answer.
        meta: Anything else of the annotation row.

    Raises:
        UserError: If the id or the query is empty.
    """

    id: str
    video: str
    query: str
    truth: Answer
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise UserError("a sample's id must not be empty")
        if not self.query.strip():
            raise UserError(f"sample {self.id}: query must not be empty")

    @property
    def previous(self) -> float | None:
        """The progress in percent that a model is told, of a row that tells one."""
        value = self.meta.get("previous")
        return value if isinstance(value, float) else None


@dataclass(frozen=True)
class LoadedSample:
    """A sample with its pixels, masks and completed truth: every part that its annotation and the masks tell.

    Args:
        sample: The sample; its truth is complete.
        clip: Sampled frames, unmarked.
        masklets: Masks of all objects on the source frames.
    """

    sample: Sample
    clip: Clip
    masklets: Masklets


OnBroken = Callable[[Sample, str], None]  # takes a sample that cannot be used, and why


class Source(Protocol):
    """A dataset: samples known up front, pixels and masks on demand."""

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples, in a fixed order."""
        ...

    def load(self, sample: Sample) -> LoadedSample:
        """Read or make the video and masks of a sample."""
        ...

    def version(self, sample: Sample) -> str:
        """Equal as long as `load` would give the same; found without decoding anything.

        Raises:
            UserError: If a file that `load` reads is not there.
        """
        ...


@dataclass(frozen=True)
class Chosen:
    """Some samples of a source, perhaps with other truths or more of them known.

    Args:
        source: Loads them.
        samples: What is chosen.
    """

    source: Source
    samples: Sequence[Sample]

    def load(self, sample: Sample) -> LoadedSample:
        """As the source does."""
        return self.source.load(sample)

    def version(self, sample: Sample) -> str:
        """As the source says."""
        return self.source.version(sample)


def normalise_query(query: str) -> str:
    """The query as every prompt shows it, in training and in evaluation: lower case, single spaces, no final period."""
    return " ".join(query.lower().split()).rstrip(". ")
