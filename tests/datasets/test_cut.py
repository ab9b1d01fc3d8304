"""Tests of grounding.datasets.cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, Tube, UserError, write_video
from grounding.core.video import VideoInfo, probe
from grounding.datasets.cut import cut, timed, within_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    """10 frames at 10 a second, 1 s."""
    path = tmp_path_factory.mktemp("cut") / "v.mp4"
    write_video(path, [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    return probe(path)


def boxes(first: int, last: int) -> Tube:
    """A tube whose box of frame t begins at x = t."""
    return Tube(first, np.array([[t, 0, t + 5, 5] for t in range(first, last)], float))


def test_what_reaches_past_the_file_is_cut_off(video: VideoInfo) -> None:
    truth = within_video(Answer(Interval(0.6, 2.0), tube=boxes(6, 20)), video, "clamp")
    assert truth.interval == Interval(0.6, 1.0)
    assert truth.tube is not None and truth.tube.frames == range(6, 10)
    late = within_video(Answer(Interval(1.5, 2.0), tube=boxes(15, 20)), video, "clamp")
    assert late.interval == Interval(1.0, 1.0) and late.tube is not None and len(late.tube.boxes) == 0


def test_of_several_times_each_is_cut_off(video: VideoInfo) -> None:
    several = Answer(intervals=(Interval(0.2, 0.4), Interval(0.6, 2.0)))
    assert within_video(several, video, "clamp").intervals == (Interval(0.2, 0.4), Interval(0.6, 1.0))
    assert within_video(several, video, "keep") is several
    with pytest.raises(UserError, match="reaches past the video"):
        within_video(several, video, "reject")


def test_a_tube_is_timed_by_the_file(video: VideoInfo) -> None:
    """Whatever the row says of its seconds, frames 6 to 8 of the file are shown from 0.6 to 0.9 s."""
    found = timed(Answer(Interval(3.0, 4.0), tube=boxes(6, 9)), video)
    assert found.interval is not None and (found.interval.start, found.interval.end) == pytest.approx((0.6, 0.9))
    for truth in (
        Answer(Interval(3.0, 4.0)),
        Answer(Interval(3.0, 4.0), tube=boxes(6, 20)),
        Answer(tube=Tube(6, np.zeros((0, 4)))),
    ):
        assert timed(truth, video) is truth
    cut_off = within_video(Answer(Interval(12.0, 40.0), tube=boxes(6, 20)), video, "clamp")
    assert cut_off.interval is not None
    assert (cut_off.interval.start, cut_off.interval.end) == pytest.approx((0.6, 1.0))


@pytest.mark.parametrize("truth", [Answer(Interval(0.6, 1.06)), Answer(tube=boxes(6, 11))])
def test_what_reaches_past_the_file_is_kept_or_refused(video: VideoInfo, truth: Answer) -> None:
    assert within_video(truth, video, "keep") is truth
    with pytest.raises(UserError, match="reaches past the video, which has 10 frames, 1 s"):
        within_video(truth, video, "reject")


@pytest.mark.parametrize("truth", [Answer(), Answer(Interval(0.6, 1.04), tube=boxes(6, 10)), Answer(Interval(0, 1))])
def test_what_lies_within_stays(video: VideoInfo, truth: Answer) -> None:
    """An end that was rounded by less than half a frame, 0.05 s, is no end past the video."""
    for beyond in ("keep", "clamp", "reject"):
        assert within_video(truth, video, beyond) is truth  # type: ignore[arg-type]


def loaded(**truth: Any) -> LoadedSample:
    """20 frames at 10 a second, every second of them sampled; the only object is seen from frame 8 on."""
    pts = np.arange(20) / 10
    frames = np.zeros((10, 4, 4, 3), np.uint8) + np.arange(0, 20, 2, dtype=np.uint8)[:, None, None, None]
    track = tuple(None if t < 8 else b"%d" % t for t in range(20))
    clip = Clip(frames, pts[::2], 10.0, (4, 4), 2.0)
    return LoadedSample(Sample("a", "v", "q", Answer(**truth)), clip, Masklets((4, 4), 10.0, pts, {3: track}))


def test_a_segment_is_seen_as_if_it_were_the_video() -> None:
    # Frames 5 to 14; sampled of them are 6, 8, 10, 12, 14, which are 0.1, 0.3, ... after frame 5.
    one = cut(loaded(interval=Interval(0.8, 1.2), object_id=3, tube=boxes(8, 12)), Interval(0.5, 1.5))
    assert one.clip.frames[:, 0, 0, 0].tolist() == [6, 8, 10, 12, 14]
    assert one.clip.pts.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert one.clip.duration == pytest.approx(1.0)
    assert one.masklets.pts.tolist() == pytest.approx([t / 10 for t in range(10)])
    assert one.masklets.tracks == {3: (None, None, None, *(b"%d" % t for t in range(8, 15)))}
    truth = one.sample.truth
    assert truth.interval is not None and truth.tube is not None and truth.object_id == 3
    assert (truth.interval.start, truth.interval.end) == pytest.approx((0.3, 0.7))  # 0.8 - 0.5, 1.2 - 0.5
    assert truth.tube.frames == range(3, 7) and truth.tube.boxes[0].tolist() == [8, 0, 13, 5]


def test_a_truth_that_leaves_its_segment_loses_what_is_outside() -> None:
    one = cut(loaded(interval=Interval(0.2, 1.8), tube=boxes(2, 18)), Interval(0.5, 1.5)).sample.truth
    assert one.interval is not None and one.tube is not None
    assert (one.interval.start, one.interval.end) == pytest.approx((0.0, 1.0))
    assert one.tube.frames == range(0, 10) and one.tube.boxes[0, 0] == 5 and one.tube.boxes[-1, 0] == 14


def test_a_segment_to_past_the_end_ends_with_the_video() -> None:
    one = cut(loaded(), Interval(1.0, 5.0))
    assert (len(one.clip), len(one.masklets.pts)) == (5, 10) and one.clip.duration == pytest.approx(1.0)
    assert one.sample.truth == Answer()


@pytest.mark.parametrize("segment", [Interval(3.0, 4.0), Interval(0.1, 0.2)])
def test_a_segment_without_a_sampled_frame_is_refused(segment: Interval) -> None:
    with pytest.raises(UserError, match=r"no frame of the video was sampled within \[.* s; check the video"):
        cut(loaded(), segment)
