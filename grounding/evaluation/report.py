"""Pictures of what a policy answers, for people: a contact sheet, a short video, and the curves of its training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import Answer, Clip, LoadedSample, ParseFailure, UserError, rle, write_video
from grounding.core.files import whole_file
from grounding.evaluation import panels
from grounding.evaluation.curves import curves
from grounding.evaluation.drawing import (
    PAPER,
    PREDICTED,
    RGB,
    TRUE,
    draw_box,
    draw_point,
    draw_region,
    fitted,
    paper,
    paragraph,
    taller,
)
from grounding.evaluation.metrics import Score

__all__ = ["Shown", "contact_sheet", "curves", "sheet_row", "showcase_video"]

COLUMNS = 8
TILE = (336, 252)  # pixels (height, width) that a picture of the sheet fits into; 252 is 3 x the toy world's 84
SPACE = 8  # pixels between pictures
EDGE = 16  # pixels left and right of a row
SHEET = COLUMNS * (TILE[1] + SPACE) - SPACE + 2 * EDGE  # pixels that the sheet is wide
SCREEN = (504, 640)  # pixels (height, width) of the video's picture; 504 is 6 x 84
STILL = (336, 512)  # the same for a single frame
STILL_SECONDS = 3.0  # that the video shows a single frame
RATE = 4.0  # frames a second of the video
MOST = 80  # frames of one sample in the video; a longer one is shown faster


@dataclass(frozen=True)
class Shown:
    """One evaluated sample.

    Args:
        loaded: The sample.
        marked: Its clip as the policy saw it, with ids drawn if the task does so.
        prediction: The decoded answer, or why there is none.
        score: Its figures.
        controls: What was said without seeing its video, by name, if that was wanted.
    """

    loaded: LoadedSample
    marked: Clip
    prediction: Answer | ParseFailure
    score: Score
    controls: Mapping[str, Answer | ParseFailure] = field(default_factory=dict)

    @property
    def answer(self) -> Answer:
        """The prediction; all parts of it are None where there is no answer."""
        return Answer() if isinstance(self.prediction, ParseFailure) else self.prediction

    @property
    def still(self) -> bool:
        """Whether a single frame was shown."""
        return len(self.marked) == 1

    def picture(self, index: int, room: tuple[int, int]) -> np.ndarray:
        """A sampled frame as large as fits into (height, width), with what truth and answer say of places in it."""
        picture = fitted(self.marked.frames[index], room)
        for answer, colour, dashed in ((self.loaded.sample.truth, TRUE, False), (self.answer, PREDICTED, True)):
            self._mark(picture, float(self.marked.pts[index]), answer, colour, dashed)
        return picture

    def _masks(self, answer: Answer, frame: int, time: float) -> list[tuple[bytes, tuple[int, int]]]:
        """The masks that an answer has on a source frame, with their sizes; without a tube those of its ids.

        Of an answer with times ids are meant while these last.
        """
        mask = [] if answer.mask is None else [(answer.mask.counts, answer.mask.size)]
        if answer.region is not None:
            return [*mask, *((counts, answer.region.size) for counts in answer.region.frames[frame])]
        meant = answer.segments is None or any(one.start <= time < one.end for one in answer.segments)
        if answer.tube is not None or not meant:
            return mask
        masklets = self.loaded.masklets
        seen = masklets.counts_at(frame)
        return [*mask, *((seen[one], masklets.size) for one in sorted(answer.ids or ()) if one in seen)]

    def _mark(self, picture: np.ndarray, time: float, answer: Answer, colour: RGB, dashed: bool) -> None:
        """Draw box, tube, masks and point of an answer."""
        masklets, size = self.loaded.masklets, self.marked.size
        frame = masklets.frame_at(time)
        if answer.box is not None:
            draw_box(picture, np.array(answer.box), size, colour, dashed=dashed)
        if answer.tube is not None and frame in answer.tube.frames:
            draw_box(picture, answer.tube.boxes[frame - answer.tube.start_frame], size, colour, dashed=dashed)
        regions = [rle.decode(counts, of) for counts, of in self._masks(answer, frame, time)]
        for region in regions:
            draw_region(picture, region, colour, dashed=dashed)
        if answer.point is not None:
            draw_point(picture, answer.point, size, colour)

    def head(self, width: int, sizes: tuple[int, int]) -> np.ndarray:
        """Query, options and answers in words; the query in letters of the first size, at most two lines."""
        sample, (large, small) = self.loaded.sample, sizes
        return np.concatenate(
            [
                paragraph(width, sample.query, large, 2),
                panels.options(width, small, sample, self.answer),
                panels.answers(width, small, sample.truth, self.prediction, self.score),
            ]
        )

    def bars(self, width: int, ticks: Sequence[float] = (), cursor: float | None = None) -> np.ndarray:
        """True and said times and numbers."""
        return panels.bars(width, self.marked.duration, self.loaded.sample.truth, self.answer, ticks, cursor)


def contact_sheet(shown: Sequence[Shown], path: Path, *, overwrite: bool = False) -> None:
    """Write a PNG with a row a sample: what was asked and answered, and up to 8 frames spread over the clip.

    What is true is drawn in solid green lines, what was said in dashed magenta ones: both around what was found, one
    alone around what was missed or is wrong. What the controls said, if anything, stands below what the policy said.

    Args:
        shown: At least one sample.
        path: Where to write.
        overwrite: Replace an existing file.

    Raises:
        UserError: If there is nothing to show, the file exists, or it cannot be written.
    """
    _check_any(shown)
    sheet = np.concatenate([sheet_row(one) for one in shown])
    with whole_file(path, overwrite=overwrite) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def sheet_row(one: Shown) -> np.ndarray:
    """A sample's row of the contact sheet, shape (height, `SHEET`, 3)."""
    width = SHEET - 2 * EDGE
    head = one.head(width, (20, 15))
    indices = np.unique(np.linspace(0, len(one.marked) - 1, COLUMNS).round().astype(int))
    bars = one.bars(width, ticks=[] if one.still else one.marked.pts[indices].tolist())
    row = np.concatenate(
        [head, panels.controls(width, 15, one.controls), paper(4, width), _strip(one, indices, width), bars]
    )
    return np.pad(row, ((12, 12), (EDGE, EDGE), (0, 0)), constant_values=PAPER[0])


def _strip(one: Shown, indices: np.ndarray, width: int) -> np.ndarray:
    """Pictures side by side with their times below."""
    room = STILL if one.still else TILE
    pictures = [one.picture(index, room) for index in indices]
    height = max(len(picture) for picture in pictures)
    strip = paper(height + 20, width)
    for column, (index, picture) in enumerate(zip(indices, pictures, strict=True)):
        left = column * (TILE[1] + SPACE)
        strip[: len(picture), left : left + picture.shape[1]] = picture
        caption = paragraph(TILE[1], f"{one.marked.pts[index]:.2f} s", 13, 1)
        strip[height + 2 : height + 2 + len(caption), left : left + TILE[1]] = caption
    return strip


def showcase_video(shown: Sequence[Shown], path: Path, *, overwrite: bool = False) -> None:
    """Write an mp4 that plays the samples one after another, drawn as on the sheet, with a cursor over the times.

    A sample is played in real time, one of more than 20 seconds as fast as it takes to last 20 seconds; a still is
    shown for 3 seconds.

    Args:
        shown: At least one sample.
        path: Where to write; must end in `.mp4`.
        overwrite: Replace an existing file.

    Raises:
        UserError: If there is nothing to show, the file exists, or it cannot be written.
    """
    _check_any(shown)
    width = SCREEN[1] - 2 * SPACE
    heads = [one.head(width, (18, 14)) for one in shown]
    top, foot = max(map(len, heads)), max(len(one.bars(width)) for one in shown)
    frames = (frame for one, head in zip(shown, heads, strict=True) for frame in _played(one, taller(head, top), foot))
    write_video(path, frames, RATE, overwrite=overwrite)


def _played(one: Shown, head: np.ndarray, foot: int) -> Iterator[np.ndarray]:
    """The sample's video frames: at each time the sampled frame that was shown last; of a still always the same."""
    duration = STILL_SECONDS if one.still else one.marked.duration
    count = math.ceil(duration * RATE - 1e-6)  # 4 s are 16 frames, also where rounding left 4.0000001 s
    step = 1 / RATE if count <= MOST else duration / MOST
    times = np.arange(min(max(1, count), MOST)) * step
    indices = (np.searchsorted(one.marked.pts, times + 1e-6, side="right") - 1).clip(0)
    width = head.shape[1]
    for time, index in zip(times.tolist(), indices, strict=True):
        bars = one.bars(width, cursor=None if one.still else time)
        yield _screen(head, one.picture(index, SCREEN), taller(bars, foot))


def _screen(head: np.ndarray, picture: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """One frame of the video, of the same even size for every sample."""
    canvas = paper(len(head) + SCREEN[0] + len(bars) + 3 * SPACE, SCREEN[1])
    right = SCREEN[1] - SPACE
    canvas[SPACE : SPACE + len(head), SPACE:right] = head
    canvas[len(canvas) - len(bars) :, SPACE:right] = bars
    stage = canvas[len(head) + 2 * SPACE :][: SCREEN[0]]
    stage[:] = 0
    top, left = ((room - side) // 2 for room, side in zip(SCREEN, picture.shape, strict=False))
    stage[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas[: len(canvas) // 2 * 2]


def _check_any(shown: Sequence[Shown]) -> None:
    if not shown:
        raise UserError("there are no samples to show; give at least one")
