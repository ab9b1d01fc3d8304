"""An RGB-D scene as a folder of one's own data: its pictures as a video, and rows that `data=jsonl` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import staged, write_json, write_text
from grounding.core.video_write import write_timed_video
from grounding.datasets.scans import owners, scan_objects
from grounding.datasets.scene_labels import Labels, label
from grounding.datasets.scene_views import Look, Watched, masks_of, vertices_of, view_times
from lift3d.frames import Frames, Progress, plain
from lift3d.labels import MaskSource
from lift3d.scene import Scene
from lift3d.wording import by_reason

MOST_BOXES = 1000  # rows of one object


@dataclass(frozen=True, eq=False)
class Objects:
    """Where the objects of a scene are found in its views, and what they are called.

    Attributes:
        look: What a frame shows of them.
        names: Id -> name; those of ScanNet count from 0.
        masks: Their masks, if `look` is for them.
    """

    look: Look
    names: Mapping[int, str | int]
    masks: MaskSource | None = None


def masked(masks: MaskSource, names: Mapping[int, str | int]) -> Objects:
    """The objects that have masks.

    Raises:
        UserError: If none has a name.
    """
    if not names:
        raise UserError('masks do not tell what their objects are called; give --labels, a file as {"1": "chair"}')
    return Objects(masks_of, names, masks)


def instances(folder: Path, scene: Scene, names: Mapping[int, str | int]) -> Objects:
    """The objects that ScanNet's annotators marked on the mesh.

    Args:
        folder: Of the scene, with `*.aggregation.json` beside mesh and segments.
        scene: Opened, with its surface.
        names: For some objects another name than ScanNet's label.

    Raises:
        UserError: If a file is missing or wrong, or a name is for none of the objects.
    """
    found = [path for path in sorted(folder.glob("*.aggregation.json")) if "_vh_clean" not in path.name]
    if scene.points is None or scene.superpoints is None or len(found) != 1:
        raise UserError(
            f"{folder} must hold one <scene>.aggregation.json with its *_vh_clean_2.ply and *.segs.json (ScanNet's "
            "objects); for other scenes give --masks"
        )
    objects = scan_objects(found[0])
    labels: dict[int, str | int] = {one.number: one.label for one in objects}
    if unknown := sorted(names.keys() - labels.keys()):
        raise UserError(f"--labels names object {unknown[0]}, which {found[0]} does not have; take its objectId")
    return Objects(vertices_of(scene.points, owners(objects, scene.superpoints)), {**labels, **names})


@dataclass(frozen=True)
class Exported:
    """What was written: rows, number of frames, where their times come from, and frames left out -> reason."""

    labels: Labels
    frames: int
    clock: str
    frames_left_out: Mapping[str, str]


def export_labels(
    scene: Scene, objects: Objects, out: Path, name: str, fps: float, boxes: int, progress: Progress = plain
) -> Exported:
    """Write `<name>.mp4`, `vtg.jsonl`, `box.jsonl` and `report.json`: all or nothing.

    Args:
        scene: Views are read one at a time.
        objects: Of the scene.
        out: New or empty folder.
        name: Of the scene.
        fps: Of the capture, for a scene without a clock.
        boxes: Most rows with a box, of one object.
        progress: Shows the frames as they pass.

    Raises:
        UserError: If an option is out of range, no frame can be used, no object gives a row, or the folder is not empty
            or cannot be written.
    """
    if not 1 <= boxes <= MOST_BOXES:
        raise UserError(f"--boxes must be 1 to {MOST_BOXES}, got {boxes}")
    times, clock = view_times(scene.views, fps)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / fps
    watched = Watched()
    with staged(folders=[out]) as (hidden,):
        frames = progress(Frames(scene.views, objects.masks), "Looking")
        write_timed_video(hidden / f"{name}.mp4", watched.watch(frames, times, objects.look), 1 / step)
        made = label(watched, watched.times[-1] + step, objects.names, name, boxes)
        if not made.vtg:
            raise UserError(f"no object gives a row: {'; '.join(by_reason(made.left_out, 'object')[:3])}")
        for task, rows in (("vtg", made.vtg), ("box", made.box)):
            write_text(hidden / f"{task}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        gone = {**scene.left_out, **watched.left_out}
        write_json(hidden / "report.json", _report(scene, made, watched, clock, gone))
    return Exported(made, len(watched.times), clock, gone)


def _report(scene: Scene, made: Labels, watched: Watched, clock: str, gone: Mapping[str, str]) -> dict[str, Any]:
    return {
        "layout": scene.layout,
        "frames": len(watched.times),
        "frames_left_out": gone,
        "clock": clock,
        "problems": list(scene.problems),
        "objects": made.objects,
        "objects_left_out": [
            {"id": number, "pixels": _most(watched, number), "reason": reason}
            for number, reason in made.left_out.items()
        ],
    }


def _most(watched: Watched, number: int) -> int:
    """The most pixels of an object that any frame shows."""
    return max((sight.pixels for sight in watched.sights.get(number, {}).values()), default=0)
