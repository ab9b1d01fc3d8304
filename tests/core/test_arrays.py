"""Headers of arrays: what they promise is checked before it is believed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.lib import format as npy

from grounding.core import UserError
from grounding.core.arrays import read_npy, read_npy_header


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_comes_back(order: str) -> None:
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    assert read_npy(io.BytesIO(saved(array)), "a").tolist() == [[0, 1, 2], [3, 4, 5]]
    shape, dtype, fortran = read_npy_header(io.BytesIO(saved(array)), "a")
    assert (shape, dtype, fortran) == ((2, 3), np.dtype(float), order == "F")


def test_a_header_that_promises_too_much() -> None:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with pytest.raises(UserError, match=r"a needs 8,000,000,000,000 bytes, more than the limit"):
        read_npy_header(io.BytesIO(file.getvalue()), "a")


def test_what_is_read_in_parts_may_be_larger_than_the_limit() -> None:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|b1", "fortran_order": False, "shape": (1000, 10**7)})
    shape, _, _ = read_npy_header(io.BytesIO(file.getvalue()), "a", in_parts=True)
    assert shape == (1000, 10**7)


def test_data_that_break_off() -> None:
    with pytest.raises(UserError, match="a breaks off: its header promises 48 bytes, 40 came"):
        read_npy(io.BytesIO(saved(np.zeros(6))[:-8]), "a")


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz`")  # NumPy's word on headers of Python 2
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        saved(np.zeros(3))[:20],
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        header("{'descr': 'nonsense', 'fortran_order': False, 'shape': ()}"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
        header("[" * 5000),
        header("'" * 3),
        header("{'shape': ()}"),
    ],
)
def test_headers_that_do_not_parse(data: bytes) -> None:
    with pytest.raises(UserError, match=r"^a "):
        read_npy_header(io.BytesIO(data), "a")
