"""The lift on rooms whose truth is known: accuracy, and every way in which a scene may be wrong."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from benchmarks import rooms
from scipy.spatial import cKDTree

from grounding.core import UserError
from lift3d.cloud import back_project
from lift3d.labels import LabelMaps
from lift3d.lift import Lifted, lift
from lift3d.scene import Scene, View
from lift3d.settings import Settings
from lift3d.visibility import Points, Tolerance, visible


def spread(labels: tuple[np.ndarray, ...], pixels: int) -> tuple[np.ndarray, ...]:
    """Masks grown by so many pixels on all sides, or shrunk where negative."""
    window = np.ones((2 * abs(pixels) + 1,) * 2, np.uint8)
    if pixels > 0:
        return tuple(np.where(label > 0, label, cv2.dilate(label, window)) for label in labels)
    return tuple(
        np.where(cv2.erode(label, window) == cv2.dilate(label, window), label, np.uint16(0)) for label in labels
    )


def ious(lifted: Lifted, room: rooms.Room, seen: np.ndarray) -> np.ndarray:
    """Of each thing, over the points that a view sees."""
    found = []
    for number in range(1, len(room.things) + 1):
        mine, true = (lifted.owner == number) & seen, (room.owners == number) & seen
        found.append((mine & true).sum() / (mine | true).sum())
    return np.array(found)


def box_ious(lifted: Lifted, room: rooms.Room) -> np.ndarray:
    found = []
    for instance in lifted.instances:
        box, true = instance.boxes.aabb, room.things[instance.id - 1].aabb
        sides = np.minimum(box[3:], true[3:]) - np.maximum(box[:3], true[:3])
        both = np.clip(sides, 0, None).prod()
        found.append(both / ((box[3:] - box[:3]).prod() + (true[3:] - true[:3]).prod() - both))
    return np.array(found)


def seen_by_any(room: rooms.Room) -> np.ndarray:
    points, seen = Points.of(room.scene.points), np.zeros(len(room.owners), bool)
    for view in room.scene.views:
        seen[visible(points, view, view.read_depth(), Tolerance(0.01, 0)).points] = True
    return seen


@pytest.mark.slow
def test_bars_of_accuracy_on_rooms_with_known_truth(capsys: pytest.CaptureFixture[str]) -> None:
    size, count, views = (480, 640), 8, 16
    clean = rooms.room(count, views, size, spacing=0.025)
    noisy = rooms.room(count, views, size, spacing=0.025, noise=rooms.Noise(depth=0.01, pose=0.005, holes=0.2))
    seen = seen_by_any(clean)
    lifted = lift(clean.scene, LabelMaps(clean.labels))
    with capsys.disabled():
        print(f"\nclean: mask IoU {ious(lifted, clean, seen).mean():.3f}, AABB {box_ious(lifted, clean).mean():.3f}")
    assert ious(lifted, clean, seen).mean() >= 0.95
    assert box_ious(lifted, clean).mean() >= 0.96
    for pixels in (0, -3, 3):
        masks = LabelMaps(spread(noisy.labels, pixels) if pixels else noisy.labels)
        found = ious(lift(noisy.scene, masks), noisy, seen)
        with capsys.disabled():
            print(f"noisy, masks {pixels:+d} px: mask IoU {found.mean():.3f}, least {found.min():.3f}")
        assert found.mean() >= 0.80


def test_every_thing_of_a_small_room_is_found(room: rooms.Room) -> None:
    lifted = lift(room.scene, LabelMaps(room.labels))
    assert [one.id for one in lifted.instances] == [1, 2, 3]
    assert ious(lifted, room, seen_by_any(room)).min() >= 0.9
    for one in lifted.instances:
        assert (lifted.owner[one.points] == one.id).all()
        assert 0.5 <= one.ratio <= 1 and one.hits <= one.seen <= 8 and 6 <= one.views <= 8
    assert (lifted.frames, dict(lifted.rejected), dict(lifted.dropped), lifted.problems) == (8, {}, {}, ())


def test_the_same_comes_out_twice(room: rooms.Room) -> None:
    first, second = (lift(room.scene, LabelMaps(room.labels)) for _ in range(2))
    assert first.owner.tobytes() == second.owner.tobytes()
    assert first.ratio.tobytes() == second.ratio.tobytes()


def test_without_points_a_cloud_is_built(room: rooms.Room) -> None:
    lifted = lift(replace(room.scene, points=None, colours=None), LabelMaps(room.labels), Settings(voxel=0.04))
    assert [one.id for one in lifted.instances] == [1, 2, 3]
    for one in lifted.instances:
        centre = one.boxes.aabb.reshape(2, 3).mean(axis=0)
        assert np.abs(centre - room.things[one.id - 1].centre).max() < 0.08


def test_masks_of_a_larger_picture(room: rooms.Room) -> None:
    larger = tuple(label.repeat(2, axis=0).repeat(2, axis=1) for label in room.labels)
    same = lift(room.scene, LabelMaps(room.labels)).owner
    assert lift(room.scene, LabelMaps(larger)).owner.tolist() == same.tolist()


def test_a_frame_where_nothing_is_marked_is_a_vote_against() -> None:
    """A wall at 1 m before seven cameras in a row, 3 cm apart; a patch of it is marked in the first two frames.

    All seven see the patch: it is marked in 2 of 7, and half of them are asked for.
    """
    lens = np.array([[200.0, 0, 79.5], [0, 200, 59.5], [0, 0, 1]])
    wall, views, maps = np.ones((120, 160), np.float32), [], []
    for n in range(7):
        pose, label = np.eye(4), np.zeros((120, 160), np.uint16)
        pose[0, 3] = 0.03 * n
        if n < 2:
            label[40:80, 70 - 6 * n : 100 - 6 * n] = 1
        views.append(View(str(n), None, pose, lens, lambda: wall, lambda: np.zeros((120, 160, 3), np.uint8)))
        maps.append(label)
    lifted = lift(Scene(views), LabelMaps(tuple(maps)))
    assert (lifted.frames, lifted.instances, dict(lifted.rejected)) == (7, (), {})
    assert list(lifted.dropped) == [1]
    unknown = lift(Scene(views), LabelMaps((*maps[:2], *[None] * 5)))
    assert (unknown.frames, [one.id for one in unknown.instances]) == (2, [1])


def test_masks_of_nothing_are_nothing_to_lift(room: rooms.Room) -> None:
    empty = tuple(None if n == 3 else 0 * label for n, label in enumerate(room.labels))
    message = "nothing to lift: the masks of all 7 frames that can be used are empty; no masks: frame 000003"
    with pytest.raises(UserError, match=message):
        lift(room.scene, LabelMaps(empty))


def test_what_floats_before_a_surface_is_not_in_the_cloud(room: rooms.Room) -> None:
    """One view sees thing 1 with a tenth of its depth cut off; the others look through what it sees there."""
    bare = replace(room.scene, points=None, colours=None)
    true, wrong = bare.views[0].read_depth(), bare.views[0].read_depth().copy()
    rows, columns = np.nonzero(room.labels[0] == 1)
    patch = (slice(int(np.median(rows)) - 6, int(np.median(rows)) + 6),
             slice(int(np.median(columns)) - 6, int(np.median(columns)) + 6))  # fmt: skip
    wrong[patch] *= 0.8
    views = [replace(bare.views[0], read_depth=lambda: wrong), *bare.views[1:]]
    clean, hurt = (
        lift(replace(bare, views=views), LabelMaps(room.labels), Settings(voxel=0.02)) for views in (bare.views, views)
    )
    # The patch is 0.4 m and more before its surface, where no point of the room is.
    floats = back_project(bare.views[0], wrong * (wrong != true))[0]
    from_points = cKDTree(hurt.points).query(floats)[0]
    assert np.mean(from_points > 0.1) > 0.9
    np.testing.assert_allclose(hurt.instances[0].boxes.raw, clean.instances[0].boxes.raw, atol=0.1)


def test_bad_frames_are_named_and_the_rest_is_lifted(room: rooms.Room) -> None:
    def unreadable() -> np.ndarray:
        raise UserError("cannot read 3.png")

    views = list(room.scene.views)
    views[1] = replace(views[1], pose=np.full((4, 4), -np.inf))
    views[3] = replace(views[3], read_depth=unreadable)
    views[4] = replace(views[4], read_depth=lambda: np.full((120, 160), 65.535, np.float32))
    labels = [*room.labels[:5], None, *room.labels[6:]]
    lifted = lift(replace(room.scene, views=views), LabelMaps(tuple(labels)))
    assert [one.id for one in lifted.instances] == [1, 2, 3]
    assert lifted.frames == 4
    assert dict(lifted.rejected) == {
        "000001": "pose is not finite (tracking was lost)",
        "000003": "cannot read 3.png",
        "000004": "no depth is from 0.05 to 20 m, its median is 65.5 m: is its unit right?",
        "000005": "no masks",
    }


def test_ids_that_change_from_frame_to_frame_are_said(room: rooms.Room) -> None:
    turned = [(label + turn) % 4 * (label > 0) for turn, label in enumerate(room.labels)]  # 1, 2, 3 change places
    turned = [
        np.where((label > 0) & (new == 0), 1, new).astype(np.uint16)
        for label, new in zip(room.labels, turned, strict=True)
    ]
    (problem,) = lift(room.scene, LabelMaps(tuple(turned))).problems
    assert problem.endswith("if ids mean nothing from frame to frame, add --untracked")


def test_frames_that_the_scene_left_out_are_counted_and_named(room: rooms.Room) -> None:
    lifted = lift(replace(room.scene, left_out={"lost": "there is no pose"}), LabelMaps((None, *room.labels[1:])))
    assert (lifted.frames, lifted.total) == (7, 9)
    assert dict(lifted.rejected) == {"lost": "there is no pose", "000000": "no masks"}


def test_an_instance_seen_once_is_dropped_with_its_reason(room: rooms.Room) -> None:
    once = [np.where(label == 2, np.uint16(0), label) for label in room.labels]
    once[0] = room.labels[0]
    lifted = lift(room.scene, LabelMaps(tuple(once)), Settings(min_ratio=0.01))
    assert [one.id for one in lifted.instances] == [1, 3]
    assert dict(lifted.dropped) == {2: "seen in 1 view of the 2 asked for"}
    assert not (lifted.owner == 2).any()
    kept = lift(room.scene, LabelMaps(tuple(once)), Settings(min_ratio=0.01, min_views=1))
    assert 2 in [one.id for one in kept.instances]


def test_a_mask_where_no_point_is_gives_its_reason(room: rooms.Room) -> None:
    room_only = room.owners == 0
    bare = replace(room.scene, points=room.scene.points[room_only], colours=None)
    tight = Settings(tolerance=Tolerance(0.001, 0))
    lifted = lift(bare, LabelMaps(tuple(np.where(label == 1, label, 0) for label in room.labels)), tight)
    assert not lifted.instances
    assert "its masks fall on no point" in lifted.dropped[1] or "points agree" in lifted.dropped[1]


def test_overlapping_masks_go_to_the_one_with_more_evidence(room: rooms.Room) -> None:
    """Id 9 covers thing 1 in all views and everything else in every third; thing 1 claims the same points."""

    class Two:
        def layers(self, view: int) -> list[np.ndarray]:
            label = room.labels[view]
            other = np.where((label == 1) | (view % 3 == 0), np.uint16(9), np.uint16(0))
            return [label, other]

    lifted = lift(room.scene, Two())
    alone = lift(room.scene, LabelMaps(room.labels))
    mine = alone.owner == 1
    assert (lifted.owner[mine] == 1).mean() > 0.95
    assert (lifted.owner[alone.owner == 2] == 2).mean() > 0.95


def test_superpoints_take_the_whole(room: rooms.Room) -> None:
    segments = replace(room.scene, superpoints=room.owners)  # the truth itself
    shrunk = LabelMaps(spread(room.labels, -2))
    plain, voted = lift(segments, shrunk), lift(segments, shrunk, Settings(superpoints=True))
    seen = seen_by_any(room)
    assert ious(voted, room, seen).min() > ious(plain, room, seen).min()
    assert ious(voted, room, seen).min() > 0.95


def test_a_mesh_in_another_frame_is_said(room: rooms.Room) -> None:
    away = replace(room.scene, points=room.scene.points + 100)
    with pytest.raises(UserError, match="no view sees a point of the mesh"):
        lift(away, LabelMaps(room.labels))
    shifted = lift(replace(room.scene, points=room.scene.points * 2.5), LabelMaps(room.labels))
    assert shifted.problems and "agree with the depth" in shifted.problems[0]


def test_a_mirrored_world_is_lifted_as_it_is(room: rooms.Room) -> None:
    """All y are negated, of poses and points: the same points belong to the same things, and boxes mirror."""
    mirror = np.diag([1.0, -1, 1, 1])
    views = [replace(view, pose=mirror @ view.pose) for view in room.scene.views]
    plain = lift(room.scene, LabelMaps(room.labels))
    mirrored = lift(replace(room.scene, views=views, points=room.scene.points * [1, -1, 1]), LabelMaps(room.labels))
    assert (mirrored.owner == plain.owner).mean() > 0.999  # a point on the edge of a pixel may fall to either side
    for one, other in zip(mirrored.instances, plain.instances, strict=True):
        x1, y1, z1, x2, y2, z2 = other.boxes.aabb
        np.testing.assert_allclose(one.boxes.aabb, [x1, -y2, z1, x2, -y1, z2], atol=0.05)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("border", -1, "from 0 to 100"),
        ("edge", 0, "from 0.001 to 1000"),
        ("min_ratio", 0, "from 0.001 to 1"),
        ("min_ratio", 1.5, "from 0.001 to 1"),
        ("min_hits", 0, "from 1 to inf"),
        ("min_views", 0, "from 1 to inf"),
        ("min_points", 0, "from 1 to inf"),
        ("voxel", 0, "from 0.0001 to 10"),
        ("voxel", float("nan"), "from 0.0001 to 10"),
        ("gap", 0, "from 0.001 to 1000"),
        ("gap", float("inf"), "from 0.001 to 1000"),
        ("min_share", -0.1, "from 0 to 1"),
    ],
)
def test_thresholds_that_mean_nothing_are_refused(name: str, value: float, allowed: str) -> None:
    with pytest.raises(UserError, match=f"{name} must be {allowed}, got {value}"):
        Settings(**{name: value})


def test_more_frames_than_can_be_counted_are_refused(room: rooms.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lift3d.counting.MOST_FRAMES", 3)
    with pytest.raises(UserError, match="more than 3 frames with masks; take every second one"):
        lift(room.scene, LabelMaps(room.labels))


def test_too_few_points_give_their_reason(room: rooms.Room) -> None:
    lifted = lift(room.scene, LabelMaps(room.labels), Settings(min_points=100_000))
    assert not lifted.instances and set(lifted.dropped) == {1, 2, 3}
    assert all(reason.endswith(" points of the 100000 asked for") for reason in lifted.dropped.values())


def test_no_masks_at_all_is_said(room: rooms.Room) -> None:
    with pytest.raises(UserError, match="none of the 8 views can be used: no masks: frames 000000"):
        lift(room.scene, LabelMaps((None,) * 8))
    with pytest.raises(UserError, match="the scene has no views"):
        lift(replace(room.scene, views=[]), LabelMaps(()))


def test_the_alignment_turns_the_boxes(room: rooms.Room) -> None:
    alignment = np.eye(4)
    alignment[:3, 3] = [1, 2, 3]
    lifted = lift(replace(room.scene, axis_alignment=alignment), LabelMaps(room.labels))
    plain = lift(room.scene, LabelMaps(room.labels))
    for one, other in zip(lifted.instances, plain.instances, strict=True):
        assert one.boxes.frame == "aligned"
        np.testing.assert_allclose(one.boxes.aabb - other.boxes.aabb, [1, 2, 3, 1, 2, 3], atol=1e-9)
