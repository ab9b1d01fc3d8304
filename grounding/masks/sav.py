"""SA-V: one JSON file a video, `{"masklet": [[RLE, ...] an annotated frame], "masklet_id": [0, 1, ...]}`.

Annotated are 6 of 24 frames a second, so entry k belongs to source frame 4 k; a frame between two takes the masks of
the nearer one, the earlier of equals. Masklet ids begin at 0: masklet k becomes id k + 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grounding.core.checks import whole, within
from grounding.core.errors import UserError
from grounding.core.intervals import nearest_frames
from grounding.core.masklets import Masklets
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import finished, read_rle

EVERY = 4  # source frames for one annotated frame


def read_sav(value: Any, video: VideoInfo) -> Masklets:
    """Read the value of an SA-V file (manual or auto).

    Args:
        value: The parsed JSON.
        video: The video; it must have the file's number of frames, or as many as are annotated.

    Raises:
        UserError: Naming the first thing that is not as above, with masklet and annotated frame.
    """
    frames, ids = value["masklet"], value.get("masklet_id")
    if not isinstance(frames, list) or not isinstance(ids, list) or not frames:
        raise UserError('"masklet" must be a list of frames, and "masklet_id" a list of ids')
    numbers = [whole(number, "a masklet_id") for number in ids]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"masklet_id names a masklet twice: {numbers[:40]}; give each its own")
    annotated = _annotated(len(frames), video)
    tracks: dict[int, list[bytes | None]] = {number + 1: [] for number in numbers}
    for at, masks in enumerate(frames):
        with within(f"annotated frame {at}"):
            if not isinstance(masks, list) or len(masks) != len(numbers):
                raise UserError(f"expected {len(numbers)} masks, one a masklet_id")
            for number, mask in zip(numbers, masks, strict=True):
                with within(f"masklet {number}"):
                    tracks[number + 1].append(read_rle(mask, video))
    nearest = nearest_frames(annotated, np.arange(video.frame_count))
    return finished({i: [track[k] for k in nearest] for i, track in tracks.items()}, video)


def _annotated(count: int, video: VideoInfo) -> np.ndarray:
    """The source frames that are annotated."""
    every = 1 if count == video.frame_count else EVERY
    if count != -(-video.frame_count // every):
        expected = f"{video.frame_count}, or every {EVERY}th of them: {-(-video.frame_count // EVERY)}"
        raise UserError(f"{count} annotated frames, the video has {expected}; are they of another video?")
    return np.arange(count) * every
