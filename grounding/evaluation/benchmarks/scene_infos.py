"""The true 3D boxes of ScanNet's scenes from a scene info, as mmdet3d and VLM-Grounder make it, written as JSON.

scannet_infos_val.json       mmdet3d 0.x: [{"point_cloud": {"lidar_idx": scene}, "annos": {"gt_boxes_upright_depth" (or
                             "location" and "dimensions"), "class", "axis_align_matrix"}}]
                             mmdet3d 1.x: {"data_list": [{"lidar_points": {"lidar_path": "<scene>.bin"},
                             "axis_align_matrix", "instances": [{"bbox_3d", "bbox_label_3d"}]}]}
scenes_train_val_info.json   VLM-Grounder: {scene: {"0": {"aligned_bbox"}, ..., "axis_align_matrix"}}

A box is `[cx, cy, cz, dx, dy, dz]` in the aligned scene, in metres. Where only "unaligned_..." is given, it is turned
by axis_align_matrix, and the box around its corners is taken.

ScanRefer's `object_id` is the key of an object with VLM-Grounder. mmdet3d leaves out the objects that are of none of
ScanNet's 18 classes and numbers the others anew, in "index" and in the order of its lists. Which they are is found out
from `scans/<scene>/<scene>.aggregation.json` and `scannetv2-labels.combined.tsv`: the n-th box is that of the n-th
object of these classes, and all classes must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown, whole, whole_text, within
from grounding.core.files import inside
from grounding.core.reading import is_file, read_json
from grounding.datasets.entries import field, list_of, object_of
from grounding.datasets.scans import nyu_classes, scan_objects
from grounding.evaluation.benchmarks.scannet import CLASSES
from grounding.evaluation.entries import numbers
from lift3d.scenes.text import rigid_matrix

NAMES = ("scannet_infos_val.json", "scenes_train_val_info.json")
PICKLED = tuple(Path(name).with_suffix(".pkl").name for name in NAMES)
_KINDS = list(CLASSES.values())  # in the order of mmdet3d's class numbers


@dataclass(frozen=True, eq=False)
class TrueBox:
    """`x1 y1 z1 x2 y2 z2` in metres, and whether it is around a box that was turned, and so is larger than it."""

    sides: np.ndarray
    around: bool = False


@dataclass(frozen=True, eq=False)
class _Listed:
    """Boxes of mmdet3d in their order, and the class of each."""

    boxes: Sequence[TrueBox]
    kinds: Sequence[str]


def info_boxes(path: Path, labels: Path, scans: Path) -> Callable[[str], Mapping[int, TrueBox]]:
    """What gives the boxes of a scene by ScanRefer's `object_id`.

    Args:
        path: The scene info.
        labels: `scannetv2-labels.combined.tsv`, for mmdet3d.
        scans: Folder of the scans, for mmdet3d.

    Raises:
        UserError: Naming the file that is not as above; what is given raises it for a scene.
    """
    with within(str(path)):
        scenes = _by_scene(read_json(path))

    def boxes_of(scene: str) -> Mapping[int, TrueBox]:
        if scene not in scenes:
            raise UserError(f"{path} has no scene {shown(scene)}; take the scene info of this split")
        with within(f"{path}, {scene}"):
            found = _boxes(object_of(scenes[scene], "a scene"))
        if isinstance(found, _Listed):
            objects = inside(scans, f"{scene}/{scene}.aggregation.json")
            if not (is_file(objects) and is_file(labels)):
                raise UserError(
                    f"{path} numbers objects anew; to tell which they are, put {labels.name} and "
                    f"{scans.name}/{scene}/{objects.name} beside it"
                )
            return _numbered(found, objects, labels)
        return found

    return boxes_of


def refuse_pickle(path: Path) -> NoReturn:
    """Refuse a pickle, which runs whatever its author wants when it is opened.

    Raises:
        UserError: With the line that writes it as JSON.
    """
    code = "json.dump(pickle.load(open('{0}.pkl', 'rb')), open('{0}.json', 'w'), default=lambda x: x.tolist())"
    line = f'python -c "import json, pickle; {code.format(path.stem)}"'
    raise UserError(f"{path} is a pickle, which can run any code; where you trust it, write it as JSON: {line}")


def _by_scene(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return _once((str(field(field(row, "point_cloud"), "lidar_idx")), row) for row in value)
    if "data_list" in object_of(value, "a scene info"):
        rows = list_of(value["data_list"], "data_list")
        return _once((PurePosixPath(str(field(field(row, "lidar_points"), "lidar_path"))).stem, row) for row in rows)
    return dict(value)


def _once(scenes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, row in scenes:
        if name in found:
            raise UserError(f"scene {shown(name)} stands there twice; take the file as its converter wrote it")
        found[name] = row
    return found


def _boxes(scene: dict[str, Any]) -> dict[int, TrueBox] | _Listed:
    if "instances" in scene:
        rows = list_of(scene["instances"], "instances")
        kinds = [_kind(field(row, "bbox_label_3d")) for row in rows]
        return _Listed([_box(field(row, "bbox_3d")) for row in rows], kinds)
    if "annos" in scene:
        return _of_annos(object_of(scene["annos"], "annos"))
    found = {whole_text(key, "an object"): _keyed(row, scene) for key, row in scene.items() if key[:1].isdecimal()}
    return {number: box for number, box in found.items() if box.sides.any()}  # all 0: it has no vertices


def _keyed(row: Any, scene: Mapping[str, Any]) -> TrueBox:
    if "aligned_bbox" in object_of(row, "an object"):
        return _box(_without_class(row["aligned_bbox"]))
    return _turned(_without_class(field(row, "aligned_bbox", "unaligned_bbox")), field(scene, "axis_align_matrix"))


def _without_class(box: Any) -> Any:
    """VLM-Grounder writes the number of a class behind centre and sides."""
    return box[:6] if isinstance(box, list) and len(box) == 7 else box


def _of_annos(annos: dict[str, Any]) -> _Listed:
    if annos.get("gt_num") == 0:
        return _Listed([], [])
    kinds = [_kind(one) for one in list_of(field(annos, "class"), "class")]
    if (aligned := _centres_and_sides(annos, "")) is not None:
        return _Listed([_box(box) for box in aligned], kinds)
    if (unaligned := _centres_and_sides(annos, "unaligned_")) is not None:
        matrix = field(annos, "axis_align_matrix")
        return _Listed([_turned(box, matrix) for box in unaligned], kinds)
    raise UserError('"gt_boxes_upright_depth" is missing')


def _centres_and_sides(annos: dict[str, Any], before: str) -> list[Any] | None:
    names = [f"{before}{name}" for name in ("gt_boxes_upright_depth", "location", "dimensions")]
    if names[0] in annos:
        return list_of(annos[names[0]], names[0])
    if names[1] not in annos:
        return None
    centres, sides = (numbers(field(annos, name), name, 3) for name in names[1:])
    if len(centres) != len(sides):
        raise UserError(f'"{names[1]}" and "{names[2]}" must be as many, got {len(centres)} and {len(sides)}')
    boxes: list[Any] = np.concatenate([centres, sides], axis=1).tolist()
    return boxes


def _kind(number: Any) -> str:
    known = whole(number, "a class") if number != -1 else len(_KINDS)
    return _KINDS[known] if known < len(_KINDS) else ""


def _box(box: Any) -> TrueBox:
    sides = numbers(box, "a box")
    if len(sides) != 6 or (sides[3:] < 0).any():
        raise UserError(f"a box must be [cx, cy, cz, dx, dy, dz] with sides >= 0, got {shown(box)}")
    return TrueBox(np.concatenate([sides[:3] - sides[3:] / 2, sides[:3] + sides[3:] / 2]))


def _turned(box: Any, matrix: Any) -> TrueBox:
    """The box around the corners of one in the unaligned scene."""
    turn, bounds = rigid_matrix(matrix, "axis_align_matrix"), _box(box).sides.reshape(2, 3)
    corners = np.stack(np.meshgrid(*bounds.T), axis=-1).reshape(-1, 3) @ turn[:3, :3].T + turn[:3, 3]
    return TrueBox(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), around=True)


def _numbered(listed: _Listed, objects: Path, labels: Path) -> dict[int, TrueBox]:
    nyu = nyu_classes(labels)
    kinds = {one.number: nyu.get(one.label, "") for one in scan_objects(objects)}
    kept = [number for number in sorted(kinds) if kinds[number] in _KINDS]
    if [kinds[number] for number in kept] != list(listed.kinds) or len(kept) != len(listed.boxes):
        raise UserError(
            f"the scene info has {len(listed.boxes)} objects, {objects} has {len(kept)} of ScanNet's 18 classes, and "
            "they must be the same; make both from one version of ScanNet"
        )
    return dict(zip(kept, listed.boxes, strict=True))
