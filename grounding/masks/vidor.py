"""VidOR (and VidSTG, whose boxes it has): one JSON file a video with the boxes of every frame; box-shaped masks.

    {"trajectories": [[{"tid": 0, "bbox": {"xmin": 65, "ymin": 62, "xmax": 122, "ymax": 121}}, ...], ...],
     "height": 240, "width": 320, ...}

Object ids begin at 0: `tid` k becomes id k + 1. Boxes are taken as half-open, as the evaluations of VidSTG do.
"""

from __future__ import annotations

from typing import Any

from grounding.core.checks import number, whole, within
from grounding.core.errors import UserError
from grounding.core.masklets import Masklets
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import Tracks, box_mask, check_frames, check_size, finished, put

_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_vidor(value: Any, video: VideoInfo) -> Masklets:
    """Read the value of a VidOR file; each box becomes a mask that fills it.

    Args:
        value: The parsed JSON.
        video: The video; it must have as many frames as the file has trajectories.

    Raises:
        UserError: Naming the first thing that is not as above, with frame and object.
    """
    frames = value["trajectories"]
    if not isinstance(frames, list):
        raise UserError('"trajectories" must be a list with the boxes of each frame')
    check_frames(len(frames), video)
    check_size((value.get("height"), value.get("width")), video)
    tracks: Tracks = {}
    for frame, boxes in enumerate(frames):
        with within(f"frame {frame}"):
            if not isinstance(boxes, list):
                raise UserError("expected a list of boxes")
            for entry in boxes:
                _enter(tracks, entry, frame, video)
    return finished(tracks, video)


def _enter(tracks: Tracks, entry: Any, frame: int, video: VideoInfo) -> None:
    box = entry.get("bbox") if isinstance(entry, dict) else None
    if not isinstance(box, dict):
        raise UserError('a box must be {"tid": ..., "bbox": {"xmin", "ymin", "xmax", "ymax"}}')
    tid = whole(entry.get("tid"), "tid")
    with within(f"tid {tid}"):
        sides = [number(box.get(side), side) for side in _SIDES]
        put(tracks, tid + 1, frame, box_mask(sides, video.size), video)
