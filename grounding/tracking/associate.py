"""Which detection is which track, what is a duplicate or a part, and who has come back: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from grounding.core.boxes import mask_box, paired_box_iou


def unrepeated(boxes: np.ndarray, scores: np.ndarray, labels: Sequence[str], iou: float) -> list[int]:
    """Rows of detections by falling score, without boxes that repeat a surer one of the same label.

    Args:
        boxes: xyxy, shape (N, 4).
        scores: Shape (N,); equal scores keep their order.
        labels: N of them.
        iou: Least IoU for two boxes to be the same.
    """
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        same = [k for k in kept if labels[k] == labels[row]]
        if not same or (paired_box_iou(boxes[same], boxes[row]) < iou).all():
            kept.append(row)
    return kept


def pairs(score: np.ndarray, least: float) -> dict[int, int]:
    """One-to-one assignment of rows to columns with the greatest sum of scores, counting only those >= `least`.

    Args:
        score: Shape (N, M).
        least: Pairs below it are never made, nor do they push better ones aside.
    """
    if 0 in score.shape:
        return {}
    counted = np.where(score >= least, score, 0.0)
    rows, columns = linear_sum_assignment(-counted)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if score[r, c] >= least}


def match_boxes(detected: np.ndarray, tracked: np.ndarray, least: float) -> dict[int, int]:
    """Which detection (row of (N, 4)) is which track (row of (M, 4)), by box IoU."""
    return pairs(paired_box_iou(detected[:, None], tracked[None]), least)


class Looking(Protocol):
    """What has a label, and a unit embedding of shape (C,)."""

    @property
    def label(self) -> str:
        """What it is."""

    @property
    def look(self) -> np.ndarray:
        """How it looks."""


def match_looks(new: Sequence[Looking], away: Sequence[Looking], least: float) -> dict[int, int]:
    """Which newcomer is which absent object: of the same label, and with a cosine of their looks >= `least`."""
    if not new or not away:
        return {}
    cosine = np.stack([n.look for n in new]) @ np.stack([a.look for a in away]).T
    same = np.array([[n.label == a.label for a in away] for n in new])
    return pairs(np.where(same, cosine, -1.0), least)


@dataclass(frozen=True)
class Verdict:
    """What a new mask is: an object of its own ("new"), a "duplicate", or a track seen whole for once ("grown")."""

    kind: Literal["new", "duplicate", "grown"]
    id: int = 0


@dataclass(frozen=True, eq=False)
class Region:
    """A mask with what is needed to compare it.

    Args:
        mask: bool, shape (H, W), at least one pixel.
        label: What it is.
    """

    mask: np.ndarray
    label: str

    @cached_property
    def box(self) -> np.ndarray:
        """Tight xyxy box."""
        return mask_box(self.mask)

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    def shared(self, other: Region) -> int:
        """Pixels that both have."""
        left, top = np.maximum(self.box[:2], other.box[:2]).astype(int)
        right, bottom = np.minimum(self.box[2:], other.box[2:]).astype(int)
        if left >= right or top >= bottom:
            return 0
        window = np.s_[top:bottom, left:right]
        return int(np.count_nonzero(self.mask[window] & other.mask[window]))

    def iou(self, other: Region) -> float:
        """Intersection over union, in [0, 1]."""
        shared = self.shared(other)
        return shared / (self.area + other.area - shared)


def judge(new: Region, known: Mapping[int, Region], duplicate_iou: float, containment: float) -> Verdict:
    """Compare a new mask with all tracks of its frame, before anything is changed.

    It is a duplicate if it overlaps a track by `duplicate_iou`, or lies inside one of its label, or is a group that
    holds several tracks of its label. If it holds exactly one, that track was a part, and goes on with this mask.
    """
    held: list[int] = []
    for track_id, old in known.items():
        shared = new.shared(old)
        if shared >= duplicate_iou * (new.area + old.area - shared):
            return Verdict("duplicate", track_id)
        if new.label == old.label and shared >= containment * new.area:
            return Verdict("duplicate", track_id)
        if new.label == old.label and shared >= containment * old.area:
            held.append(track_id)
    if len(held) > 1:
        return Verdict("duplicate", held[0])
    return Verdict("grown", held[0]) if held else Verdict("new")


def drifted(known: Mapping[int, Region], duplicate_iou: float) -> list[int]:
    """Ids whose track has slid onto an older one's object (ids count up, so the greater is the younger)."""
    lost: list[int] = []
    ids = sorted(known)
    for at, younger in enumerate(ids):
        if any(known[older].iou(known[younger]) >= duplicate_iou for older in ids[:at] if older not in lost):
            lost.append(younger)
    return lost
