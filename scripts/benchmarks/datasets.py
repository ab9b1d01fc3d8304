"""`bench.py datasets`: loading 100,000 samples of every dataset from generated files of the official form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.annotations import write
from benchmarks.apart import alone
from benchmarks.loading import loaded
from benchmarks.measure import Bar

from grounding.core import UserError
from grounding.datasets.catalog import DATASETS

BARS = [Bar("seconds_slowest", 10.0, most=True), Bar("peak_mb_largest", 1000.0, most=True)]


def datasets(folder: Path, samples: int, repeats: int, only: Sequence[str] = ()) -> dict[str, Any]:
    """Every figure of the bench; seconds are the processor's, peaks those of a process that loads one file.

    Args:
        folder: Takes one file at a time; HC-STVG's has 0.3 GB.
        samples: Of each dataset.
        repeats: Of each loading; the median counts.
        only: Which of them; all if empty.

    Raises:
        UserError: If there is no dataset of a name.
    """
    if unknown := [name for name in only if name not in DATASETS]:
        raise UserError(f"there is no dataset {unknown[0]!r}; known: {', '.join(DATASETS)}")
    found = {}
    for name in only or DATASETS:
        room = folder / name
        room.mkdir()
        path = write(name, samples, room)
        turns = [alone(loaded, name, path) for _ in range(repeats)]
        megabytes = path.stat().st_size / 1e6
        for file in room.iterdir():
            file.unlink()
        if any(turn["samples"] != samples or turn["findings"] for turn in turns):
            raise AssertionError(f"{name}: {turns[0]} of {samples} samples")
        found[name] = {
            "seconds": sorted(turn["seconds"] for turn in turns)[repeats // 2],
            "peak_mb": max(turn["peak_mb"] for turn in turns),
            "file_mb": megabytes,
        }
    return {
        "seconds_slowest": max(one["seconds"] for one in found.values()),
        "peak_mb_largest": max(one["peak_mb"] for one in found.values()),
        "samples": samples,
        "datasets": found,
    }


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    lines = {name: found[name] for name in ("seconds_slowest", "peak_mb_largest")}
    each = {
        name: f"{one['seconds']:.2f} s, {one['peak_mb']:.0f} MB (file: {one['file_mb']:.0f} MB)"
        for name, one in found["datasets"].items()
    }
    return {**lines, **each}
