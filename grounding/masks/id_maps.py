"""Id maps (DAVIS): a folder of index PNGs, one a source frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import rle
from grounding.core.colours import id_colour
from grounding.core.errors import UserError
from grounding.core.folders import new_folder
from grounding.core.masklets import Masklets
from grounding.core.pictures import id_map_files, read_id_map
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import Tracks, finished, put

MAX_IDS = 1000  # objects of one clip; a depth map or a photograph given by mistake has more values, or soon will
_MAX_ID = 65535  # of 16 bits


def read_id_maps(folder: Path, video: VideoInfo) -> Masklets:
    """Read index images whose pixel value is the object's id and 0 the background.

    Args:
        folder: PNGs (palette or grey, of 1 to 16 bits), in the order of their names, numbers compared as numbers
            (`9.png` before `10.png`). Other files and hidden files are left alone.
        video: The video; it must have as many frames as there are PNGs.

    Returns:
        Masklets with an entry for each id that occurs in any frame.

    Raises:
        UserError: Naming the file that cannot be read, is no index image or has another size than the video; or if the
            number of PNGs is another one.
    """
    files = list(id_map_files(folder).values())
    if len(files) != video.frame_count:
        count = f"{len(files)} PNGs for {video.frame_count} frames of the video"
        raise UserError(f"{folder} holds {count}; give one a source frame")
    tracks: Tracks = {}
    for frame, file in enumerate(files):
        id_map = read_id_map(file, video.size)
        for object_id in _ids(id_map, file):
            put(tracks, object_id, frame, rle.encode(id_map == object_id), video)
        if len(tracks) > MAX_IDS:
            raise UserError(f"{file}: more than {MAX_IDS} different ids so far; give index images, not pictures")
    return finished(tracks, video)


def write_id_maps(folder: Path, masklets: Masklets) -> None:
    """Write palette PNGs `00000.png`, ... (16-bit grey where an id is above 255), whole or not at all.

    A pixel has one id: where objects overlap, the larger id is on top.

    Args:
        folder: New or empty.
        masklets: Of ids up to 65535.

    Raises:
        UserError: If an id is too large, the folder holds something, or it cannot be written.
    """
    largest = max(masklets.ids, default=1)
    if largest > _MAX_ID:
        raise UserError(f"an id map holds ids up to {_MAX_ID}, got {largest}; write another format")
    palette = [side for i in range(1, 256) for side in id_colour(i)]
    with new_folder(folder) as partial:
        for frame in range(len(masklets.pts)):
            id_map = np.zeros(masklets.size, np.uint8 if largest < 256 else np.uint16)
            for object_id, mask in masklets.masks_at(frame).items():
                id_map[mask] = object_id
            picture = Image.fromarray(id_map)
            if largest < 256:
                picture.putpalette([0, 0, 0, *palette])
            picture.save(partial / f"{frame:05}.png")


def _ids(id_map: np.ndarray, file: Path) -> list[int]:
    ids = [int(i) for i in np.unique(id_map) if i != 0]
    if len(ids) > MAX_IDS:
        raise UserError(f"{file} holds {len(ids)} different values, more than {MAX_IDS} ids; give an index image")
    return ids
