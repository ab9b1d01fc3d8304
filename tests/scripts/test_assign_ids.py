"""`scripts/assign_ids.py` as a command."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grounding.core import Masklets, rle, save_masklets, write_video

Command = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Id 1 for 6 of 10 frames, then id 2: the same square at [4, 4, 14, 14]."""
    root = tmp_path / "data"
    write_video(root / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    square = np.zeros((32, 48), bool)
    square[4:14, 4:14] = True
    mask = rle.encode(square)
    tracks = {1: (mask,) * 6 + (None,) * 4, 2: (None,) * 6 + (mask,) * 4}
    save_masklets(root / "v.masklets.json", Masklets((32, 48), 10.0, np.arange(10) / 10, tracks))
    base = {"video": "v.mp4", "query": "q", "masklets": "v.masklets.json"}
    boxes = {str(t): [4, 4, 14, 14] for t in range(10)}
    early = {t: box for t, box in boxes.items() if int(t) < 6}
    rows = [
        {**base, "id": "all", "interval": [0, 1], "boxes": boxes},
        {**base, "id": "early", "interval": [0, 0.6], "boxes": early},
        {**base, "id": "named", "interval": [0, 0.6], "object_id": 1},
        {**base, "id": "lost", "interval": [0, 1], "boxes": {"0": [4, 4, 14, 14]}, "video": "none.mp4"},
    ]
    (root / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_counts_and_ceilings(command: Command, data: Path, tmp_path: Path) -> None:
    done = command("assign_ids.py", "data", "a.jsonl", "--out", "found.jsonl")
    assert done.returncode == 0, done.stderr
    # "all": 6 of 10 frames at best, all merged; "early": 1
    assert "m_vIoU at most, with the right ID and time: 0.800; with split objects merged: 1.000\n" in done.stdout
    cells = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in done.stdout.splitlines() if "│" in line}
    assert cells == {"ok": "1", "ambiguous": "0", "split": "1", "unmatched": "0", "given": "1", "broken": "1"}
    assert "split: row 1 (all): ID 1 by 0.60, IDs 1, 2 together by 1.00" in done.stderr
    assert "cannot be read: a.jsonl, row 4 (lost): 'none.mp4' not found" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [(row["id"], row["verdict"], row["parts"]) for row in rows] == [
        ("all", "split", [1, 2]),
        ("early", "ok", [1]),
    ]


def test_a_public_dataset(command: Command, data: Path, tmp_path: Path) -> None:
    """HC-STVG: frames from 1, boxes as left, top, width and height; the square is id 1 in frames 0 to 5 of 10."""
    row = {"img_num": 10, "caption": "q", "width": 48, "height": 32}
    row |= {"st_frame": 4, "bbox": [[4, 4, 10, 10]] * 6, "st_time": 0.3, "ed_time": 0.9}
    (tmp_path / "train.json").write_text(json.dumps({"v.mp4": row}))
    done = command("assign_ids.py", "data", "train.json", "--dataset", "hcstvg", "--masklets", "data")
    assert done.returncode == 0, done.stderr
    # Frames 3 to 8: half of them as id 1, half as id 2.
    assert "m_vIoU at most, with the right ID and time: 0.500; with split objects merged: 1.000\n" in done.stdout


def test_where_all_rows_name_their_id_there_is_nothing_to_assign(command: Command, data: Path, tmp_path: Path) -> None:
    """VidSTG with VidOR's own boxes as masks: the ids are VidOR's, and 1."""
    boxes = [{"tid": 0, "bbox": {"xmin": 4, "ymin": 4, "xmax": 14, "ymax": 14}}]
    (tmp_path / "vidor").mkdir()
    (tmp_path / "vidor" / "v.json").write_text(json.dumps({"width": 48, "height": 32, "trajectories": [boxes] * 10}))
    frames = {name: {"begin_fid": 0, "end_fid": 9} for name in ("used_segment", "temporal_gt")}
    row = {"vid": "v", "fps": 10, "frame_count": 10, "width": 48, "height": 32, **frames}
    row["captions"] = [{"description": "a square", "target_id": 0}]
    (tmp_path / "test.json").write_text(json.dumps([row, row]))
    done = command("assign_ids.py", "data", "test.json", "--dataset", "vidstg", "--masklets", "vidor")
    assert done.returncode == 0, done.stderr
    assert "all of the 2 rows that can be read name their ID: there is nothing to assign\n" in done.stdout


def test_mistakes_are_one_line_and_status_2(command: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("mine")
    for arguments, named in (
        (["data", "none.jsonl"], "none.jsonl is no file"),
        (["nowhere", "a.jsonl"], "nowhere is not a folder"),
        (["data", "a.jsonl", "--split", "x"], "no row has the split 'x'"),
        (["data", "a.jsonl", "--masklets", "data"], "give --masklets and --boxes with --dataset only"),
        (["data", "a.jsonl", "--dataset", "hcstvg"], "--dataset hcstvg needs --masklets"),
        (["data", "a.jsonl", "--dataset", "x", "--masklets", "data"], "there is no dataset 'x'"),
    ):
        done = command("assign_ids.py", *arguments)
        assert done.returncode == 2 and named in done.stderr and done.stderr.count("\n") == 1, done.stderr
    done = command("assign_ids.py", "data", "a.jsonl", "--out", "mine.jsonl")
    assert done.returncode == 2 and "mine.jsonl exists already" in done.stderr
    assert (tmp_path / "mine.jsonl").read_text() == "mine"


@pytest.mark.shared_data
def test_schoolgirls(command: Command, shared_data: Path, tmp_path: Path) -> None:
    """The boxes were made from the masks, so every row is found and the ceiling is 1."""
    source = shared_data / "stvg" / "schoolgirls"
    shutil.copytree(source / "masks", tmp_path / "masks")
    shutil.copy(source / "video.mp4", tmp_path)
    lines = []
    for query in json.loads((source / "queries.json").read_text())["queries"]:
        boxes = {str(query["start_frame"] + k): box for k, box in enumerate(query["boxes_xyxy"]) if box}
        row = {"id": query["query_id"], "video": "video.mp4", "query": query["query"], "masklets": "masks"}
        lines.append(json.dumps({**row, "interval": [query["start_s"], query["end_s"]], "boxes": boxes}) + "\n")
    (tmp_path / "a.jsonl").write_text("".join(lines))
    done = command("assign_ids.py", ".", "a.jsonl")
    assert done.returncode == 0, done.stderr
    assert "right ID and time: 1.000; with split objects merged: 1.000" in done.stdout
