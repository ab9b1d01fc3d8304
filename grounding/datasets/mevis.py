"""MeViS: expressions about motion, each of one or more objects. The masks stay in `mask_dict.json`.

    meta_expressions.json   {"videos": {"<video>": {"frames": [...],
                             "expressions": {"0": {"exp": "...", "obj_id": [...], "anno_id": [12, 13]}}}}}

Annotation ids run through the whole data set; a video's objects are numbered 1, 2, ... in the order of theirs, as
`grounding.masks` reads them. The split `valid` has no `anno_id` and so no truth. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.core.checks import within
from grounding.core.errors import UserError
from grounding.core.reading import is_file
from grounding.datasets.entries import field, list_of, object_of, read_member
from grounding.datasets.moments import video_file, whole_in
from grounding.datasets.records import Finding, Read, Record, checked_name
from grounding.masks.mevis import MASKS


def read_mevis(path: Path) -> Read:
    """The records of `meta_expressions.json`; ids are `<video>/<expression>`, as submissions name them."""
    for place, video, entry, expressions in videos_of(path):
        try:
            listed = [(name, object_of(said)) for name, said in expressions.items()]
            frames = frame_count(entry)
            annotated = {name: _ids(said) for name, said in listed if said.get("anno_id") is not None}
        except UserError as error:
            yield Finding("row", "rejected", place, video, str(error))
            continue
        numbers = {one: place for place, one in enumerate(sorted({i for ids in annotated.values() for i in ids}), 1)}
        for name, said in listed:
            ids = annotated.get(name)
            yield Record(
                place,
                f"{video}/{name}",
                video_file(video),
                said.get("exp"),
                {} if ids is None else {"object_ids": frozenset(numbers[i] for i in ids)},
                meta={"frames": frames, "anno_id": ids},
            )


def mevis_masks(path: Path) -> Path:
    """The folder of a split, which has the masks of all its videos in one file.

    Raises:
        UserError: If there is no such file.
    """
    if not is_file(path.parent / MASKS):
        raise UserError(f"no {MASKS} beside {path}; take a split with masks, train or valid_u")
    return path.parent


def videos_of(path: Path) -> Iterator[tuple[int, str, dict[str, Any], dict[str, Any]]]:
    """Place (1-based), name, entry and expressions of every video of a `meta_expressions.json`.

    Raises:
        UserError: If the file is no such file.
    """
    for place, (name, value) in enumerate(object_of(read_member(path, "videos"), f"{path}: videos").items(), 1):
        with within(f"{path}, video {place}"):
            entry = object_of(value, "the video")
            row = place, checked_name(name), entry, object_of(field(entry, "expressions"), "expressions")
        yield row


def frame_count(entry: dict[str, Any]) -> int:
    """How many frames a video's entry lists.

    Raises:
        UserError: If it lists none at all, but something else.
    """
    return len(list_of(entry.get("frames") or [], "frames"))


def _ids(said: dict[str, Any]) -> list[int]:
    return [whole_in(one, "an anno_id") for one in list_of(said["anno_id"], "anno_id")]
