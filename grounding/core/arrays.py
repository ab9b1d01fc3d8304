"""Headers of NumPy arrays out of untrusted files: shape and type, checked before anything is allocated; no pickle."""

from __future__ import annotations

import math
import tokenize
from typing import IO

import numpy as np
from numpy.lib import format as npy

from grounding.core.errors import UserError
from grounding.core.limits import check_bytes

_BROKEN = (ValueError, SyntaxError, EOFError, OSError, TypeError, KeyError, OverflowError, RecursionError, MemoryError)


def read_npy_header(file: IO[bytes], where: str, *, in_parts: bool = False) -> tuple[tuple[int, ...], np.dtype, bool]:
    """What the header of an `.npy` file says; the file stands at the first byte of the data afterwards.

    Args:
        file: Open at its beginning.
        where: What it is, for the message.
        in_parts: The data will be read in parts: together they may be larger than the limit.

    Returns:
        Shape, type, and whether the order is Fortran's.

    Raises:
        UserError: If it is no header of such a file, or promises Python objects or more bytes than the limit.
    """
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (*_BROKEN, tokenize.TokenError) as error:
        raise UserError(f"{where} is no NumPy array that can be read ({error}); write it with numpy.save") from error
    if dtype.hasobject:
        raise UserError(f"{where} holds Python objects, which are not read; save an array of numbers")
    if any(length < 0 for length in shape):
        raise UserError(f"{where} has a length below 0 in its header: {shape}; write it with numpy.save")
    if not in_parts:
        check_bytes(math.prod(shape) * dtype.itemsize, where)
    return shape, dtype, fortran


def read_npy(file: IO[bytes], where: str) -> np.ndarray:
    """A whole array, of at most as many bytes as the limit allows.

    Raises:
        UserError: As `read_npy_header`, or if the data break off.
    """
    shape, dtype, fortran = read_npy_header(file, where)
    wanted = math.prod(shape) * dtype.itemsize
    try:
        data = file.read(wanted)
    except _BROKEN as error:
        raise UserError(f"cannot read {where}: {error}") from error
    if len(data) < wanted:
        raise UserError(f"{where} breaks off: its header promises {wanted:,} bytes, {len(data):,} came")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
