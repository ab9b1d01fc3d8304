"""One pass: joining, duplicates, going back, cuts and returns, with a tracker and a detector that know colours."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from grounding.core import Masklets, UserError
from grounding.tracking import Detections, TrackingOptions, frames, track_video

RED, GREEN, BLUE = (4, 4, 24, 24), (40, 4, 60, 24), (40, 36, 60, 60)


def seen(masklets: Masklets, track_id: int) -> list[int]:
    """The frames on which an object has a mask."""
    return [t for t, counts in enumerate(masklets.tracks[track_id]) if counts is not None]


def spans(*parts: tuple[int, int]) -> list[int]:
    return [t for first, last in parts for t in range(first, last)]


def test_who_joins_in_mid_video_costs_no_second_pass(film, tracker, detector) -> None:
    path = film([{"red": (4 + t, 4, 24 + t, 24), **({"blue": BLUE} if t >= 10 else {})} for t in range(30)])
    masklets, report = track_video(path, detector(), tracker)
    assert masklets.ids == [1, 2]
    assert seen(masklets, 1) == list(range(30))
    assert seen(masklets, 2) == list(range(10, 30))
    assert report.forward_passes == report.frames == 30
    assert [t for t, reverse in tracker.shown if not reverse] == list(range(30))
    assert max(Counter(tracker.followed).values()) == 1  # nobody is run twice on a frame
    boxes = masklets.boxes(1)
    assert np.abs(boxes[20] - [24, 4, 44, 24]).max() <= 1  # the video is lossy: a pixel
    assert tracker.colours == {}  # nothing is left behind


def test_the_detector_looks_at_keyframes(film, tracker, detector) -> None:
    looks = detector()
    track_video(film([{"red": RED}] * 23), looks, tracker, TrackingOptions(every=0.7))
    assert looks.asked == [0, 7, 14, 21]  # every 0.7 s at 10 frames a second


@pytest.mark.parametrize(
    ("backward", "first", "passes"),
    # Found on frame 15, there since frame 6. 2 s would reach frame 0: frame 5 shows that it is gone, so 15..5 are
    # looked at. 0.5 s reaches frame 10: 15..10. 0: none.
    [(2.0, 6, 11), (0.5, 10, 6), (0.0, 15, 0)],
)
def test_found_late_is_followed_back(film, tracker, detector, backward: float, first: int, passes: int) -> None:
    path = film([{"red": RED, **({"blue": BLUE} if t >= 6 else {})} for t in range(20)])
    masklets, report = track_video(path, detector({"blue": 15}), tracker, TrackingOptions(backward=backward))
    assert seen(masklets, 2) == list(range(first, 20))
    assert seen(masklets, 1) == list(range(20))
    assert report.backward_passes == passes
    backwards = [t for t, reverse in tracker.shown if reverse]
    assert backwards == list(range(15, 15 - passes, -1))


def test_several_found_late_share_the_way_back(film, tracker, detector) -> None:
    path = film([{"red": RED, "blue": BLUE, "green": GREEN}] * 20)
    late = detector({"blue": 10, "green": 15})
    masklets, report = track_video(path, late, tracker, TrackingOptions(backward=1.0))
    # blue on 10 goes back to 0; green on 15 to 5: frames 15..0, each once.
    assert report.backward_passes == 16
    assert [seen(masklets, i)[0] for i in masklets.ids] == [0, 0, 5]


def test_worst_case_is_two_passes(film, tracker, detector) -> None:
    """The peer goes over the rest of the video again for every keyframe with a new object."""
    scenes = [{name: box for name, box in zip(("red", "green", "blue"), (RED, GREEN, BLUE), strict=True)}] * 40
    masklets, report = track_video(
        path := film(scenes), detector({"green": 15, "blue": 35}), tracker, TrackingOptions(backward=100.0)
    )
    assert path.is_file() and masklets.ids == [1, 2, 3]
    assert report.forward_passes + report.backward_passes <= 2 * report.frames
    assert all(seen(masklets, i) == list(range(40)) for i in masklets.ids)


def away(first: int, last: int, count: int = 40) -> list[dict[str, tuple[int, int, int, int]]]:
    """Red is always there, blue but for [first, last)."""
    return [{"red": RED, **({} if first <= t < last else {"blue": BLUE})} for t in range(count)]


def test_who_returns_keeps_the_id(film, tracker, detector) -> None:
    options = TrackingOptions(patience=0.3)
    masklets, report = track_video(film(away(10, 25)), detector(), tracker, options)
    assert masklets.ids == [1, 2]
    assert seen(masklets, 2) == spans((0, 10), (25, 40))
    assert report.returns == 1
    assert tracker.most == 2


def test_without_reentry_a_return_is_a_new_object(film, tracker, detector) -> None:
    options = TrackingOptions(patience=0.3, reentry=False)
    masklets, report = track_video(film(away(10, 25)), detector(), tracker, options)
    assert [seen(masklets, i) for i in masklets.ids[1:]] == [spans((0, 10)), spans((25, 40))]
    assert report.returns == 0


def test_another_look_is_another_object(film, tracker, detector) -> None:
    scenes = [{"red": RED, **({"blue": BLUE} if t < 10 else {"green": BLUE} if t >= 25 else {})} for t in range(40)]
    masklets, _ = track_video(film(scenes), detector(), tracker, TrackingOptions(patience=0.3))
    assert [seen(masklets, i) for i in masklets.ids[1:]] == [spans((0, 10)), spans((25, 40))]


def test_a_short_absence_is_the_trackers_own_affair(film, tracker, detector) -> None:
    masklets, report = track_video(film(away(10, 16)), detector(), tracker, TrackingOptions(reentry=False))
    assert masklets.ids == [1, 2]
    assert seen(masklets, 2) == spans((0, 10), (16, 40))
    assert report.returns == 0 and tracker.starts == 2


def test_a_return_is_followed_back_to_where_it_began_only(film, tracker, detector) -> None:
    """Back on frame 22, seen by the detector on 25; the way back ends at its own earlier masks at the latest."""
    scenes = [{"red": RED, **({} if 10 <= t < 22 else {"blue": BLUE})} for t in range(40)]
    masklets, report = track_video(film(scenes), detector(), tracker, TrackingOptions(patience=0.3, backward=10))
    assert seen(masklets, 2) == spans((0, 10), (22, 40))
    assert report.backward_passes == 5  # 25 down to 21


def test_cut_ends_tracks_and_ids_go_on(film, tracker, detector) -> None:
    scenes = [{"red": RED}] * 13 + [{"red": BLUE, "green": GREEN}] * 13
    path = film(scenes, [0] * 13 + [1] * 13)
    looks = detector()
    masklets, report = track_video(path, looks, tracker)
    assert report.cuts == (13,)
    assert looks.asked == [0, 5, 10, 13, 18, 23]  # the new scene begins with a look
    assert seen(masklets, 1) == list(range(26)) and report.returns == 1
    assert seen(masklets, 2) == list(range(13, 26))
    assert report.backward_passes == 0  # found where the scene begins

    masklets, _ = track_video(path, detector(), tracker, TrackingOptions(reentry=False))
    assert [seen(masklets, i) for i in masklets.ids[:2]] == [list(range(13)), list(range(13, 26))]


def test_the_way_back_stops_at_a_cut(film, tracker, detector) -> None:
    """Blue is in both scenes, but is noticed late in the second only."""
    path = film([{"red": RED, "blue": BLUE}] * 26, [0] * 13 + [1] * 13)
    masklets, report = track_video(path, detector({"blue": 18}), tracker, TrackingOptions(backward=10))
    assert seen(masklets, 2) == list(range(13, 26))
    assert report.backward_passes == 6  # 18 down to 13


def test_cuts_can_be_ignored(film, tracker, detector) -> None:
    path = film([{"red": RED}] * 20, [0] * 10 + [1] * 10)
    masklets, report = track_video(path, detector(), tracker, TrackingOptions(cuts=False, reentry=False))
    assert report.cuts == () and masklets.ids == [1] and tracker.starts == 1


def test_boxes_that_repeat_make_one_object(film, tracker, detector) -> None:
    """The second box is 2 pixels off: IoU 18 * 20 / (2 * 400 - 360) = 0.82."""
    masklets, report = track_video(film([{"red": RED}] * 8), detector(extra={0: [(6, 4, 26, 24)]}), tracker)
    assert masklets.ids == [1] and tracker.starts == 1
    assert report.duplicates == 0  # dropped as a box, before anything is asked of the tracker


def test_a_box_of_part_of_an_object_is_no_object(film, tracker, detector) -> None:
    """The upper quarter of red: IoU of boxes 0.25, but the tracker's mask is all of red."""
    masklets, report = track_video(film([{"red": RED}] * 8), detector(extra={5: [(4, 4, 24, 9)]}), tracker)
    assert masklets.ids == [1] and report.duplicates == 1
    assert tracker.most == 2 and tracker.colours == {}


def test_a_group_is_no_object(film, tracker, detector) -> None:
    scenes = [{"red": RED, "green": (24, 4, 44, 24)}] * 8
    masklets, report = track_video(film(scenes), detector(extra={0: [(4, 4, 44, 24)]}), tracker)
    assert masklets.ids == [1, 2] and report.duplicates == 1


def test_a_part_that_turns_out_larger_keeps_its_id(film, tracker, detector) -> None:
    """First only the head (red) is found, then head and body (red and blue): a track that is seen whole."""
    scenes = [{"red": (4, 4, 24, 24), "blue": (4, 24, 24, 60)}] * 12
    looks = detector({"red": 0, "blue": 99}, extra={5: [(4, 4, 24, 60)]})
    masklets, report = track_video(film(scenes), looks, tracker)
    assert masklets.ids == [1]
    heights = masklets.boxes(1)[:, 3]
    assert np.abs(heights[:5] - 24).max() <= 1 and np.abs(heights[5:] - 60).max() <= 1
    assert report.backward_passes == 0


def test_at_most_so_many_at_a_time(film, tracker, detector) -> None:
    path = film([{"red": RED, "green": GREEN, "blue": BLUE}] * 8)
    masklets, report = track_video(path, detector(), tracker, TrackingOptions(max_objects=2))
    assert masklets.ids == [1, 2] and tracker.most == 2
    assert report.refused == 2  # once on each of the keyframes 0 and 5


def test_who_has_no_room_on_the_way_back_is_counted(film, tracker, detector) -> None:
    """Green, found on 15, goes back to 8; blue, found on 10 and gone on 13, would be the second on the way."""
    scenes = [{**({"blue": BLUE} if t < 13 else {}), **({"green": GREEN} if t >= 8 else {})} for t in range(20)]
    late = {"blue": 10, "green": 15}
    masklets, report = track_video(
        path := film(scenes), detector(late), tracker, TrackingOptions(max_objects=1, patience=0)
    )
    assert (report.refused, report.not_carried) == (0, 1)
    assert [seen(masklets, i) for i in masklets.ids] == [list(range(10, 13)), list(range(8, 20))]
    masklets, report = track_video(path, detector(late), tracker, TrackingOptions(max_objects=2, patience=0))
    assert report.not_carried == 0
    assert [seen(masklets, i) for i in masklets.ids] == [list(range(13)), list(range(8, 20))]


def test_frames_that_cannot_be_decoded_are_counted(film, tracker, detector, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = film([{"red": RED}] * 8), frames.read_pyav
    monkeypatch.setattr(
        frames, "read_pyav", lambda info, wanted: (f for f in read(info, wanted) if abs(f[0] - 0.3) > 0.01)
    )
    masklets, report = track_video(path, detector(), tracker)
    assert (report.damaged, report.forward_passes, report.frames) == (1, 7, 8)
    assert seen(masklets, 1) == [0, 1, 2, 4, 5, 6, 7]


def test_small_masks_count_as_not_seen(film, tracker, detector) -> None:
    masklets, report = track_video(film([{"red": RED}] * 3), detector(), tracker, TrackingOptions(smallest=500))
    assert masklets.ids == [] and report.duplicates == 1  # 20 x 20 pixels
    assert tracker.colours == {}


def test_nothing_to_find(film, tracker, detector) -> None:
    masklets, report = track_video(film([{}] * 5), detector(), tracker)
    assert masklets.ids == [] and len(masklets.pts) == 5 and report.keyframes == 1


def test_own_keyframes(film, tracker, detector) -> None:
    looks = detector(frames=frozenset({3}))
    masklets, _ = track_video(film([{"red": RED}] * 8), looks, tracker, TrackingOptions(backward=0))
    assert looks.asked == [3] and seen(masklets, 1) == list(range(3, 8))


class Wild:
    """Boxes outside the picture, empty, of no number; the last one is red."""

    frames = None

    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        nan = float("nan")
        boxes = np.array([[-90, -90, -5, -5], [9, 9, 9, 30], [nan, 0, 9, 9], [200, 4, 300, 9], [-50, 4, 24, 24]])
        return Detections(boxes, np.full(5, 0.5), ("thing",) * 5)


def test_wild_boxes_are_clipped_or_left_out(film, tracker) -> None:
    masklets, _ = track_video(film([{"red": RED}] * 3), Wild(), tracker)
    assert masklets.ids == [1] and tracker.starts == 1


class Broken:
    frames = None

    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        if frame:
            raise UserError("the detector has lost its glasses")
        return Detections(np.array([RED], float), np.ones(1), ("thing",))


def test_an_error_leaves_the_tracker_empty(film, tracker) -> None:
    with pytest.raises(UserError, match="glasses"):
        track_video(film([{"red": RED}] * 8), Broken(), tracker)
    assert tracker.colours == {}


def test_a_frame_encoded_twice_is_noticed(film, tracker, detector) -> None:
    show = tracker.show

    def twice(*arguments: object, **options: bool) -> None:
        show(*arguments, **options)
        tracker.passes += 1

    tracker.show = twice
    with pytest.raises(AssertionError, match="16 frame passes for 8 frames"):
        track_video(film([{"red": RED}] * 8), detector(), tracker)


def test_no_video(tmp_path: Path, tracker, detector) -> None:
    with pytest.raises(UserError, match="No such file"):
        track_video(tmp_path / "no.mp4", detector(), tracker)


def peak(path: Path, tracker, detector) -> int:
    """Most bytes in use at once, the result among them: some 50 bytes a mask."""
    tracemalloc.start()
    track_video(path, detector, tracker, TrackingOptions(backward=1.0))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_length(film, tracker, detector) -> None:
    """60 s within 1.2 times of 10 s. Holding pictures would cost 18 kB a frame, 4.4 MB for 60 s at 4 a second."""
    walk = [{"red": (4 + t % 50, 4, 24 + t % 50, 24), "blue": BLUE} for t in range(240)]
    track_video(film(walk[:20]), detector(), tracker)  # what is imported on the way does not count
    short = peak(film(walk[:40], fps=4.0), type(tracker)(), detector({"blue": 20}))
    long = peak(film(walk, fps=4.0), type(tracker)(), detector({"blue": 120}))
    assert long <= 1.2 * short, (short, long)


def test_the_way_back_never_goes_over_its_own_masks(film, tracker, detector) -> None:
    """The tracker loses blue (its second key) from frame 10 on; the detector finds it on 15, as the same object."""
    follow = tracker.follow

    def loses(keys: list[int]) -> list[np.ndarray]:
        frame, reverse = tracker.shown[-1]
        masks = follow(keys)
        return [m & (reverse or key != 2 or frame < 10) for key, m in zip(keys, masks, strict=True)]

    tracker.follow = loses
    options = TrackingOptions(patience=0, backward=10)
    path = film([{"red": RED, "blue": BLUE}] * 20)
    masklets, report = track_video(path, detector(frames=frozenset({0, 15})), tracker, options)
    assert masklets.ids == [1, 2] and seen(masklets, 2) == list(range(20))
    assert report.returns >= 1
    assert min(t for t, reverse in tracker.shown if reverse) == 10
