"""Candidate masks on the points of a scene, of which the one that fits the lifted mask best is taken instead.

So the revised paper refines its lift with masks of a zero-shot segmenter. How the best one is chosen is not public; our
default is the largest IoU over the points that some view sees, and the lift's own mask where that is below `LEAST`.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.arrays import read_npy
from grounding.core.reading import regular_file
from lift3d.boxes import boxes_of
from lift3d.lift import Lifted

LEAST = 0.25
NAME = "pred_masks"


@dataclass(frozen=True, eq=False)
class Match:
    """A candidate and how well it fits.

    Args:
        number: Its column, from 0.
        iou: With the lifted mask, over the points that are seen.
        points: Its points, ascending.
    """

    number: int
    iou: float
    points: np.ndarray

    @property
    def fits(self) -> bool:
        """Whether it is taken."""
        return self.iou >= LEAST


@dataclass(frozen=True, eq=False)
class Candidates:
    """Masks on the points of a scene.

    Args:
        masks: Which points each holds, bool (N, K), K >= 1.
    """

    masks: np.ndarray

    @classmethod
    def read(cls, path: str | Path, points: int) -> Candidates:
        """From an `.npz` with `pred_masks`, (N, K) of bool or 0 and 1, as MaskClustering and `lift3d export` write it.

        Args:
            path: The file.
            points: N, how many points the scene's mesh has.

        Raises:
            UserError: If it cannot be read, holds no such masks, or they are of another mesh.
        """
        where = f"candidates {path}"
        masks = _member(regular_file(path, "candidates"), where)
        if masks.ndim != 2 or not masks.shape[1] or masks.dtype.kind not in "bui":
            raise UserError(f"{where}: {NAME} must be (points, masks) of bool, got {masks.dtype} {masks.shape}")
        if len(masks) != points:
            raise UserError(f"{where} has masks of {len(masks):,} points, the scene's mesh has {points:,}")
        return cls(masks != 0)

    def best(self, lifted: Lifted) -> Match:
        """The candidate of the largest IoU with the object of a lift, the first of equal ones."""
        own = np.zeros(len(lifted.points), bool)
        own[lifted.instances[0].points] = True
        masks, own = self.masks[lifted.seen], own[lifted.seen]
        both = masks[own].sum(axis=0)
        ious = both / (masks.sum(axis=0) + own.sum() - both)
        number = int(np.argmax(ious))
        return Match(number, float(ious[number]), np.flatnonzero(self.masks[:, number]))


def _member(path: Path, where: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{NAME}.npy") as file:
            return read_npy(file, f"{where}, {NAME}")
    except KeyError as error:
        raise UserError(f"{where} holds no {NAME}; give an .npz with masks of the scene's points") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{where} is no .npz that can be read: {error}") from error


def matched(lifted: Lifted, match: Match) -> Lifted:
    """The lift with the candidate's points and its own confidence, if the candidate fits; else as it was.

    Points that no view sees belong to the object if the candidate holds them.
    """
    if not match.fits:
        return lifted
    scene, own = lifted.scene, lifted.instances[0]
    boxes = boxes_of(lifted.points[match.points], scene.axis_alignment, scene.up)
    owner = np.zeros_like(lifted.owner)
    owner[match.points] = own.id
    instance = replace(own, points=match.points, boxes=boxes)
    return replace(lifted, owner=owner, ratio=np.where(owner > 0, lifted.ratio, 0), instances=(instance,))
