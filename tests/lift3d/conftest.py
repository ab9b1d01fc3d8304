"""Rooms whose truth is known, ray-cast once for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import rooms


@pytest.fixture(scope="session")
def room() -> rooms.Room:
    """Three things, eight views, clean."""
    return rooms.room(3, 8, (120, 160), spacing=0.04)


@pytest.fixture
def open3d_loads() -> None:
    """The test is skipped where open3d, or a library of the system that it needs, is missing."""
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"open3d does not load: {error}")
