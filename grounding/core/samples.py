"""A sample to be grounded, and an answer to it: the same `Answer` type holds truths and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.masklets import Masklets
from grounding.core.tubes import Tube


@dataclass(frozen=True)
class Answer:
    """What is claimed (or known) about a query; a part that the task does not ask for is None.

    Args:
        interval: When.
        object_id: Which object, by its masklet id (>= 1).
        tube: Where, on the source frames.
    """

    interval: Interval | None = None
    object_id: int | None = None
    tube: Tube | None = None


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


@dataclass(frozen=True)
class LoadedSample:
    """A sample with its pixels, masks and completed truth (id, interval and tube all set).

    Args:
        sample: The sample; its truth is complete.
        clip: Sampled frames, unmarked.
        masklets: Masks of all objects on the source frames.
    """

    sample: Sample
    clip: Clip
    masklets: Masklets


class Source(Protocol):
    """A dataset: samples known up front, pixels and masks on demand."""

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples, in a fixed order."""
        ...

    def load(self, sample: Sample) -> LoadedSample:
        """Read or make the video and masks of a sample."""
        ...
