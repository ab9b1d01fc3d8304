"""Tests of the self-test: a sound scene passes, every usual mistake is named, nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scene import Scene, View
from lift3d.scenes import load, open_scene
from lift3d.scenes.agreement import _unexplained, check
from lift3d.scenes.images import NoImage
from lift3d.scenes.mistakes import Shares

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
Y_UP = np.diag([1.0, -1.0, 1.0, 1.0])
LEFT_HANDED = np.diag([1.0, 1.0, -1.0, 1.0])


def make_scene(truth: Any, **changes: Any) -> Scene:
    def reader(depth: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: depth.astype(np.float32)

    views = [
        View(str(k), None, pose, truth.intrinsics, reader(depth), reader(depth))
        for k, (pose, depth) in enumerate(zip(truth.poses, truth.depth, strict=True))
    ]
    return Scene(views, **changes)


def changed(
    scene: Scene, pose: Callable[[np.ndarray], np.ndarray] | None = None, depth: float = 1.0, units: float = 1000.0
) -> Scene:
    def reader(view: View) -> Callable[[], np.ndarray]:
        return lambda: view.read_depth() * np.float32(depth)

    views = [
        replace(v, pose=pose(v.pose) if pose else v.pose, read_depth=reader(v), depth_units=units) for v in scene.views
    ]
    return replace(scene, views=views)


def test_a_sound_scene_agrees(truth: Any) -> None:
    agreement = check(make_scene(truth))
    # All but pixels beside the box's edges, where rounding to a pixel meets the other surface.
    assert agreement.frames is not None and agreement.frames > 0.95
    assert agreement.pairs >= 5
    assert (agreement.mesh, agreement.problems) == (None, ())


@pytest.mark.parametrize(
    ("pose", "depth", "cause"),
    [
        (lambda pose: pose @ OPENGL, 1, "likely cause: the cameras' y and z axes point the other way"),
        (np.linalg.inv, 1, "likely cause: the poses are world-to-camera (then"),
        (lambda pose: np.linalg.inv(pose @ OPENGL), 1, "the poses are world-to-camera with OpenGL axes (then"),
        (None, 5, "likely cause: the unit of depth is 1/5000 m, not a millimetre"),
        (None, 10, "likely cause: the unit of depth is 1/10000 m, not a millimetre"),
        (None, 1 / 5, "likely cause: the unit of depth is a millimetre, not 1/5000 m"),
        (None, 6.5535, "likely cause: the unit of depth is 1/6553.5 m, not a millimetre"),
        (None, 1000, "likely cause: the unit of depth is a millimetre, not a metre"),
        (None, 1 / 1000, "likely cause: the unit of depth is a metre, not a millimetre"),
        (lambda pose: pose @ OPENGL, 5, "the other way (OpenGL for OpenCV) and the unit of depth is 1/5000 m"),
        (np.linalg.inv, 5, "likely cause: the poses are world-to-camera and the unit of depth is 1/5000 m, not a mill"),
        (lambda pose: pose @ Y_UP, 1, "likely cause: the sign of fy is wrong (y up for y down) (then"),
    ],
)
def test_the_usual_mistakes_are_named_and_nothing_is_changed(
    truth: Any, pose: Callable[[np.ndarray], np.ndarray] | None, depth: float, cause: str
) -> None:
    units = {1 / 5: 5000.0, 1000: 1.0}.get(depth, 1000.0)  # that it was read with
    scene = changed(make_scene(truth), pose, depth, units)
    before = [view.pose.copy() for view in scene.views]
    agreement = check(scene)
    assert len(agreement.problems) == 1
    assert cause in agreement.problems[0]
    assert agreement.frames is None or agreement.frames < 0.85
    for view, was in zip(scene.views, before, strict=True):
        np.testing.assert_array_equal(view.pose, was)


@pytest.mark.parametrize(
    ("stored", "cause"),
    [
        # A camera with y up in a left-handed world (ICL-NUIM): the pose in the file is `pose @ Y_UP`, fy is negative.
        (lambda pose: pose, None),
        (lambda pose: np.linalg.inv(pose @ Y_UP) @ Y_UP, "likely cause: the poses are world-to-camera (then"),
        (lambda pose: pose @ Y_UP, "likely cause: the sign of fy is wrong (y up for y down) (then"),
        (lambda pose: np.linalg.inv(pose @ Y_UP), "the poses are world-to-camera and the sign of fy is wrong (then"),
    ],
)
def test_mistakes_of_a_scene_whose_fy_is_negative(
    truth: Any, stored: Callable[[np.ndarray], np.ndarray], cause: str | None
) -> None:
    problems = check(changed(make_scene(truth), lambda pose: stored(LEFT_HANDED @ pose))).problems
    assert len(problems) == (cause is not None)
    assert cause is None or cause in problems[0]


def turning(looking_at: Any, intrinsics: np.ndarray, depth: float, noise: float) -> Scene:
    """A camera in the room that mostly turns, 3 degrees a frame, and moves 15 mm; depth is `depth` times too large.

    Whatever the unit, frames of such a camera agree on most of what they share.
    """
    random = np.random.default_rng(0)
    views = []
    for k in range(40):
        angle = np.deg2rad(3 * k)
        eye = np.array([1.5, 1.5, 1.3]) + 0.015 * k * np.array([0.6, 0.8, 0])
        pose, image = looking_at(eye, eye + np.array([np.cos(angle), np.sin(angle), -0.2]))
        image = (depth * image * (1 + noise * random.normal(size=image.shape))).astype(np.float32)
        views.append(View(str(k), None, pose, intrinsics, partial(np.copy, image), partial(np.copy, image)))
    return Scene(views)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_wrong_unit_is_named_although_frames_agree(truth: Any, looking_at: Any, noise: float) -> None:
    assert check(turning(looking_at, truth.intrinsics, 1, noise)).problems == ()
    found = check(turning(looking_at, truth.intrinsics, 5, noise))
    assert found.frames is not None and found.frames > 0.85
    (problem,) = found.problems
    assert "where cameras are far apart; likely cause: the unit of depth is 1/5000 m, not a millimetre (then" in problem


@pytest.mark.parametrize(("depth", "said"), [(1, "conventions not tested"), (5, "is 1/5000 m, not a millimetre")])
def test_a_camera_that_hardly_moves_may_tell_the_unit(truth: Any, looking_at: Any, depth: float, said: str) -> None:
    """In a room of a quarter of the size it moves 45 mm sideways, less than what counts as another side."""
    views = []
    for k in range(10):
        eye = np.array([1.5, 1.0 + 0.02 * k, 1.3])
        pose, image = looking_at(eye, eye + np.array([1.0, 0.6, -0.5]))
        pose[:3, 3] /= 4
        image = (depth * image / 4).astype(np.float32)
        views.append(View(str(k), None, pose, truth.intrinsics, partial(np.copy, image), dark))
    found = check(Scene(views))
    assert (found.frames, found.pairs) == (None, 0)
    (problem,) = found.problems
    assert said in problem


def test_below_85_percent_something_is_said(truth: Any) -> None:
    """Every second camera is two metres off: half of the pairs agree, and no usual mistake explains it."""
    scene = make_scene(truth)
    shift = np.eye(4)
    shift[:3, 3] = [0.0, 0.0, 0.35]
    views = [replace(v, pose=shift @ v.pose) if k % 2 else v for k, v in enumerate(scene.views)]
    found = check(replace(scene, views=views))
    assert found.frames is not None and 0.3 < found.frames < 0.85
    (problem,) = found.problems
    assert "no usual mistake (axes, inverse, sign of fy, unit of depth) explains it" in problem


@pytest.mark.parametrize(
    ("near", "far", "said"),
    [
        (0.92, 0.84, ""),
        (0.92, None, ""),
        (0.846, 0.696, ""),  # 85 % and 70 % as they are written
        (
            0.92,
            0.59,
            "frames agree on 92% of the points they share, 59% where cameras are far apart; sound scenes reach",
        ),
        (
            0.84,
            0.84,
            "frames agree on 84% of the points they share, 84% where cameras are far apart; sound scenes reach",
        ),
        (0.84, None, "frames agree on 84% of the points they share; sound scenes reach 85%; no usual mistake"),
    ],
)
def test_what_is_said_where_no_mistake_is_known(near: float, far: float | None, said: str) -> None:
    """Cameras that mostly turn agree whatever is wrong; those far apart do not."""
    assert "".join(_unexplained(Shares(near, far), paired=True)).startswith(said)
    assert bool(_unexplained(Shares(near, far), paired=True)) == bool(said)


def test_a_median_depth_that_no_room_has_is_a_doubt(truth: Any) -> None:
    """A camera that stands still says nothing of the unit; a median of 12 m does."""
    scene = changed(make_scene(truth), lambda _: truth.poses[0], 5)
    found = check(scene)
    median = 5 * np.median([d[d > 0] for d in [truth.depth[0]]])
    assert found.median_depth == pytest.approx(np.median(np.concatenate([d[d > 0] for d in truth.depth])) * 5, rel=0.02)
    assert median > 8
    assert found.problems[1].startswith("the median depth is 1")
    assert found.problems[1].endswith("m, that of rooms 0.2 to 8 m: is its unit right?")


def test_depth_that_cannot_be_lifted_is_unusable_but_tells_the_unit(truth: Any) -> None:
    found = check(changed(make_scene(truth), depth=1 / 1000))
    assert list(found.unusable) == list("012345") and found.tried == 6
    assert found.unusable["0"].startswith("no depth is from 0.05 to 20 m, its median is 0.00")
    assert "the unit of depth is a metre, not a millimetre" in found.problems[0]


def dark() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8)


def test_pictures_that_cannot_be_read_are_named_and_missing_ones_are_not(truth: Any) -> None:
    def broken() -> np.ndarray:
        raise UserError("cannot read it")

    def missing() -> np.ndarray:
        raise NoImage("there is none")

    scene = make_scene(truth)
    for read, colourless in ((broken, dict.fromkeys("012345", "cannot read it")), (missing, {})):
        found = check(replace(scene, views=[replace(view, read_colour=read) for view in scene.views]))
        assert found.colourless == colourless and found.problems == ()
    views = [replace(scene.views[k % 6], name=str(k), read_colour=broken if k == 7 else dark) for k in range(30)]
    assert check(replace(scene, views=views)).colourless == {"7": "cannot read it"}


def test_poses_of_another_recording_have_no_usual_cause(truth: Any) -> None:
    random = np.random.default_rng(0)

    def turned(pose: np.ndarray) -> np.ndarray:
        turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
        other = pose.copy()
        other[:3, :3] = turn * np.sign(np.linalg.det(turn))
        return other

    agreement = check(changed(make_scene(truth), turned))
    assert agreement.frames is not None and agreement.frames < 0.3
    (problem,) = agreement.problems
    assert "no usual mistake" in problem


def test_a_camera_that_stands_still_is_not_tested(truth: Any) -> None:
    still = make_scene(truth)
    (problem,) = check(changed(still, lambda _: truth.poses[0])).problems
    assert problem.startswith("conventions not tested: no two of the sampled frames")


def test_scenes_of_one_frame_and_without_any_depth(truth: Any) -> None:
    scene = make_scene(truth)
    one = check(replace(scene, views=scene.views[:1]))
    assert (one.frames, one.pairs) == (None, 0)
    none = check(changed(scene, depth=0.0))
    assert none.frames is None
    assert "share no points" in none.problems[0]


def test_an_unreadable_frame_is_named_and_passed_over(truth: Any) -> None:
    def broken() -> np.ndarray:
        raise UserError("cannot read it")

    scene = make_scene(truth)
    views = [replace(view, read_depth=broken) if view.name == "2" else view for view in scene.views]
    agreement = check(replace(scene, views=views))
    assert (agreement.unusable, agreement.problems) == ({"2": "cannot read it"}, ())
    assert agreement.frames is not None and agreement.frames > 0.95


def test_half_the_frames_in_other_places_still_agree(truth: Any) -> None:
    """Points hidden behind what the other frame sees say nothing: a wall between two rooms is no contradiction."""
    scene = make_scene(truth)
    away = np.eye(4)
    away[:3, 3] = [100, 0, 0]
    views = [*scene.views, *(replace(view, pose=away @ view.pose, name=f"{view.name}'") for view in scene.views)]
    agreement = check(replace(scene, views=views))
    assert agreement.frames is not None and agreement.frames > 0.95


def test_a_mesh_in_the_frame_of_the_poses_agrees(truth: Any) -> None:
    agreement = check(make_scene(truth, points=truth.mesh()))
    assert agreement.mesh is not None and agreement.mesh > 0.5  # the box hides floor, and its sides are no mesh
    assert agreement.problems == ()


def test_a_mesh_in_another_frame_is_named(truth: Any) -> None:
    shifted = truth.mesh() + np.array([0, 0, 0.7])
    (problem,) = check(make_scene(truth, points=shifted)).problems
    assert "of what they share, 30% is the least" in problem
    assert problem.endswith("it is in another frame than the poses, or of another scene")


def test_a_mesh_beside_the_room_is_named(truth: Any) -> None:
    """It shares a wall with the room, so that what little of it is in sight agrees with the depth."""
    points = truth.mesh()
    beside = points + np.array([np.ptp(points[:, 0]), 0, 0])
    (problem,) = check(make_scene(truth, points=beside)).problems
    assert "mesh and frames agree on" in problem


def test_the_mesh_of_one_thing_agrees(truth: Any) -> None:
    """Nearly all that the frames see is elsewhere, but they see all of the box's top."""
    points = truth.mesh()
    assert check(make_scene(truth, points=points[points[:, 2] > 0])).problems == ()


def test_the_mesh_of_a_whole_flat_agrees(truth: Any) -> None:
    """Most of it lies below the floor, hidden in every frame."""
    points = truth.mesh()
    below = [points - np.array([0, 0, down]) for down in np.arange(0.5, 5, 0.5)]
    assert check(make_scene(truth, points=np.concatenate([points, *below]))).problems == ()


def test_a_mesh_out_of_sight_is_named(truth: Any) -> None:
    agreement = check(make_scene(truth, points=truth.mesh() + np.array([0, 0, 1000])))
    assert agreement.mesh == 0
    assert len(agreement.problems) == 1


def test_a_mesh_in_the_aligned_frame_is_named(truth: Any) -> None:
    alignment = np.array([[0, 1.0, 0, 2], [-1, 0, 0, 3], [0, 0, 1, 0.7], [0, 0, 0, 1]])
    points = truth.mesh() @ alignment[:3, :3].T + alignment[:3, 3]
    (problem,) = check(make_scene(truth, points=points, axis_alignment=alignment)).problems
    assert "likely cause: it is in the aligned frame already" in problem


def test_long_scenes_decode_few_frames(truth: Any) -> None:
    scene, decoded = make_scene(truth), []

    def reader(index: int) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            decoded.append(index)
            return scene.views[index % 6].read_depth()

        return read

    views = [replace(scene.views[k % 6], name=str(k), read_depth=reader(k)) for k in range(3000)]
    check(replace(scene, views=views))
    assert len(decoded) == len(set(decoded)) <= 42
    assert {0, 600, 1200, 1799, 2399, 2999} <= set(decoded)  # the anchors; 1799.4 and 2399.2 are rounded


def test_a_scene_of_the_wrong_units_on_disk(scannet_folder: Path, truth: Any) -> None:
    for k in range(6):
        truth.save_depth(scannet_folder / "depth" / f"{k}.png", k, units=5000)
    scene = open_scene(scannet_folder)
    assert "the unit of depth is 1/5000 m, not a millimetre" in scene.problems[0]
    assert scene.views[0].read_depth().max() > 15  # reported, not repaired: the room is 5 m long


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["bookshelf", "sevenscenes"])
@pytest.mark.parametrize(
    ("depth", "pose", "cause"),
    [
        (1, None, None),
        (5, None, "cause: the unit of depth is 1/5000 m, not a millimetre (then"),
        (0.2, None, "cause: depth is 5 times too small (then"),
        (1, np.linalg.inv, "cause: the poses are world-to-camera (then"),
        (1, lambda pose: pose @ OPENGL, "the other way (OpenGL for OpenCV) (then"),
        (1, lambda pose: pose @ Y_UP, "cause: the sign of fy is wrong (y up for y down) (then"),
    ],
)
def test_mistakes_in_real_scenes(shared_data: Path, name: str, depth: float, pose: Any, cause: str | None) -> None:
    problems = check(changed(load(shared_data / "rgbd" / name), pose, depth)).problems
    assert len(problems) == (cause is not None)
    assert cause is None or cause in problems[0]


def test_frames_without_depth_say_nothing_of_a_mesh(truth: Any) -> None:
    agreement = check(changed(make_scene(truth, points=truth.mesh()), depth=0))
    assert agreement.mesh is None and not any("mesh" in problem for problem in agreement.problems)
