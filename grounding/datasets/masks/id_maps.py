"""Id maps (DAVIS): a folder of index PNGs, one a source frame."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import rle
from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.folders import new_folder
from grounding.core.masklets import Masklets
from grounding.datasets.masks.shared import by_number
from prompting.palette import id_colour

MAX_IDS = 1000  # objects of one clip; a depth map or a photograph given by mistake has more values, or soon will
_MAX_ID = 65535  # of 16 bits
_GREY, _PALETTE = 0, 3  # colour types of the PNG header
_UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)  # what Pillow raises


def read_id_maps(folder: Path, pts: np.ndarray, fps: float) -> Masklets:
    """Read index images whose pixel value is the object's id and 0 the background.

    Args:
        folder: PNGs (palette, or grey of 8 or 16 bits), in the order of their names, numbers compared as numbers
            (`9.png` before `10.png`). Other files and hidden files are left alone.
        pts: Presentation time of every source frame in seconds, ascending, shape (T,).
        fps: Average frame rate of the video, > 0.

    Returns:
        Masklets with an entry for each id that occurs in any frame.

    Raises:
        UserError: Naming the file that cannot be read, is no index image or differs in size; or if the number of
            PNGs is not T.
    """
    files = _id_map_files(folder)
    if len(files) != len(pts):
        raise UserError(f"{folder} holds {len(files)} PNGs for {len(pts)} frames of the video; give one a source frame")
    size: tuple[int, int] | None = None
    tracks: dict[int, list[bytes | None]] = {}
    for frame, file in enumerate(files):
        id_map = _read_id_map(file, size)
        size = id_map.shape[0], id_map.shape[1]
        for object_id in _ids(id_map, file):
            track = tracks.setdefault(object_id, [None] * len(files))
            track[frame] = rle.encode(id_map == object_id)
        if len(tracks) > MAX_IDS:
            raise UserError(f"{file}: more than {MAX_IDS} different ids so far; give index images, not pictures")
    if size is None:
        raise UserError(f"{folder} holds no PNGs; give one a source frame")
    return Masklets(size, fps, pts, {i: tuple(track) for i, track in tracks.items()})


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


def _id_map_files(folder: Path) -> list[Path]:
    try:
        names = [file.name for file in folder.iterdir()]
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    names = [name for name in names if name.lower().endswith(".png") and not name.startswith(".")]
    return [inside(folder, name) for name in sorted(names, key=by_number)]


def _read_id_map(file: Path, size: tuple[int, int] | None) -> np.ndarray:
    """One index image, whole numbers, shape (H, W); refused before decoding when its size is not `size`."""
    if not file.is_file():  # a pipe would be waited for without end
        raise UserError(f"{file} is not a file; give one PNG a source frame")
    try:
        with file.open("rb") as handle:
            header = handle.read(26)
        with Image.open(file, formats=["PNG"]) as image:
            _check_kind(file, bits=header[24], colour_type=header[25])
            if size is not None and (image.height, image.width) != size:
                found, expected = f"{image.width} x {image.height}", f"{size[1]} x {size[0]}"
                raise UserError(f"{file} is {found} pixels where the images before it are {expected}; make them equal")
            return np.asarray(image)
    except UserError:
        raise
    except _UNREADABLE as error:
        raise UserError(f"cannot read {file}: {error}; write this PNG again") from error


def _check_kind(file: Path, *, bits: int, colour_type: int) -> None:
    if colour_type not in (_GREY, _PALETTE):
        raise UserError(f"{file} is a colour picture, not an index image; save it as palette or grey, value = id")
    if colour_type == _GREY and bits not in (8, 16):  # Pillow stretches fewer bits to 0..255, which changes the ids
        raise UserError(f"{file} is grey with {bits} bits a pixel; save it with 8 or 16 bits, value = id")


def _ids(id_map: np.ndarray, file: Path) -> list[int]:
    ids = [int(i) for i in np.unique(id_map) if i != 0]
    if len(ids) > MAX_IDS:
        raise UserError(f"{file} holds {len(ids)} different values, more than {MAX_IDS} ids; give an index image")
    return ids
