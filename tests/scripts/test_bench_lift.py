"""`scripts/bench.py lift` at a small size: every figure is there, and the peer finds the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import apart, lift, lift_work
from benchmarks.rooms import room, surface

pytestmark = pytest.mark.slow
SMALL = lift_work.Work(4000, 8, 6, (120, 160))


def test_what_the_lift_spends() -> None:
    found = apart.alone(lift_work.spent, SMALL, 1)
    assert found["seconds"] > 0 and 20 < found["peak_mb"] < 1000 and found["right"] > 0.3


def test_the_command_is_measured(tmp_path: Path) -> None:
    found = lift.command(tmp_path, SMALL)
    assert found["seconds_command"] > 0 and 20 < found["mb_command"] < 1000


def test_the_peer_finds_the_same() -> None:
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"open3d does not load: {error}")
    assert lift_work.against_open3d(SMALL, 1)["agree"] > 0.8


def test_points_lie_on_their_things() -> None:
    made = room(3, 1, (8, 8), spacing=0.1)
    points, owners = surface(made.things, 0.1)
    for number, thing in enumerate(made.things, start=1):
        away = np.abs(points[owners == number] - thing.centre)
        if thing.shape == "sphere":
            np.testing.assert_allclose(np.linalg.norm(away, axis=1), thing.half[0])
        else:
            np.testing.assert_allclose((away / thing.half).max(axis=1), 1)
