"""MeViS: a folder with the masks of all videos, and what says which of them belong to which video.

`mask_dict.json` and `meta_expressions.json`:

    {"12": [RLE or null, one a frame], "13": [...], ...}
    {"videos": {"0a1b2c": {"frames": [...], "expressions": {"0": {"exp": "...", "anno_id": [12, 13]}, ...}}, ...}}

The video is the one named like the video file. Annotation ids run through the whole data set, so a video's objects are
numbered 1, 2, ... in the order of theirs. The data set gives frames as pictures: make the video of all of them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from grounding.core.checks import whole, within
from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.masklets import Masklets
from grounding.core.reading import read_json
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import finished, read_track

MASKS, META = "mask_dict.json", "meta_expressions.json"


def read_mevis(folder: Path, video: VideoInfo) -> Masklets:
    """Read one video's masks from the folder of a MeViS split; all of `mask_dict.json` is read into memory and kept
    there, for the next video's are in it, too.

    Raises:
        UserError: If a file is missing, the video is not listed, or naming the first thing that is not as above.
    """
    numbers = _numbers(_read(inside(folder, META)), video.path.stem, folder / META)
    masks = _read(inside(folder, MASKS))
    tracks = {}
    for place, number in enumerate(numbers, start=1):
        with within(f"{folder / MASKS}: annotation {number}"):
            if not isinstance(masks, dict) or str(number) not in masks:
                raise UserError(f"is missing, though {META} names it; take both files from one split")
            tracks[place] = read_track(masks[str(number)], video)
    return finished(tracks, video)


def _read(path: Path) -> Any:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0  # reading says why
    return _kept(path, changed)


@lru_cache(maxsize=2)  # both files of a split
def _kept(path: Path, changed: int) -> Any:
    return read_json(path)


def _numbers(meta: Any, stem: str, where: Path) -> list[int]:
    """Annotation ids of a video, ascending."""
    with within(str(where)):
        videos = meta.get("videos") if isinstance(meta, dict) else None
        entry = videos.get(stem) if isinstance(videos, dict) else None
        expressions = entry.get("expressions") if isinstance(entry, dict) else None
        if not isinstance(expressions, dict):
            raise UserError(f"no expressions of a video {stem!r}; name the video file like one of the videos")
        found = set()
        for name, expression in expressions.items():
            with within(f"expression {name[:40]}"):
                ids = expression.get("anno_id") if isinstance(expression, dict) else None
                if not isinstance(ids, list):
                    raise UserError("no list anno_id; the split `valid` has none, take `valid_u` or `train`")
                found |= {whole(number, "an anno_id") for number in ids}
        return sorted(found)
