"""A video that masks belong to: nothing of it is read but its size and times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grounding.core.video_probe import VideoInfo
from grounding.core.video_upright import Upright

MakeVideo = Callable[..., VideoInfo]


def make_video(frames: int = 3, size: tuple[int, int] = (4, 6), name: str = "cat", fps: float = 10.0) -> VideoInfo:
    times = np.arange(frames) / fps
    stamps = np.arange(frames)
    return VideoInfo(Path(f"{name}.mp4"), "mov", size, Upright(), times, stamps, stamps[:1], frames / fps)


@pytest.fixture
def video() -> MakeVideo:
    """`video(frames=3, size=(4, 6), name="cat", fps=10.0)`."""
    return make_video
