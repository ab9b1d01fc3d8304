"""Candidates on the points of a mesh: reading them, choosing one, and taking it."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.ground3d.candidates import Candidates, Match, matched
from lift3d.boxes import boxes_of
from lift3d.formats.npz import write_npz
from lift3d.formats.result import Result
from lift3d.lift import Instance, Lifted
from lift3d.scene import Scene

POINTS = np.array([[x, y, 0.0] for y in range(2) for x in range(5)], float)  # ten, in two rows


def lifted(points: list[int], seen: list[int] = list(range(10))) -> Lifted:  # noqa: B006 - not changed
    at, owner, looked = np.array(points), np.zeros(10, np.int32), np.zeros(10, bool)
    owner[at], looked[seen] = 1, True
    instance = Instance(1, at, 0.75, 3.0, 4.0, 4, boxes_of(POINTS[at], None, (0, 0, 1)))
    return Lifted(Scene([], POINTS), owner, (owner * 0.75).astype(np.float32), (instance,), {}, 4, {}, seen=looked)


def masks(*columns: list[int]) -> np.ndarray:
    made = np.zeros((10, len(columns)), bool)
    for number, column in enumerate(columns):
        made[column, number] = True
    return made


def test_the_best_candidate_is_that_of_the_largest_iou() -> None:
    best = Candidates(masks([0, 1, 2, 3, 4], [0, 1, 2], [7])).best(lifted([0, 1, 2, 5]))
    assert (best.number, best.iou, best.points.tolist()) == (1, 0.75, [0, 1, 2])  # 3 of 4; the first has 3 of 6


def test_points_that_no_view_sees_say_nothing() -> None:
    """Over all points the second has 3 of 4, the first 3 of 8; of the seen ones the first has all three."""
    candidates = Candidates(masks([0, 1, 2, 5, 6, 7, 8, 9], [0, 1, 2, 3]))
    best = candidates.best(lifted([0, 1, 2], seen=[0, 1, 2, 3]))
    assert (best.number, best.iou) == (0, 1.0)
    assert best.points.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]


def test_a_candidate_that_fits_is_taken() -> None:
    made = matched(lifted([0, 1, 2]), Match(0, 0.25, np.array([0, 1, 5, 6])))
    assert made.instances[0].points.tolist() == [0, 1, 5, 6]
    assert made.instances[0].boxes.raw.tolist() == [0, 0, 0, 1, 1, 0]
    assert made.instances[0].ratio == 0.75  # the lift's own confidence
    assert made.owner.tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0]
    assert made.ratio.tolist() == [0.75, 0.75, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_candidate_that_does_not_fit_is_left() -> None:
    before = lifted([0, 1, 2])
    assert matched(before, Match(0, 0.2499, np.array([9]))) is before


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64])
def test_files_of_others_are_read(tmp_path: Path, kind: type) -> None:
    np.savez_compressed(tmp_path / "c.npz", pred_masks=masks([0, 1], [2]).astype(kind), pred_score=np.ones(2))
    read = Candidates.read(tmp_path / "c.npz", 10)
    assert read.masks.dtype == bool and (read.masks == masks([0, 1], [2])).all()


def test_our_own_files_are_read(tmp_path: Path) -> None:
    one = lifted([0, 1])
    write_npz(tmp_path, Result("room", replace(one, instances=(one.instances[0],))))
    assert Candidates.read(tmp_path / "instances.npz", 10).masks[:, 0].tolist() == masks([0, 1])[:, 0].tolist()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pred_score": np.ones(3)}, "holds no pred_masks"),
        ({"pred_masks": np.zeros((9, 2), bool)}, "has masks of 9 points, the scene's mesh has 10"),
        ({"pred_masks": np.zeros((10, 0), bool)}, "pred_masks must be"),
        ({"pred_masks": np.zeros(10, bool)}, "pred_masks must be"),
        ({"pred_masks": np.zeros((10, 2))}, "pred_masks must be"),
        ({"pred_masks": np.full((10, 2), None)}, "holds Python objects"),
    ],
)
def test_files_that_are_none(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(UserError, match=message):
        Candidates.read(tmp_path / "c.npz", 10)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    with pytest.raises(UserError, match="cannot read candidates"):
        Candidates.read(path, 10)
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match="can be read"):
        Candidates.read(path, 10)
    np.savez_compressed(path, pred_masks=np.random.default_rng(0).random((1000, 5)) < 0.5)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match="can"):
        Candidates.read(path, 1000)


def test_data_that_cannot_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    np.savez_compressed(path, pred_masks=np.random.default_rng(0).random((1000, 5)) < 0.5)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[0].header_offset
    named = data.find(b".npy", start) + 4 + int.from_bytes(data[start + 28 : start + 30], "little")
    data[named] = 0xFF  # the first byte of the data says a kind of block that there is not
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is no \.npz that can be read"):
        Candidates.read(path, 1000)


def test_what_a_header_promises_is_not_taken_on_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUBELET_MAX_BYTES", "1000")
    np.savez_compressed(tmp_path / "c.npz", pred_masks=np.zeros((10, 200), bool))
    with pytest.raises(UserError, match="more than the limit"):
        Candidates.read(tmp_path / "c.npz", 10)


def test_archives_that_break_off(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("pred_masks.npy", b"\x93NUMPY")
    with pytest.raises(UserError, match="no NumPy array"):
        Candidates.read(tmp_path / "c.npz", 10)
