"""VidSTG: the official annotation with VidOR's boxes, or TubeDETR's processed file; captions and questions apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import number, printable, whole, within
from grounding.core.reading import read_json
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.tubes import MAX_FRAMES, TubeTruth, figures, read_boxes, read_tube, whole_tube
from grounding.evaluation.entries import numbers, text_id
from grounding.masks.shared import objects_of

KINDS = {"captions": ("c", "declarative"), "questions": ("q", "interrogative")}
Boxes = dict[int, list[float]]  # frame -> xyxy of one object


def read_truth(path: Path) -> dict[str, TubeTruth]:
    """Read the official list (`*_annotations.json`) or TubeDETR's object (`test.json`).

    The official list has no boxes: they are looked for in a folder `vidor` beside the file or beside its folder, as
    VidOR's `<video>.json` at any depth. Its sentences have no ids either: `12_c0` is the first caption of entry 12
    (from 0), `12_q1` the second question. Frames count from 0, ends are exclusive.

    Raises:
        UserError: Naming the file and the entry that is not as expected, or the missing boxes.
    """
    value = read_json(path)
    truths: dict[str, TubeTruth] = {}
    with within(str(path)):
        for sample, truth in _processed(value) if isinstance(value, dict) else _official(value, path):
            if sample in truths:
                raise UserError(f"the id {sample} stands twice; give each sentence its own")
            truths[sample] = truth
    return truths


def _beside(truth: Path) -> tuple[Path, ...]:
    """Where VidOR's boxes may lie."""
    return truth.parent / "vidor", truth.parent.parent / "vidor"


def _official(value: Any, path: Path) -> Iterator[tuple[str, TubeTruth]]:
    vidor = {file.stem: file for folder in _beside(path) for file in folder.glob("**/*.json")}
    boxes: dict[str, dict[int, Boxes]] = {}
    for place, entry in enumerate(objects_of({"entries": value}, "entries")):
        with within(f"entry {place}"):
            video = text_id(field(entry, "vid"))
            if video not in boxes:
                if video not in vidor:
                    raise UserError(f"no boxes of video {video}; put VidOR's annotation into {path.parent / 'vidor'}")
                boxes = {video: read_vidor(vidor[video])}  # a video's entries stand together: one at a time in memory
            tube_range = _checked(_ends(field(entry, "temporal_gt")))
            sampling = _sampling(_ends(field(entry, "used_segment")), field(entry, "fps"))
            for key, (letter, kind) in KINDS.items():
                for index, sentence in enumerate(objects_of({key: entry.get(key) or []}, key)):
                    track = boxes[video].get(whole(field(sentence, "target_id"), "target_id"), {})
                    yield f"{place}_{letter}{index}", _truth(track, tube_range, sampling, kind)


def read_vidor(path: Path) -> dict[int, Boxes]:
    """The boxes of a VidOR annotation by object and frame.

    Raises:
        UserError: Naming the file and frame of the first that is none.
    """
    tracks: dict[int, Boxes] = {}
    value = read_json(path)
    frames = value.get("trajectories") if isinstance(value, dict) else None
    if not isinstance(frames, list):
        raise UserError(f"{path} has no list trajectories; take VidOR's annotation file of the video")
    for frame, objects in enumerate(frames):
        with within(f"{path}: frame {frame}"):
            for one in objects_of({"objects": objects}, "objects"):
                box = field(one, "bbox")
                sides = [field(box, key) for key in ("xmin", "ymin", "xmax", "ymax")]
                tracks.setdefault(whole(field(one, "tid"), "tid"), {})[frame] = sides
    return tracks


def _processed(value: Mapping[str, Any]) -> Iterator[tuple[str, TubeTruth]]:
    trajectories = field(value, "trajectories")
    for place, row in enumerate(objects_of(dict(value), "videos")):
        with within(f"videos, place {place}"):
            video, target = (text_id(field(row, key)) for key in ("original_video_id", "target_id"))
            track = field(field(trajectories, video), target)
            named = object_of(track, "a trajectory")
            xywh = numbers([field(one, "bbox") for one in named.values()], "bbox", 4)
            corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).tolist()
            frames, rows = read_boxes(dict(zip(named, corners, strict=True)), None)
            boxes = dict(zip(frames.tolist(), rows.tolist(), strict=True))
            bounds = _checked([field(row, key) for key in ("tube_start_frame", "tube_end_frame")])
            sampling = _sampling([field(row, key) for key in ("start_frame", "end_frame")], field(row, "fps"))
            yield text_id(field(row, "video_id")), _truth(boxes, bounds, sampling, printable(str(field(row, "qtype"))))


def _truth(track: Boxes, bounds: tuple[int, int], sampling: tuple[int, int, float], kind: str) -> TubeTruth:
    start, end = bounds
    boxes = numbers([track[frame] for frame in range(start, end) if frame in track], "boxes", 4)
    named = dict(zip([str(frame) for frame in range(start, end) if frame in track], boxes.tolist(), strict=True))
    if not named:
        raise UserError(f"the target has no box on frames {start} to {end - 1}; the boxes are of another video")
    return TubeTruth(whole_tube(start, end, named), sampling=sampling, kind=kind)


def _ends(value: Any) -> list[Any]:
    return [field(value, key) for key in ("begin_fid", "end_fid")]


def _sampling(clip: list[Any], fps: Any) -> tuple[int, int, float]:
    if number(fps, "fps") <= 0:
        raise UserError(f"fps must be above 0, got {fps}")
    return *_checked(clip), fps


def _checked(bounds: list[Any]) -> tuple[int, int]:
    start, end = (whole(bound, "a frame") for bound in bounds)
    if not 0 < end - start <= MAX_FRAMES:
        raise UserError(f"a range of frames must begin before it ends, got {start} to {end}")
    return start, end


VIDSTG = Benchmark(
    truth="the annotation list, with VidOR's boxes in a folder vidor beside it; or TubeDETR's processed file",
    predictions='{id: {"sted": [first, end), "boxes": {"frame": [x1, y1, x2, y2]}}}',
    truths=read_truth,
    answer=read_tube,
    figures=figures,
    beside=_beside,
    modes=("definition", "tubedetr", "tubedetr_2022"),
)
