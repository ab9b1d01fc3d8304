"""A whole video with IDs drawn: frame by frame, whatever its length, with its sound, stills and a legend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounding.core import Masklets, UserError
from grounding.core.files import staged, writing
from grounding.core.intervals import nearest_frames
from grounding.core.video import sample_times
from grounding.core.video_backends import read_pyav
from grounding.core.video_copy import copy_video
from grounding.core.video_probe import VideoInfo
from grounding.core.video_write import check_mp4
from prompting.legend import SCHEMA_VERSION, Mark
from prompting.marker import IdMarker


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """One frame of a video with its marks.

    Args:
        index: Of the source frame.
        time: Seconds from the video's first frame.
        picture: RGB, uint8, shape (H, W, 3).
        marks: One an object, ascending by id.
    """

    index: int
    time: float
    picture: np.ndarray
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Outputs:
    """Where a drawn video goes: all of it appears together, when all is done.

    Args:
        video: The mp4.
        frames: Folder for stills, `000012.png` for frame 12; new or empty.
        stills_per_second: How many stills; each is the frame nearest to its time, as `read_clip` samples.
        legend: JSON file of the marks on every source frame, as `Legend.to_json`.
        overwrite: Replace existing files; a folder that holds something is never replaced.
        inputs: What else is read, besides the video; no output may be one of these.
    """

    video: str | Path
    frames: str | Path | None = None
    stills_per_second: float = 2.0
    legend: str | Path | None = None
    overwrite: bool = False
    inputs: Sequence[str | Path] = ()


def draw_frames(info: VideoInfo, masklets: Masklets, marker: IdMarker) -> Iterator[DrawnFrame]:
    """The frames of a video with their marks, one at a time; a frame that cannot be decoded is left out.

    Where marks go is worked out from the masklets before the first frame is read.

    Args:
        info: The video.
        masklets: Of that video.
        marker: How to draw.

    Raises:
        UserError: If the masklets are of another size, or the frames change their size on the way.
    """
    if tuple(masklets.size) != tuple(info.size):
        raise UserError(f"masklets must have the video's (height, width) {info.size}, got {tuple(masklets.size)}")
    plan = marker.plan(masklets, info.pts, info.size)
    for time, picture in read_pyav(info, np.arange(info.frame_count)):
        index = int(nearest_frames(info.pts, np.array(time)))
        if picture.shape[:2] != info.size:
            raise UserError(f"{info.path}: frame {index} is of another size than the first; re-encode the video")
        masks = masklets.masks_at(masklets.frame_at(time)) if plan.needs_masks else {}
        yield DrawnFrame(index, time, picture, plan.draw(picture, index, masks))


def draw_video(
    info: VideoInfo,
    masklets: Masklets,
    marker: IdMarker,
    outputs: Outputs,
    progress: Callable[[Iterable[DrawnFrame]], Iterable[DrawnFrame]] = iter,
) -> int:
    """Draw IDs on every frame of a video and keep its sound; files appear when all is done, or not at all.

    Args:
        info: The video.
        masklets: Of that video.
        marker: How to draw.
        outputs: What to write.
        progress: Wraps the frames on their way, to show how far the work is.

    Returns:
        The number of frames drawn.

    Raises:
        UserError: As `draw_frames`; or if an output exists already, is an input, or cannot be written.
    """
    check_mp4(Path(outputs.video))
    if not 0 < outputs.stills_per_second < 1e6:
        raise UserError(f"stills a second must be a number > 0, got {outputs.stills_per_second}")
    wanted = nearest_frames(info.pts, sample_times(info, outputs.stills_per_second, info.frame_count))
    files = [outputs.video, *([] if outputs.legend is None else [outputs.legend])]
    folders = [] if outputs.frames is None else [outputs.frames]
    inputs = [info.path, *outputs.inputs]
    with staged(files, folders, overwrite=outputs.overwrite, inputs=inputs) as places, ExitStack() as stack:
        keep: list[Write] = []
        if outputs.legend is not None:
            keep.append(stack.enter_context(_legend(places[1], outputs.legend)))
        if outputs.frames is not None:
            keep.append(_stills(places[-1], outputs.frames, set(wanted.tolist())))
        count = 0

        def pictures() -> Iterator[tuple[float, np.ndarray]]:
            nonlocal count
            for frame in progress(draw_frames(info, masklets, marker)):
                for write in keep:
                    write(frame)
                count += 1
                yield frame.time, frame.picture

        copy_video(info, places[0], Path(outputs.video), pictures())
    return count


Write = Callable[[DrawnFrame], Any]


def _stills(folder: Path, name: str | Path, wanted: set[int]) -> Write:
    """What writes a frame into a new folder, which errors call by a name, if the frame is wanted."""
    with writing(name):
        folder.mkdir()

    def write(frame: DrawnFrame) -> None:
        if frame.index in wanted:
            with writing(name):
                Image.fromarray(frame.picture).save(folder / f"{frame.index:06}.png")

    return write


@contextmanager
def _legend(path: Path, name: str | Path) -> Iterator[Write]:
    """Gives what writes a frame's marks into a file, which errors call by a name, a line a source frame."""
    with writing(name), path.open("w", encoding="utf-8") as file:
        file.write(f'{{"schema_version": {SCHEMA_VERSION}, "frames": [')
        lines = 0

        def write(frame: DrawnFrame) -> None:
            nonlocal lines
            left_out = ["[]"] * (frame.index - lines)
            for line in [*left_out, json.dumps([mark.to_json() for mark in frame.marks])]:
                file.write(f"{',' if lines else ''}\n{line}")
                lines += 1

        yield write
        file.write("\n]}\n")
