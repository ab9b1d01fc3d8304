"""Rows for `task=vtg` and `task=box` from what the views of a scene show of its objects: no annotation is needed.

How Scene-R1 derives its labels is not public; the rules are our default. A frame shows an object if it shows at
least 50 pixels of it and a tenth of what the frame that shows most does. The object's interval is the longest run of
frames that show it, where gaps of at most a second do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grounding.core import UserError
from grounding.datasets.fields import read_words
from grounding.datasets.scene_views import Sight, Watched

MIN_PIXELS, MIN_SHARE = 50, 0.1  # the share is of the object's most pixels in any frame
MAX_GAP = 1.0  # seconds


@dataclass(frozen=True)
class Labels:
    """The rows of a scene, and what became of its objects.

    Attributes:
        vtg: Rows with an interval, one an object, in a list: rows about what is not there, with [], may stand beside.
        box: Rows with a frame and a box, some an object.
        objects: For the report: id, label, interval and more of each object that has rows.
        left_out: Id of each object without rows -> reason.
    """

    vtg: list[dict[str, Any]] = field(default_factory=list)
    box: list[dict[str, Any]] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)


def label(watched: Watched, duration: float, names: Mapping[int, str | int], scene: str, boxes: int) -> Labels:
    """The rows of a scene.

    Args:
        watched: What the frames of its video show.
        duration: Of the video, seconds.
        names: What each object is called; the query of its rows. Objects that share a name have no rows, for nobody
            could tell which is meant.
        scene: What ids of rows and the video, `<scene>.mp4`, are named after.
        boxes: Most rows with a box, of one object.
    """
    made = Labels()
    shown = {number: shown_in(watched.sights.get(number, {})) for number in sorted({*names, *watched.sights})}
    sharing: dict[str, list[int]] = defaultdict(list)
    for number, frames in shown.items():
        if frames and number in names:
            sharing[_plain(names[number])].append(number)
    ends = [*watched.times[1:], duration]
    for number, frames in shown.items():
        try:
            if not frames:
                raise UserError(_too_small(watched.sights.get(number, {})))
            query = _query(number, names, sharing)
        except UserError as error:
            made.left_out[number] = str(error)
            continue
        run = longest_run(frames, watched.times, ends)
        chosen = spread(run, boxes)
        interval = [round(watched.times[run[0]], 4), round(ends[run[-1]], 4)]
        row = {"id": f"{scene}_{number}", "video": f"{scene}.mp4", "query": query}
        made.vtg.append({**row, "intervals": [interval], "meta": {"object": number}})
        for frame in chosen:
            box = [round(side, 2) for side in watched.sights[number][frame].box]
            made.box.append(
                {**row, "id": f"{row['id']}_{frame}", "frame": frame, "box": box, "meta": {"object": number}}
            )
        made.objects.append(
            {"id": number, "label": query, "interval": interval, "frames": len(frames), "box_frames": chosen}
        )
    return made


def shown_in(seen: Mapping[int, Sight]) -> list[int]:
    """The frames, ascending, that show an object, of those that show any pixel of it."""
    most = max((sight.pixels for sight in seen.values()), default=0)
    least = max(MIN_PIXELS, MIN_SHARE * most)
    return [frame for frame in sorted(seen) if seen[frame].pixels >= least]


def longest_run(frames: Sequence[int], starts: Sequence[float], ends: Sequence[float]) -> list[int]:
    """The frames of the longest run in time, the first of two as long; gaps of up to `MAX_GAP` do not end a run.

    Args:
        frames: That show an object, ascending, at least one.
        starts: From when each frame of the video is shown, seconds.
        ends: Until when.
    """
    runs = [[frames[0]]]
    for frame in frames[1:]:
        if starts[frame] - ends[runs[-1][-1]] <= MAX_GAP + 1e-6:  # times are sums of fractions
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return max(runs, key=lambda run: ends[run[-1]] - starts[run[0]])


def spread(frames: Sequence[int], count: int) -> list[int]:
    """At most `count` of some frames, at equal distances, those nearest to the middle if it is one."""
    count = min(count, len(frames))
    return [frames[int((place + 0.5) * len(frames) / count)] for place in range(count)]


def _query(number: int, names: Mapping[int, str | int], sharing: Mapping[str, Sequence[int]]) -> str:
    name = names.get(number)
    if name is None or name == "":
        raise UserError("it has no label")
    if not isinstance(name, str):
        raise UserError("its label is the number of a class, not a name")
    if len(same := sharing[_plain(name)]) > 1:
        raise UserError(f"{len(same)} objects that are shown are called {name[:80]!r}")
    return read_words("label", name)


def _plain(name: str | int) -> str:
    return " ".join(str(name).casefold().split())


def _too_small(seen: Mapping[int, Sight]) -> str:
    most = max((sight.pixels for sight in seen.values()), default=0)
    return f"no frame shows {MIN_PIXELS} pixels of it" if most else "no frame shows it"
