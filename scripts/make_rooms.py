"""Write rooms of the toy world as RGB-D scenes, with their scans, true masks, queries and boxes."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.progress import track

from grounding.core import UserError
from grounding.core.checks import printable
from grounding.datasets.room_export import MOST, export_rooms
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import SENSOR
from grounding.datasets.toy import HELD_OUT, toy_source
from lift3d.wording import amount


def main(
    out: tyro.conf.Positional[Path],
    *,
    rooms: int = 3,
    level: int = 1,
    objects: int = 3,
    layout: Literal["scannet", "folder"] = "scannet",
    fps: float = 30.0,
) -> None:
    """Write rooms of the toy world as RGB-D scenes, with their scans, true masks, queries and boxes.

    Look at one with: lift3d inspect OUT/scans/room0000

    Args:
        out: Folder to write, new or empty.
        rooms: How many, 1 to 10,000; none of them is a held-out room of data=rooms.
        level: 1: all things have different colours. 2: with twins, told apart by size or by what stands beside them.
        objects: Things in a room, 1 to 4 (level 2 needs at least 2).
        layout: scannet: as ScanNet's exporter lays a scan out. folder: the plain layout.
        fps: Views a second of the 4 seconds, 1 to 1,000; with others than 30 tell readers so, for no layout keeps it.
    """
    if not 1 <= rooms <= MOST:
        raise UserError(f"--rooms must be 1 to {MOST:,}, got {rooms}")
    source = toy_source(HELD_OUT.stop, rooms, level=level, objects=objects, toy=ROOMS)
    console = Console(stderr=True)
    shown = lambda samples: track(samples, "Writing rooms", console=console)  # noqa: E731
    export_rooms(source.samples, out, layout, fps, SENSOR, shown)
    print(printable(f"wrote {amount(rooms, 'room')} to {out / 'scans'}"))


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
