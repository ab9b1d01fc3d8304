"""NumPy archives of masks: one array `masks`, read frame by frame and without pickle.

Either id maps, whole numbers of shape (T, H, W), 0 the background; or bool of shape (T, N, H, W), N objects, which may
overlap, with their ids in an array `ids` of shape (N,), else 1 to N.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from grounding.core import rle
from grounding.core.arrays import read_npy_header
from grounding.core.checks import LARGEST, shown, within
from grounding.core.errors import UserError
from grounding.core.files import whole_file
from grounding.core.masklets import Masklets
from grounding.core.reading import regular_file
from grounding.core.video_probe import VideoInfo
from grounding.masks.id_maps import MAX_IDS
from grounding.masks.shared import Tracks, check_frames, check_size, finished, put

_BROKEN: tuple[type[Exception], ...] = (OSError, ValueError, EOFError, NotImplementedError, struct.error, zlib.error)
_BROKEN += (zipfile.BadZipFile, RuntimeError, KeyError)  # RuntimeError: a password is asked for; KeyError: no such name


def read_npz(path: Path, video: VideoInfo) -> Masklets:
    """Read the masks of a video from an archive; never more than one mask or id map is in memory.

    Raises:
        UserError: Naming the file and what is not as above.
    """
    regular_file(path)
    with within(str(path)), _readable(), zipfile.ZipFile(path) as archive:
        names = _names(archive)
        if "masks" not in names:
            raise UserError(f"expected an array `masks`, got {', '.join(sorted(names)[:10]) or 'nothing'}")
        with archive.open("masks.npy") as member:
            shape, dtype = _header(member, "`masks`")
            check_frames(shape[0] if shape else 0, video)
            check_size(tuple(shape[-2:]), video)
            if len(shape) == 3 and dtype.kind in "iu":
                return _from_id_maps(_pictures(member, video, dtype, shape[0]), video)
            if len(shape) == 4 and dtype.kind == "b" and shape[1] <= MAX_IDS:
                ids = _ids(archive, names, shape[1])
                return _from_layers(_pictures(member, video, np.dtype(np.uint8), shape[0] * shape[1]), ids, video)
        raise UserError(f"`masks` must be whole numbers (T, H, W) or bool (T, N, H, W), got {dtype} {shape}")


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"is no npz archive that can be read ({error}); write it with numpy.savez") from error


def _names(archive: zipfile.ZipFile) -> set[str]:
    """The arrays' names, each once; their data are stored or deflated, as numpy writes them."""
    names: set[str] = set()
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in names:
            raise UserError(f"holds `{name[:40]}` twice; write it again with numpy.savez")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(f"`{name[:40]}` is compressed in a way that numpy does not; write it with numpy.savez")
        names.add(name)
    return names


def _header(member: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array; refuses Python objects, which would need pickle, and Fortran order."""
    shape, dtype, fortran = read_npy_header(member, where, in_parts=True)
    if dtype.kind not in "iub" or fortran:
        raise UserError(f"{where} must be bool or whole numbers in C order, got {dtype}{' in Fortran order' * fortran}")
    return shape, dtype


def _pictures(member: IO[bytes], video: VideoInfo, dtype: np.dtype, count: int) -> Iterator[np.ndarray]:
    """Arrays of the video's size, read one by one."""
    length = video.size[0] * video.size[1] * dtype.itemsize
    for number in range(count):
        raw = member.read(length)
        if len(raw) < length:
            raise UserError(f"`masks` breaks off in picture {number} of {count}; write the file again")
        yield np.frombuffer(raw, dtype).reshape(video.size)
    if member.read(1):
        raise UserError("`masks` holds more than its header says; write the file again")


def _ids(archive: zipfile.ZipFile, names: set[str], count: int) -> list[int]:
    if "ids" not in names:
        return list(range(1, count + 1))
    with archive.open("ids.npy") as member:
        shape, dtype = _header(member, "`ids`")
        if shape != (count,) or dtype.kind == "b":
            raise UserError(f"`ids` must be {count} whole numbers, one an object, got {dtype} {shape}")
        raw = member.read(count * dtype.itemsize)
        if len(raw) < count * dtype.itemsize or member.read(1):
            raise UserError("`ids` holds less or more than its header says; write the file again")
    ids = np.frombuffer(raw, dtype).tolist()
    if len(set(ids)) < count or not all(1 <= i < LARGEST for i in ids):
        raise UserError(f"`ids` must be numbers of 1 or more, each once, got {shown(ids)}")
    return ids


def _from_id_maps(pictures: Iterator[np.ndarray], video: VideoInfo) -> Masklets:
    tracks: Tracks = {}
    for frame, id_map in enumerate(pictures):
        with within(f"frame {frame}"):
            ids = [int(i) for i in np.unique(id_map) if i]
            if len(tracks.keys() | ids) > MAX_IDS:
                raise UserError(f"more than {MAX_IDS} different ids so far; give id maps, not pictures")
            for i in ids:
                put(tracks, i, frame, rle.encode(id_map == i), video)
    return finished(tracks, video)


def _from_layers(pictures: Iterator[np.ndarray], ids: list[int], video: VideoInfo) -> Masklets:
    tracks: Tracks = {i: [None] * video.frame_count for i in ids}
    for number, layer in enumerate(pictures):
        frame, place = divmod(number, len(ids))
        tracks[ids[place]][frame] = rle.encode(layer != 0)  # a byte of a bool may hold any number
    return finished(tracks, video)


def write_npz(path: Path, masklets: Masklets, *, overwrite: bool = False) -> None:
    """Write masklets as bool `masks` (T, N, H, W) and `ids`, compressed, one frame in memory at a time.

    Raises:
        UserError: If the file exists or cannot be written.
    """
    ids, size, count = masklets.ids, masklets.size, len(masklets.pts)
    with (
        whole_file(path, overwrite=overwrite) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        with archive.open("ids.npy", "w") as member:
            npy.write_array(member, np.array(ids, np.int64), allow_pickle=False)
        with archive.open("masks.npy", "w", force_zip64=True) as member:
            shape = (count, len(ids), *size)
            npy.write_array_header_1_0(member, {"descr": "|b1", "fortran_order": False, "shape": shape})
            for frame in range(count):
                seen = masklets.masks_at(frame)
                layers = [seen.get(i, np.zeros(size, bool)) for i in ids]
                member.write(b"".join(layer.tobytes() for layer in layers))
