"""A small dataset of one's own, with everything that can be broken about it; made once, annotations per test.

`video.mp4` shows 12 frames of 48 x 32 pixels at 10 fps, so it lasts 1.2 s. Object 1 is 8 x 8 pixels and moves right
by one pixel a frame: its box in frame t is [2 + t, 4, 10 + t, 12]. Object 2 is 10 x 10 pixels at [30, 16, 40, 26] and
leaves after frame 5.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding.core import Masklets, rle, save_masklets
from grounding.core.video_write import write_video

FRAMES, FPS, HEIGHT, WIDTH = 12, 10.0, 32, 48

Rows = list[dict[str, Any] | bytes]


def id_map(frame: int) -> np.ndarray:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[4:12, 2 + frame : 10 + frame] = 1
    if frame <= 5:
        labels[16:26, 30:40] = 2
    return labels


def write_id_maps(folder: Path, count: int = FRAMES) -> Path:
    folder.mkdir()
    for frame in range(count):
        Image.fromarray(id_map(frame)).save(folder / f"{frame:05}.png")
    return folder


def masklets_of(pts: np.ndarray) -> Masklets:
    labels = [id_map(frame) for frame in range(len(pts))]
    tracks = {i: tuple(rle.encode(m == i) if (m == i).any() else None for m in labels) for i in (1, 2)}
    return Masklets((HEIGHT, WIDTH), FPS, pts, tracks)


def write_broken_media(root: Path) -> None:
    (root / "text.mp4").write_text("this is not a video")
    (root / "video_folder").mkdir()
    write_id_maps(root / "few_masks", FRAMES - 1)
    (root / "no_masks").mkdir()
    Image.fromarray(id_map(7)[:, :-2]).save(write_id_maps(root / "size_masks") / "00007.png")
    Image.new("RGB", (WIDTH, HEIGHT)).save(write_id_maps(root / "rgb_masks") / "00004.png")
    torn = write_id_maps(root / "torn_masks") / "00006.png"
    torn.write_bytes(torn.read_bytes()[:60])
    (root / "other.masklets.json").write_text('{"schema_version": 99}')
    (root / "torn.masklets.json").write_text('{"schema_version": 1, "si')
    save_masklets(root / "few.masklets.json", masklets_of(np.arange(FRAMES - 2) / FPS))
    save_masklets(root / "late.masklets.json", masklets_of(np.arange(FRAMES) / FPS * 2))
    times = np.arange(FRAMES) / FPS  # 4 frames a second leave the last one 0.15 s too long
    save_masklets(root / "rate.masklets.json", replace(masklets_of(times), fps=4.0))
    small = Masklets((8, 8), FPS, np.arange(FRAMES) / FPS, {1: (None,) * FRAMES})
    save_masklets(root / "small.masklets.json", small)
    outside = root.parent / "outside"
    write_id_maps(outside)
    (root / "linked_masks").symlink_to(outside)
    (root / "linked.mp4").symlink_to(outside / "00000.png")
    (root / "circle.mp4").symlink_to(root / "circle.mp4")
    os.mkfifo(root / "pipe.mp4")


@pytest.fixture(scope="session")
def dataset_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mine") / "root"
    root.mkdir()
    write_video(root / "video.mp4", [np.repeat(id_map(t)[:, :, None] * 100, 3, axis=2) for t in range(FRAMES)], FPS)
    write_id_maps(root / "masks")
    save_masklets(root / "good.masklets.json", masklets_of(np.arange(FRAMES) / FPS))
    write_broken_media(root)
    return root


@pytest.fixture
def good_row() -> dict[str, Any]:
    row = {"id": "fine", "video": "video.mp4", "query": "the small square", "interval": [0.2, 0.6]}
    return {**row, "masklets": "masks", "object_id": 1}


@pytest.fixture
def annotate(dataset_root: Path) -> Callable[[Rows], Path]:
    """Write `annotations.jsonl` from rows, given as objects or as raw bytes; gives back the root."""

    def write(rows: Rows) -> Path:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (dataset_root / "annotations.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        return dataset_root

    return write
