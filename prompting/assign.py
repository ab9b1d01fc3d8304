"""Whose ID is the truth: annotated tubes against tracked masklets, one to one.

The overlap of a tube and a masklet is the IoU of their boxes in each frame where the annotator drew a box, averaged
over those frames: where the masklet is not seen, a frame counts as 0. Overlaps of all tubes and masklets go through
one assignment, so no two objects get the same ID. A tracker that loses an object at a cut or behind another one
gives it a second ID: such parts are found and proposed for merging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from grounding.core import Masklets, Tube, UserError, rle
from grounding.core.boxes import paired_box_iou

Verdict = Literal["ok", "ambiguous", "split", "unmatched"]

MIN_OVERLAP = 0.3  # ours: boxes drawn by hand around half-hidden objects stay above, neighbouring objects below
MIN_VOTES = 0.25  # of the frames; below it, others are the better box nearly always
MARGIN = 0.1  # a runner-up this near may as well be meant
MIN_PART = 0.05  # of the overlap: what a second ID must add to be worth a merge, and the least that is a candidate
SAME = 0.5  # IoU of two masklets' boxes in one frame above which both are on the same object


@dataclass(frozen=True)
class Assignment:
    """The masklet that an annotated tube was found to be.

    Args:
        verdict: "ok"; "ambiguous": accepted, but the runner-up overlaps nearly as much, or more; "split": the object
            goes on under other IDs, `parts`; "unmatched": no masklet, nor several together, overlap enough.
        best_id: The masklet with the most overlap that no other tube took; None if none overlaps. With "unmatched" it
            is only told.
        overlap: Of `best_id` with the tube, in [0, 1].
        votes: Share of the tube's boxes for which `best_id` is the best of the masklets that no other tube took, in
            [0, 1].
        runner_up: Among all other masklets but the `parts`, the one with the most overlap; None if none overlaps.
        runner_up_overlap: Its overlap, in [0, 1].
        parts: The masklets that are this object, `best_id` first; several only if the verdict is "split".
        merged_overlap: Of the parts together, in [0, 1]; equals `overlap` for one part.
    """

    verdict: Verdict
    best_id: int | None
    overlap: float
    votes: float
    runner_up: int | None
    runner_up_overlap: float
    parts: tuple[int, ...]
    merged_overlap: float

    @property
    def object_id(self) -> int | None:
        """The ID of the truth; None if the tube is unmatched."""
        return None if self.verdict == "unmatched" else self.best_id


def assign(
    tubes: Sequence[Tube], masklets: Masklets, *, min_overlap: float = MIN_OVERLAP, min_votes: float = MIN_VOTES
) -> list[Assignment]:
    """Find the masklet of each of several different objects of one video.

    Tubes of one and the same object (two sentences about it) belong into separate calls.

    Args:
        tubes: Annotated boxes, each of another object; frames without a box (NaN) do not count.
        masklets: The tracked objects of that video.
        min_overlap: Least overlap of a match, in [0, 1]; of a split object, of its parts together.
        min_votes: Least share of votes of a match, in [0, 1]; likewise.

    Returns:
        One assignment a tube, in their order.

    Raises:
        UserError: If a tube has no box, or one past the last frame.
    """
    views = [_view(tube, masklets) for tube in tubes]
    mine = _one_to_one(views, masklets.ids)
    free = set(masklets.ids) - set(mine.values())
    found = []
    for place, view in enumerate(views):
        parts = _parts(view, masklets, mine[place], free) if place in mine else ()
        free -= set(parts)
        votes = view.votes(free | set(parts))
        found.append(_judged(view, parts, votes, min_overlap, min_votes))
    return found


def merged(masklets: Masklets, parts: Sequence[int]) -> Masklets:
    """The same masklets with several IDs made one: the first takes the union of their masks, the others are gone.

    Args:
        masklets: Not changed.
        parts: IDs of the masklets, at least one.
    """
    tracks = {i: track for i, track in masklets.tracks.items() if i not in parts}
    frames = zip(*(masklets.tracks[i] for i in parts), strict=True)
    tracks[parts[0]] = tuple(_union([counts for counts in frame if counts], masklets.size) for frame in frames)
    return replace(masklets, tracks=tracks)


def tube_of_boxes(boxes: Mapping[int, Sequence[float]]) -> Tube:
    """The tube of boxes given by frame; frames between them have none.

    Args:
        boxes: Source frame -> xyxy in pixels of the source frame; at least one.
    """
    first = min(boxes)
    rows = np.full((max(boxes) - first + 1, 4), np.nan)
    for frame, box in boxes.items():
        rows[frame - first] = box
    return Tube(first, rows)


@dataclass(frozen=True)
class _View:
    """A tube and all masklets on the n frames where the tube has a box.

    Args:
        drawn: Boxes of the tube, shape (n, 4).
        boxes: For each id its boxes, shape (n, 4), NaN where it is not seen.
        ious: For each id its IoU with the drawn boxes, shape (n,).
    """

    drawn: np.ndarray
    boxes: dict[int, np.ndarray]
    ious: dict[int, np.ndarray]

    def overlap(self, parts: Sequence[int]) -> float:
        """Overlap of the tube with masklets taken together: in each frame the box around all that are seen."""
        boxes = np.array([self.boxes[i] for i in parts])
        around = np.concatenate([np.fmin.reduce(boxes[..., :2]), np.fmax.reduce(boxes[..., 2:])], axis=-1)
        return float(paired_box_iou(self.drawn, around).mean())

    def votes(self, candidates: Set[int]) -> dict[int, float]:
        """Share of the frames in which each candidate has the best box, the lowest id of equals."""
        if not candidates:
            return {}
        ids = np.array(sorted(candidates))
        ious = np.array([self.ious[i] for i in ids])
        winners = np.where(ious.max(axis=0) > 0, ids[ious.argmax(axis=0)], 0)
        return {int(i): float((winners == i).mean()) for i in ids}

    def best(self, without: Sequence[int] = ()) -> tuple[int | None, float]:
        """The id with the most overlap and that overlap, the lowest of equals; (None, 0) where none overlaps."""
        overlaps = {i: float(iou.mean()) for i, iou in self.ious.items() if i not in without}
        best = max(overlaps, key=lambda i: overlaps[i], default=None)
        return (best, overlaps[best]) if best is not None and overlaps[best] > 0 else (None, 0.0)


def _view(tube: Tube, masklets: Masklets) -> _View:
    rows = np.flatnonzero(~np.isnan(tube.boxes[:, 0]))
    frames = tube.start_frame + rows
    if not len(frames):
        raise UserError("a tube without a single box is no object that could be assigned; give it one or leave it out")
    if frames[-1] >= len(masklets.pts):
        last = len(masklets.pts) - 1
        raise UserError(f"a tube has a box on frame {frames[-1]}, the masklets have frames 0 to {last}")
    boxes = {i: masklets.boxes(i)[frames] for i in masklets.ids}
    drawn = tube.boxes[rows]
    return _View(drawn, boxes, {i: paired_box_iou(drawn, its) for i, its in boxes.items()})


def _one_to_one(views: Sequence[_View], ids: Sequence[int]) -> dict[int, int]:
    """Place of a tube -> id, with the largest sum of IoUs over all tubes and frames; a hopeless tube has none."""
    from scipy.optimize import linear_sum_assignment  # here, for it takes longer to load than all the rest

    sums = np.zeros((len(views), len(ids)))
    for row, view in enumerate(views):
        ious = np.array([view.ious[i] for i in ids]).reshape(len(ids), len(view.drawn))
        sums[row] = np.where(ious.mean(axis=1) >= MIN_PART, ious.sum(axis=1), 0)
    rows, columns = linear_sum_assignment(sums, maximize=True)
    return {int(r): ids[c] for r, c in zip(rows, columns, strict=True) if sums[r, c] > 0}


def _parts(view: _View, masklets: Masklets, first: int, free: set[int]) -> tuple[int, ...]:
    """The masklet `first` and those among `free` under whose IDs the same object goes on, best first."""
    parts: tuple[int, ...] = (first,)
    overlap = view.overlap(parts)
    for other in sorted(free, key=lambda i: (-view.ious[i].sum(), i)):
        together = view.overlap((*parts, other))
        if together >= overlap + MIN_PART and all(_may_be_one(masklets, part, other) for part in parts):
            parts, overlap = (*parts, other), together
    return parts


def _may_be_one(masklets: Masklets, one: int, other: int) -> bool:
    """Whether no frame shows the two in different places: they take turns, or overlap while one hands over."""
    a, b = masklets.boxes(one), masklets.boxes(other)
    both = ~np.isnan(a[:, 0]) & ~np.isnan(b[:, 0])
    return bool((paired_box_iou(a[both], b[both]) >= SAME).all())


def _judged(
    view: _View, parts: tuple[int, ...], votes: Mapping[int, float], min_overlap: float, min_votes: float
) -> Assignment:
    """The verdict on one tube; without `parts` it is unmatched, and the best masklet, which another has, is told."""
    best, overlap = (parts[0], view.overlap(parts[:1])) if parts else view.best()
    runner_up, its_overlap = view.best(without=parts or ([] if best is None else [best]))
    together = view.overlap(parts) if parts else overlap
    verdict: Verdict = "ok"
    if not parts or together < min_overlap or sum(votes[part] for part in parts) < min_votes:
        verdict, parts, together = "unmatched", (), overlap
    elif len(parts) > 1:
        verdict = "split"
    elif its_overlap > overlap - MARGIN:
        verdict = "ambiguous"
    return Assignment(verdict, best, overlap, votes.get(best or 0, 0.0), runner_up, its_overlap, parts, together)


def _union(masks: Sequence[bytes], size: tuple[int, int]) -> bytes | None:
    if len(masks) < 2:
        return masks[0] if masks else None
    return rle.encode(np.any([rle.decode(counts, size) for counts in masks], axis=0))
