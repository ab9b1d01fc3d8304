"""ST-Align (STVG): LLaVA-ST's annotation and the texts that it writes, or rows of one's own as for `stvg`.

LLaVA-ST sees 100 frames, evenly spread over a clip, and names times and places by tokens from 0 to 99, which are shares
of the clip's length and of the picture's sides:

    {<TEMP-012><TEMP-045>} <TEMP-012>:[<WIDTH-010><HEIGHT-020><WIDTH-030><HEIGHT-040>] <TEMP-013>:[...] ...

Its script compares times as shares of the clip, and boxes on the frames of the tokens, the union being the frames that
either side has a box on. Its loader stops after 2,000 rows of the annotation; here all count. Not seen on real files.
"""

from __future__ import annotations

import dataclasses
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.stvg_rows import row_truth
from grounding.evaluation.benchmarks.tubes import TubeTruth, figures, read_boxes, read_tube
from grounding.evaluation.entries import numbers, read_entries, read_truths
from grounding.evaluation.stvg import FrameTube

LAST = 99  # token, and sampled frame

# No repeat of a part that another could match: linear in the text's length.
_TOKEN = r"<(?:TEMP|WIDTH|HEIGHT)-([0-9]{1,4})>"
_RANGE = re.compile(rf"\{{ ?{_TOKEN} ?{_TOKEN}\}}")
_PLACE = re.compile(rf"{_TOKEN} ?: ?\[ ?{_TOKEN} ?{_TOKEN} ?{_TOKEN} ?{_TOKEN} ?\]")


@dataclass(frozen=True)
class SampledClip:
    """What a row of LLaVA-ST's annotation is about.

    Args:
        video: Name of the file.
        first: First frame.
        last: Last frame, above `first`.
        size: (height, width) in pixels.
    """

    video: str
    first: int
    last: int
    size: tuple[int, int]

    def frame(self, token: int) -> int:
        """The frame of the video that a token, or the sampled frame of this number, stands for."""
        return self.first + round(token / LAST * (self.last - self.first))

    def sampled(self, start: float, last: float, frames: np.ndarray, boxes: np.ndarray) -> FrameTube:
        """A tube as LLaVA-ST compares it: boxes on sampled frames, the time in shares of the clip to three decimals.

        Args:
            start: First frame.
            last: Last frame.
            frames: Those of the boxes, ascending, shape (K,).
            boxes: Shape (K, 4), NaN where there is none.
        """
        kept = np.isin(frames, [self.frame(token) for token in range(LAST + 1)]) & ~np.isnan(boxes[:, 0])
        shares = [round((frame - self.first) / (self.last - self.first), 3) for frame in (start, last)]
        return FrameTube(shares[0], shares[1], frames[kept], boxes[kept])


@dataclass(frozen=True, eq=False)
class ClipTruth(TubeTruth):
    """A truth of LLaVA-ST's annotation, as `SampledClip.sampled` gives it."""

    clip: SampledClip = dataclasses.field(kw_only=True)


def read_truth(path: Path) -> dict[str, TubeTruth]:
    """The annotation, a list of `{"video_path", "meta": {"width", "height", "split", "spatial_token", "time_token"}}`,
    whose ids are the places in it, from 0; or rows as for `stvg`.

    Raises:
        UserError: Naming file and row of the first that is neither, or whose id is taken.
    """
    return read_truths(path, clip_truth, entries=_placed(path, "meta"))


def _placed(path: Path, mark: str) -> list[Entry]:
    """The rows; one that has `mark` and no id gets its place, from 0, as key."""

    def nameless(entry: Entry) -> bool:
        return entry.key is None and isinstance(entry.value, dict) and mark in entry.value and "id" not in entry.value

    rows = enumerate(read_entries(path))
    return [dataclasses.replace(entry, key=str(place)) if nameless(entry) else entry for place, entry in rows]


def clip_truth(value: Any) -> TubeTruth:
    """One row of `read_truth`.

    Raises:
        UserError: If it is neither.
    """
    row = object_of(value, "a row")
    if "meta" not in row or "interval" in row:
        return row_truth(row)
    meta = object_of(field(row, "meta"), "meta")
    first, last = map(int, _pair(field(meta, "split"), "split"))
    width, height = map(int, _pair([field(meta, "width"), field(meta, "height")], "width and height"))
    if last <= first or width < 1 or height < 1:
        raise UserError(f"a clip must have two frames and a size, got {first} to {last}, {width} x {height}")
    clip = SampledClip(_file(field(row, "video_path")), first, last, (height, width))
    xywh = object_of(field(field(meta, "spatial_token"), "<bboxes>"), "<bboxes>")
    frames, boxes = read_boxes({name: _corners(box) for name, box in xywh.items()}, None)
    times = field(meta, "time_token")
    start, end = _pair([field(times, "<s>"), field(times, "<e>")], "time_token")
    return ClipTruth(clip.sampled(start, end, frames, boxes), clip=clip)


def _file(path: Any) -> str:
    return PurePosixPath(str(path)).name


def _pair(value: Any, name: str) -> tuple[float, float]:
    first, second = numbers([value], name, 2)[0].tolist()
    return first, second


def _corners(box: Any) -> list[float]:
    x, y, width, height = numbers([box], "a box", 4)[0].tolist()
    return [x, y, x + width, y + height]


def read_predictions(path: Path) -> list[Entry]:
    """Rows by id, or LLaVA-ST's result file, whose rows have no ids and are in the order of the annotation."""
    return _placed(path, "outputs")


def read_prediction(value: Any, truth: TubeTruth) -> FrameTube | None:
    """For LLaVA-ST's annotation its text, alone or under `outputs`, or a tube in frames from 0 on (see `read_tube`);
    for other rows a row of the same form.

    A text without time range has tIoU 0, one without boxes vIoU 0, one without both is no answer.

    Raises:
        UserError: If it is something else, about another clip, or has tokens that LLaVA-ST has not.
    """
    if not isinstance(truth, ClipTruth):
        return read_tube(value, truth)
    text = value
    if isinstance(value, dict) and "outputs" in value:
        _check_clip(object_of(value, "a prediction"), truth.clip)
        text = value["outputs"]
    if text is None:
        return None
    if isinstance(text, str):
        return read_text(text, truth.clip)
    tube = read_tube(text, truth)
    return None if tube is None else truth.clip.sampled(tube.start, tube.end - 1, tube.frames, tube.boxes)


def _check_clip(row: Mapping[str, Any], clip: SampledClip) -> None:
    """Refuse a result about another clip: LLaVA-ST's inference goes on with the next row where one cannot be loaded."""
    mine = clip.video, [clip.first, clip.last]
    its = _file(row.get("video_path", mine[0])), row.get("split", mine[1])
    if its != mine:
        raise UserError(f"the row is about {reprlib.repr(its)}, the sample about {mine}; give each row its id")


def read_text(text: str, clip: SampledClip) -> FrameTube | None:
    """What a text of LLaVA-ST says about a clip: the first time range, and all places; of two on one frame the last.

    Raises:
        UserError: If a token is above 99.
    """
    bare = " ".join(text.split())
    time = _RANGE.search(bare)
    places = {int(found[1]): [int(part) for part in found.groups()[1:]] for found in _PLACE.finditer(bare)}
    if time is None and not places:
        return None
    start, end = (int(time[1]), int(time[2])) if time else (0, 0)
    largest = max([start, end, *places, *(part for place in places.values() for part in place)])
    if largest > LAST:
        raise UserError(f"LLaVA-ST's tokens go from 0 to {LAST}, got {largest}")
    sides = np.array([clip.size[1], clip.size[0]] * 2)
    by_frame = {clip.frame(token): np.round(np.array(place) / LAST * sides) for token, place in places.items()}
    frames = sorted(by_frame)
    boxes = np.array([by_frame[frame] for frame in frames], float).reshape(-1, 4)
    return FrameTube(round(start / LAST, 5), round(end / LAST, 5), np.array(frames, np.int64), boxes)


ST_ALIGN = Benchmark(
    truth="LLaVA-ST's annotation (a JSON list with meta), or rows as for stvg with boxes on the frames that it samples",
    predictions='LLaVA-ST\'s result file, rows {"id", "outputs": text}, tubes as for vidstg; or rows as for stvg',
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    entries=read_predictions,
    main=("tIoU>=0.5", "m_tIoU", "vIoU>=0.3", "vIoU>=0.5", "m_vIoU"),
    modes=("definition",),
)
