"""Tests of grounding.datasets.assignments. Object 1's box in frame t is [2 + t, 4, 10 + t, 12] (see conftest)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Masklets, Sample, Tube, UserError, rle, save_masklets
from grounding.datasets.assignments import VERDICTS, assign_rows, assign_samples
from grounding.datasets.catalog import Opened
from grounding.datasets.records import Finding
from grounding.datasets.video_source import VideoSource

Annotate = Callable[[list[Any]], Path]


def square(x: int, y: int) -> bytes:
    mask = np.zeros((32, 48), bool)
    mask[y : y + 10, x : x + 10] = True
    return rle.encode(mask)


def boxes(x: int, y: int, frames: range) -> dict[str, list[int]]:
    return {str(t): [x, y, x + 10, y + 10] for t in frames}


@pytest.fixture
def masks(dataset_root: Path) -> str:
    """Ids 1 and 2 are the same object; 3 goes on as 4 after frame 5; each 10 x 10 pixels."""
    early, late = [square(30, 16)] * 6 + [None] * 6, [None] * 6 + [square(30, 16)] * 6
    tracks = {1: [square(2, 2)] * 12, 2: [square(2, 2)] * 12, 3: early, 4: late}
    masklets = Masklets((32, 48), 10.0, np.arange(12) / 10, {i: tuple(track) for i, track in tracks.items()})
    save_masklets(dataset_root / "report.masklets.json", masklets, overwrite=True)
    return "report.masklets.json"


def test_every_verdict_is_counted_and_the_ceiling_is_of_all_rows(annotate: Annotate, masks: str) -> None:
    base = {"video": "video.mp4", "query": "q", "masklets": masks, "interval": [0, 1.2]}
    rows = [
        {**base, "id": "twins", "boxes": boxes(2, 2, range(12))},  # ids 1 and 2 are both exact: 1
        {**base, "id": "parts", "boxes": boxes(30, 16, range(12))},  # half of the frames each: 0.5, merged 1
        {**base, "id": "gone", "boxes": boxes(15, 2, range(12))},  # nothing is there
        {**base, "id": "clear", "interval": [0, 0.6], "boxes": boxes(35, 16, range(6))},  # 50 / 150
        {**base, "id": "half", "interval": [0, 1.2], "boxes": boxes(30, 16, range(3))},  # 3 boxes, compared alone: 1
        {**base, "id": "named", "object_id": 1},
        {**base, "id": "broken", "video": "none.mp4", "boxes": boxes(2, 2, range(12))},
        b"{",
    ]
    report = assign_rows(annotate(rows), "annotations.jsonl")
    assert [row.id for row in report.rows] == ["twins", "parts", "gone", "clear", "half"]
    assert [row.found.verdict for row in report.rows] == ["ambiguous", "split", "unmatched", "ok", "ok"]
    assert report.counts == {"ok": 2, "ambiguous": 1, "split": 1, "unmatched": 1}
    assert [row.ceiling for row in report.rows] == pytest.approx([1, 0.5, 0, 1 / 3, 1])
    assert [row.merged_ceiling for row in report.rows] == pytest.approx([1, 1, 0, 1 / 3, 1])
    assert report.ceiling == pytest.approx((1 + 0.5 + 0 + 1 / 3 + 1) / 5)
    assert report.merged_ceiling == pytest.approx((1 + 1 + 0 + 1 / 3 + 1) / 5)
    assert report.given == 1
    assert [(problem.row, problem.sample_id) for problem in report.problems] == [(7, "broken"), (8, None)]


def test_an_unmatched_row_still_has_the_ceiling_of_its_best_id(annotate: Annotate, masks: str) -> None:
    # shifted by 7 of 10 from ids 1 and 2: 30 / 170 is below the least overlap, but an answer "1" would score it
    row = {"id": "a", "video": "video.mp4", "query": "q", "masklets": masks, "interval": [0, 1.2]}
    report = assign_rows(annotate([{**row, "boxes": boxes(9, 2, range(12))}]), "annotations.jsonl")
    assert report.rows[0].found.verdict == "unmatched"
    assert report.ceiling == pytest.approx(30 / 170)


def test_a_row_as_json(annotate: Annotate, masks: str) -> None:
    row = {"id": "parts", "video": "video.mp4", "query": "q", "masklets": masks, "interval": [0, 1.2]}
    (found,) = assign_rows(annotate([{**row, "boxes": boxes(30, 16, range(12))}]), "annotations.jsonl").rows
    assert found.to_json() == {
        "id": "parts",
        "row": 1,
        "verdict": "split",
        "object_id": 3,
        "best_id": 3,
        "overlap": 0.5,
        "votes": 0.5,
        "runner_up": None,
        "runner_up_overlap": 0.0,
        "parts": [3, 4],
        "merged_overlap": 1.0,
        "ceiling": 0.5,
        "merged_ceiling": 1.0,
    }


def test_splits_and_progress(annotate: Annotate, masks: str) -> None:
    base = {
        "video": "video.mp4",
        "query": "q",
        "masklets": masks,
        "interval": [0, 1.2],
        "boxes": boxes(2, 2, range(12)),
    }
    root = annotate([{**base, "id": "a", "split": "train"}, {**base, "id": "b", "split": "test"}])
    seen: list[str] = []
    report = assign_rows(
        root, "annotations.jsonl", split="test", progress=lambda rows: (seen.append(row.id) or row for row in rows)
    )
    assert [row.id for row in report.rows] == seen == ["b"]
    with pytest.raises(UserError, match="no row has the split 'val'; choose one of: test, train"):
        assign_rows(root, "annotations.jsonl", split="val")


def test_without_a_row_to_assign_it_says_so(annotate: Annotate, good_row: dict[str, Any]) -> None:
    report = assign_rows(annotate([good_row]), "annotations.jsonl")  # it names its object
    assert (report.given, report.rows, report.ceiling, report.merged_ceiling) == (1, [], None, None)
    broken = {**good_row, "object_id": None, "boxes": {"99": [1, 1, 2, 2]}}
    with pytest.raises(
        UserError, match=r"of 1 rows; the first problem: annotations\.jsonl, row 1 \(fine\): .*frame 99"
    ):
        assign_rows(annotate([broken]), "annotations.jsonl")


def asked(name: str, row: int, frames: range, x: int, y: int, **truth: Any) -> Sample:
    """A sample about the square at (x, y)."""
    tube = Tube(frames.start, np.array([[x, y, x + 10, y + 10]] * len(frames), float))
    answer = Answer(Interval(frames.start / 10, frames.stop / 10), tube=tube, **truth)
    return Sample(name, "video.mp4", "q", answer, {"row": row})


def test_samples_of_a_public_dataset(dataset_root: Path, tmp_path: Path, masks: str) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "video.masklets.json").write_bytes((dataset_root / masks).read_bytes())
    samples = [
        asked("late", 4, range(6, 14), 30, 16),  # the video has 12 frames: id 4 has all of the six that are left
        asked("parts", 3, range(12), 30, 16),  # ids 3 and 4, half of the frames each
        asked("named", 2, range(12), 2, 2, object_id=1),
        Sample("query", "video.mp4", "q", Answer(), {"row": 6}),
        Sample("lost", "none.mp4", "q", Answer(), {"row": 5}),
    ]
    refused = Finding("end_before_start", "rejected", 1, "bad", "ends before it begins")
    opened = Opened("hcstvg", Path("train.json"), samples, [refused], 6)
    seen: list[str] = []
    report = assign_samples(
        VideoSource(samples, dataset_root, folder),
        opened,
        progress=lambda them: (seen.append(one.id) or one for one in them),
    )
    assert sorted(seen) == ["late", "lost", "named", "parts", "query"]
    assert [(row.id, row.row, row.found.verdict, row.found.parts) for row in report.rows] == [
        ("parts", 3, "split", (3, 4)),
        ("late", 4, "ok", (4,)),
    ]
    assert [row.ceiling for row in report.rows] == pytest.approx([0.5, 1])
    assert (report.ceiling, report.merged_ceiling, report.given) == (pytest.approx(0.75), pytest.approx(1), 1)
    assert [(problem.row, problem.sample_id) for problem in report.problems] == [(1, "bad"), (5, "lost"), (6, "query")]
    assert "does not say when and where" in report.problems[2].message
    with pytest.raises(
        UserError, match=r"no row has boxes that could be assigned, of 6 rows; the first problem: .*bad"
    ):
        assign_samples(VideoSource(samples[3:], dataset_root, folder), opened)


def test_the_verdicts() -> None:
    assert VERDICTS == ("ok", "ambiguous", "split", "unmatched")
