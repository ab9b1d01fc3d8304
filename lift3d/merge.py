"""Masks without ids over frames become objects: a graph of masks, joined where other views see them as one.

Two masks of any frames are one object if, of the views that observe both, nearly all have a single mask that
contains both (the view consensus of MaskClustering; our own writing). Masks that most views split are left out:
they hold several objects. Pairs that many views observe are joined first, and what is joined is compared anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from grounding.core import UserError
from lift3d.frames import Frame, Frames, Progress
from lift3d.labels import MAX_ID, MaskSource, borders, depth_edges
from lift3d.scene import Scene
from lift3d.visibility import Points, Tolerance, placed, visible
from lift3d.wording import amount

CELL = 0.03  # metres; one point a cell is enough to compare masks
OBSERVED = 0.3  # share of a mask's points that a view must see to have a say about it
CONTAINED = 0.8  # share of what it sees of a mask that must lie in one mask of its own
SPLIT = 0.3  # share of the observers that may split a mask
CONSENSUS = 0.9  # share of the observers of two masks that must support joining them
EDGE = 0.05  # step of depth, as a share of it, that separates surfaces
LEAST = 10  # compared points of a mask
WHY = "each is too small, holds several objects, or is of an object in no other frame"
LEFT_OUT = f"all its masks were left out: {WHY}"


@dataclass(frozen=True, eq=False)
class Merged:
    """Masks with ids that hold over frames.

    Attributes:
        source: Where the masks come from.
        ids: For each view the new id of each of its labels (0 = left out), indexed by label.
        objects: How many objects there are.
        masks: How many masks were compared: all that points fall on.
        left_out: How many of them are of no object.
    """

    source: MaskSource
    ids: tuple[np.ndarray, ...]
    objects: int
    masks: int
    left_out: int

    def problems(self) -> tuple[str, ...]:
        """What was left out, in one line; nothing if every mask is of an object."""
        if not self.left_out:
            return ()
        return (f"{self.left_out} of {amount(self.masks, 'mask')} were left out: {WHY}",)

    def layers(self, view: int) -> list[np.ndarray]:
        """The label maps of a view, with ids of objects.

        Raises:
            UserError: If it has masks and none of them became part of an object.
        """
        given = self.source.layers(view)
        found = [self.ids[view][np.minimum(layer, len(self.ids[view]) - 1)] for layer in given]
        if any(layer.any() for layer in given) and not any(layer.any() for layer in found):
            raise UserError(LEFT_OUT)
        return found


@dataclass(frozen=True, eq=False)
class _Masks:
    """All masks of all frames.

    Attributes:
        members: Which points each holds, bool (N, M); the rest of a frame is a mask, too.
        frame: Frame of each mask, (M,).
        label: Its label there, 0 = the rest.
    """

    members: sparse.csr_array
    frame: np.ndarray
    label: np.ndarray


def merge(scene: Scene, masks: MaskSource, tolerance: Tolerance, progress: Progress) -> Merged:
    """Join masks of single frames to objects.

    Args:
        scene: With points.
        masks: Labels mean nothing over frames.
        tolerance: Of the z-test.
        progress: As `lift` takes it.

    Returns:
        The masks with ids 1, 2, ... of objects, those of most masks first.

    Raises:
        UserError: If there are more than 65535 objects.
    """
    assert scene.points is not None
    found = _collect(scene, masks, tolerance, progress)
    group = _grouped(found)
    sizes = np.bincount(group[group >= 0], minlength=1)
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 1]  # an object that one frame shows once has no witness
    if len(order) > MAX_ID:
        raise UserError(f"{len(order)} objects; the lift takes up to {MAX_ID}: give fewer frames or larger masks")
    number = np.zeros(len(sizes) + 1, np.uint16)  # the last: left out
    number[order] = np.arange(1, len(order) + 1)
    ids = []
    for view in range(len(scene.views)):
        mine = np.flatnonzero(found.frame == view)
        table = np.zeros(int(found.label[mine].max(initial=0)) + 2, np.uint16)  # the last: labels no point has
        table[found.label[mine]] = number[group[mine]]
        table[0] = 0
        ids.append(table)
    named = found.label > 0
    left_out = int(np.count_nonzero(named & (number[group] == 0)))
    return Merged(masks, tuple(ids), len(order), int(np.count_nonzero(named)), left_out)


def _collect(scene: Scene, masks: MaskSource, tolerance: Tolerance, progress: Progress) -> _Masks:
    assert scene.points is not None
    known = np.flatnonzero(placed(scene.points))
    cells = np.floor(scene.points[known] / CELL).astype(np.int64)
    chosen = known[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
    points = Points.of(scene.points[chosen])
    rows: list[np.ndarray] = [np.zeros(0, np.int64)]
    columns: list[np.ndarray] = [np.zeros(0, np.int64)]
    frame_of: list[int] = []
    label_of: list[int] = []
    for frame in progress(Frames(scene.views, masks), "Comparing masks"):
        if frame.rejected:
            continue
        for row, label in _labelled(frame, points, tolerance):
            names, which = np.unique(label, return_inverse=True)
            rows.append(row)
            columns.append(which + len(frame_of))
            frame_of += [frame.index] * len(names)
            label_of += names.tolist()
    place = np.concatenate(rows), np.concatenate(columns)
    members = sparse.coo_array((np.ones(len(place[0]), np.float32), place), (len(chosen), len(frame_of))).tocsr()
    return _Masks(members, np.array(frame_of, np.int64), np.array(label_of, np.int64))


def _labelled(frame: Frame, points: Points, tolerance: Tolerance) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points and their labels, layer by layer, without the rims; label 0 only where no layer has another."""
    seen = visible(points, frame.view, frame.depth, tolerance)
    unsure = depth_edges(frame.depth, EDGE)
    for layer in frame.layers:
        unsure |= borders(layer, 1)
    sure = ~unsure.ravel()[seen.pixels]
    labels = [layer.ravel()[seen.pixels].astype(np.int64) for layer in frame.layers]
    rest = np.all([label == 0 for label in labels], axis=0)
    for place, label in enumerate(labels):
        kept = np.flatnonzero(sure & ((label > 0) | (rest if place == 0 else False)))
        yield seen.points[kept], label[kept]


def _grouped(masks: _Masks) -> np.ndarray:
    """Number of the object of each mask, (M,); -1 where it is left out."""
    count = len(masks.frame)
    sizes = np.asarray(masks.members.sum(axis=0)).ravel()
    shared = (masks.members.T @ masks.members).tocoo()
    frames_of = masks.frame[shared.col]
    shape = (count, int(masks.frame.max(initial=0)) + 1)
    named = masks.label[shared.col] > 0
    visible_in = sparse.coo_array((shared.data, (shared.row, frames_of)), shape).tocsr()
    named_in = sparse.coo_array((shared.data[named], (shared.row[named], frames_of[named])), shape).tocsr()
    views = visible_in.tocoo()
    # A view that sees mostly the rest where the mask is has missed the object: it says nothing about it.
    says = (views.data >= OBSERVED * sizes[views.row]) & (_at(named_in, views.row, views.col) > 0.5 * views.data)
    observed = _ones(views.row[says], views.col[says], shape)
    seen = _at(visible_in, shared.row, frames_of)
    holds = named & (shared.data >= CONTAINED * seen) & (_at(observed, shared.row, frames_of) > 0)
    inside = _ones(shared.row[holds], shared.col[holds], (count, count))
    observers = np.asarray(observed.sum(axis=1)).ravel()
    whole = np.asarray(inside.sum(axis=1)).ravel() >= (1 - SPLIT) * observers
    nodes = np.flatnonzero(whole & (masks.label > 0) & (sizes >= LEAST))
    group = np.full(count, -1)
    group[nodes] = _joined(observed[nodes], inside[nodes])
    return group


def _joined(observed: sparse.csr_array, inside: sparse.csr_array) -> np.ndarray:
    """Join nodes, those with many common observers first.

    Args:
        observed: Which views observe a node, 0 or 1, (nodes, views).
        inside: Which masks contain it, 0 or 1, (nodes, masks).

    Returns:
        The number of each node's group, (nodes,).
    """
    group = np.arange(observed.shape[0])
    common = _pairs(observed, inside)[3]
    levels = np.percentile(common, np.arange(0, 100, 5)).round() if len(common) else np.zeros(0)
    for level in np.unique(np.maximum(levels, 1))[::-1]:
        row, column, supporters, common = _pairs(observed, inside)
        close = (supporters >= CONSENSUS * common) & (common >= level)
        size = observed.shape[0]
        number, of = connected_components(_ones(row[close], column[close], (size, size)), directed=False)
        gather = _ones(of, np.arange(size), (number, size))
        observed, inside = ((gather @ table > 0).astype(np.float32) for table in (observed, inside))
        group = of[group]
    return group


def _pairs(observed: sparse.csr_array, inside: sparse.csr_array) -> tuple[np.ndarray, ...]:
    """Pairs of nodes that some mask contains both of: row, column, how many such masks, how many common observers."""
    both = sparse.triu(inside @ inside.T, 1).tocoo()
    return both.row, both.col, both.data, _at((observed @ observed.T).tocsr(), both.row, both.col)


def _ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(rows), np.float32), (rows, columns)), shape).tocsr()


def _at(table: sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of a sparse table."""
    if not len(rows):
        return np.zeros(0, table.dtype)
    return np.asarray(table[rows, columns]).ravel()
