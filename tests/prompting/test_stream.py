from __future__ import annotations

import numpy as np
import pytest
import supervision as sv
from PIL import Image

from grounding.core import UserError
from prompting import IdMarker, IdStream, Mark

SIDE = 120
FRAME = np.full((SIDE, SIDE, 3), 60, np.uint8)


def disc(x: float, y: float, radius: float = 15) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def middle(mark: Mark) -> tuple[float, float]:
    assert mark.box is not None
    return (mark.box[0] + mark.box[2]) / 2, (mark.box[1] + mark.box[3]) / 2


def test_the_first_frame_is_drawn_like_a_still() -> None:
    masks = {2: disc(40, 50), 9: disc(80, 60)}
    drawn, marks = IdStream(IdMarker("badge+tint")).annotate(FRAME, masks, 0.0)
    assert (drawn == IdMarker("badge+tint").annotate(FRAME, masks)).all()
    assert [mark.object_id for mark in marks] == [2, 9]


def test_anchor_and_palette_hold_for_streams() -> None:
    masks = {2: disc(40, 50), 9: disc(80, 60)}
    marker = IdMarker("badge+tint", anchor="above", palette="okabe-ito")
    stream = IdStream(marker)
    drawn, marks = stream.annotate(FRAME, masks, 0.0)
    assert (drawn == marker.annotate(FRAME, masks)).all()
    # Eight colours: id 9 has the first one.
    assert [mark.colour for mark in marks] == [(86, 180, 233), (230, 159, 0)]
    for t in range(1, 4):
        _, later = stream.annotate(FRAME, masks, t / 24)
        assert later == marks


def test_marks_follow_even_motion_closely() -> None:
    stream = IdStream(IdMarker())
    for t in range(30):
        _, (mark,) = stream.annotate(FRAME, {1: disc(20 + 2 * t, 60)}, t / 24)
        x, y = middle(mark)
        # 48 pixels a second: the means of the last 2.5 sigmas, twice, would lag by 0.8 sigmas each, 13 pixels.
        assert abs(x - (20.5 + 2 * t)) <= 5 and abs(y - 60.5) <= 1


def test_trembling_is_damped() -> None:
    rng, stream = np.random.default_rng(0), IdStream(IdMarker())
    path, drawn = [], []
    for t in range(60):
        x, y = 60 + rng.normal(0, 3, 2)
        _, (mark,) = stream.annotate(FRAME, {1: disc(x, y, 25)}, t / 24)
        path.append((x, y))
        drawn.append(middle(mark))
    shake = [float(np.linalg.norm(np.diff(points, 2, axis=0), axis=1).mean()) for points in (path, drawn)]
    assert shake[1] < 0.5 * shake[0]


def test_what_came_later_does_not_matter_and_the_past_is_forgotten() -> None:
    one, other = IdStream(IdMarker()), IdStream(IdMarker())
    for t in range(5):
        one.annotate(FRAME, {1: disc(20 + 9 * t, 30)}, t / 24)
    # After a second nothing of the past is left but where it was deepest; a disc has one such place.
    assert (one.annotate(FRAME, {1: disc(90, 90)}, 2.0)[0] == other.annotate(FRAME, {1: disc(90, 90)}, 7.0)[0]).all()


def test_objects_come_and_go() -> None:
    stream = IdStream(IdMarker())
    assert [m.object_id for m in stream.annotate(FRAME, {4: disc(40, 40)}, 0.0)[1]] == [4]
    assert [m.object_id for m in stream.annotate(FRAME, {2: disc(80, 80), 4: disc(42, 40)}, 0.04)[1]] == [2, 4]
    drawn, marks = stream.annotate(FRAME, {}, 0.08)
    assert marks == () and (drawn == FRAME).all()
    _, (mark,) = stream.annotate(FRAME, {2: np.zeros((SIDE, SIDE), bool)}, 0.12)
    assert mark.reason == "not seen in this frame"


def test_types_come_back_as_they_went_and_a_new_frame_size_starts_anew() -> None:
    stream = IdStream(IdMarker())
    found = sv.Detections(xyxy=np.array([[25, 25, 55, 55.0]]), mask=disc(40, 40)[None], tracker_id=np.array([6]))
    image, marks = stream.annotate(Image.fromarray(FRAME), found, 0.0)
    assert isinstance(image, Image.Image) and [mark.object_id for mark in marks] == [6]
    large, _ = stream.annotate(np.zeros((240, 240, 3), np.uint8), disc(40, 40)[None], 0.04, ids=[6])
    assert (large == IdMarker().annotate(np.zeros((240, 240, 3), np.uint8), {6: disc(40, 40)})).all()


def test_time_must_go_on() -> None:
    stream = IdStream(IdMarker())
    stream.annotate(FRAME, {}, 1.0)
    with pytest.raises(UserError, match="must come after the one at 1 s, got 1 s"):
        stream.annotate(FRAME, {}, 1.0)
    with pytest.raises(UserError, match="got nan s"):
        stream.annotate(FRAME, {}, float("nan"))
