"""MOTChallenge text: one line a box, `frame, id, left, top, width, height, flag, ...`; box-shaped masks.

Frames count from 1. A line of ground truth whose flag is 0 is one that MOTChallenge itself ignores, and is left out.
Boxes may reach out of the picture, and are cut there.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from grounding.core.checks import within
from grounding.core.errors import UserError
from grounding.core.files import write_text
from grounding.core.masklets import Masklets
from grounding.core.reading import read_text
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import Tracks, box_mask, finished, put

MAX_LINE = 1000  # characters; a line has ten numbers


def read_mot(path: Path, video: VideoInfo) -> Masklets:
    """Read a MOT file (`gt.txt` or a tracker's result); each box becomes a mask that fills it.

    Args:
        path: The text file, columns parted by commas or white space; blank lines are left alone.
        video: The video.

    Raises:
        UserError: Naming file and line of the first thing that is not as above, of a frame beyond the video, of an id
            below 1 (detections have -1: track them first) and of an object that is twice in a frame.
    """
    tracks: Tracks = {}
    for row, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            with within(f"{path}, row {row}"):
                _enter(tracks, _numbers(line), video)
    return finished(tracks, video)


def _numbers(line: str) -> list[float]:
    plain = len(line) <= MAX_LINE and line.isascii() and "_" not in line  # float() reads 1_0 and digits of any script
    try:
        numbers = [float(part) for part in line.replace(",", " ").split()[:7]] if plain else []
    except ValueError:
        numbers = []
    if len(numbers) < 6 or not all(math.isfinite(n) and abs(n) < 1e9 for n in numbers):
        raise UserError(f"expected frame, id, left, top, width, height, got {line.strip()[:60]!r}")
    return numbers


def _enter(tracks: Tracks, numbers: list[float], video: VideoInfo) -> None:
    frame, object_id, left, top, width, height = numbers[:6]
    if frame != int(frame) or object_id != int(object_id):
        raise UserError(f"frame and id must be whole numbers, got {frame:g} and {object_id:g}")
    if frame < 1:
        raise UserError(f"frames count from 1, got {frame:g}")
    mask = box_mask((left, top, left + width, top + height), video.size)
    if numbers[6:] != [0.0]:
        put(tracks, int(object_id), int(frame) - 1, mask, video)


def write_mot(path: Path, masklets: Masklets, *, overwrite: bool = False) -> None:
    """Write the tight boxes of masklets as MOT text, by frame, then id; whole or not at all.

    Raises:
        UserError: If the file exists or cannot be written.
    """
    boxes = {i: masklets.boxes(i) for i in masklets.ids}
    lines = [
        f"{frame + 1},{i},{x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g},1,-1,-1,-1\n"
        for frame in range(len(masklets.pts))
        for i, (x1, y1, x2, y2) in ((i, boxes[i][frame]) for i in masklets.ids)
        if not np.isnan(x1)
    ]
    write_text(path, "".join(lines), overwrite=overwrite)
