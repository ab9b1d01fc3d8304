"""YouTube-VIS (and OVIS, which is written alike): one JSON file of many videos, one annotation an object.

    {"videos": [{"id": 1, "file_names": ["0043f083b5/00000.jpg", ...], "height": 720, "width": 1280}, ...],
     "annotations": [{"id": 8, "video_id": 1, "segmentations": [RLE or null, one a frame]}, ...]}

Of several videos the one is taken whose folder is named like the video file. Annotation ids run through the whole
file, so a video's objects are numbered 1, 2, ... in the order of theirs.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from grounding.core.checks import whole, within
from grounding.core.errors import UserError
from grounding.core.masklets import Masklets
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import (
    check_frames,
    check_size,
    check_stated,
    finished,
    objects_of,
    of_video,
    own_entry,
    read_track,
)


def read_youtube_vis(value: Any, video: VideoInfo) -> Masklets:
    """Read one video's masks from the value of a YouTube-VIS file.

    Args:
        value: The parsed JSON.
        video: The video; it must have as many frames as the file lists for it.

    Raises:
        UserError: If no entry is of this video, or naming the first thing that is not as above.
    """
    videos, annotations = objects_of(value, "videos"), objects_of(value, "annotations")
    listed = [one for one in videos if isinstance(one.get("file_names"), list)]
    entry = own_entry([(_name(one), one) for one in listed if one["file_names"]], video)
    with within(f"video {_name(entry)!r}"):
        check_frames(len(entry["file_names"]), video)
        check_size((entry.get("height"), entry.get("width")), video)
        check_stated(entry, video)
    own = {}
    for place in of_video(annotations, "annotations", videos, entry.get("id")):
        with within(f"annotations[{place}]"):
            object_id = whole(annotations[place].get("id"), "its id")
            if object_id in own:
                raise UserError(f"id {object_id} is used by another annotation already; give each object its own")
            check_stated(annotations[place], video)
            own[object_id] = read_track(annotations[place].get("segmentations"), video)
    return finished({place: own[i] for place, i in enumerate(sorted(own), start=1)}, video)


def _name(entry: dict[str, Any]) -> str:
    """Name of the folder that the video's frames are in."""
    return PurePosixPath(str(entry["file_names"][0])[:500]).parent.name
