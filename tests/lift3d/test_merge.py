"""Masks without ids: numbered anew in every frame, found to be the same objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import rooms

from grounding.core import UserError
from lift3d.frames import plain
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.merge import Merged, merge
from lift3d.visibility import Tolerance


def shuffled(room: rooms.Room, seed: int = 0) -> list[np.ndarray]:
    rng, most = np.random.default_rng(seed), len(room.things)
    return [np.append(0, rng.permutation(most) + 1).astype(np.uint16)[label] for label in room.labels]


def layer_of(merged: Merged, view: int, like: np.ndarray) -> np.ndarray:
    """The one label map of a view; zeros where all its masks were left out."""
    try:
        return merged.layers(view)[0]
    except UserError:
        return np.zeros_like(like)


def truths(room: rooms.Room, labels: list[np.ndarray]) -> list[int]:
    """The thing that most points of each object are, in the order of the objects' ids."""
    merged = merge(room.scene, LabelMaps(tuple(labels)), Tolerance(), plain)
    lifted = lift(room.scene, merged)
    return [int(np.bincount(room.owners[one.points]).argmax()) for one in lifted.instances]


def test_shuffled_ids_are_put_right(room: rooms.Room) -> None:
    merged = merge(room.scene, LabelMaps(tuple(shuffled(room))), Tolerance(), plain)
    assert merged.objects == 3
    for view, true in enumerate(room.labels):
        layer = layer_of(merged, view, true)
        assert layer[true == 0].max(initial=0) == 0
        for number in range(1, 4):
            assert len(np.unique(layer[true == number])) <= 1
    assert sorted(truths(room, shuffled(room))) == [1, 2, 3]


def test_one_object_keeps_one_id_over_all_frames(room: rooms.Room) -> None:
    merged = merge(room.scene, LabelMaps(tuple(shuffled(room, 1))), Tolerance(), plain)
    for number in range(1, 4):
        ids = {
            int(i)
            for view, true in enumerate(room.labels)
            for i in np.unique(layer_of(merged, view, true)[true == number])
        }
        ids -= {0}  # a view that shows too little of it
        assert len(ids) == 1


def test_a_mask_that_other_views_split_is_left_out(room: rooms.Room) -> None:
    """In one frame a single mask covers all things: it must not glue them together."""
    labels = shuffled(room)
    labels[2] = (room.labels[2] > 0).astype(np.uint16)
    assert sorted(truths(room, labels)) == [1, 2, 3]


def test_masks_that_were_left_out_are_counted(room: rooms.Room) -> None:
    """In frame 2 one mask covers all things: it is left out, and the lift says so."""
    labels = list(room.labels)
    labels[2] = (room.labels[2] > 0).astype(np.uint16)
    before = merge(room.scene, LabelMaps(tuple(room.labels)), Tolerance(), plain)
    merged = merge(room.scene, LabelMaps(tuple(labels)), Tolerance(), plain)
    gone = len(np.unique(room.labels[2])) - 1  # all but 0: that many masks became one
    assert (merged.masks, merged.left_out) == (before.masks - gone + 1, before.left_out + 1)
    told = (
        f"{merged.left_out} of {merged.masks} masks were left out: each is too small, holds several objects, or is of"
    )
    assert merged.problems()[0].startswith(told)
    assert lift(room.scene, LabelMaps(tuple(labels)), untracked=True).problems == merged.problems()
    assert replace(merged, left_out=0).problems() == ()


def test_a_mask_of_one_frame_has_no_witness(room: rooms.Room) -> None:
    labels = [np.zeros_like(label) for label in room.labels]
    labels[0] = room.labels[0]
    merged = merge(room.scene, LabelMaps(tuple(labels)), Tolerance(), plain)
    assert merged.objects == 0
    with pytest.raises(UserError, match="all its masks were left out"):
        merged.layers(0)
    assert not merged.layers(1)[0].any()  # it had none to begin with


def test_more_objects_than_ids_are_refused(room: rooms.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lift3d.merge.MAX_ID", 2)
    with pytest.raises(UserError, match="3 objects; the lift takes up to 2: give fewer frames or larger masks"):
        merge(room.scene, LabelMaps(tuple(shuffled(room))), Tolerance(), plain)


def test_frames_without_masks_are_passed_over(room: rooms.Room) -> None:
    labels: list[np.ndarray | None] = [*shuffled(room)]
    labels[0] = labels[5] = None
    merged = merge(room.scene, LabelMaps(tuple(labels)), Tolerance(), plain)
    assert merged.objects == 3
    assert merged.layers(0) == []


def test_a_frame_whose_masks_were_left_out_says_so(room: rooms.Room) -> None:
    labels = shuffled(room)
    labels[2] = (room.labels[2] > 0).astype(np.uint16)  # one mask for all three things
    lifted = lift(room.scene, LabelMaps(tuple(labels)), untracked=True)
    assert "holds several objects" in lifted.rejected["000002"]
    assert "no masks" not in lifted.rejected.values()
    assert len(lifted.instances) == 3


def test_vertices_that_are_no_numbers_change_nothing(room: rooms.Room) -> None:
    senseless = np.array([[np.nan, 0, 0], [0, np.inf, 0], [1e300, 0, 0]])
    points = np.concatenate([room.scene.points, senseless])
    masks = LabelMaps(tuple(shuffled(room)))
    plainly = lift(room.scene, masks, untracked=True)
    found = lift(replace(room.scene, points=points, colours=None), masks, untracked=True)
    assert found.owner[:-3].tolist() == plainly.owner.tolist()
    assert found.owner[-3:].tolist() == [0, 0, 0]
