"""A lift as files: chosen formats, a report and a picture in a new folder, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grounding.core import UserError
from grounding.core.files import write_json
from grounding.core.folders import new_folder
from lift3d.formats.boxes_json import entry, write_boxes
from lift3d.formats.coco import write_coco
from lift3d.formats.glb import write_glb
from lift3d.formats.npz import write_npz
from lift3d.formats.ply import write_ply
from lift3d.formats.result import Result
from lift3d.formats.scannet import write_scannet
from lift3d.picture import write_picture

FORMATS: dict[str, Callable[[Path, Result], None]] = {
    "ply": write_ply,
    "glb": write_glb,
    "npz": write_npz,
    "scannet": write_scannet,
    "json": write_boxes,
    "coco": write_coco,
}


def export(folder: str | Path, result: Result, formats: Sequence[str]) -> None:
    """Write `report.json`, `preview.png` and the formats.

    Args:
        folder: New or empty.
        result: What to write.
        formats: Keys of `FORMATS`.

    Raises:
        UserError: If a format is unknown, the folder holds something or it cannot be written.
    """
    check_formats(formats)
    with new_folder(folder) as partial:
        for name in dict.fromkeys(formats):
            FORMATS[name](partial, result)
        write_json(partial / "report.json", report(result))
        write_picture(partial, result)


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that are not in the table.

    Raises:
        UserError: Naming the first and the known ones.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UserError(f"unknown format {unknown[0] if unknown else ''!r}; choose from {','.join(FORMATS)}")


def report(result: Result) -> dict[str, Any]:
    """What was found and from what, and what was left out and why."""
    lifted = result.lifted
    alignment = lifted.scene.axis_alignment
    return {
        "scene": result.name,
        "layout": lifted.scene.layout,
        "up": list(lifted.scene.up),
        "axis_alignment": None if alignment is None else alignment.tolist(),
        "points": len(lifted.points),
        "frames": {"total": lifted.total, "used": lifted.frames, "rejected": dict(lifted.rejected)},
        "problems": [*lifted.scene.problems, *lifted.problems],
        "instances": [
            entry(result, one) | {"hits": round(one.hits, 3), "seen": round(one.seen, 3)} for one in lifted.instances
        ],
        "dropped": {str(number): reason for number, reason in lifted.dropped.items()},
    }
