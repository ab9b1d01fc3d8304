from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import supervision as sv
from PIL import Image

from grounding.core import UserError
from prompting import IdMarker, IdStream
from prompting.pictures import masks_of, pixels_of

MASKS = np.zeros((2, 40, 60), bool)
MASKS[0, 5:25, 5:25] = True
MASKS[1, 15:38, 30:58] = True
FRAME = np.full((40, 60, 3), 90, np.uint8)


def detections(ids: list[int] | None, masks: np.ndarray | None = MASKS) -> sv.Detections:
    boxes = np.array([[5, 5, 25, 25], [30, 15, 58, 38]], float)
    return sv.Detections(xyxy=boxes, mask=masks, tracker_id=None if ids is None else np.array(ids))


def test_all_kinds_of_masks_are_drawn_alike() -> None:
    expected = IdMarker().annotate(FRAME, {3: MASKS[0], 8: MASKS[1]})
    assert (expected != FRAME).any()
    assert (IdMarker().annotate(FRAME, MASKS, [3, 8]) == expected).all()
    assert (IdMarker().annotate(FRAME, list(MASKS), np.array([3, 8])) == expected).all()
    assert (IdMarker().annotate(FRAME, detections([3, 8])) == expected).all()
    assert (IdMarker().annotate(FRAME, detections([8, 3], MASKS[::-1])) == expected).all()
    assert (IdStream().annotate(FRAME, detections([3, 8]), 0.0)[0] == expected).all()


def test_a_pil_image_comes_back_as_one() -> None:
    image = Image.fromarray(FRAME)
    drawn = IdMarker().annotate(image, detections([3, 8]))
    assert isinstance(drawn, Image.Image) and drawn.mode == "RGB" and drawn.size == (60, 40)
    assert (np.asarray(drawn) == IdMarker().annotate(FRAME, detections([3, 8]))).all()
    assert (np.asarray(image) == FRAME).all()


def test_an_image_from_a_file_is_drawn(tmp_path: Path) -> None:
    Image.fromarray(FRAME).save(tmp_path / "frame.png")
    with Image.open(tmp_path / "frame.png") as image:
        drawn = IdMarker().annotate(image, MASKS, [3, 8])
    assert (np.asarray(drawn) == IdMarker().annotate(FRAME, MASKS, [3, 8])).all()


def test_ids_in_place_of_those_of_the_tracker() -> None:
    """Trackers that count from 0 are drawn with `ids=detections.tracker_id + 1`."""
    expected = IdMarker().annotate(FRAME, {1: MASKS[0], 2: MASKS[1]})
    found = detections([0, 1])
    assert (IdMarker().annotate(FRAME, found, ids=found.tracker_id + 1) == expected).all()
    assert (IdMarker().annotate(FRAME, detections(None), ids=[1, 2]) == expected).all()


def test_detections_that_the_tracker_is_not_sure_of_are_left_out() -> None:
    expected = IdMarker().annotate(FRAME, {8: MASKS[1]})
    assert (IdMarker().annotate(FRAME, detections([-1, 8])) == expected).all()
    found = detections([-1, 7])
    assert (IdMarker().annotate(FRAME, found, ids=found.tracker_id + 1) == expected).all()
    assert (IdMarker().annotate(FRAME, detections([-1, -1])) == FRAME).all()


def test_detections_of_nothing_change_nothing() -> None:
    assert (IdMarker().annotate(FRAME, sv.Detections.empty()) == FRAME).all()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((5, 5, 3), np.float32), r"uint8 RGB .*got float32 \(5, 5, 3\)$"),
        (np.zeros((5, 5), np.uint8), r"got uint8 \(5, 5\); repeat a grey one three times"),
        (np.zeros((5, 5, 4), np.uint8), r"got uint8 \(5, 5, 4\); leave out the fourth channel"),
        (np.zeros((5, 5, 1), np.uint8), r"got uint8 \(5, 5, 1\)$"),
        (np.zeros((0, 5, 3), np.uint8), r"got uint8 \(0, 5, 3\)$"),
        (Image.new("L", (5, 5)), r"got mode L; use image.convert\('RGB'\)"),
        (Image.new("RGBA", (5, 5)), r"got mode RGBA; use"),
        ("frame.png", r"uint8 RGB of shape"),
    ],
)
def test_what_is_no_frame_is_refused(frame: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        pixels_of(frame)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (501, 3), (37, 41)])
@pytest.mark.parametrize("style", ["outline", "badge+tint", "digit+contour+box"])
def test_odd_sizes_are_drawn(shape: tuple[int, int], style: str) -> None:
    drawn = IdMarker(style).annotate(
        np.zeros((*shape, 3), np.uint8), {4: np.ones(shape, bool), 17: np.eye(*shape, dtype=bool)}
    )
    assert drawn.shape == (*shape, 3) and drawn.any()


@pytest.mark.parametrize("mask", [np.zeros((2, 3, 4), bool), np.zeros(5, bool), np.zeros((5, 5), np.uint8), [[True]]])
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"mask of object 7 must be bool \(height, width\), got"):
        masks_of({7: mask}, None, FRAME.shape[:2])


@pytest.mark.parametrize("wrong", [0, -3, 1.5, "1", True, 10**13])
def test_what_is_no_id_is_refused(wrong: int) -> None:
    with pytest.raises(UserError, match="ids must be 1 or more"):
        masks_of({wrong: MASKS[0]}, None, FRAME.shape[:2])


@pytest.mark.parametrize(
    ("masks", "ids", "said"),
    [
        (MASKS, None, "masks in a row need ids"),
        (MASKS, [1], "one id a mask, got 1 ids and 2 masks"),
        (MASKS, [4, 4], "object 4 comes twice"),
        (MASKS, [1, 0], r"0 means 'no object'.*got"),
        ({1: MASKS[0]}, [1], "a mapping from id to mask has them already"),
        (detections(None), None, "must have a tracker_id to be drawn as ids, got none; track them first"),
        (detections([1, 2], None), None, "must have a mask to be drawn as ids, got none; use a model that gives masks"),
        (detections([5, 5]), None, "object 5 comes twice"),
        (detections([0, 1]), None, r"a tracker_id is 0; give ids=detections.tracker_id \+ 1"),
        (detections([1, 2]), [1], "one id a mask, got 1 ids and 2 masks"),
        (detections([1, 2]), [3, 0], r"0 means 'no object'.*got"),
        (MASKS[0].astype(np.uint8), None, "of an id map make"),
    ],
)
def test_masks_and_ids_that_do_not_go_together(masks: object, ids: list[int] | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        masks_of(masks, ids, FRAME.shape[:2])  # type: ignore[arg-type]


def test_a_mask_on_its_side_is_refused() -> None:
    with pytest.raises(UserError, match=r"mask of object 3 is \(60, 40\) on a frame of \(40, 60\): transpose it"):
        IdMarker().annotate(FRAME, {3: MASKS[0].T})
    square = np.full((40, 40, 3), 90, np.uint8)  # where one cannot tell, it is drawn as it is
    assert (IdMarker().annotate(square, {3: MASKS[0, :, :40].T}) != 90).any()
