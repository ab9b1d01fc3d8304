"""Tests of grounding.datasets.video_source."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from grounding.core import (
    Answer,
    Interval,
    Masklets,
    Sample,
    Source,
    Tube,
    UserError,
    UserErrors,
    rle,
    save_masklets,
    write_video,
)
from grounding.datasets.catalog import Opened, open_dataset
from grounding.datasets.media import ClipOptions
from grounding.datasets.records import Finding
from grounding.datasets.truth import completed
from grounding.datasets.video_source import VideoSource, masks_by_name, usable
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG

SQUARE = [4.0, 4.0, 14.0, 14.0]


def masklets() -> Masklets:
    """Object 2 is the square in all of 10 frames, object 5 another one in the first 5."""
    masks = np.zeros((2, 32, 48), bool)
    masks[0, 4:14, 4:14] = True
    masks[1, 20:30, 30:40] = True
    square, other = (rle.encode(mask) for mask in masks)
    return Masklets((32, 48), 10.0, np.arange(10) / 10, {2: (square,) * 10, 5: (other,) * 5 + (None,) * 5})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_video(folder / "videos" / "x" / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    save_masklets(folder / "masks" / "deep" / "v.masklets.json", masklets())
    (folder / "empty").mkdir()
    return folder


def sample(**truth: Any) -> Sample:
    return Sample("a", "x/v.mp4", "q", Answer(**truth))


def test_a_tube_gets_the_id_of_its_masks(root: Path) -> None:
    one = sample(interval=Interval(0.2, 0.5), tube=Tube(2, np.array([SQUARE] * 3)))
    source: Source = VideoSource([one], root / "videos", root / "masks", clips=ClipOptions(5.0, 4, 24 * 16))
    loaded = source.load(source.samples[0])
    assert loaded.sample.truth.object_id == 2 and loaded.sample.truth.tube is one.truth.tube
    assert loaded.masklets.ids == [2, 5]
    assert loaded.clip.frames.shape == (4, 16, 24, 3)


def test_paths_may_be_texts(root: Path) -> None:
    one = sample(interval=Interval(0.2, 0.5), object_id=2)
    loaded = VideoSource([one], f"{root}/videos", f"{root}/masks").load(one)
    assert loaded.masklets.ids == [2, 5]
    assert masks_by_name(str(root / "masks")) == masks_by_name(root / "masks")


def test_an_id_gets_the_tube_of_its_masks() -> None:
    tube = completed(sample(interval=Interval(0.2, 0.5), object_id=2), masklets()).truth.tube
    assert tube is not None and tube.frames == range(2, 5) and tube.boxes.tolist() == [SQUARE] * 3


def test_what_has_both_or_no_time_stays() -> None:
    for truth in (
        {"interval": Interval(0, 1)},
        {"interval": Interval(0, 1), "object_id": 5, "tube": Tube(0, np.array([SQUARE]))},
    ):
        one = sample(**truth)
        assert completed(one, masklets()) is one


def test_without_masks_there_are_no_objects(root: Path) -> None:
    loaded = VideoSource([], root / "videos").load(sample(interval=Interval(0, 1)))
    assert loaded.masklets.ids == [] and len(loaded.masklets.pts) == 10
    assert loaded.sample.truth == Answer(Interval(0, 1))


def test_boxes_that_fit_no_mask_are_refused() -> None:
    with pytest.raises(UserError, match=r"the boxes overlap no masklet by 0\.3 or more \(none overlaps them\); check"):
        completed(sample(interval=Interval(0, 1), tube=Tube(0, np.array([[40, 0, 48, 4.0]]))), masklets())


def test_a_version_changes_with_what_is_loaded(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    tube = Tube(2, np.array([SQUARE] * 3))
    one = sample(interval=Interval(0.2, 0.5), tube=tube)
    part = replace(one, meta={"segment": (0.2, 0.6)})
    moved = replace(one, truth=replace(one.truth, tube=Tube(3, tube.boxes)))
    renamed = replace(one, id="b", query="other")

    def versions() -> list[str]:
        videos, masks = tmp_path / "videos", tmp_path / "masks"
        marked, plain = VideoSource([], videos, masks), VideoSource([], videos)
        coarse, merging = VideoSource([], videos, clips=ClipOptions(1.0)), VideoSource([], videos, merge_splits=True)
        true = VideoSource([], videos, masks, true_masks=masks)
        assert marked.version(one) == marked.version(renamed) == marked.version(moved)
        several = [source.version(one) for source in (marked, plain, coarse, merging, true)]
        return [*several, plain.version(part), merging.version(moved)]

    first = versions()
    assert len(set(first)) == len(first)
    os.utime(tmp_path / "masks" / "deep" / "v.masklets.json", ns=(1, 1))
    second = versions()
    assert [one == other for one, other in zip(first, second, strict=True)] == [
        False,
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    os.utime(tmp_path / "videos" / "x" / "v.mp4", ns=(1, 1))
    assert not set(versions()) & {*first, *second}


@pytest.mark.parametrize(
    ("video", "masks", "message"),
    [
        ("none.mp4", "masks", "sample a: 'none.mp4' not found"),
        ("../../x.mp4", "masks", "sample a: path .* leaves its root"),
        ("x/v.mp4", "empty", "sample a: no masks of x/v.mp4 in .*; name them v.masklets.json"),
    ],
)
def test_what_cannot_be_loaded_names_the_sample(root: Path, video: str, masks: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VideoSource([], root / "videos", root / masks).load(Sample("a", video, "q", Answer()))


def test_masks_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "0001").mkdir()
    for name in ("a.json", "0001/b.json", "0001/a.json", "c.masklets.json", "d.npz"):
        (tmp_path / name).write_text("")
    (tmp_path / "e").mkdir()
    found = {name: path.relative_to(tmp_path).as_posix() for name, path in masks_by_name(tmp_path).items()}
    assert found == {
        "a": "a.json",
        "b": "0001/b.json",
        "c": "c.masklets.json",
        "d": "d.npz",
        "e": "e",
        "0001": "0001",
    }
    with pytest.raises(UserError, match="is not a folder; give the folder that holds the masks"):
        masks_by_name(tmp_path / "none")


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The square is object 1 up to frame 4 and object 2 from then on; `bare` has masks of nothing, `lonely` none."""
    folder = tmp_path_factory.mktemp("split")
    square = masklets().tracks[2][0]
    tracks = {1: (square,) * 5 + (None,) * 5, 2: (None,) * 5 + (square,) * 5}
    for name, these in {"v": tracks, "bare": {}}.items():
        write_video(folder / "videos" / f"{name}.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
        save_masklets(folder / "masks" / f"{name}.masklets.json", replace(masklets(), tracks=these))
    shutil.copy(folder / "videos" / "v.mp4", folder / "videos" / "lonely.mp4")
    return folder


def square_sample(frames: range = range(0, 10), name: str = "a", video: str = "v.mp4", row: int = 1) -> Sample:
    """Asks for the square on some of the frames."""
    tube = Tube(frames.start, np.array([SQUARE] * len(frames)))
    return Sample(name, video, "q", Answer(Interval(frames.start / 10, frames.stop / 10), tube=tube), {"row": row})


def test_an_object_of_two_ids_is_made_one_where_that_is_wanted(split: Path) -> None:
    one = square_sample()
    apart = VideoSource([one], split / "videos", split / "masks").load(one)
    assert apart.sample.truth.object_id == 1 and apart.masklets.ids == [1, 2]  # each covers half: the first of equals
    joined = VideoSource([one], split / "videos", split / "masks", merge_splits=True).load(one)
    assert joined.sample.truth.object_id == 1 and joined.masklets.ids == [1]
    assert None not in joined.masklets.tracks[1]


def test_parts_that_overlap_too_little_alone_are_told_of() -> None:
    """Half of the tube's 200 pixels are the object's 100, and each id has half of the frames: 0.25 each."""
    one = sample(interval=Interval(0, 1), tube=Tube(0, np.array([[30.0, 20.0, 40.0, 40.0]] * 10)))
    first, second = masklets().tracks[5], masklets().tracks[5][::-1]
    with pytest.raises(UserError, match=r"best: id 1 by 0\.25; ids 1, 2 together by 0\.50\); merge these ids"):
        completed(one, replace(masklets(), tracks={1: first, 2: second}))
    with pytest.raises(UserError, match=r"\(best: id 1 by 0\.25\); check that boxes and masks"):
        completed(one, replace(masklets(), tracks={1: first}))


def test_a_tube_past_the_end_of_the_file_is_cut_or_refused(split: Path) -> None:
    one = square_sample(range(7, 13))
    source = VideoSource([one], split / "videos", split / "masks")
    truth = source.load(one).sample.truth
    assert truth.interval == Interval(0.7, 1.0) and truth.object_id == 2
    assert truth.tube is not None and truth.tube.frames == range(7, 10)
    with pytest.raises(UserError, match="sample a: the truth reaches past the video, which has 10 frames"):
        replace(source, beyond="reject").load(one)


def opened(*samples: Sample, findings: tuple[Finding, ...] = ()) -> Opened:
    return Opened("hcstvg", Path("train.json"), samples, list(findings), len(samples) + len(findings))


REJECTED = Finding("query", "rejected", 3, "c", "the query is empty")
CLAMPED = Finding("box", "clamped", 2, "b", "a box reaches out", 4.0)


def test_good_rows_are_kept_in_their_order(split: Path) -> None:
    rows = opened(square_sample(name="z"), square_sample(range(6, 9), "b", row=2), findings=(CLAMPED,))
    source = usable(VideoSource(rows.samples, split / "videos", split / "masks"), rows, STVG.check)
    assert [one.id for one in source.samples] == ["z", "b"] and source.skipped == []
    assert source.load(source.samples[1]).sample.truth.object_id == 2


BAD = {
    "no video": (square_sample(video="none.mp4"), "'none.mp4' not found in"),
    "no masks": (square_sample(video="lonely.mp4"), "no masks of lonely.mp4 in"),
    "no object": (square_sample(video="bare.mp4"), "the masks of its video hold no object"),
    "no fit": (
        Sample("a", "v.mp4", "q", Answer(Interval(0, 1), tube=Tube(0, np.array([[40, 0, 48, 4.0]]))), {"row": 1}),
        "the boxes overlap no masklet",
    ),
    "no truth": (Sample("a", "v.mp4", "q", Answer(), {"row": 1}), "does not say its interval and tube or object_id"),
    "no time": (Sample("a", "v.mp4", "q", Answer(object_id=1), {"row": 1}), "does not say its interval"),
    "not then": (
        Sample("a", "v.mp4", "q", Answer(Interval(0.6, 0.9), 1), {"row": 1}),
        r"object 1 is in no mask within \[0\.6, 0\.9\] s",
    ),
    "never": (Sample("a", "v.mp4", "q", Answer(Interval(0.6, 0.9), 7), {"row": 1}), "there is no object 7"),
    "no length": (Sample("a", "v.mp4", "q", Answer(Interval(0.6, 0.6), 2), {"row": 1}), "object 2 is in no mask"),
    "past": (square_sample(range(12, 15)), "a tube without a single box"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_rows_stop_or_are_left_out(split: Path, bad: str) -> None:
    wrong, message = BAD[bad]
    rows = opened(wrong, square_sample(name="b", row=2), findings=(REJECTED,))
    source = VideoSource(rows.samples, split / "videos", split / "masks")
    with pytest.raises(UserErrors) as caught:
        usable(source, rows, STVG.check)
    first, second, summary = caught.value.errors
    assert first.startswith("train.json, row 1 (a): ") and second == "train.json, row 3 (c): the query is empty"
    assert summary.startswith("train.json: 2 of 3 rows cannot be used; mend them, or leave them out with data.on_error")
    with pytest.raises(UserErrors, match=message):
        usable(source, rows, STVG.check)
    kept = usable(source, rows, STVG.check, "skip")
    assert [one.id for one in kept.samples] == ["b"]
    assert [(one.row, one.sample_id) for one in kept.skipped] == [(1, "a"), (3, "c")]


@pytest.mark.parametrize("bad", sorted(BAD.keys() - {"no video", "no truth"}))
def test_where_no_row_is_good_nothing_is_left(split: Path, bad: str) -> None:
    wrong, _ = BAD[bad]
    rows = opened(wrong, findings=(REJECTED,))
    with pytest.raises(UserError, match=r"train\.json: 2 of 2 rows cannot be used, so none is left; the first: train"):
        usable(VideoSource([wrong], split / "videos", split / "masks"), rows, STVG.check, "skip")


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_what_is_wrong_with_all_rows_is_said_once(split: Path, on_error: Literal["stop", "skip"]) -> None:
    def refusal(*samples: Sample) -> str:
        source = VideoSource(samples, split / "videos", split / "masks")
        with pytest.raises(UserError) as caught:
            usable(source, opened(*samples), STVG.check, on_error)
        return str(caught.value)

    where = f"is in data.root={split / 'videos'} or below; give the folder that holds them"
    lost = [square_sample(name=f"s{row}", video=f"none{row % 3}.mp4", row=row) for row in range(1, 301)]
    assert refusal(*lost) == f"none of the videos that train.json names ('none1.mp4' and 2 more) {where}"
    assert refusal(lost[0]) == f"none of the videos that train.json names ('none1.mp4') {where}"
    blank = [replace(one, truth=Answer()) for one in lost]
    assert refusal(*blank) == "train.json says the truth of none of its rows; take a split whose truth is public"


def test_of_thousands_of_bad_rows_a_hundred_are_told(split: Path) -> None:
    bad = [square_sample(name=f"s{row}", video="none.mp4", row=row) for row in range(1, 301)]
    rows = opened(*bad, square_sample(name="good", row=301))
    with pytest.raises(UserErrors) as caught:
        usable(VideoSource(rows.samples, split / "videos", split / "masks"), rows, STVG.check)
    assert len(caught.value.errors) == 101 and "300 of 301 rows" in caught.value.errors[-1]


@pytest.fixture
def vidstg(tmp_path: Path) -> Path:
    """Video 77 of 40 frames at 10 a second; tid 0 is at [4, 4, 14, 14] on frames 20 to 29, tid 1 elsewhere on all."""
    write_video(tmp_path / "videos" / "77.mp4", [np.full((32, 48, 3), 4 * t, np.uint8) for t in range(40)], 10.0)
    sides = ("xmin", "ymin", "xmax", "ymax")
    boxes = [dict(zip(sides, box, strict=True)) for box in ([4, 4, 14, 14], [30, 20, 40, 30])]
    frames = [[{"tid": 1, "bbox": boxes[1]}] + [{"tid": 0, "bbox": boxes[0]}] * (20 <= t < 30) for t in range(40)]
    (tmp_path / "vidor" / "0012").mkdir(parents=True)
    vidor = {"video_id": "77", "height": 32, "width": 48, "trajectories": frames}
    (tmp_path / "vidor" / "0012" / "77.json").write_text(json.dumps(vidor))
    said = [{"description": "a dog runs", "type": "object", "target_id": 0}]
    entry = {"vid": "77", "fps": 10, "frame_count": 40, "width": 48, "height": 32, "captions": said}
    spans = {"used_segment": {"begin_fid": 10, "end_fid": 34}, "temporal_gt": {"begin_fid": 20, "end_fid": 30}}
    (tmp_path / "train_annotations.json").write_text(json.dumps([entry | spans]))
    return tmp_path


def vidstg_source(folder: Path, most: int = 64, **options: Any) -> VideoSource:
    rows = open_dataset("vidstg", folder, split="train", videos=folder / "videos")
    source = VideoSource(rows.samples, folder / "videos", clips=ClipOptions(5.0, most), **options)
    return usable(source, rows, STVG.check)


def test_vidstg_is_seen_in_its_segments(vidstg: Path) -> None:
    source = vidstg_source(vidstg, masklets=vidstg / "vidor", boxes=vidstg / "vidor")
    loaded = source.load(source.samples[0])
    truth = loaded.sample.truth
    # Frames 10 to 33, of which every second one is taken; the truth is frames 20 to 29, so 10 to 19 of the segment.
    assert len(loaded.clip) == 12 and loaded.clip.pts.tolist() == pytest.approx([k / 5 for k in range(12)])
    assert loaded.clip.duration == pytest.approx(2.4) and len(loaded.masklets.pts) == 24
    assert truth.interval is not None and (truth.interval.start, truth.interval.end) == pytest.approx((1.0, 2.0))
    assert (truth.object_id, loaded.masklets.ids) == (1, [1, 2])  # VidOR's ids and 1
    assert truth.tube is not None and truth.tube.frames == range(10, 20)
    assert truth.tube.boxes.tolist() == [SQUARE] * 10
    assert loaded.masklets.tube(1, truth.interval).viou(truth.tube) == pytest.approx(1.0)
    assert [int(frame.mean()) // 4 for frame in loaded.clip.frames[[0, 5]]] == pytest.approx([10, 20], abs=1)


@pytest.mark.parametrize(("most", "taken"), [(2, 2), (7, 7), (64, 12)])
def test_frames_outside_of_the_segment_do_not_count(vidstg: Path, most: int, taken: int) -> None:
    """The segment lasts 2.4 s, which is 12 frames at 5 a second."""
    source = vidstg_source(vidstg, masklets=vidstg / "vidor", boxes=vidstg / "vidor", most=most)
    assert len(source.load(source.samples[0]).clip) == taken


def test_others_stand_in_for_broken_samples_until_there_are_enough(root: Path) -> None:
    good, gone = sample(interval=Interval(0.2, 0.5)), "x/gone.mp4"
    names = {"a": gone, "b": "x/v.mp4", "c": gone, "d": "x/v.mp4", "e": "x/v.mp4", "f": gone}
    samples = [
        replace(good, id=name, video=video, meta={"row": row}) for row, (name, video) in enumerate(names.items())
    ]
    source = VideoSource(samples, root / "videos")
    opened_rows = Opened("charades", Path("f.json"), samples, rows=6)
    found = usable(source, opened_rows, VTG.check, "skip", enough=2)
    assert [one.id for one in found.samples] == ["b", "d"]
    assert [one.sample_id for one in found.skipped] == ["a", "c"]  # the others were not looked at
    everything = usable(source, opened_rows, VTG.check, "skip", enough=4)
    assert [one.id for one in everything.samples] == ["b", "d", "e"]


def test_a_short_segment_is_seen_at_any_rate(vidstg: Path) -> None:
    source = vidstg_source(vidstg, masklets=vidstg / "vidor", boxes=vidstg / "vidor")
    for first, count, fps in itertools.product((20, 23, 39), (1, 2, 3, 70), (0.1, 0.7, 2.0, 60.0)):
        segment = (first / 10, (first + count) / 10)
        short = replace(source.samples[0], meta={**source.samples[0].meta, "segment": segment})
        loaded = replace(source, clips=replace(source.clips, fps=fps)).load(short)
        assert 1 <= len(loaded.clip) <= count, (segment, fps)


def test_a_segment_past_the_end_of_the_file_is_a_broken_row(vidstg: Path) -> None:
    """The annotation says that the video has 400 frames; the file has 40, which end after 4 s."""
    entry = json.loads((vidstg / "train_annotations.json").read_text())[0]
    late = {name: {"begin_fid": 50, "end_fid": 60} for name in ("used_segment", "temporal_gt")}
    (vidstg / "late.json").write_text(json.dumps([entry, {**entry, **late, "frame_count": 400}]))
    opened = open_dataset("vidstg", vidstg / "late.json", videos=vidstg / "videos")
    source = VideoSource(opened.samples, vidstg / "videos", vidstg / "vidor", boxes=vidstg / "vidor")
    found = usable(source, opened, STVG.check, "skip")
    assert [sample.id for sample in found.samples] == ["0_c0"]
    assert "the video, 4 s long, has no frame within [5, 6] s, its segment" in found.skipped[0].message


def test_vidstg_with_masks_of_ones_own(vidstg: Path) -> None:
    """Their ids are their own: object 8 is where VidOR's 1 is, and object 1 is another."""
    masks = np.zeros((2, 32, 48), bool)
    masks[0, 4:14, 4:14] = masks[1, 20:30, 30:40] = True
    square, other = (rle.encode(mask) for mask in masks)
    own = Masklets((32, 48), 10.0, np.arange(40) / 10, {8: (square,) * 40, 1: (other,) * 40})
    save_masklets(vidstg / "own" / "77.masklets.json", own)
    source = vidstg_source(vidstg, masklets=vidstg / "own", boxes=vidstg / "vidor")
    assert source.load(source.samples[0]).sample.truth.object_id == 8
    with pytest.raises(
        UserError, match=r"no 77\.json of VidOR in .*own; add it, or, with masks of your own .*data\.boxes"
    ):
        vidstg_source(vidstg, masklets=vidstg / "own", boxes=vidstg / "own")


@pytest.mark.shared_data
def test_a_real_charades_video(shared_data: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    samples = open_dataset("charades", folder, split="test", videos=folder / "videos").samples
    own = [one for one in samples if one.video == "OHOFG.mp4"]
    loaded = VideoSource(own, folder / "videos", clips=ClipOptions(1.0, 8, 10_000)).load(own[0])
    assert len(loaded.clip.frames) == 8 and loaded.clip.duration == pytest.approx(35.04, abs=0.2)


@pytest.mark.shared_data
def test_a_real_row_of_vidstg_in_its_segment(shared_data: Path, tmp_path: Path) -> None:
    """The official row and its video; the boxes of this video are not here, so every frame has the same."""
    folder = shared_data / "stvg" / "vidstg"
    rows = open_dataset("vidstg", folder, split="test", videos=folder / "videos")
    one = next(sample for sample in rows.samples if sample.video == "5804131706.mp4")
    first, last = one.meta["frames"]
    begin, end = (round(second * one.meta["fps"]) for second in one.meta["segment"])
    tid, (height, width) = (one.truth.object_id or 0) - 1, one.meta["size"]
    entry = {"tid": tid, "bbox": {"xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}}
    vidor = {"height": height, "width": width, "trajectories": [[entry]] * one.meta["frame_count"]}
    (tmp_path / "5804131706.json").write_text(json.dumps(vidor))
    rows.samples = [one]
    source = VideoSource([one], folder / "videos", tmp_path, boxes=tmp_path, clips=ClipOptions(max_pixels=10_000))
    loaded = usable(source, rows, STVG.check).load(one)
    assert len(loaded.masklets.pts) == end - begin
    assert loaded.clip.duration == pytest.approx((end - begin) / one.meta["fps"], abs=0.1)
    assert loaded.clip.pts[-1] < loaded.clip.duration
    truth = loaded.sample.truth
    assert truth.tube is not None and truth.tube.frames == range(first - begin, last - begin)
    assert truth.interval is not None and truth.object_id == tid + 1
    assert loaded.masklets.tube(tid + 1, truth.interval).viou(truth.tube) == pytest.approx(1.0)


@pytest.mark.shared_data
def test_vidor_boxes_as_masks_of_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    """The video of the annotations is not here: another one stands for it, and its frames are too few."""
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(shared_data / "stvg" / "vidstg" / "videos" / "5804131706.mp4", videos / "2793806282.mp4")
    samples = open_dataset("vidstg", shared_data / "stvg" / "vidstg", split="test").samples
    own = next(one for one in samples if one.video == "2793806282.mp4")
    with pytest.raises(UserError, match=r"sample .*: .*1925 frames"):
        VideoSource([own], videos, shared_data / "stvg" / "vidor").load(own)
