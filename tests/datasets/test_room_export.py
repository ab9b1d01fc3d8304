"""Rooms on disk: what the readers of scenes, masks and benchmarks find there is what is true of the room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.datasets import room_export
from grounding.datasets.room_export import export_rooms
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import RoomScene, moved, room_scene
from grounding.datasets.toy import HELD_OUT, toy_source
from grounding.evaluation.benchmarks.scannet import read_truth as read_owners
from grounding.evaluation.benchmarks.scanrefer import read_truth as read_boxes
from lift3d.cli import read_masks
from lift3d.scenes import open_scene

COMMAND = Path(__file__).parents[2] / "scripts" / "make_rooms.py"
SOURCE = toy_source(HELD_OUT.stop, 2, level=2, objects=4, toy=ROOMS)
FPS, SIZE = 4.0, (96, 128)


@pytest.fixture(scope="module")
def rooms() -> list[RoomScene]:
    return [room_scene(sample, FPS, SIZE) for sample in SOURCE.samples]


@pytest.fixture(scope="module", params=["scannet", "folder"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("rooms") / "out"
    export_rooms(SOURCE.samples, folder, request.param, FPS, SIZE)
    return request.param, folder


def test_the_scene_that_is_read_is_the_room(exported: tuple[str, Path], rooms: list[RoomScene]) -> None:
    layout, folder = exported
    for number, room in enumerate(rooms):
        scene = open_scene(folder / "scans" / f"room{number:04}")
        assert (scene.layout, scene.problems, dict(scene.left_out)) == (layout, (), {})
        assert scene.points == pytest.approx(room.scene.points, abs=1e-5)
        assert (scene.colours == room.scene.colours).all()
        assert scene.axis_alignment == pytest.approx(room.scene.axis_alignment, abs=1e-8)
        assert [view.name for view in scene.views] == [str(place) for place in range(16)]
        for read, made in list(zip(scene.views, room.scene.views, strict=True))[::5]:
            assert read.pose == pytest.approx(made.pose) and read.intrinsics == pytest.approx(made.intrinsics)
            assert np.abs(read.read_depth() - made.read_depth()).max() < 0.00051
            assert np.abs(read.read_colour().astype(int) - made.read_colour()).mean() < 6  # JPEG


def test_masks_have_the_ids_of_the_things(exported: tuple[str, Path], rooms: list[RoomScene]) -> None:
    root = exported[1] / "scans" / "room0001"
    masks = read_masks(root / "instance", open_scene(root))
    for view in (0, 7, 15):
        assert (masks.layers(view)[0] == rooms[1].film.layers(view)[0]).all()
    names = json.loads((root / "labels.json").read_text())
    assert {int(key) for key in names} <= {thing.id for thing in rooms[1].things}


def test_queries_name_what_is_true(exported: tuple[str, Path], rooms: list[RoomScene]) -> None:
    rows = [json.loads(line) for line in (exported[1] / "scans/room0000/queries.jsonl").read_text().splitlines()]
    questions = rooms[0].sample.meta["questions"]
    assert [row["query"] for row in rows] == [question.query for question in questions]
    for row, question in zip(rows, questions, strict=True):
        if question.truth.segments:
            (interval,) = question.truth.segments
            assert row["interval"] == [interval.start, interval.end]
            assert row["object_id"] == question.about.id
            assert row["box"] == pytest.approx(rooms[0].boxes[question.about.id])
        else:
            assert row["interval"] is row["object_id"] is row["box"] is None


def test_scanrefer_reads_the_boxes_and_the_split(tmp_path: Path, rooms: list[RoomScene]) -> None:
    export_rooms(SOURCE.samples, tmp_path / "out", "scannet", FPS, SIZE)
    truths = read_boxes(tmp_path / "out" / "ScanRefer_filtered_val.json")
    for number, room in enumerate(rooms):
        names = [thing.name for thing in room.things]
        for thing in room.things:
            key = f"room{number:04}-{thing.id - 1}-0"
            if key in truths:  # a thing that no words fit alone is not asked for
                assert truths[key].box == pytest.approx(room.boxes[thing.id], abs=1e-5)
                assert truths[key].split == ("multiple" if names.count(thing.name) > 1 else "unique")
    assert len(truths) >= 4


def test_owners_of_points_are_those_of_the_scan(exported: tuple[str, Path], rooms: list[RoomScene]) -> None:
    owners = read_owners(exported[1] / "truth")
    for number, room in enumerate(rooms):
        found = owners[f"room{number:04}"]
        assert (found % 1000 == room.owners).all() and ((found >= 1000) == (room.owners > 0)).all()


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise UserError("no")

    monkeypatch.setattr(room_export, "_write_scannet", fails)
    with pytest.raises(UserError, match="no"):
        export_rooms(SOURCE.samples, tmp_path / "out", "scannet", 1.0, (24, 32))
    assert not list(tmp_path.iterdir())


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown layout 'tum'; choose one of scannet, folder"):
        export_rooms(SOURCE.samples, tmp_path / "out", "tum", FPS, SIZE)
    many = toy_source(HELD_OUT.stop, 10_001, toy=ROOMS)
    with pytest.raises(UserError, match="at most 10,000 rooms are written, got 10,001"):
        export_rooms(many.samples, tmp_path / "out", "folder", FPS, SIZE)
    with pytest.raises(UserError, match="fps must be 1 to 1,000, got 0"):
        export_rooms(SOURCE.samples, tmp_path / "out", "folder", 0.0, SIZE)


def test_the_command_writes_rooms_that_are_not_held_out(tmp_path: Path) -> None:
    line = [sys.executable, str(COMMAND), "out", "--rooms", "1", "--fps", "1"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "wrote 1 room to out/scans\n")
    scene = open_scene(tmp_path / "out" / "scans" / "room0000")
    room = room_scene(toy_source(HELD_OUT.stop, 1, toy=ROOMS).samples[0], 1.0)
    assert scene.points == pytest.approx(room.scene.points, abs=1e-5)
    assert moved(scene.points, scene.axis_alignment)[:, 2].min() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("rooms", ["0", "-1", "10001"])
def test_the_command_says_how_many_rooms_it_writes(tmp_path: Path, rooms: str) -> None:
    line = [sys.executable, str(COMMAND), "out", "--rooms", rooms]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (2, f"error: --rooms must be 1 to 10,000, got {rooms}\n")
