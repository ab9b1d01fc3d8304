"""Tests of reading untrusted binary files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d.scenes.binary import BinaryFile, Cut


def test_values_names_and_positions(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x01\x00\x02\x00\x00\x00name\0rest")
    with BinaryFile(tmp_path / "a") as file:
        assert file.unpack("HI") == (1, 2)  # packed tightly: 2 + 4 bytes
        assert file.position == 6
        assert file.name() == "name"
        assert file.position == 11
        file.skip(2)
        assert file.bytes(2) == b"st"
        file.seek(6)
        assert file.bytes(4) == b"name"


@pytest.mark.parametrize("count", [5, 2**63, -1])
def test_nothing_beyond_the_end(tmp_path: Path, count: int) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    with BinaryFile(tmp_path / "a") as file:
        for step in (file.bytes, file.skip):
            with pytest.raises(Cut, match=f"at byte 0 it announces {count} bytes, 4 are left"):
                step(count)
        with pytest.raises(Cut):
            file.unpack("Q")


def test_a_name_must_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with BinaryFile(tmp_path / "a") as file, pytest.raises(Cut, match="a name at byte 0 does not end within 4096"):
        file.name()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        BinaryFile(tmp_path / "none")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(-5, 60))
def test_reading_gives_exactly_so_many_bytes_or_fails(tmp_path: Path, data: bytes, count: int) -> None:
    (tmp_path / "a").write_bytes(data)
    with BinaryFile(tmp_path / "a") as file:
        if 0 <= count <= len(data):
            assert file.bytes(count) == data[:count]
        else:
            with pytest.raises(Cut):
                file.bytes(count)
