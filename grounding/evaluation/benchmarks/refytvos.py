"""Ref-YouTube-VOS: the mask of the one object that an expression means; J, F and J&F as for MeViS.

Only the training split has public masks; its server's script is not public. That every frame listed counts, and one
without the object is right where the prediction is empty, is MeViS's rule. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grounding.core import UserError, rle
from grounding.core.checks import within
from grounding.core.files import inside
from grounding.core.reading import is_file, is_folder, read_json
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.datasets.refytvos import MASKS
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.mevis import Truth, figures, filled_list, read_prediction, read_predictions
from grounding.evaluation.entries import text_id
from grounding.masks.id_maps import read_id_map
from grounding.masks.mevis import META


def read_truth(path: Path) -> dict[str, Truth]:
    """The folder of a split with `Annotations/<video>/<frame>.png` (value = `obj_id`); ids are `<video>/<expression>`.

    `meta_expressions.json` lies in it, or where the official archive has it, in `../meta_expressions/<split>`.

    Raises:
        UserError: Naming the file and the video or expression that is not as Ref-YouTube-VOS writes it.
    """
    (beside,) = _beside(path)
    meta = beside if is_file(beside) else path / META
    value = read_json(meta)
    with within(str(meta)):
        videos = object_of(field(value, "videos"), "videos")
    truths: dict[str, Truth] = {}
    for video, entry in videos.items():
        with within(f"{meta}: video {video[:40]}"):
            truths |= {
                text_id(f"{video}/{name}"): truth for name, truth in _expressions(entry, inside(path / MASKS, video))
            }
    return truths


def _beside(truth: Path) -> tuple[Path, ...]:
    return (truth.parent / "meta_expressions" / truth.name / META,)


def _expressions(entry: Any, folder: Path) -> Iterator[tuple[str, Truth]]:
    frames = [text_id(name) for name in filled_list(entry, "frames")]
    said = object_of(field(entry, "expressions"), "expressions")
    objects = {name: _object(name, one) for name, one in said.items()}
    size, tracks = _tracks([inside(folder, f"{name}.png") for name in frames], set(objects.values()))
    for name, number in objects.items():
        if not any(tracks[number]):
            raise UserError(
                f"expression {name[:40]}: object {number} is on no frame of {folder}; take one split's files"
            )
        yield name, Truth(frames, size, [tracks[number]])


def _object(name: str, said: Any) -> int:
    with within(f"expression {name[:40]}"):
        number = whole_in(field(said, "obj_id"), "obj_id")
        if number == 0:
            raise UserError("obj_id must be 1 or more, for 0 is the ground")
        return number


def _tracks(paths: Sequence[Path], objects: set[int]) -> tuple[tuple[int, int], dict[int, list[bytes | None]]]:
    """The one size of a video's id maps, and the masks of each object; one map in memory at a time."""
    size = None
    tracks: dict[int, list[bytes | None]] = {number: [] for number in objects}
    for path in paths:
        ids = read_id_map(path, size)
        size = ids.shape[0], ids.shape[1]
        for number, track in tracks.items():
            mask = ids == number
            track.append(rle.encode(mask) if mask.any() else None)
    return size or (0, 0), tracks


def read_submission(path: Path) -> list[Entry]:
    """What MeViS takes, also within a folder `Annotations`, as the server's archives have it.

    Raises:
        UserError: If there is no such folder or file.
    """
    return read_predictions(path / MASKS if is_folder(path / MASKS) else path)


REFYTVOS = Benchmark(
    truth="the folder of a split with masks (train): Annotations, and meta_expressions.json in it or as in the archive",
    predictions="the submission folder, [Annotations/]<video>/<expression>/<frame>.png, or rows as for mevis",
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    entries=read_submission,
    beside=_beside,
)
