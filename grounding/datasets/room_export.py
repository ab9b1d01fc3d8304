"""Rooms on disk: scenes as ScanNet's exporter lays them out, or in the plain layout, with all that is true of them.

scans/NAME/                     color/N.jpg, depth/N.png (millimetres), pose/N.txt
                                scannet: intrinsic/, and NAME_vh_clean_2.ply, NAME_vh_clean_2.0.010000.segs.json,
                                         NAME.aggregation.json, NAME.txt (axis alignment)
                                folder:  scene.json, mesh.ply
scans/NAME/instance/N.png       true id maps; ScanNet's objectId is the id less 1
scans/NAME/labels.json          what the thing of each id is called
scans/NAME/queries.jsonl        what is asked, and the interval, id and box that are true; null where nothing fits
truth/NAME.txt                  1000 + id of each point of the scan, 0 = the room: for score --benchmark scannet_*
ScanRefer_filtered_val.json     rows for score --benchmark scanrefer, whose boxes are those of the scans
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounding.core import Sample, UserError
from grounding.core.files import staged, write_json, write_text
from grounding.datasets.room_scenes import RoomScene, room_scene
from grounding.datasets.rooms import RoomThing, things_of
from grounding.datasets.toy import Question
from lift3d.scene import Scene

LAYOUTS = ("scannet", "folder")
ROWS = "ScanRefer_filtered_val.json"
FASTEST = 1000  # views a second
QUALITY = 95  # of the JPEGs
MOST = 10_000  # rooms; one takes 20 MB and ten seconds
_VERTEX = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]


def export_rooms(
    samples: Sequence[Sample],
    folder: str | Path,
    layout: str,
    fps: float,
    size: tuple[int, int],
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> None:
    """Write rooms as scenes, all or nothing.

    Args:
        samples: Of a `ToySource` of rooms.
        folder: New or empty.
        layout: One of `LAYOUTS`.
        fps: Views a second; the layouts have no clock, so readers must be told. Sensors give 30.
        size: (height, width) of the pictures.
        progress: Wraps the samples on their way, to show how far the work is.

    Raises:
        UserError: If the layout is another, the rate is out of range, there are too many rooms, or the folder is not
            empty or cannot be written.
    """
    if not 1 <= fps <= FASTEST:
        raise UserError(f"fps must be 1 to {FASTEST:,}, got {fps:g}")
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    if len(samples) > MOST:
        raise UserError(f"at most {MOST:,} rooms are written, got {len(samples):,}")
    rows: list[dict[str, Any]] = []
    with staged(folders=[folder]) as (hidden,):
        (hidden / "truth").mkdir(parents=True)
        for number, sample in enumerate(progress(samples)):
            name, room = f"room{number:04}", room_scene(sample, fps, size)
            write_room(hidden / "scans" / name, room, layout)
            write_text(hidden / "truth" / f"{name}.txt", _lines(np.where(room.owners, 1000 + room.owners, 0)))
            rows += _scanrefer(name, room)
        write_json(hidden / ROWS, rows)


def write_room(root: Path, room: RoomScene, layout: str) -> None:
    """Write one room into a new folder that bears its name."""
    for name in ("color", "depth", "pose", "instance"):
        (root / name).mkdir(parents=True)
    for place, view in enumerate(room.scene.views):
        Image.fromarray(view.read_colour()).save(root / "color" / f"{place}.jpg", quality=QUALITY)
        Image.fromarray(np.rint(view.read_depth() * 1000).astype(np.uint16)).save(root / "depth" / f"{place}.png")
        Image.fromarray(room.film.shot(place).labels).save(root / "instance" / f"{place}.png")
        np.savetxt(root / "pose" / f"{place}.txt", view.pose)
    (_write_scannet if layout == "scannet" else _write_plain)(root, room)
    write_json(root / "labels.json", {str(one.about.id): one.query for one in _found(room.sample)})
    rows = [_asked(number, question, room) for number, question in enumerate(room.sample.meta["questions"])]
    write_text(root / "queries.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _write_scannet(root: Path, room: RoomScene) -> None:
    scene, name = room.scene, root.name
    assert scene.superpoints is not None and scene.axis_alignment is not None
    (root / "intrinsic").mkdir()
    lens = np.eye(4)
    lens[:3, :3] = scene.views[0].intrinsics
    for kind in ("color", "depth"):
        np.savetxt(root / "intrinsic" / f"intrinsic_{kind}.txt", lens)
        np.savetxt(root / "intrinsic" / f"extrinsic_{kind}.txt", np.eye(4))
    _write_cloud(root / f"{name}_vh_clean_2.ply", scene)
    segments = {"sceneId": name, "segIndices": scene.superpoints.tolist()}
    write_json(root / f"{name}_vh_clean_2.0.010000.segs.json", segments)
    groups = [_group(thing, scene.superpoints[room.owners == thing.id]) for thing in room.things]
    write_json(root / f"{name}.aggregation.json", {"sceneId": name, "segGroups": groups})
    numbers = " ".join(f"{number:.9f}" for number in scene.axis_alignment.ravel())
    write_text(root / f"{name}.txt", f"axisAlignment = {numbers}\n")


def _group(thing: RoomThing, segments: np.ndarray) -> dict[str, Any]:
    return {"objectId": thing.id - 1, "label": thing.name, "segments": np.unique(segments).tolist()}


def _write_plain(root: Path, room: RoomScene) -> None:
    scene = room.scene
    assert scene.axis_alignment is not None
    lens, alignment = scene.views[0].intrinsics.tolist(), scene.axis_alignment.tolist()
    write_json(root / "scene.json", {"intrinsics": lens, "axis_alignment": alignment, "mesh": "mesh.ply"})
    _write_cloud(root / "mesh.ply", scene)


def _write_cloud(path: Path, scene: Scene) -> None:
    assert scene.points is not None and scene.colours is not None
    table = np.zeros(len(scene.points), _VERTEX)
    for (name, _), column in zip(_VERTEX, (*scene.points.T, *scene.colours.T), strict=True):
        table[name] = column
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in _VERTEX]
    path.write_bytes("\n".join([*header, "end_header", ""]).encode() + table.tobytes())


def _found(sample: Sample) -> list[Question]:
    """What is asked about things that are there, at most one question about each."""
    return [question for question in sample.meta["questions"] if question.truth.segments]


def _asked(number: int, question: Question, room: RoomScene) -> dict[str, Any]:
    row: dict[str, Any] = {"id": f"{number}", "query": question.query, "interval": None, "object_id": None, "box": None}
    for interval in question.truth.segments or ():
        row["interval"] = [interval.start, interval.end]
        row |= {"object_id": question.about.id, "box": room.boxes[question.about.id].tolist()}
    return row


def _scanrefer(name: str, room: RoomScene) -> list[dict[str, Any]]:
    """ScanRefer's rows of a room; unique is a thing whose colour and shape no other has."""
    names = [thing.name for thing in things_of(room.sample.meta["objects"])]
    return [
        {
            "scene_id": name,
            "object_id": str(question.about.id - 1),
            "object_name": "_".join(question.about.name.split()),
            "ann_id": "0",
            "description": question.query,
            "unique_multiple": int(names.count(question.about.name) > 1),
        }
        for question in _found(room.sample)
    ]


def _lines(numbers: np.ndarray) -> str:
    return "".join(f"{number}\n" for number in numbers.tolist())
