"""Tests of grounding.datasets.validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample, Tube, write_video
from grounding.datasets.catalog import Opened, open_dataset
from grounding.datasets.records import Finding
from grounding.datasets.validation import Report, duplicates, source_of, validate


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good.mp4`: 20 frames of 48 x 32 pixels, 2 s; `text.mp4` is none, `lost.mp4` not there."""
    root = tmp_path_factory.mktemp("videos")
    write_video(root / "good.mp4", [np.full((32, 48, 3), 10 * t, np.uint8) for t in range(20)], 10.0)
    (root / "text.mp4").write_text("this is not a video")
    return root


def sample(name: str = "a", video: str = "good.mp4", query: str = "q", meta: Any = None, **truth: Any) -> Sample:
    return Sample(name, video, query, Answer(**(truth or {"interval": Interval(0, 1)})), {"row": 1, **(meta or {})})


def opened(*samples: Sample) -> Opened:
    return Opened("charades", Path("a.json"), samples, [], len(samples))


def messages(report: Report, kind: str) -> list[str]:
    return [one.message for one in report.findings if one.kind == kind]


def test_a_good_dataset_has_no_findings(videos: Path) -> None:
    good = sample(meta={"duration": 2.0, "frame_count": 20, "size": (32, 48)})
    report = validate(opened(good), videos=videos)
    assert (report.findings, report.videos, report.leakage) == ([], {"named": 1, "good": 1}, {})
    assert (report.rows, report.kept, report.counts) == (1, 1, {})


def test_a_video_that_was_not_downloaded_whole_is_a_finding(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 32, 48, 3), np.uint8)
    write_video(tmp_path / "part.mp4", noise, 10.0)
    whole = (tmp_path / "part.mp4").read_bytes()
    (tmp_path / "part.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    report = validate(opened(sample(video="part.mp4", interval=Interval(0, 0.2))), videos=tmp_path)
    assert report.videos == {"named": 1, "good": 1}
    assert "part.mp4: its header promises" in messages(report, "video")[0]


def test_each_video_is_looked_at_once(videos: Path) -> None:
    shown: list[Sequence[str]] = []

    def progress(names: Sequence[str]) -> Sequence[str]:
        shown.append(names)
        return names

    files = ["good.mp4", "text.mp4", "lost.mp4", "good.mp4", "lost.mp4", "text.mp4"]
    samples = [sample(str(place), file, f"query {place}") for place, file in enumerate(files)]
    report = validate(opened(*samples), videos=videos, progress=progress)
    assert shown == [["good.mp4", "text.mp4", "lost.mp4"]]
    assert report.videos == {"named": 3, "good": 1, "unreadable": 1, "missing": 1}
    first, second = messages(report, "video")
    assert "text.mp4" in first and "no video" in first
    assert "'lost.mp4' not found" in second


def test_what_the_annotation_says_otherwise(videos: Path) -> None:
    wrong = sample(meta={"duration": 3.5, "frame_count": 19, "size": (32, 64)})
    lines = messages(validate(opened(wrong), videos=videos), "video")
    assert lines == [
        "good.mp4: lasts 2.00 s, the annotation says 3.50 s",
        "good.mp4: has 20 frames, the annotation says 19",
        "good.mp4: is 48 x 32 pixels, the annotation says 64 x 32",
    ]
    near = sample(meta={"duration": 2.9})
    assert validate(opened(near), videos=videos).findings == []  # rounded up to a second is no mistake


def test_truths_past_the_end_of_the_file(videos: Path) -> None:
    late = sample(interval=Interval(1, 2.35))
    just = sample("b", query="other", interval=Interval(1, 2.09))  # by less than a frame
    boxes = sample("c", query="third", tube=Tube(19, np.array([[0, 0, 4, 4], [0, 0, 4, 4]])))
    report = validate(opened(late, just, boxes), videos=videos)
    assert messages(report, "beyond") == [
        "ends 0.35 s after the file, which lasts 2.00 s",
        "has boxes up to frame 20, the file has 20 frames",
    ]


def test_without_a_folder_no_video_is_looked_at() -> None:
    report = validate(opened(sample(video="lost.mp4")))
    assert (report.videos, report.findings) == ({"named": 1}, [])


def test_duplicates_are_the_same_video_query_and_truth() -> None:
    samples = [
        sample("a", query="The man  runs"),
        sample("b", query="the man runs"),
        sample("c", query="the man runs", interval=Interval(0, 2)),
        sample("d", video="other.mp4", query="the man runs"),
        sample("e", query="x", tube=Tube(0, np.zeros((1, 4)))),
        sample("f", query="x", tube=Tube(0, np.ones((1, 4)))),
        sample("g", query="x", tube=Tube(0, np.ones((1, 4)))),
        sample("h", query="y", meta={"segment": (0.0, 1.0)}),
        sample("i", query="y", meta={"segment": (0.0, 2.0)}),
        sample("j", query="y", meta={"frame": 3}),
    ]
    assert [(one.sample_id, one.message) for one in duplicates(samples)] == [
        ("b", "the same video, query and truth as a"),
        ("g", "the same video, query and truth as f"),
    ]


@pytest.mark.parametrize(
    ("video", "source"),
    [
        ("1/AO8RW.mp4", "AO8RW"),
        ("v_uqiMw7tQ1Cc.mkv", "uqiMw7tQ1Cc"),
        ("NUsG9BgSes0_210.0_360.0.mp4", "NUsG9BgSes0"),
        ("a_b_3_4.mp4", "a_b"),
        ("3_5MxjqHfkWFI.mp4", "3_5MxjqHfkWFI"),
        ("scene0000_00", "scene0000_00"),
    ],
)
def test_what_a_video_was_cut_from(video: str, source: str) -> None:
    assert source_of(video) == source


def test_leakage_between_splits_by_video() -> None:
    train = [sample("x", "v_abc.mp4"), sample("y", "only.mp4")]
    report = validate(opened(sample(video="part/abc.mkv"), sample("b", "z.mp4", "r")), others={"train": train, "b": []})
    assert report.leakage == {"train": ["part/abc.mkv"], "b": []}


def test_checks_of_ones_own_and_the_gold_check() -> None:
    empty = sample(interval=Interval(1, 1))
    assert any("temporal_iou gives 0.000" in line for line in messages(validate(opened(empty)), "gold"))
    assert messages(validate(opened(sample()), checks=[lambda one: [f"{one.id} is odd"]]), "gold") == ["a is odd"]


def test_a_report_in_numbers_and_as_json() -> None:
    found = [Finding("beyond", "clamped", n, str(n), "m", amount) for n, amount in enumerate([0.5, 2.0, 1.0])]
    report = Report("charades", "a.json", 4, 3, [*found, Finding("query", "rejected", 9, None, "null")])
    assert report.counts == {("beyond", "clamped"): 3, ("query", "rejected"): 1}
    assert report.amounts("beyond") == (1.0, 2.0) and report.amounts("query") == (0.0, 0.0)
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["counts"][0] == {"kind": "beyond", "action": "clamped", "rows": 3}
    assert value["findings"][3] == {
        "kind": "query",
        "action": "rejected",
        "row": 9,
        "sample_id": None,
        "message": "null",
        "amount": None,
    }


@pytest.mark.shared_data
def test_the_one_charades_video(shared_data: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    made = open_dataset("charades", folder, split="test", videos=folder / "videos")
    mine = [one for one in made.samples if one.video == "OHOFG.mp4"]
    report = validate(Opened("charades", made.file, mine, [], len(mine)), videos=folder / "videos")
    assert report.findings == [] and report.videos == {"named": 1, "good": 1}
    bench = open_dataset("tvgbench", shared_data / "vtg" / "tvgbench").samples
    assert len(validate(made, others={"tvgbench": bench}).leakage["tvgbench"]) == 120
