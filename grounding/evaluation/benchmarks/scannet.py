"""ScanNet's 3D instance benchmark: AP, AP50 and AP25, with the 20 classes or without regard to class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import inside
from grounding.core.reading import is_folder, read_bytes, read_text
from grounding.datasets.entries import Entry
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure
from grounding.evaluation.scenes import instance_figures, overlaps

CLASSES = {3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 9: "window", 10: "bookshelf"}
CLASSES |= {11: "picture", 12: "counter", 14: "desk", 16: "curtain", 24: "refrigerator", 28: "shower curtain"}
CLASSES |= {33: "toilet", 34: "sink", 36: "bathtub", 39: "otherfurniture"}
ANY = {1: "object"}


@dataclass(frozen=True, eq=False)
class Instances:
    """What was predicted for a scene: masks, bool (V,) each, labels and confidences."""

    masks: Sequence[np.ndarray]
    labels: Sequence[int]
    scores: Sequence[float]


def read_truth(path: Path) -> dict[str, np.ndarray]:
    """A folder of `<scene>.txt`: `label * 1000 + instance` of each vertex, one a line.

    Raises:
        UserError: Naming the file that is not so, or the folder if it has none.
    """
    if not is_folder(path):
        raise UserError(f"{path} is no folder; give the folder of the <scene>.txt files")
    return {file.stem: read_ids(file) for file in sorted(path.glob("*.txt"))}


def read_ids(path: Path) -> np.ndarray:
    """Whole numbers of 0 or more, one a line, shape (V,).

    Raises:
        UserError: Naming the file.
    """
    words = read_bytes(path).split()
    if not words or not all(word.isdigit() and len(word) < 15 for word in words):
        raise UserError(f"{path} must hold one whole number of 0 or more a line")
    return np.array(words, np.int64)


def read_predictions(path: Path) -> list[Entry]:
    """The files `<scene>.txt` of a prediction folder.

    Raises:
        UserError: If it is no folder or holds none.
    """
    files = sorted(path.glob("*.txt")) if is_folder(path) else []
    if not files:
        raise UserError(f"{path} holds no <scene>.txt; give the folder of the predictions, masks in a folder below it")
    return [Entry(row, file, file.stem) for row, file in enumerate(files, start=1)]


def read_prediction(value: Path, truth: np.ndarray) -> Instances:
    """Lines `relative/mask.txt label confidence`; a mask file has one number a vertex, not 0 where it belongs to it.

    Raises:
        UserError: Naming file and line: ill-formed, NaN, a mask twice, outside of the folder or of another length.
    """
    masks, labels, scores = [], [], []
    seen: set[str] = set()
    for row, line in enumerate(read_text(value).splitlines(), start=1):
        if line.strip():
            name, label, score = _line(line, f"{value.name}, line {row}")
            mask = read_ids(inside(value.parent, name)) != 0
            if name in seen or len(mask) != len(truth):
                what = "is listed twice" if name in seen else f"has {len(mask)} vertices, the truth {len(truth)}"
                raise UserError(f"{value.name}, line {row}: mask {name} {what}")
            seen.add(name)
            masks.append(mask)
            labels.append(label)
            scores.append(score)
    return Instances(masks, labels, scores)


def _line(line: str, where: str) -> tuple[str, int, float]:
    try:
        name, label, score = line.split()
        values = name, int(label), float(score)
    except ValueError as error:
        raise UserError(f"{where}: expected 'relative/mask.txt label confidence', got {line[:80]!r}") from error
    if not math.isfinite(values[2]):
        raise UserError(f"{where}: the confidence must be a finite number, got {shown(score)}")
    return values


def figures(
    truths: Sequence[np.ndarray], answers: Sequence[Instances | None], _mode: str, *, agnostic: bool
) -> dict[str, Figure]:
    """`AP`, `AP50`, `AP25` in [0, 1] over all scenes; the interval draws scenes.

    Args:
        truths: Vertex ids, one a scene.
        answers: None predicts nothing.
        agnostic: Take all labels above 0 for one class.
    """
    names = ANY if agnostic else CLASSES
    scenes = []
    for truth, answer in zip(truths, answers, strict=True):
        given = answer or Instances([], [], [])
        ids = _one_class(truth) if agnostic else truth
        labels = [1] * len(given.labels) if agnostic else given.labels
        scenes.append(overlaps(ids, given.masks, labels, given.scores, set(names)))
    return instance_figures(scenes, names)


def _one_class(ids: np.ndarray) -> np.ndarray:
    """Instances renumbered within label 1; what has no label or no instance stays 0."""
    numbers = np.unique(ids, return_inverse=True)[1]
    return np.where(ids >= 1000, 1000 + numbers, 0)


def _benchmark(scorer: Callable[..., dict[str, Figure]], labels: str) -> Benchmark:
    return Benchmark(
        truth="a folder of <scene>.txt, label * 1000 + instance of each vertex",
        predictions=f"a folder of <scene>.txt, lines 'relative/mask.txt label confidence'; {labels}",
        truths=read_truth,
        answer=read_prediction,
        figures=scorer,
        entries=read_predictions,
        main=("AP", "AP50", "AP25"),
    )


SCANNET = _benchmark(partial(figures, agnostic=False), "labels are the 18 of the benchmark")
SCANNET_AGNOSTIC = _benchmark(partial(figures, agnostic=True), "labels do not matter")
