"""What the readers of all formats share: masks in JSON, masks of boxes, and finished tracks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from grounding.core import rle
from grounding.core.checks import shown, within
from grounding.core.errors import UserError
from grounding.core.masklets import Masklets, check_id
from grounding.core.video_probe import VideoInfo

Tracks = dict[int, list[bytes | None]]


def objects_of(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of JSON objects under a key.

    Raises:
        UserError: Naming the key, if it is something else.
    """
    entries = value.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f'"{key}" must be a list of objects; take a file with masks (test splits have none)')
    return entries


def read_rle(mask: Any, video: VideoInfo) -> bytes | None:
    """A mask as COCO's RLE, compressed or not, or null.

    Raises:
        UserError: If it is none, of another size than the video's or of a wrong length.
    """
    if mask is None:
        return None
    if not isinstance(mask, dict) or not isinstance(mask.get("size"), list) or len(mask["size"]) != 2:
        raise UserError('a mask must be RLE, {"size": [height, width], "counts": ...}, or null')
    check_size((mask["size"][0], mask["size"][1]), video)
    return rle.from_json(mask, video.size)


def read_track(masks: Any, video: VideoInfo) -> list[bytes | None]:
    """The masks of one object, RLE or null, one a source frame.

    Raises:
        UserError: Naming the frame of the first that cannot be read; or if there are more or fewer.
    """
    if not isinstance(masks, list):
        raise UserError("expected a list of masks (RLE or null), one a source frame")
    check_frames(len(masks), video)
    track = []
    for frame, mask in enumerate(masks):
        with within(f"frame {frame}"):
            track.append(read_rle(mask, video))
    return track


def check_frames(count: int, video: VideoInfo) -> None:
    """Refuse masks of more or fewer frames than the video has.

    Raises:
        UserError: Naming both numbers.
    """
    if count != video.frame_count:
        raise UserError(f"{count} frames, the video has {video.frame_count}; give one entry a source frame")


def check_size(size: tuple[Any, ...], video: VideoInfo) -> None:
    """Refuse masks of another size than the video's.

    Args:
        size: (height, width).
        video: The video.

    Raises:
        UserError: Naming both sizes.
    """
    if size != video.size:
        mine, its = (f"{s[1]} x {s[0]}" for s in (size, video.size))
        raise UserError(f"{mine} pixels, the video is {its}; make them from the source frames")


def check_stated(entry: Mapping[str, Any], video: VideoInfo) -> None:
    """Refuse an entry that says another size or number of frames than the video's; it need not say any.

    Raises:
        UserError: Naming what it says and what the video has.
    """
    height, width = video.size
    for key, own in (("height", height), ("width", width), ("length", video.frame_count)):
        if entry.get(key) not in (None, own):
            raise UserError(f"{key} is {str(entry[key])[:40]}, the video's is {own}; make the masks from this video")


def own_entry(named: Sequence[tuple[str, dict[str, Any]]], video: VideoInfo) -> dict[str, Any]:
    """The entry of a video in a file of many: the one named like the video file, or the only one.

    Args:
        named: Name, perhaps with folders before and an ending behind, and entry of each.
        video: The video.

    Raises:
        UserError: If none or several are named so, or two entries have the same id.
    """
    paths = [(PurePosixPath(name), entry) for name, entry in named]
    found = [entry for path, entry in paths if len(paths) == 1 or video.path.stem in (path.name, path.stem)]
    if len(found) != 1:
        names = ", ".join([path.name for path, _ in paths[:5]]) or "none"
        count = f"{len(paths)} videos, {len(found)} of them named {video.path.stem!r}"
        raise UserError(f"{count}; name the video file like one: {names}")
    if sum(entry.get("id") == found[0].get("id") for _, entry in paths) > 1:
        raise UserError(f"two videos have the id {shown(found[0].get('id'))}; give each its own")
    return found[0]


def of_video(entries: Sequence[dict[str, Any]], what: str, videos: Sequence[dict[str, Any]], own: Any) -> list[int]:
    """Places of the entries whose `video_id` is that of one video.

    Args:
        entries: Images or annotations.
        what: Their key in the file.
        videos: All videos of the file.
        own: The id of the one.

    Raises:
        UserError: If an entry's is that of no video.
    """
    known = {repr(video.get("id")) for video in videos}
    for place, entry in enumerate(entries):
        if repr(entry.get("video_id")) not in known:
            raise UserError(f"{what}[{place}]: video_id {shown(entry.get('video_id'))} is none of the videos; mend it")
    return [place for place, entry in enumerate(entries) if entry.get("video_id") == own]


def put(tracks: Tracks, object_id: int, frame: int, mask: bytes | None, video: VideoInfo) -> None:
    """Enter one mask into the tracks, or that there is none (kept as b"", so that a second one is refused as well).

    Raises:
        UserError: If the id is none (`check_id`), the frame is none of the video's, or the object's frame was entered
            already.
    """
    check_id(object_id)
    if not 0 <= frame < video.frame_count:
        raise UserError(f"frame {frame} is beyond the video, which has frames 0 to {video.frame_count - 1}")
    track = tracks.setdefault(object_id, [None] * video.frame_count)
    if track[frame] is not None:
        raise UserError(f"object {object_id} has a mask on frame {frame} already; give each object one a frame")
    track[frame] = mask or b""


def box_mask(box: Sequence[float], size: tuple[int, int]) -> bytes | None:
    """The mask of a box: all pixels whose middle lies within it, at least one.

    Args:
        box: xyxy in pixels, half-open; what lies outside the picture is cut off.
        size: (height, width) of the picture.

    Returns:
        Compressed counts; None where the whole box lies outside.

    Raises:
        UserError: If the box is not four finite numbers with x1 < x2 and y1 < y2.
    """
    if not all(math.isfinite(side) for side in box) or not (box[0] < box[2] and box[1] < box[3]):
        raise UserError(f"a box must have a width and a height above 0, got xyxy {[float(side) for side in box]}")
    height, width = size
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        return None
    left, right = _pixels(box[0], box[2], width)
    top, bottom = _pixels(box[1], box[3], height)
    # Runs go down the columns: what is before the first column of the box, then its pixels and the gap to the next.
    runs = [left * height + top, bottom - top, *[height - bottom + top, bottom - top] * (right - left - 1)]
    if bottom - top == height:
        runs = [left * height, (right - left) * height]
    rest = height * width - sum(runs)
    return rle.from_json([*runs, rest] if rest else runs, size)


def _pixels(low: float, high: float, length: int) -> tuple[int, int]:
    """The pixels of a stretch that reaches into the picture, as a half-open range with at least one."""
    first, last = max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), length)
    if first < last:
        return first, last
    only = min(max(math.floor(low), 0), length - 1)
    return only, only + 1


def finished(tracks: Mapping[int, Sequence[bytes | None]], video: VideoInfo) -> Masklets:
    """Masklets of the video; an empty mask becomes none.

    Args:
        tracks: For each id one entry a source frame, masks of the video's size.
        video: The video.
    """
    return Masklets(video.size, video.fps, video.pts, {i: _seen(track, video.size) for i, track in tracks.items()})


def _seen(track: Sequence[bytes | None], size: tuple[int, int]) -> tuple[bytes | None, ...]:
    areas = iter(rle.areas([counts for counts in track if counts], size)) if any(track) else iter(())
    return tuple(counts if counts and next(areas) else None for counts in track)
