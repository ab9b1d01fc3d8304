"""What each frame says about each point: which mask it puts it into, and whether it sees it at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from grounding.core import UserError
from lift3d.assign import constancy
from lift3d.bleed import without_bleed
from lift3d.frames import Frame
from lift3d.labels import MAX_ID, borders, depth_edges
from lift3d.settings import Settings
from lift3d.visibility import Points, at_depth, in_image, looked_through
from lift3d.votes import BORDER, CLEAN, MOST_FRAMES, Votes, count
from lift3d.wording import by_reason

CONSTANT = 0.75  # below this ids seem to change at will: six random ones reach 0.58 over two frames
MATCHING = 0.1  # share of the points in view that must agree with the depth


@dataclass(eq=False)
class Count:
    """Votes of all frames so far, and what happened to frames and masks on the way.

    Attributes:
        votes: Of each point and label.
        named: How many frames have a mask on each point, uint16 (N,).
        through: How many frames look through each point (`lift3d.visibility`), uint16 (N,); (0,) if nobody asked.
        used: How many frames were counted.
        tested: How many points fell on a pixel with a depth, over all frames.
        passed: How many of them the frames see.
        views: Of each label, how many frames put a point into it.
        rejected: Name of each frame that could not be used -> reason.
    """

    votes: Votes
    named: np.ndarray
    through: np.ndarray
    used: int = 0
    tested: int = 0
    passed: int = 0
    views: dict[int, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, points: int, *, through: bool) -> Count:
        """Nothing counted yet, for so many points."""
        return cls(
            Votes(points, MAX_ID + 1), np.zeros(points, np.uint16), np.zeros(points if through else 0, np.uint16)
        )

    def frame(self, frame: Frame, points: Points, settings: Settings) -> None:
        """Count one frame."""
        if frame.rejected:
            self.rejected[frame.view.name] = frame.rejected
            return
        self.used += 1
        if self.used > MOST_FRAMES:
            raise UserError(f"more than {MOST_FRAMES} frames with masks; take every second one")
        found = in_image(points, frame.view, (frame.depth.shape[0], frame.depth.shape[1]))
        seen = at_depth(found, frame.depth, settings.tolerance)
        if len(self.through):
            self.through[looked_through(found, frame.depth, settings.tolerance)] += np.uint16(1)
        self.tested += seen.tested
        self.passed += len(seen.points)
        layers = [without_bleed(layer, frame.depth, settings.bleed, settings.edge) for layer in frame.layers]
        unsure = depth_edges(frame.depth, settings.edge)
        for layer in layers if settings.border else ():
            unsure |= borders(layer, settings.border)
        votes = np.where(unsure.ravel()[seen.pixels], BORDER, CLEAN)
        self.votes.see(seen.points, votes)
        named = np.zeros(len(seen.points), bool)
        for labels, hit in _hits(layers, seen.pixels):
            named[hit] = True
            self.votes.add(seen.points[hit], labels, votes[hit])
            for number in _ids(labels):
                self.views[number] = self.views.get(number, 0) + 1
        self.named[seen.points[named]] += np.uint16(1)
        for number in {number for layer in frame.layers for number in _ids(layer.ravel())}:
            self.views.setdefault(number, 0)

    def floating(self) -> np.ndarray:
        """Which points more views look through than see, bool (N,); asks for `through`."""
        return self.through > count(self.votes.seen)

    def check(self) -> None:
        """Refuse what gave no vote at all."""
        if not self.views:
            empty = f"the masks of all {self.used} frames that can be used are empty"
            raise UserError("; ".join([f"there is nothing to lift: {empty}", *by_reason(self.rejected, "frame")[:3]]))
        if not self.passed:
            raise UserError(
                "no view sees a point of the mesh: its frame or unit differs from that of the poses; see lift3d inspect"
            )
        if len(self.through) and self.floating().all():
            raise UserError("more views look through each point than see it: check depth scale and poses")

    def problems(self) -> tuple[str, ...]:
        """What is doubtful about the whole."""
        found = []
        matching, constant = self.passed / max(self.tested, 1), constancy(self.votes.sums(), self.named)
        if matching < MATCHING:
            found.append(
                f"only {matching:.0%} of the points in view agree with the depth: check depth scale, poses and mesh"
            )
        if constant < CONSTANT:
            found.append(
                f"in mean, a point has the same id in only {constant:.0%} of the frames with a mask on it: "
                "if ids mean nothing from frame to frame, add --untracked"
            )
        return tuple(found)


def _hits(layers: list[np.ndarray], pixels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each layer, the labels of the pixels that have one, and which pixels those are."""
    for layer in layers:
        labels = layer.ravel()[pixels]
        hit = np.flatnonzero(labels)
        yield labels[hit], hit


def _ids(labels: np.ndarray) -> list[int]:
    """The labels that occur, without 0; a table of all possible ones is quicker than sorting."""
    occurs = np.zeros(MAX_ID + 1, bool)
    occurs[labels] = True
    return (np.flatnonzero(occurs[1:]) + 1).tolist()
