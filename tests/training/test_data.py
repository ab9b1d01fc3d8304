"""The data of a run: what is missing or wrong, which samples train and are held out, and rows that are left out."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Masklets, Sample, UserError, UserErrors, write_video
from grounding.datasets.catalog import DATASETS
from grounding.datasets.jsonl import JsonlSource
from grounding.datasets.records import Cleaning
from grounding.datasets.toy import HELD_OUT, PER_SEED, ToySource, toy_source
from grounding.datasets.toy_export import export_toy
from grounding.datasets.toy_visits import FlawedSource
from grounding.datasets.video_source import VideoSource
from grounding.tasks.box import BOX
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG, VTG_VISITS
from grounding.training.data import (
    DATA,
    CleaningConfig,
    DataConfig,
    DatasetConfig,
    JsonlConfig,
    ToyConfig,
    check_data,
    open_held_out,
    open_sources,
    skips,
    warmup_first_clip,
)

USABLE = {"hcstvg", "vidstg"}


@pytest.fixture
def data(hcstvg: Path) -> DatasetConfig:
    """Right in all."""
    own = {
        "root": str(hcstvg / "videos"),
        "annotations": str(hcstvg / "annotations"),
        "masklets": str(hcstvg / "masks"),
    }
    return DatasetConfig("hcstvg", **own, train_split="train", eval_split="val")  # type: ignore[arg-type]


def test_every_dataset_of_the_catalog_can_be_named() -> None:
    assert list(DATA) == ["toy", "rooms", "jsonl", *DATASETS]
    assert all(DATA[name].name == name for name in DATA)


def test_the_cleaning_is_that_of_the_catalog() -> None:
    assert vars(CleaningConfig()) == vars(Cleaning())


def test_what_is_right_passes(data: DatasetConfig, hcstvg: Path) -> None:
    assert check_data(data, STVG) == []
    file = str(hcstvg / "annotations" / "val_v2.json")
    assert check_data(replace(data, annotations=file, train_split=None, eval_split=None), STVG) == []


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in USABLE])
def test_a_dataset_that_the_task_cannot_use_says_what_it_lacks(name: str) -> None:
    """At once, with all else still missing."""
    (line,) = check_data(DATA[name], STVG)
    assert line.startswith(f"data={name} has no ") and "task=stvg" in line
    assert line.endswith("choose one of hcstvg, vidstg, jsonl, toy")


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("charades", "data=charades has no tube or object_id in its truths (interval), which"),
        ("refytvos", "data=refytvos has no interval in its truths (object_id, region), which"),
        ("mevis", "data=mevis has no interval and no tube or object_id in its truths (object_ids, region), which"),
        ("nextgqa", "data=nextgqa has no interval and no tube or object_id in its truths (intervals, choices), which"),
    ],
)
def test_what_a_dataset_lacks(name: str, lacks: str) -> None:
    assert check_data(DATA[name], STVG)[0].startswith(lacks)


@pytest.mark.parametrize("name", sorted(USABLE))
def test_what_is_missing_is_told_with_all_that_is_needed(name: str) -> None:
    needs = f"is missing; data={name} needs data.root=DIR data.annotations=FILE data.masklets=DIR"
    assert check_data(DATA[name], STVG) == [f"data.{one} {needs}" for one in ("root", "annotations", "masklets")]
    assert check_data(JsonlConfig(root="x"), STVG) == [
        "data.annotations is missing; data=jsonl needs data.root=DIR data.annotations=FILE"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": "no/where"}, "data.root must be a folder, got 'no/where', which is none"),
        ({"masklets": "no/where"}, "data.masklets must be a folder, got 'no/where', which is none"),
        ({"annotations": "no/where"}, "data.annotations=no/where is neither a file nor a folder; mend the path"),
        ({"train_split": "test"}, "none of test.json, test_v2.json, testv2.json, test_proc.json"),
        ({"eval_split": "../val"}, "data.eval_split: a split must be a plain name such as train or val"),
        ({"eval_split": None}, "data.eval_split: no annotations of hcstvg in the folder"),
        ({"boxes": "."}, "data.boxes is for data=vidstg, whose boxes are in VidOR's files; leave it out for hcstvg"),
        ({"cleaning": CleaningConfig(box="mend")}, "data.cleaning.box must be one of keep, clamp, reject, got 'mend'"),
        ({"on_error": "pass"}, "data.on_error must be one of stop, skip, got 'pass'"),
        ({"backend": "vlc"}, "data.backend must be one of auto, pyav, torchcodec, decord, got 'vlc'"),
        ({"max_pixels": 1}, "data.max_pixels must be at least 784 (28 x 28), got 1"),
        ({"fps": float("nan")}, "data.fps must be > 0, got nan"),
        ({"max_frames": 1}, "data.max_frames must be at least 2, got 1"),
        ({"name": "hcstgv"}, "data.name must be one of toy, rooms, jsonl, hcstvg, vidstg"),
    ],
)
def test_a_single_mistake_is_one_line(data: DatasetConfig, change: dict[str, Any], message: str) -> None:
    (line,) = check_data(replace(data, **change), STVG)
    assert message in line and "\n" not in line


def test_a_file_has_no_splits(data: DatasetConfig, hcstvg: Path) -> None:
    file = str(hcstvg / "annotations" / "val_v2.json")
    lines = check_data(replace(data, annotations=file, train_split=None), STVG)
    assert lines == [f"data.eval_split=val needs the folder of all splits, but data.annotations={file} is a file"]


def test_several_mistakes_come_together(data: DatasetConfig) -> None:
    wrong = replace(data, train_split="x", eval_split="y", fps=0.0, cleaning=CleaningConfig(empty="no"))
    names = ["data.fps", "data.cleaning.empty", "data.train_split", "data.eval_split"]
    assert [line.startswith(name) for line, name in zip(check_data(wrong, STVG), names, strict=True)] == [True] * 4


def test_all_files_share_their_options() -> None:
    own = {field.name for field in fields(DatasetConfig)} - {field.name for field in fields(JsonlConfig)}
    assert own == {"masklets", "boxes", "cleaning"}


def test_a_task_that_draws_no_ids_can_use_all_that_say_when(hcstvg: Path) -> None:
    line = check_data(DATA["scanrefer"], VTG)[0]
    assert line.startswith(
        "data=scanrefer has no interval or intervals in its truths (object_id), which task=vtg needs; choose one"
    )
    able = line.rpartition("choose one of ")[2].split(", ")
    assert {
        "hcstvg",
        "vidstg",
        "charades",
        "activitynet",
        "timelens",
        "timerft",
        "qvhighlights",
        "jsonl",
        "toy",
    } <= set(able)
    needs = "is missing; data=charades needs data.root=DIR data.annotations=FILE"
    assert check_data(DATA["charades"], VTG) == [f"data.{one} {needs}" for one in ("root", "annotations")]


def test_a_task_that_no_dataset_is_for_names_those_of_ones_own() -> None:
    (line,) = check_data(DATA["vidstg"], BOX)
    assert line.endswith("which task=box needs; choose one of jsonl, toy")


def test_a_task_without_toy_questions_cannot_use_the_toy_world() -> None:
    (line,) = check_data(ToyConfig(), replace(VTG, toy=None))
    assert line == "data=toy cannot ask what task=vtg asks; choose other data"


PIXELS = 84 * 84
WARMUP_CLIPS = 10_000 * 64  # far more than a warm-up ever sees


def numbers(source: Any) -> range:
    assert isinstance(source, ToySource)
    return source.numbers


def overlap(left: range, right: range) -> bool:
    return max(left.start, right.start) < min(left.stop, right.stop)


def clip_ranges(seed: int) -> list[range]:
    """Training, warm-up and held-out clips of a seed."""
    sources = open_sources(ToyConfig(), STVG, seed, PIXELS)
    first = warmup_first_clip(seed)
    return [numbers(sources.train), range(first, first + WARMUP_CLIPS), numbers(sources.held_out)]


@pytest.mark.parametrize("seed", [0, 1, 2, 1234])
def test_training_warmup_and_held_out_share_no_clip(seed: int) -> None:
    train, warmup, held_out = clip_ranges(seed)
    assert not overlap(train, warmup)
    assert not overlap(train, held_out)
    assert not overlap(warmup, held_out)
    assert train.start >= HELD_OUT.stop
    assert held_out.start in HELD_OUT
    assert held_out[-1] in HELD_OUT


def test_seeds_share_no_training_clip_and_all_held_out_ones() -> None:
    ranges = {seed: clip_ranges(seed) for seed in range(4)}
    for seed in range(4):
        for other in range(seed):
            for mine in ranges[seed][:2]:
                assert not any(overlap(mine, theirs) for theirs in ranges[other][:2])
            assert ranges[seed][2] == ranges[other][2]


def test_the_largest_training_set_still_leaves_the_warmup_its_clips() -> None:
    train = numbers(open_sources(ToyConfig(train_clips=PER_SEED // 2), STVG, 3, PIXELS).train)
    assert train.stop <= warmup_first_clip(3)
    assert warmup_first_clip(3) + WARMUP_CLIPS <= numbers(open_sources(ToyConfig(), STVG, 4, PIXELS).train).start


def test_the_toy_world_is_as_configured() -> None:
    sources = open_sources(ToyConfig(level=2, objects=4, fps=1.0, train_clips=7, eval_samples=5), STVG, 0, PIXELS)
    assert (len(sources.train.samples), len(sources.held_out.samples)) == (7, 5)
    for source in (sources.train, sources.held_out):
        assert (source.level, source.objects, source.fps) == (2, 4, 1.0)  # type: ignore[attr-defined]
    assert sources.skipped == []


def test_only_training_clips_are_annotated_in_part_but_others_are_as_hard() -> None:
    toy = ToyConfig(repeats=True, partial=0.3, hard=0.2, train_clips=50)
    sources = open_sources(toy, VTG_VISITS, 0, PIXELS)
    assert isinstance(sources.train, FlawedSource) and (sources.train.partial, sources.train.hard) == (0.3, 0.2)
    assert sources.train.numbers == numbers(
        open_sources(replace(toy, partial=0.0, hard=0.0), VTG_VISITS, 0, PIXELS).train
    )
    assert isinstance(sources.held_out, FlawedSource) and sources.held_out.toy is VTG_VISITS.toy
    assert (sources.held_out.partial, sources.held_out.hard) == (0.0, 0.2)
    assert type(open_sources(replace(toy, hard=0.0), VTG_VISITS, 0, PIXELS).held_out) is ToySource


def test_a_source_nobody_knows_is_our_fault() -> None:
    with pytest.raises(TypeError, match="DataConfig"):
        open_sources(DataConfig(name="x"), STVG, 0, PIXELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six toy clips: three of the split train, two of val, one of none."""
    root = tmp_path_factory.mktemp("own") / "data"
    annotations = export_toy(toy_source(HELD_OUT.stop, 6, fps=4.0), root)
    rows = [json.loads(line) for line in annotations.read_text().splitlines()]
    for row, split in zip(rows, ["train", "val", "train", "val", "train", None], strict=True):
        row |= {"split": split} if split else {}
    (root / "split.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows[4]["video"] = "videos/gone.mp4"
    (root / "broken.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def own(folder: Path, **options: Any) -> JsonlConfig:
    return JsonlConfig(root=str(folder), **{"annotations": "split.jsonl", **options})


def ids(source: Any) -> list[str]:
    assert isinstance(source, JsonlSource)
    return [sample.id for sample in source.samples]


def test_jsonl_splits(folder: Path) -> None:
    sources = open_sources(own(folder, train_split="train", eval_split="val"), STVG, 0, PIXELS)
    names = [f"toy-1-3-{HELD_OUT.stop + k}" for k in range(6)]
    assert ids(sources.train) == [names[0], names[2], names[4]]
    assert ids(sources.held_out) == [names[1], names[3]]


@pytest.mark.parametrize("split", [None, "val"])
def test_held_out_alone_is_the_same(folder: Path, split: str | None) -> None:
    data = own(folder, train_split="train", eval_split=split, eval_samples=2)
    source, skipped = open_held_out(data, STVG, PIXELS)
    assert ids(source) == ids(open_sources(data, STVG, 0, PIXELS).held_out)
    assert (len(ids(source)), skipped) == (2, [])
    toy = ToyConfig(eval_samples=7, level=2)
    assert open_held_out(toy, STVG, PIXELS) == (open_sources(toy, STVG, 3, PIXELS).held_out, [])


def test_held_out_alone_needs_no_training_data(folder: Path) -> None:
    data = own(folder, annotations="broken.jsonl", train_split="none such", eval_split="val", on_error="skip")
    source, skipped = open_held_out(data, STVG, PIXELS)  # the broken row is of the split train
    assert (len(ids(source)), skipped) == (2, [])
    whole, skipped = open_held_out(own(folder, annotations="broken.jsonl", on_error="skip"), STVG, PIXELS)
    assert (len(ids(whole)), len(skipped)) == (5, 1)
    with pytest.raises(TypeError, match="DataConfig"):
        open_held_out(DataConfig(name="x"), STVG, PIXELS)


def test_jsonl_without_splits_trains_and_evaluates_every_row(folder: Path) -> None:
    sources = open_sources(own(folder), STVG, 0, PIXELS)
    assert len(ids(sources.train)) == 6
    assert ids(sources.held_out) == ids(sources.train)


def test_fewer_held_out_rows_are_the_same_in_every_run(folder: Path) -> None:
    chosen = [ids(open_sources(own(folder, eval_samples=3), STVG, seed, PIXELS).held_out) for seed in (0, 1, 2)]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(set(chosen[0])) == 3
    assert set(chosen[0]) < set(ids(open_sources(own(folder), STVG, 0, PIXELS).train))


def test_frames_are_brought_to_what_the_model_looks_at(folder: Path) -> None:
    small = open_sources(own(folder), STVG, 0, 42 * 42).train
    height, width = small.load(small.samples[0]).clip.frames.shape[1:3]
    assert height * width <= 42 * 42
    told = open_sources(own(folder, max_pixels=28 * 28), STVG, 0, 42 * 42).train
    height, width = told.load(told.samples[0]).clip.frames.shape[1:3]
    assert height * width <= 28 * 28


def test_broken_rows_stop_or_are_skipped_once(folder: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.mp4"):
        open_sources(own(folder, annotations="broken.jsonl"), STVG, 0, PIXELS)
    sources = open_sources(own(folder, annotations="broken.jsonl", on_error="skip"), STVG, 0, PIXELS)
    assert len(ids(sources.train)) == 5
    assert len(sources.skipped) == 1  # though the same row is read for training and for evaluation
    assert "gone.mp4" in sources.skipped[0].line()


def test_splits_are_merged_for_training_only(folder: Path) -> None:
    merging = open_sources(
        JsonlConfig(root=str(folder), annotations="annotations.jsonl", merge_splits=True), STVG, 0, PIXELS
    )
    assert (merging.train.merge_splits, merging.held_out.merge_splits) == (True, False)  # type: ignore[attr-defined]
    plain = open_sources(JsonlConfig(root=str(folder), annotations="annotations.jsonl"), STVG, 0, PIXELS)
    assert (plain.train.merge_splits, plain.held_out.merge_splits) == (False, False)  # type: ignore[attr-defined]


def public(root: Path, **options: Any) -> DatasetConfig:
    """HC-STVG of the fixture, a split each to train and to evaluate with."""
    paths = {"root": root / "videos", "annotations": root / "annotations", "masklets": root / "masks"}
    own = {name: str(path) for name, path in paths.items()}
    return DatasetConfig(**{"name": "hcstvg", **own, "train_split": "train", "eval_split": "val", **options})


def names(source: Any) -> list[str]:
    assert isinstance(source, VideoSource)
    return [sample.id for sample in source.samples]


def test_the_splits_of_a_public_dataset(hcstvg: Path) -> None:
    sources = open_sources(public(hcstvg), STVG, 0, PIXELS)
    assert names(sources.train) == ["a.mp4", "b.mp4", "c.mp4"]
    assert names(sources.held_out) == ["d.mp4", "e.mp4"] and sources.skipped == []
    assert names(open_held_out(public(hcstvg, train_split="none such"), STVG, PIXELS)[0]) == ["d.mp4", "e.mp4"]
    assert len(names(open_sources(public(hcstvg, eval_samples=1), STVG, 0, PIXELS).held_out)) == 1


def test_a_task_that_draws_no_ids_needs_no_masks(hcstvg: Path) -> None:
    data = public(hcstvg, masklets="", train_split="train", fps=5.0, max_frames=3)
    train = open_sources(data, VTG, 0, PIXELS).train
    loaded = train.load(train.samples[0])
    assert loaded.sample.truth.interval == Interval(0.2, 0.5)
    assert (loaded.masklets.tracks, len(loaded.clip)) == ({}, 3)
    assert names(open_held_out(data, VTG, PIXELS)[0]) == ["d.mp4", "e.mp4"]
    given = open_sources(replace(data, masklets=str(hcstvg / "no")), VTG, 0, PIXELS)  # not looked at
    assert names(given.train) == ["a.mp4", "b.mp4", "c.mp4"]


def test_rows_of_ones_own_need_no_masks_for_a_task_that_draws_no_ids(hcstvg: Path, tmp_path: Path) -> None:
    row = {"id": "a", "video": "part1/a.mp4", "query": "the man runs", "interval": [0.2, 0.5]}
    outside = row | {"id": "b", "interval": [0.2, 5.0]}
    marked = row | {"id": "c", "masklets": "no/where", "object_id": 77}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (row, outside, marked)))
    data = JsonlConfig(root=str(hcstvg / "videos"), annotations=str(tmp_path / "rows.jsonl"), on_error="skip")
    sources = open_sources(data, VTG, 0, PIXELS)
    assert [problem.row for problem in sources.skipped] == [2]
    for sample in sources.train.samples:
        loaded = sources.train.load(sample)
        assert loaded.sample.truth == Answer(Interval(0.2, 0.5))
        assert loaded.masklets.tracks == {}
    with pytest.raises(UserErrors, match='"masklets" is missing; add it'):
        open_sources(replace(data, on_error="stop"), STVG, 0, PIXELS)


def test_a_sample_of_hcstvg_is_whole(hcstvg: Path) -> None:
    """The video is found below its root, and the object by its boxes: left 4, top 4, 10 wide and high."""
    train = open_sources(public(hcstvg, fps=5.0, max_frames=3, max_pixels=16 * 24), STVG, 0, PIXELS).train
    loaded = train.load(train.samples[0])
    truth = loaded.sample.truth
    assert (loaded.sample.video, loaded.sample.query) == ("part1/a.mp4", "The man runs.")
    assert (truth.interval, truth.object_id) == (Interval(0.2, 0.5), 4)
    assert truth.tube is not None and truth.tube.frames == range(2, 5)
    assert truth.tube.boxes.tolist() == [[4, 4, 14, 14]] * 3
    assert loaded.clip.frames.shape == (3, 16, 24, 3) and loaded.masklets.ids == [4, 6]


def test_a_public_dataset_goes_to_other_processes(hcstvg: Path) -> None:
    train = open_sources(public(hcstvg), STVG, 0, PIXELS).train
    again = pickle.loads(pickle.dumps(train))
    assert again.load(again.samples[2]).sample.truth.object_id == 4


def test_only_rows_that_are_evaluated_are_checked(hcstvg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks of thousands of videos take long to read."""
    read = list[str]()
    masklets_of = VideoSource.masklets_of

    def noting(source: VideoSource, video: str) -> Masklets:
        read.append(video)
        return masklets_of(source, video)

    monkeypatch.setattr(VideoSource, "masklets_of", noting)
    source, _ = open_held_out(public(hcstvg, eval_samples=1), STVG, PIXELS)
    assert [sample.video for sample in source.samples] == read and len(read) == 1


def test_how_far_the_check_is_can_be_shown(hcstvg: Path) -> None:
    shown = list[str]()

    def progress(samples: Sequence[Sample]) -> Iterator[Sample]:
        for sample in samples:
            shown.append(sample.id)
            yield sample

    open_sources(public(hcstvg), STVG, 0, PIXELS, progress)
    assert shown == ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]


def test_one_annotation_file_trains_and_evaluates_alike(hcstvg: Path) -> None:
    file = str(hcstvg / "annotations" / "train_v2.json")
    sources = open_sources(public(hcstvg, annotations=file, train_split=None, eval_split=None), STVG, 0, PIXELS)
    assert names(sources.train) == names(sources.held_out) == ["a.mp4", "b.mp4", "c.mp4"]
    merging = open_sources(public(hcstvg, merge_splits=True), STVG, 0, PIXELS)
    assert (merging.train.merge_splits, merging.held_out.merge_splits) == (True, False)  # type: ignore[attr-defined]


def test_rows_of_a_public_dataset_that_cannot_be_used_stop_or_are_skipped(hcstvg: Path) -> None:
    data = public(hcstvg, train_split="part")
    with pytest.raises(UserErrors) as caught:
        open_sources(data, STVG, 0, PIXELS)
    (row,) = caught.value.errors
    assert row.startswith(f"{hcstvg}/annotations/part_v2.json, row 2 (gone.mp4): 'gone.mp4' not found in")
    assert row.endswith("; or leave the row out with data.on_error=skip")
    sources = open_sources(public(hcstvg, train_split="part", eval_split="part", on_error="skip"), STVG, 0, PIXELS)
    assert names(sources.train) == ["f.mp4"] and [one.sample_id for one in sources.skipped] == ["gone.mp4"]


def test_truths_that_cannot_be_right_follow_the_cleaning(hcstvg: Path, tmp_path: Path) -> None:
    """Of a video of 10 frames; the seconds of the second row end before they start, but its boxes say when."""
    rows = json.loads((hcstvg / "annotations" / "train_v2.json").read_text())
    rows["b.mp4"] |= {"st_time": 0.5, "ed_time": 0.2}
    rows["c.mp4"] |= {"st_frame": 9, "st_time": 0.8, "ed_time": 1.1}
    (tmp_path / "train.json").write_text(json.dumps(rows))
    data = public(hcstvg, annotations=str(tmp_path), eval_split="train", on_error="skip")
    sources = open_sources(data, STVG, 0, PIXELS)
    assert names(sources.train) == ["a.mp4", "b.mp4", "c.mp4"] and sources.skipped == []
    for place, first, last in ((1, 2, 5), (2, 8, 10)):
        truth = sources.train.load(sources.train.samples[place]).sample.truth
        assert truth.interval is not None and truth.tube is not None and truth.tube.frames == range(first, last)
        assert (truth.interval.start, truth.interval.end) == pytest.approx((first / 10, last / 10))
    data.cleaning = CleaningConfig(beyond="reject")
    sources = open_sources(data, STVG, 0, PIXELS)
    assert names(sources.train) == ["a.mp4", "b.mp4"]
    assert [(one.row, one.sample_id) for one in sources.skipped] == [(3, "c.mp4")]


def test_a_split_or_file_that_is_not_there_is_one_line(hcstvg: Path) -> None:
    for wrong in (
        {"train_split": "test"},
        {"annotations": str(hcstvg / "none.json")},
        {"masklets": str(hcstvg / "no")},
    ):
        with pytest.raises(UserError) as caught:
            open_sources(public(hcstvg, **wrong), STVG, 0, PIXELS)
        assert "\n" not in str(caught.value)


def test_vidstg_has_its_boxes_from_vidor(tmp_path: Path) -> None:
    """10 frames at 10 a second, seen from frame 2 on; the truth is frames 4 to 6, frames 2 to 4 of what is seen."""
    write_video(tmp_path / "videos" / "9.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    box = {"xmin": 4, "ymin": 4, "xmax": 14, "ymax": 14}
    (tmp_path / "vidor").mkdir()
    frames = [[{"tid": 3, "bbox": box}]] * 10
    (tmp_path / "vidor" / "9.json").write_text(json.dumps({"height": 32, "width": 48, "trajectories": frames}))
    entry = {"vid": "9", "fps": 10, "frame_count": 10, "width": 48, "height": 32}
    entry |= {"used_segment": {"begin_fid": 2, "end_fid": 9}, "temporal_gt": {"begin_fid": 4, "end_fid": 7}}
    entry |= {"questions": [{"description": "who runs?", "type": "subject", "target_id": 3}]}
    (tmp_path / "val_annotations.json").write_text(json.dumps([entry]))
    options = {"name": "vidstg", "annotations": str(tmp_path), "masklets": str(tmp_path / "vidor")}
    for boxes in ("", str(tmp_path / "vidor")):
        source, _ = open_held_out(public(tmp_path, **options, boxes=boxes), STVG, PIXELS)
        loaded = source.load(source.samples[0])
        truth = loaded.sample.truth
        assert truth.object_id == 4 and truth.tube is not None and truth.tube.frames == range(2, 5)
        assert truth.interval is not None
        assert (truth.interval.start, truth.interval.end) == pytest.approx((0.2, 0.5))
        assert len(loaded.masklets.pts) == 7  # 9 - 2


@pytest.mark.shared_data
def test_official_rows_of_charades_with_their_video(shared_data: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    paths = {"root": str(folder / "videos"), "annotations": str(folder / "charades_test.json")}
    data = DatasetConfig("charades", **paths, on_error="skip", eval_samples=3720, max_frames=8)  # type: ignore[arg-type]
    sources = open_sources(data, VTG, 0, PIXELS)
    assert (len(sources.train.samples), len(sources.skipped)) == (6, 3714)  # one video of 1,334, with six queries
    few = open_sources(replace(data, eval_samples=4), VTG, 0, PIXELS).held_out.samples
    assert [one.video for one in few] == ["OHOFG.mp4"] * 4  # rows whose videos are not there are made up for
    loaded = sources.train.load(sources.train.samples[0])
    assert loaded.sample.video == "OHOFG.mp4" and len(loaded.clip) == 8
    assert loaded.sample.truth.parts == ["interval"] and loaded.masklets.tracks == {}


@pytest.mark.parametrize(
    ("data", "allowed"),
    [(ToyConfig(), False), (DatasetConfig("hcstvg", on_error="stop"), False), (JsonlConfig(on_error="skip"), True)],
)
def test_whether_broken_rows_are_left_out(data: DataConfig, allowed: bool) -> None:
    assert skips(data) is allowed
