"""MeViS: masks of all objects that an expression means; J, F and J&F as DAVIS defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import Region, UserError, rle
from grounding.core.checks import shown, whole, within
from grounding.core.files import inside
from grounding.core.limits import check_pixels
from grounding.core.pictures import open_picture
from grounding.core.reading import is_folder, read_json
from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import OWN, predicted, read_entries, text_id
from grounding.masks.mevis import MASKS, META
from grounding.masks.segmentation import similarities

NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B")  # Pillow's modes whose pixels are one number each
Track = Sequence[bytes | None]  # compressed masks, None where empty, one a frame


@dataclass(frozen=True, eq=False)
class Truth:
    """The frames' names, the size of all of them (height, width), and the masks of each object that is meant."""

    frames: Sequence[str]
    size: tuple[int, int]
    objects: Sequence[Track]


def read_truth(path: Path) -> dict[str, Truth]:
    """The folder of a split with masks (`valid_u`, `train`): ids are `<video>/<expression>`.

    Raises:
        UserError: Naming the file and the video or annotation that is not as MeViS writes it.
    """
    with within(str(path)):
        videos = object_of(field(object_of(read_json(inside(path, META)), META), "videos"), "videos")
        masks = object_of(read_json(inside(path, MASKS)), MASKS)
    truths: dict[str, Truth] = {}
    for video, entry in videos.items():
        with within(f"{path / META}: video {video[:40]}"):
            frames = [text_id(name) for name in filled_list(entry, "frames")]
            expressions = object_of(field(entry, "expressions"), "expressions")
            named = {name: _annotations(one) for name, one in expressions.items()}
            size, tracks = _tracks({n for ids in named.values() for n in ids}, masks, len(frames))
            for name, ids in named.items():
                truths[text_id(f"{video}/{name}")] = Truth(frames, size, [tracks[n] for n in ids])
    return truths


def filled_list(row: Any, name: str) -> list[Any]:
    """What stands under `name`, a list with at least one entry.

    Raises:
        UserError: If it is none.
    """
    value = field(row, name)
    if not isinstance(value, list) or not value:
        raise UserError(f'"{name}" must be a list with at least one entry, got {str(value)[:40]!r}')
    return value


def _annotations(expression: Any) -> list[str]:
    """The annotations that an expression means; none where it means no object of the video, as some of MeViS v2 do."""
    return [str(whole(one, "anno_id")) for one in list_of(field(expression, "anno_id"), "anno_id")]


def _tracks(ids: set[str], masks: Mapping[str, Any], count: int) -> tuple[tuple[int, int], dict[str, Track]]:
    """The one size of a video's masks, and the masks by annotation."""
    seen = [mask for n in sorted(ids) for mask in filled_list(masks, n) if mask is not None]
    if not seen:
        raise UserError("no object has a mask; take a split with masks")
    size = field(seen[0], "size")
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
        raise UserError(f"a mask's size must be [height, width], got {shown(size)}")
    check_pixels((size[0], size[1]), "a mask")
    return (size[0], size[1]), {n: _track(masks[n], (size[0], size[1]), count) for n in ids}


def _track(value: Any, size: tuple[int, int], count: int) -> Track:
    if not isinstance(value, list) or len(value) != count:
        got = f"{len(value)} masks" if isinstance(value, list) else type(value).__name__
        raise UserError(f"expected one mask (RLE or null) for each of the {count} frames, got {got}")
    track: list[bytes | None] = []
    for frame, mask in enumerate(value):
        with within(f"frame {frame}"):
            track.append(None if mask is None else rle.from_json(mask, size))
    return track


def read_predictions(path: Path) -> list[Entry]:
    """The submission folder, `<video>/<expression>/<frame>.png`; or rows `{"id", "masks": [RLE or null, ...]}`.

    Raises:
        UserError: If there is no such folder or file.
    """
    if not is_folder(path):
        return read_entries(path)
    folders = sorted(one for one in path.glob("*/*") if is_folder(one))
    return [Entry(row, one, f"{one.parent.name}/{one.name}") for row, one in enumerate(folders, start=1)]


def read_prediction(value: Any, truth: Truth) -> Track | None:
    """Masks of all frames; whatever is not 0 in a PNG (grey, palette or colour) is mask. null is no answer.

    Raises:
        UserError: If a frame is missing, is no PNG, or has another size than the truth.
    """
    if isinstance(value, Path):
        return [_picture(inside(value, f"{name}.png"), truth.size) for name in truth.frames]
    if value is None:
        return None
    masks = predicted(object_of(value, "a prediction"), "masks", own=OWN)
    return None if masks is None else _track(masks, truth.size, len(truth.frames))


def _picture(path: Path, size: tuple[int, int]) -> bytes:
    with open_picture(path, str(path), ("PNG",)) as image:
        if (image.height, image.width) != size:  # before decoding: a header can promise gigabytes
            raise UserError(f"{path} has {image.width} x {image.height} pixels, the truth {size[1]} x {size[0]}")
        mask = np.asarray(np.asarray(image if image.mode in NUMBERS else image.convert("RGB")) > 0)
    return rle.encode(mask if mask.ndim == 2 else np.asarray(mask.any(axis=2)))


def figures(truths: Sequence[Truth], answers: Sequence[Track | None], _mode: str) -> dict[str, Figure]:
    """`J`, `F` and `J&F`, their mean, over expressions; each is a mean over the video's frames, in [0, 1]."""
    scores = np.zeros((len(truths), 2))
    for place, (truth, answer) in enumerate(zip(truths, answers, strict=True)):
        if answer is not None:
            said, true = (Region.of(one, truth.size, len(truth.frames)) for one in ([answer], truth.objects))
            scores[place] = similarities(said, true)
    return {"J": mean(scores[:, 0]), "F": mean(scores[:, 1]), "J&F": mean(scores.mean(axis=1))}


MEVIS = Benchmark(
    truth="the folder of a split with masks, such as valid_u (meta_expressions.json and mask_dict.json)",
    predictions='the submission folder <video>/<expression>/<frame>.png, or rows {"id": "video/expression", "masks"}',
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    entries=read_predictions,
)
