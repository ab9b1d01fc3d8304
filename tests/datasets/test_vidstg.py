"""Tests of grounding.datasets.vidstg."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Interval, UserError
from grounding.core.video import probe
from grounding.datasets.catalog import open_dataset
from grounding.datasets.gold import gold_failures
from grounding.datasets.vidstg import with_boxes

# 10 frames a second, 40 frames. The truth is frames 30 to 39; the segment stops a frame before the end, as it does
# in the official files.
ENTRY: dict[str, Any] = {
    "vid": "77",
    "fps": 10.0,
    "frame_count": 40,
    "width": 64,
    "height": 36,
    "used_segment": {"begin_fid": 10, "end_fid": 39},
    "temporal_gt": {"begin_fid": 30, "end_fid": 40},
    "captions": [{"description": "a dog runs.", "type": "object", "target_id": 0}],
    "questions": [
        {"description": "what runs?", "type": "object", "target_id": 0},
        {"description": "who sees it?", "type": "person", "target_id": 7},
    ],
}


def write(folder: Path, entries: list[Any]) -> Path:
    (folder / "a.json").write_text(json.dumps(entries))
    return folder / "a.json"


def vidor(folder: Path, frames: dict[int, list[int]], tid: int = 0) -> Path:
    """An annotation of 40 frames in which `tid` has these boxes, and object 9 always one."""
    other = {"tid": 9, "bbox": {"xmin": 0, "ymin": 0, "xmax": 5, "ymax": 5}}
    rows: list[Any] = [[other] for _ in range(40)]
    for frame, box in frames.items():
        rows[frame].append({"tid": tid, "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))})
    (folder / "77.json").write_text(json.dumps({"video_id": "77", "trajectories": rows}))
    return folder / "77.json"


def test_ends_are_exclusive_and_ids_are_one_higher(tmp_path: Path) -> None:
    samples = open_dataset("vidstg", write(tmp_path, [ENTRY, ENTRY])).samples
    assert [sample.id for sample in samples] == ["0_c0", "0_q0", "0_q1", "1_c0", "1_q0", "1_q1"]
    first, _, person = samples[:3]
    assert (first.video, first.query, first.truth.object_id) == ("77.mp4", "a dog runs.", 1)
    assert first.truth.interval == Interval(3.0, 4.0)  # frames 30 to 40, exclusive, at 10 a second
    assert (person.truth.object_id, person.meta["kind"], first.meta["kind"]) == (8, "interrogative", "declarative")
    assert first.meta["segment"] == (1.0, 4.0)  # 1.0 to 3.9, widened to hold the truth
    assert (first.meta["duration"], first.meta["frame_count"], first.meta["size"]) == (4.0, 40, (36, 64))


def test_the_tube_is_the_target_on_the_frames_of_the_truth(tmp_path: Path) -> None:
    sample = open_dataset("vidstg", write(tmp_path, [ENTRY])).samples[0]
    path = vidor(tmp_path, {29: [9, 9, 10, 10], 30: [1, 2, 11, 12], 39: [3, 4, 13, 14]})
    tube = with_boxes(sample, path).truth.tube
    assert tube is not None and tube.frames == range(30, 40)
    assert tube.boxes[0].tolist() == [1, 2, 11, 12] and tube.boxes[9].tolist() == [3, 4, 13, 14]
    assert np.isnan(tube.boxes[1:9]).all()


@pytest.mark.parametrize(
    ("segment", "seconds", "noted"),
    [
        ((10, 39), (1.0, 4.0), False),  # the official files end a frame early
        ((35, 39), (3.0, 4.0), True),  # begins inside the truth, frames 30 to 39
        ((10, 32), (1.0, 4.0), True),
        ((30, 30), (3.0, 4.0), True),
        ((0, 10**9), (0.0, 4.0), False),  # cut off at the video's end
    ],
)
def test_the_segment_holds_the_truth(tmp_path: Path, segment: tuple[int, int], seconds: Any, noted: bool) -> None:
    entry = {**ENTRY, "used_segment": dict(zip(("begin_fid", "end_fid"), segment, strict=True)), "questions": []}
    made = open_dataset("vidstg", write(tmp_path, [entry]))
    assert made.samples[0].meta["segment"] == seconds
    assert [(one.kind, one.action) for one in made.findings] == [("time", "kept")] * noted
    assert all("does not hold the truth, frames 30 to 39; it is widened" in one.message for one in made.findings)


def test_a_segment_without_a_frame_is_refused(tmp_path: Path) -> None:
    late = {"begin_fid": 50, "end_fid": 60}
    entry = {**ENTRY, "temporal_gt": late, "used_segment": late}
    made = open_dataset("vidstg", write(tmp_path, [entry, ENTRY]))
    assert [sample.id for sample in made.samples] == ["1_c0", "1_q0", "1_q1"]
    assert made.findings[0].message == "used_segment, frames 50 to 60, holds none of the 40 frames of the video"


def test_frames_past_the_end_need_no_memory(tmp_path: Path) -> None:
    entry = {**ENTRY, "temporal_gt": {"begin_fid": 30, "end_fid": 10**9}}
    sample = open_dataset("vidstg", write(tmp_path, [entry])).samples[0]
    assert sample.truth.interval == Interval(3.0, 4.0)
    tube = with_boxes(sample, vidor(tmp_path, {30: [1, 2, 11, 12]})).truth.tube
    assert tube is not None and tube.frames == range(30, 40)


def test_boxes_of_another_object_are_not_borrowed(tmp_path: Path) -> None:
    sample = open_dataset("vidstg", write(tmp_path, [ENTRY])).samples[0]
    with pytest.raises(UserError, match="object 0 has no box on frames 30 to 39"):
        with_boxes(sample, vidor(tmp_path, {30: [1, 2, 3, 4]}, tid=3))


@pytest.mark.parametrize("frames", [{"a": 1}, [[{"tid": 0, "bbox": [1, 2]}]] * 40, [[7]] * 40])
def test_broken_boxes_name_the_file(tmp_path: Path, frames: Any) -> None:
    sample = open_dataset("vidstg", write(tmp_path, [ENTRY])).samples[0]
    (tmp_path / "v.json").write_text(json.dumps({"trajectories": frames}))
    with pytest.raises(UserError, match=r'v\.json, frame 30|"trajectories" must be a list'):
        with_boxes(sample, tmp_path / "v.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": 0}, "fps must be above 0"),
        ({"fps": "30"}, "fps must be a finite number"),
        ({"temporal_gt": {"begin_fid": 3}}, '"end_fid" is missing'),
        ({"temporal_gt": {"begin_fid": -1, "end_fid": 3}}, "temporal_gt.begin_fid must be a whole number"),
        ({"captions": {"a": 1}}, '"captions" must be a list'),
        ({"captions": [{"description": "a", "target_id": "x"}]}, "target_id must be a whole number"),
        ({"temporal_gt": {"begin_fid": 20, "end_fid": 12}}, "ends before it starts"),
    ],
)
def test_a_broken_entry_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    made = open_dataset("vidstg", write(tmp_path, [{**ENTRY, **change}, ENTRY]))
    assert [sample.id for sample in made.samples] == ["1_c0", "1_q0", "1_q1"]
    assert message in made.findings[0].message and made.findings[0].row == 1


@pytest.mark.shared_data
def test_the_official_test_file(shared_data: Path) -> None:
    folder = shared_data / "stvg" / "vidstg"
    made = open_dataset("vidstg", folder, split="test", videos=folder / "videos")
    kinds = [sample.meta["kind"] for sample in made.samples]
    assert (kinds.count("declarative"), kinds.count("interrogative")) == (4610, 5693)
    assert len({sample.video for sample in made.samples}) == 732 and made.findings == []
    info = probe(folder / "videos" / "5804131706.mp4")
    own = next(sample for sample in made.samples if sample.video == "5804131706.mp4")
    assert (own.meta["frame_count"], own.meta["size"]) == (info.frame_count, info.size)
    assert own.meta["fps"] == pytest.approx(info.fps, rel=1e-3)


@pytest.mark.shared_data
def test_official_boxes_of_two_videos_are_whole(shared_data: Path) -> None:
    """Every target has a box in every frame of its range, and its own truth gets the most of every reward."""
    samples = open_dataset("vidstg", shared_data / "stvg" / "vidstg", split="test").samples
    found = 0
    for name in ("2793806282", "11566930393"):
        for sample in samples:
            if sample.video == f"{name}.mp4":
                whole = with_boxes(sample, shared_data / "stvg" / "vidor" / f"{name}.json")
                assert whole.truth.tube is not None and not np.isnan(whole.truth.tube.boxes).any()
                assert whole.truth.tube.frames == range(*sample.meta["frames"])
                assert gold_failures(whole) == []
                found += 1
    assert found == 11
