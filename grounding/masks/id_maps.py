"""Id maps (DAVIS): index PNGs with their numbers as written; a folder of them has one a source frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from grounding.core import rle
from grounding.core.colours import id_colour
from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.folders import new_folder
from grounding.core.masklets import Masklets
from grounding.core.order import natural
from grounding.core.pictures import open_picture
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import Tracks, finished, put

MAX_IDS = 1000  # objects of one clip; a depth map or a photograph given by mistake has more values, or soon will
_MAX_ID = 65535  # of 16 bits

# What Pillow calls the pixels of a PNG that can be an id map, and what it multiplies their numbers with.
_ID_MAPS = {"1": 1, "L;2": 85, "L;4": 17, "L": 1, "I;16B": 1, "P;1": 1, "P;2": 1, "P;4": 1, "P": 1}


def read_id_map(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The numbers of an index PNG (palette or grey, 1 to 16 bits): value = id, 0 = no object.

    Args:
        path: The file.
        size: (height, width) that it must have, if any; compared before decoding.

    Returns:
        uint8 (H, W), or uint16 where the PNG has 16 bits.

    Raises:
        UserError: Naming the file that cannot be read, is a colour picture, has another size, or holds more
            than MAX_IDS ids, as a depth map does.
    """
    where = str(path)
    with open_picture(path, where, ("PNG",)) as image:
        pixels = str(image.tile[0][3]) if isinstance(image, ImageFile.ImageFile) and image.tile else ""
        if pixels not in _ID_MAPS:
            raise UserError(f"{where} is a colour picture, not an index image; save it as palette or grey, value = id")
        if size is not None and (image.height, image.width) != size:
            found, expected = f"{image.width} x {image.height}", f"{size[1]} x {size[0]}"
            raise UserError(f"{where} is {found} pixels, expected {expected}; make them equal")
        values = np.asarray(image)
    if pixels != "I;16B":
        return values.astype(np.uint8) // _ID_MAPS[pixels]
    id_map = values.astype(np.uint16)
    _check_count(id_map, where)
    return id_map


def id_map_files(folder: str | Path) -> dict[str, Path]:
    """Name without ending -> path of each PNG of a folder, in natural order; hidden and other files are left alone.

    Raises:
        UserError: If the folder cannot be read, two names differ in nothing but padding or capitals of the ending, or
            one is a link out of the folder.
    """
    folder = Path(folder)
    try:
        names = [file.name for file in folder.iterdir()]
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the folder {folder}: {getattr(error, 'strerror', None) or error}") from error
    stems = [(natural(name[:-4]), name) for name in names if name.lower().endswith(".png") and not name.startswith(".")]
    stems.sort()
    for (key, name), (following, other) in pairwise(stems):
        if key == following:
            raise UserError(f"{folder} holds {name} and {other}, which are of the same frame; remove one")
    return {name[:-4]: inside(folder, name) for _, name in stems}


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
        for object_id in np.unique(id_map[id_map > 0]).tolist():
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


def _check_count(id_map: np.ndarray, where: str) -> None:
    if not id_map.size or id_map.max() <= MAX_IDS:  # ids that large are rare, and counting takes longer than decoding
        return
    seen = np.zeros(_MAX_ID + 1, bool)
    seen[id_map] = True
    count = int(seen[1:].sum())
    if count > MAX_IDS:
        raise UserError(f"{where} holds {count} different values, more than {MAX_IDS} ids; give an index image")
