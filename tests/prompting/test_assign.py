"""Tests of prompting.assign. Objects are 10 x 10 squares in a frame of 20 x 100 pixels, told by their left edge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval, Masklets, Tube, UserError, rle
from grounding.core.video import probe
from grounding.masks import read_masklets
from prompting.assign import MARGIN, MIN_OVERLAP, MIN_PART, MIN_VOTES, assign, merged, tube_of_boxes

SIZE = (20, 100)
NAN = float("nan")

Track = list[float | None]  # left edge in each frame, None where the object is not seen


def square(x: int) -> bytes:
    mask = np.zeros(SIZE, bool)
    mask[5:15, x : x + 10] = True
    return rle.encode(mask)


def masklets(tracks: dict[int, Track], frames: int = 0) -> Masklets:
    frames = frames or len(next(iter(tracks.values())))
    masks = {i: tuple(None if x is None else square(int(x)) for x in track) for i, track in tracks.items()}
    return Masklets(SIZE, 10.0, np.arange(frames) / 10, masks)


def tube(track: Track, start: int = 0) -> Tube:
    return Tube(start, np.array([[NAN] * 4 if x is None else [x, 5, x + 10, 15] for x in track]))


def test_a_clear_match() -> None:
    # shifted by 1 of 10: 90 / 110; id 4, 40 pixels away, overlaps nothing
    (found,) = assign([tube([11, 21])], masklets({7: [10, 20], 4: [50, 60]}))
    assert (found.verdict, found.object_id, found.best_id, found.parts) == ("ok", 7, 7, (7,))
    assert found.overlap == found.merged_overlap == pytest.approx(90 / 110)
    assert found.votes == 1.0
    assert (found.runner_up, found.runner_up_overlap) == (None, 0.0)


def test_absence_counts_as_zero_and_frames_without_a_box_do_not_count() -> None:
    # boxes on frames 1, 2, 4; id 1 is exact in 1 and 4 and absent in 2: 2 / 3 of the overlap, and of the votes
    (found,) = assign([tube([30, 30, None, 30], start=1)], masklets({1: [0, 30, None, 30, 30, 0]}))
    assert (found.verdict, found.object_id) == ("ok", 1)
    assert found.overlap == found.votes == pytest.approx(2 / 3)


def test_two_objects_never_get_the_same_id() -> None:
    # Both lie nearest to id 1, and id 1 is nearer to the second: alone, each would be id 1.
    # first at 13: id 1 (x = 10) 70 / 130, id 2 (x = 18) 50 / 150; second at 11: id 1 90 / 110, id 2 30 / 170
    candidates = masklets({1: [10], 2: [18]})
    for alone in (tube([13]), tube([11])):
        assert assign([alone], candidates)[0].object_id == 1
    first, second = assign([tube([13]), tube([11])], candidates)
    # 50 / 150 + 90 / 110 = 1.15 beats 70 / 130 + 30 / 170 = 0.71
    assert (second.verdict, second.object_id, second.votes) == ("ok", 1, 1.0)
    assert (first.verdict, first.object_id, first.votes) == ("ambiguous", 2, 1.0)
    assert (first.overlap, first.runner_up, first.runner_up_overlap) == (pytest.approx(1 / 3), 1, pytest.approx(7 / 13))


def test_time_decides_for_the_sum_over_frames_counts() -> None:
    # id 1 is exact in 1 frame of 4, id 2 is shifted by 2 in all four: 80 / 120 each
    (found,) = assign([tube([40] * 4)], masklets({1: [40, 0, 0, 0], 2: [42] * 4}))
    assert found.object_id == 2 and found.overlap == pytest.approx(2 / 3)
    assert found.votes == 0.75
    assert (found.runner_up, found.runner_up_overlap) == (1, 0.25)


def test_a_longer_tube_weighs_more() -> None:
    # both want id 1: four frames of 50 / 150 sum up to 1.33, one frame of 1 to less
    long, short = assign([tube([45] * 4), tube([40])], masklets({1: [40] * 4}))
    assert (long.object_id, short.object_id, short.best_id) == (1, None, 1)


@pytest.mark.parametrize(("shift", "verdict"), [(5, "ok"), (6, "unmatched")])
def test_the_least_overlap(shift: int, verdict: str) -> None:
    # shifted by 5 of 10: 50 / 150 = 0.333; by 6: 40 / 160 = 0.25; the least is 0.3
    assert MIN_OVERLAP == 0.3
    (found,) = assign([tube([20 + shift])], masklets({3: [20]}))
    assert (found.verdict, found.best_id) == (verdict, 3)
    assert found.object_id == (3 if verdict == "ok" else None)
    assert found.parts == ((3,) if verdict == "ok" else ())
    assert assign([tube([20 + shift])], masklets({3: [20]}), min_overlap=0.2)[0].verdict == "ok"


@pytest.mark.parametrize(("won", "verdict"), [(1, "unmatched"), (2, "ok")])
def test_the_least_share_of_votes(won: int, verdict: str) -> None:
    # id 1, shifted by 2 (0.667), is in all 8 frames; in 8 - won of them one of three exact ones is better. Those are
    # elsewhere in the other frames, so they are no parts of one object. 1 / 8 is below the least share, 2 / 8 is not.
    assert MIN_VOTES == 0.25
    exact: dict[int, Track] = {i: [0.0] * 8 for i in (2, 3, 4)}
    for frame in range(8 - won):
        exact[2 + frame % 3][frame] = 40
    (found,) = assign([tube([40] * 8)], masklets({1: [42] * 8, **exact}))
    assert (found.verdict, found.best_id, found.votes) == (verdict, 1, won / 8)


@pytest.mark.parametrize(("shift", "verdict"), [(0, "ambiguous"), (1, "ok")])
def test_a_near_runner_up_makes_it_ambiguous(shift: int, verdict: str) -> None:
    # id 1 is exact; id 2 is exact too, or shifted by one pixel: 90 / 110 = 0.818, farther than the margin of 0.1
    assert MARGIN == 0.1
    (found,) = assign([tube([30, 30])], masklets({2: [30 + shift] * 2, 1: [30] * 2}))
    assert (found.verdict, found.object_id, found.runner_up) == (verdict, 1, 2)
    assert found.runner_up_overlap == pytest.approx(1.0 if shift == 0 else 90 / 110)


def test_of_equal_overlaps_the_lowest_id_wins() -> None:
    (found,) = assign([tube([30])], masklets({9: [30], 3: [30], 5: [30]}))
    assert (found.verdict, found.object_id, found.votes, found.runner_up) == ("ambiguous", 3, 1.0, 5)


def test_an_object_that_comes_back_under_other_ids_is_split() -> None:
    # 6 of 10 frames are id 5, 3 are id 2, in one nobody sees it; id 8 stands elsewhere
    truth = tube([40] * 10)
    parted = {2: [None] * 7 + [40] * 3, 5: [40] * 6 + [None] * 4, 8: [70] * 10}
    (found,) = assign([truth], masklets(parted))
    assert (found.verdict, found.object_id, found.parts) == ("split", 5, (5, 2))
    assert (found.overlap, found.merged_overlap, found.votes) == (0.6, pytest.approx(0.9), 0.6)
    assert (found.runner_up, found.runner_up_overlap) == (None, 0.0)


def test_parts_that_only_together_overlap_enough() -> None:
    # four ids of two frames each: 0.25 alone is below 0.3
    tracks: dict[int, Track] = {i: [40 if f // 2 == i - 1 else None for f in range(8)] for i in (1, 2, 3, 4)}
    (found,) = assign([tube([40] * 8)], masklets(tracks))
    assert (found.verdict, found.parts) == ("split", (1, 2, 3, 4))
    assert (found.overlap, found.merged_overlap) == (0.25, 1.0)


def test_two_objects_seen_apart_in_one_frame_are_no_parts_of_one() -> None:
    # id 2 takes over from id 1, but in frame 0, before the truth begins, both are seen in different places
    both: dict[int, Track] = {1: [40, 40, 40, 40, None], 2: [70, None, None, None, 40]}
    (found,) = assign([tube([40] * 4, start=1)], masklets(both))
    assert (found.verdict, found.parts, found.overlap) == ("ok", (1,), 0.75)


def test_a_hand_over_may_overlap() -> None:
    # in frame 2 both are seen, 1 pixel apart: box IoU 90 / 110 >= 0.5; together they span 11 pixels: 10 / 11
    both: dict[int, Track] = {1: [40, 40, 40, None, None], 2: [None, None, 41, 40, 40]}
    (found,) = assign([tube([40] * 5)], masklets(both))
    assert (found.verdict, found.parts) == ("split", (1, 2))
    assert found.merged_overlap == pytest.approx((4 + 10 / 11) / 5)


@pytest.mark.parametrize(("frames", "verdict"), [(20, "split"), (21, "ok")])
def test_a_part_must_be_worth_a_merge(frames: int, verdict: str) -> None:
    # one frame of 20 adds 0.05, one of 21 adds less
    assert MIN_PART == 0.05
    tracks: dict[int, Track] = {1: [40] * (frames - 1) + [None], 2: [None] * (frames - 1) + [40]}
    assert assign([tube([40] * frames)], masklets(tracks))[0].verdict == verdict


def test_a_part_goes_to_one_tube_only() -> None:
    # ids 1 and 2 end after 5 frames, id 3 follows where both tubes are; the first tube is asked first
    tracks: dict[int, Track] = {1: [40] * 5 + [None] * 3, 2: [44] * 5 + [None] * 3, 3: [None] * 5 + [42] * 3}
    first, second = assign([tube([40] * 8), tube([44] * 8)], masklets(tracks))
    assert (first.parts, second.parts) == ((1, 3), (2,))
    assert second.runner_up == 1  # 60 / 140 in 5 frames, 0.27; id 3 80 / 120 in 3 frames, 0.25


def test_an_id_that_is_another_tubes_match_is_no_part() -> None:
    tracks: dict[int, Track] = {1: [40, 40, None], 2: [None, None, 40]}
    alone, _ = assign([tube([40] * 3), tube([40], start=2)], masklets(tracks))
    assert alone.parts == (1,)


def test_more_tubes_than_masklets() -> None:
    found = assign([tube([10]), tube([60]), tube([11])], masklets({1: [10]}))
    assert [f.object_id for f in found] == [1, None, None]
    # nothing overlaps the second; the third's best is told though the first has it
    assert [f.best_id for f in found] == [1, None, 1]
    assert found[2].overlap == pytest.approx(90 / 110) and found[2].verdict == "unmatched"


def test_no_masklets_and_no_tubes() -> None:
    (found,) = assign([tube([10])], masklets({}, frames=1))
    assert (found.verdict, found.best_id, found.overlap, found.votes, found.parts) == ("unmatched", None, 0, 0, ())
    assert assign([], masklets({1: [10]})) == []


def test_a_tube_without_a_box_or_past_the_end_is_refused() -> None:
    with pytest.raises(UserError, match="without a single box"):
        assign([tube([None, None])], masklets({1: [10, 10]}))
    with pytest.raises(UserError, match="a box on frame 2, the masklets have frames 0 to 1"):
        assign([tube([10, 10], start=1)], masklets({1: [10, 10]}))
    assert assign([tube([10, None], start=1)], masklets({1: [10, 10]}))[0].object_id == 1  # the last row has no box


def test_merging_unites_masks_under_the_first_id() -> None:
    before = masklets({1: [40, 40, None, None], 2: [None, 45, 45, None], 3: [0, 0, 0, 0]})
    after = merged(before, (2, 1))
    assert after.ids == [2, 3] and before.ids == [1, 2, 3]
    # frame 1: [40, 50) and [45, 55) together are [40, 55)
    np.testing.assert_array_equal(after.boxes(2), [[40, 5, 50, 15], [40, 5, 55, 15], [45, 5, 55, 15], [NAN] * 4])
    assert after.masks_at(1)[2].sum() == 150
    assert after.tracks[3] == before.tracks[3]
    assert merged(before, (1,)).tracks == before.tracks


def test_boxes_by_frame_become_a_tube() -> None:
    made = tube_of_boxes({5: (1, 2, 3, 4), 3: (0, 0, 1, 1)})
    assert made.frames == range(3, 6)
    np.testing.assert_array_equal(made.boxes, [[0, 0, 1, 1], [NAN] * 4, [1, 2, 3, 4]])


places = st.lists(st.none() | st.integers(0, 90), min_size=1, max_size=6)


@given(st.lists(places, min_size=1, max_size=4), st.data())
def test_laws(tracks: list[Track], data: st.DataObject) -> None:
    count = max(map(len, tracks))
    seen = {i + 1: [*track, *[None] * (count - len(track))] for i, track in enumerate(tracks)}
    candidates = masklets(seen, frames=count)
    drawn = data.draw(st.lists(places.filter(any), max_size=3)) + [t for t in seen.values() if any(t)]
    tubes = [tube(track[:count]) for track in drawn if any(track[:count])]
    found = assign(tubes, candidates)
    given_ids = [part for f in found for part in f.parts]
    assert len(given_ids) == len(set(given_ids))
    for f, its in zip(found, tubes, strict=True):
        assert 0 <= f.overlap <= f.merged_overlap + 1e-9 <= 1 + 2e-9
        assert 0 <= f.votes <= 1
        assert f.runner_up not in f.parts and (f.runner_up != f.best_id or f.best_id is None)
        assert (f.object_id is None) == (f.verdict == "unmatched") == (f.parts == ())
        assert (f.verdict == "split") == (len(f.parts) > 1)
        if f.parts:
            frames = its.frames
            both = merged(candidates, f.parts)
            interval = Interval(frames.start / 10, frames.stop / 10)
            assert both.tube(f.parts[0], interval).viou(its) == pytest.approx(f.merged_overlap)


@given(places.filter(any), st.integers(1, 9))
def test_a_masklets_own_boxes_find_it_whatever_the_ids(track: Track, own: int) -> None:
    others: dict[int, Track] = {own + 1: [None] * len(track)}
    (found,) = assign([tube(track)], masklets({own: track, **others}))
    assert (found.verdict, found.object_id, found.overlap, found.votes) == ("ok", own, 1.0, 1.0)


@pytest.mark.shared_data
def test_schoolgirls_finds_every_instance_by_its_boxes(shared_data: Path) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    candidates = read_masklets(root / "masks", probe(root / "video.mp4"))
    for query in json.loads((root / "queries.json").read_text())["queries"]:
        boxes = {query["start_frame"] + k: box for k, box in enumerate(query["boxes_xyxy"]) if box}
        (found,) = assign([tube_of_boxes(boxes)], candidates)
        assert found.object_id == query["instance"] and found.overlap > 0.99
