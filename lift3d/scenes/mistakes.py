"""The usual mistakes of poses and units, and which of them makes the frames of a scene agree.

A mistake is named only if frames agree clearly better without it. Of those without which they agree about as well, the
one that needs the fewest changes is named, and of these the most usual one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lift3d.scenes.cameras import Y_FLIPPED, from_opengl, from_world_to_camera
from lift3d.scenes.overlap import Pair, Poses, Sampled

MARGIN, SHARE = 0.06, 1 / 3  # what a change must bring: this much agreement, and this part of the contradictions less
ROOM = 0.2, 8.0  # metres: the median depth of rooms


def _inverted(pose: np.ndarray) -> np.ndarray:
    """The inverse; of a pose that mirrors, for its fy was negative, that of the pose before it was made to mirror."""
    turn = Y_FLIPPED if np.linalg.det(pose[:3, :3]) < 0 else np.eye(4)
    return from_world_to_camera(pose @ turn) @ turn


# What a mistake is called -> the poses without it; fewest changes first, then the more usual.
POSES: dict[str, Poses] = {
    "": lambda pose: pose,
    "the poses are world-to-camera": _inverted,
    "the cameras' y and z axes point the other way (OpenGL for OpenCV)": from_opengl,
    "the poses are world-to-camera with OpenGL axes": lambda pose: from_opengl(_inverted(pose)),
    "the sign of fy is wrong (y up for y down)": lambda pose: pose @ Y_FLIPPED,
    "the poses are world-to-camera and the sign of fy is wrong": lambda pose: _inverted(pose) @ Y_FLIPPED,
}
# Units a metre -> what such a unit is called; the more usual first.
_UNITS = {1000.0: "a millimetre", 5000.0: "1/5000 m", 1.0: "a metre", 10000.0: "1/10000 m", 6553.5: "1/6553.5 m"}
_FACTORS = 5, 10, 1000  # other usual errors of depth


class Shares(NamedTuple):
    """How far frames agree in pairs near in time, and in pairs far apart; None where they cannot be compared."""

    near: float | None
    far: float | None

    @property
    def mean(self) -> float:
        """Of those that are known; 0 where there is none."""
        known = [share for share in self if share is not None]
        return sum(known) / len(known) if known else 0.0


def likely_poses(sampled: Sampled, pairs: Sequence[Pair]) -> str:
    """The key of `POSES` with which, in the unit that suits it best, frames agree; "" if it is no mistake."""
    scales = _scales(sampled)
    shares = {
        name: max(sampled.agreement(pairs, convert, scale) or 0.0 for scale in scales.values())
        for name, convert in POSES.items()
    }
    return first_of_the_best(shares)


def likely_unit(sampled: Sampled, pairs: Sequence[Pair], convert: Poses) -> tuple[Shares, Shares, str]:
    """Shares in the unit as it is and in the likely one, and the mistake of the unit, "" if there is none."""
    far = sampled.far(convert)
    shares = {
        name: Shares(sampled.agreement(pairs, convert, scale), sampled.agreement(far, convert, scale))
        for name, scale in _scales(sampled).items()
    }
    likely = first_of_the_best({name: share.mean for name, share in shares.items()})
    return shares[""], shares[likely], likely


def first_of_the_best(shares: Mapping[str, float]) -> str:
    """The first name whose share is not clearly less than the largest one."""
    best = max(shares.values())
    return next(name for name, share in shares.items() if best - share <= max(MARGIN, SHARE * (1 - share)))


def _scales(sampled: Sampled) -> dict[str, float]:
    """What a mistake of the unit is called -> how many times as large the depth is without it.

    The first is the unit as it is; of the mistakes only those without which the median depth is that of a room.
    """
    taken, median = sampled.depth_units, sampled.median_depth() or 0.0
    name = _UNITS.get(taken, f"1/{taken:g} m")
    scales = {taken / units: f"the unit of depth is {true}, not {name}" for units, true in _UNITS.items()}
    for factor in _FACTORS:
        scales.setdefault(1 / factor, f"depth is {factor} times too large")
        scales.setdefault(factor, f"depth is {factor} times too small")
    likely = {mistake: scale for scale, mistake in scales.items() if ROOM[0] <= scale * median <= ROOM[1]}
    return {"": 1.0} | {mistake: scale for mistake, scale in likely.items() if scale != 1}
