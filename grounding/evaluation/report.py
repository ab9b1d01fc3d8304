"""Pictures of what a policy answers, for people: a contact sheet, a short video, and the curves of its training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import Answer, Clip, Interval, LoadedSample, ParseFailure, UserError, write_video
from grounding.core.files import whole_file
from grounding.evaluation.curves import curves
from grounding.evaluation.drawing import BARS_HEIGHT, PAPER, PREDICTED, TRUE, draw_box, fitted, paragraph, time_line
from grounding.evaluation.metrics import Score

__all__ = ["Shown", "contact_sheet", "curves", "showcase_video"]

COLUMNS = 8
TILE = (336, 252)  # pixels (height, width) that a picture of the sheet fits into; 252 is 3 x the toy world's 84
SPACE = 8  # pixels between pictures
SCREEN = (504, 640)  # pixels (height, width) of the video's picture; 504 is 6 x 84
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
    def verdict(self) -> str:
        """What was predicted, what is true, and how good that is, in one line without the figures at thresholds."""
        true = in_words(self.loaded.sample.truth)
        if isinstance(self.prediction, ParseFailure):
            return f"predicted nothing, true {true}: {self.prediction.reason}"
        figures = [f"{name} {value:.2f}" for name, value in self.score.items() if "@" not in name]
        return f"predicted {in_words(self.prediction)}, true {true}; {', '.join(figures)}"

    @property
    def unseeing(self) -> str:
        """What was said without seeing the video, in one line."""
        said = {
            name: "nothing" if isinstance(one, ParseFailure) else in_words(one) for name, one in self.controls.items()
        }
        return "; ".join(f"{name}: {words}" for name, words in said.items())

    def picture(self, index: int, room: tuple[int, int]) -> np.ndarray:
        """A sampled frame as large as fits into (height, width), with the boxes that both tubes have on it."""
        picture = fitted(self.marked.frames[index], room)
        frame = self.loaded.masklets.frame_at(float(self.marked.pts[index]))
        for answer, colour, dashed in ((self.loaded.sample.truth, TRUE, False), (self.answer, PREDICTED, True)):
            if answer.tube is not None and frame in answer.tube.frames:
                box = answer.tube.boxes[frame - answer.tube.start_frame]
                draw_box(picture, box, self.marked.size, colour, dashed=dashed)
        return picture

    def intervals(self) -> tuple[Sequence[Interval] | None, Sequence[Interval] | None]:
        """True and predicted intervals."""
        return self.loaded.sample.truth.segments, self.answer.segments


def in_words(answer: Answer) -> str:
    """The parts of an answer that a line can hold: `ID 3, 0.50 to 2.00 s`; no time at all is `never`."""
    ids = [f"ID {one}" for one in sorted(answer.ids or ())]
    times = [f"{one.start:.2f} to {one.end:.2f} s" for one in answer.segments or ()]
    never = ["never"] if answer.segments == () else []
    return ", ".join([*ids, *times, *never])


def contact_sheet(shown: Sequence[Shown], path: Path, *, overwrite: bool = False) -> None:
    """Write a PNG with a row a sample: query, ids, up to 8 frames spread over the clip, and both intervals.

    What the controls said, if anything, stands below what the policy said.

    True boxes and bars are green; predicted ones magenta, the boxes dashed.

    Args:
        shown: At least one sample.
        path: Where to write.
        overwrite: Replace an existing file.

    Raises:
        UserError: If there is nothing to show, the file exists, or it cannot be written.
    """
    _check_any(shown)
    sheet = np.concatenate([_sheet_row(one) for one in shown])
    with whole_file(path, overwrite=overwrite) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def _sheet_row(one: Shown) -> np.ndarray:
    width = COLUMNS * (TILE[1] + SPACE) - SPACE
    indices = np.unique(np.linspace(0, len(one.marked) - 1, COLUMNS).round().astype(int))
    pictures = [one.picture(index, TILE) for index in indices]
    height = max(len(picture) for picture in pictures)
    strip = _paper(height + 20, width)
    for column, (index, picture) in enumerate(zip(indices, pictures, strict=True)):
        left = column * (TILE[1] + SPACE)
        strip[: len(picture), left : left + picture.shape[1]] = picture
        caption = paragraph(TILE[1], f"{one.marked.pts[index]:.2f} s", 13, 1)
        strip[height + 2 : height + 2 + len(caption), left : left + TILE[1]] = caption
    bars = time_line(width, one.marked.duration, *one.intervals(), ticks=one.marked.pts[indices].tolist())
    lines = [one.verdict, one.unseeing] if one.controls else [one.verdict]
    parts = [paragraph(width, line, 15, 1) for line in lines]
    row = np.concatenate([paragraph(width, one.loaded.sample.query, 20, 1), *parts, _paper(4, width), strip, bars])
    return np.pad(row, ((12, 12), (16, 16), (0, 0)), constant_values=PAPER[0])


def showcase_video(shown: Sequence[Shown], path: Path, *, overwrite: bool = False) -> None:
    """Write an mp4 that plays the samples one after another with boxes, query, ids and a cursor over the intervals.

    A sample is played in real time, one of more than 20 seconds as fast as it takes to last 20 seconds.

    Args:
        shown: At least one sample.
        path: Where to write; must end in `.mp4`.
        overwrite: Replace an existing file.

    Raises:
        UserError: If there is nothing to show, the file exists, or it cannot be written.
    """
    _check_any(shown)
    write_video(path, (frame for one in shown for frame in _played(one)), RATE, overwrite=overwrite)


def _played(one: Shown) -> Iterator[np.ndarray]:
    """The sample's video frames: at each time the sampled frame that was shown last."""
    count = math.ceil(one.marked.duration * RATE - 1e-6)  # 4 s are 16 frames, also where rounding left 4.0000001 s
    step = 1 / RATE if count <= MOST else one.marked.duration / MOST
    times = np.arange(min(max(1, count), MOST)) * step
    indices = (np.searchsorted(one.marked.pts, times + 1e-6, side="right") - 1).clip(0)
    width = SCREEN[1] - 2 * SPACE
    head = np.concatenate([paragraph(width, one.loaded.sample.query, 18, 2), paragraph(width, one.verdict, 14, 1)])
    for time, index in zip(times.tolist(), indices, strict=True):
        bars = time_line(width, one.marked.duration, *one.intervals(), cursor=time)
        yield _screen(head, one.picture(index, SCREEN), bars)


def _screen(head: np.ndarray, picture: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """One frame of the video, of the same even size for every sample."""
    canvas = _paper(len(head) + SCREEN[0] + BARS_HEIGHT + 3 * SPACE, SCREEN[1])
    right = SCREEN[1] - SPACE
    canvas[SPACE : SPACE + len(head), SPACE:right] = head
    canvas[-BARS_HEIGHT:, SPACE:right] = bars
    stage = canvas[len(head) + 2 * SPACE :][: SCREEN[0]]
    stage[:] = 0
    top, left = ((room - side) // 2 for room, side in zip(SCREEN, picture.shape, strict=False))
    stage[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas[: len(canvas) // 2 * 2]


def _paper(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _check_any(shown: Sequence[Shown]) -> None:
    if not shown:
        raise UserError("there are no samples to show; give at least one")
