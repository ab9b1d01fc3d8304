"""Ref-YouTube-VOS: expressions about one object of a video. The masks stay in the folder `Annotations`.

    meta_expressions.json   {"videos": {"<video>": {"frames": [...],
                             "expressions": {"0": {"exp": "...", "obj_id": "1"}}}}}

`obj_id` is the value of the object's pixels in the PNGs, and our id. The split `valid` has none. Not seen on real
files.
"""

from __future__ import annotations

from pathlib import Path

from grounding.core.errors import UserError
from grounding.core.reading import is_folder
from grounding.datasets.entries import object_of
from grounding.datasets.mevis import frame_count, videos_of
from grounding.datasets.moments import video_file, whole_in
from grounding.datasets.records import Finding, Read, Record, one_line

MASKS = "Annotations"


def refytvos_masks(path: Path) -> Path:
    """The folder with a folder of PNGs for each video: beside the file, or `../../<split>/Annotations`.

    Raises:
        UserError: If there is none.
    """
    split = path.parent
    places = split / MASKS, split.parent.parent / split.name / MASKS
    if found := next((one for one in places if is_folder(one)), None):
        return found
    raise UserError(f"no folder {' or '.join(map(str, places))}; take a split with masks, train")


def read_refytvos(path: Path) -> Read:
    """The records of `meta_expressions.json`; ids are `<video>/<expression>`, as submissions name them."""
    for place, video, entry, expressions in videos_of(path):
        for name, value in expressions.items():
            try:
                said = object_of(value)
                known = said.get("obj_id") is not None
                truth = {"object_id": whole_in(said["obj_id"], "obj_id")} if known else {}
                meta = {"frames": frame_count(entry)}
                yield Record(place, f"{video}/{name}", video_file(video), said.get("exp"), truth, meta=meta)
            except UserError as error:
                yield Finding("row", "rejected", place, one_line(f"{video}/{name}"), str(error))
