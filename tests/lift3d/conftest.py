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
