"""The door to all formats of masks: told apart by name and content, read for one video, written by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.checks import within
from grounding.core.errors import UserError
from grounding.core.masklets import Masklets, load_masklets, save_masklets
from grounding.core.reading import read_json
from grounding.core.video_probe import VideoInfo
from grounding.masks.coco import read_coco, write_coco
from grounding.masks.id_maps import read_id_maps, write_id_maps
from grounding.masks.mevis import MASKS, read_mevis
from grounding.masks.mot import read_mot, write_mot
from grounding.masks.npz import read_npz, write_npz
from grounding.masks.sav import read_sav
from grounding.masks.shared import check_frames, check_size
from grounding.masks.vidor import read_vidor
from grounding.masks.youtube_vis import read_youtube_vis

OWN = ".masklets.json"

_WRITERS: dict[str, Callable[..., None]] = {
    OWN: save_masklets,
    ".json": write_coco,
    ".txt": write_mot,
    ".npz": write_npz,
}
KNOWN = f"a folder of id maps or of MeViS, *{OWN}, COCO, SA-V, YouTube-VIS or VidOR JSON, MOT *.txt, or *.npz"


def read_masklets(path: str | Path, video: VideoInfo) -> Masklets:
    """Read the masks of a video, whatever known format they are in; boxes become masks that fill them.

    Args:
        path: A folder of id-map PNGs (DAVIS) or of a MeViS split, or a file: `*.masklets.json`; JSON of COCO with
            tracks, SA-V, YouTube-VIS or VidOR, told apart by its keys; MOT `*.txt`; `*.npz`.
        video: The video that they belong to (`grounding.core.video.probe`).

    Returns:
        Masklets with the video's size, frame rate and times.

    Raises:
        UserError: Naming the file, and row or object, of the first thing that is wrong: an unknown format, masks of
            another size or frame number than the video's, RLE of a wrong length, an id below 1, one object twice.
    """
    path = Path(path)
    name = path.name.lower()
    # os.path, for Path's own tests raise where a name is too long or may not be looked at
    if os.path.isdir(path):  # noqa: PTH112
        return read_mevis(path, video) if (path / MASKS).is_file() else read_id_maps(path, video)
    if not os.path.isfile(path):  # noqa: PTH113 -- a pipe would be waited for without end
        raise UserError(f"masks {path} is neither a file nor a folder; give {KNOWN}")
    if name.endswith(OWN):
        return _read_own(path, video)
    if name.endswith(".npz"):
        return read_npz(path, video)
    if name.endswith(".txt"):
        return read_mot(path, video)
    if name == MASKS:
        return read_mevis(path.parent, video)
    if name.endswith(".json"):
        return _read_json(path, video)
    raise UserError(f"masks {path} are in no known format; give {KNOWN}")


def write_masklets(path: str | Path, masklets: Masklets, *, overwrite: bool = False) -> None:
    """Write masks in the format that the name tells, whole or not at all; `read_masklets` reads them again.

    Args:
        path: `*.masklets.json`; `*.json`: COCO with tracks; `*.txt`: MOT, boxes only; `*.npz`; without an ending: a
            folder of id-map PNGs, where of overlapping objects the larger id is on top.
        masklets: The masks.
        overwrite: Replace an existing file; a folder is never replaced.

    Raises:
        UserError: If the ending is another one, the path exists or it cannot be written.
    """
    path = Path(path)
    ending = OWN if path.name.lower().endswith(OWN) else path.suffix.lower()
    if not ending:
        write_id_maps(path, masklets)
    elif ending in _WRITERS:
        _WRITERS[ending](path, masklets, overwrite=overwrite)
    else:
        known = f"{OWN}, .json (COCO), .txt (MOT), .npz, or in nothing for a folder of id maps"
        raise UserError(f"cannot write masks as {path.name}; end the name in {known}")


def _read_json(path: Path, video: VideoInfo) -> Masklets:
    value = read_json(path)
    read = _json_reader(value)
    if read is not None:
        with within(str(path)):
            return read(value, video)
    if isinstance(value, dict) and "schema_version" in value:
        return _read_own(path, video)
    raise UserError(f"masks {path} are JSON of no known format; give {KNOWN}")


def _json_reader(value: Any) -> Callable[[Any, VideoInfo], Masklets] | None:
    """Who reads a JSON value, told by what only this format's objects have."""
    keys = value.keys() if isinstance(value, dict) else set()
    if keys >= {"masklet", "masklet_id"}:
        return read_sav
    if "trajectories" in keys:
        return read_vidor
    if "annotations" in keys and keys & {"images", "videos"}:
        return read_youtube_vis if _annotates_videos(value) else read_coco
    return None


def _annotates_videos(value: dict[str, Any]) -> bool:
    """Whether annotations are of whole videos (YouTube-VIS); COCO may list videos as well, but annotates images."""
    annotations = value["annotations"] if isinstance(value["annotations"], list) else []
    whole = any(isinstance(entry, dict) and "segmentations" in entry for entry in annotations)
    return "videos" in value and (whole or not value.get("images"))


def _read_own(path: Path, video: VideoInfo) -> Masklets:
    """Our own format keeps times: they must be the video's."""
    masklets = load_masklets(path)
    with within(f"masklets {path}"):
        check_frames(len(masklets.pts), video)
        check_size(masklets.size, video)
        half = 0.5 / video.fps
        if abs(1 / masklets.fps - 1 / video.fps) > half:  # it tells how long the last frame stays
            raise UserError(f"{masklets.fps:g} frames a second, the video has {video.fps:g}; make them from this video")
        late = np.abs(masklets.pts - video.pts) > half
        if late.any():
            at = int(late.argmax())
            times = f"frame {at} at {masklets.pts[at]:.6g} s, the video shows it at {video.pts[at]:.6g} s"
            raise UserError(f"{times}; make them from this video")
    return masklets
