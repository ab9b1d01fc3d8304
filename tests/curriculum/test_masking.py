"""The curriculum that masks: ratios and masks by hand, and the laws that make frames only come back."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, Tube, UserError, rle
from grounding.curriculum.masking import (
    FILLS,
    SHAPES,
    Masking,
    MaskingConfig,
    beyond_window,
    check_buckets,
    check_masking,
    check_told,
    outside,
    ratio,
)
from grounding.datasets.toy import toy_source
from grounding.policies.families import FAMILIES
from grounding.tasks.asking import Asking, Moment
from grounding.tasks.gqa import GQA
from grounding.tasks.qa import QA
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG
from prompting import IdMarker

BIT = rle.encode(np.ones((4, 4), bool))
SHARES = st.floats(0.01, 0.99)
START = Moment(seed=3, draw=0, progress=0.0)
ALL = MaskingConfig(shape="linear", margin=0.0, buckets=None)


def at(progress: float, score: float | None = None) -> Moment:
    return Moment(3, 7, progress, score)


def clip_of(count: int, truth: Answer, *, per_second: float = 1.0, bucket: str = "hard") -> LoadedSample:
    """Frames at 0, 1, 2, ... (by default) seconds, the n-th of colour (10 n, 0, 0); object 1 is there all the time."""
    colours = np.zeros((count, 4, 4, 3), np.uint8)
    colours[..., 0] = 10 * np.arange(count)[:, None, None]
    pts = np.arange(count) / per_second
    clip = Clip(colours, pts, per_second, (4, 4), count / per_second)
    masklets = Masklets((4, 4), per_second, pts, {1: (BIT,) * count})
    return LoadedSample(Sample("one", "one.mp4", "the thing", truth, {"bucket": bucket}), clip, masklets)


def reds(loaded: LoadedSample) -> list[int]:
    return loaded.clip.frames[:, 0, 0, 0].tolist()


def seen(loaded: LoadedSample) -> list[int]:
    return [frame for frame, counts in enumerate(loaded.masklets.tracks[1]) if counts is not None]


@pytest.mark.parametrize(
    ("shape", "gamma", "expected"),  # at 0, 0.15, 0.3, 0.45 of the run; from 0.6 on nothing is hidden
    [
        ("linear", 1.0, [0.9, 0.675, 0.45, 0.225]),
        ("linear", 2.0, [0.9, 0.50625, 0.225, 0.05625]),
        ("cosine", 1.0, [0.9, 0.45 + 0.45 * 0.5**0.5, 0.45, 0.45 - 0.45 * 0.5**0.5]),
        ("step", 1.0, [0.9, 0.9, 0.6, 0.3]),  # thirds; 0.75 and 0.5 of the time are left in the first and second
        ("adaptive", 1.0, [0.9, 0.675, 0.45, 0.225]),
    ],
)
def test_ratios_by_hand(shape: str, gamma: float, expected: list[float]) -> None:
    config = MaskingConfig(shape=shape, r0=0.9, gamma=gamma)
    assert [ratio(config, at(p)) for p in (0.0, 0.15, 0.3, 0.45)] == pytest.approx(expected)


def test_adaptive_hides_less_of_what_is_answered_well() -> None:
    config = MaskingConfig(shape="adaptive", r0=0.8)
    found = [ratio(config, at(0.0, score)) for score in (None, 0.0, 0.5, 0.75, 1.0)]
    assert found == pytest.approx([0.8, 0.8, 0.8, 0.4, 0.0])
    assert ratio(replace(config, shape="linear"), at(0.0, 1.0)) == pytest.approx(0.8)


@given(
    st.sampled_from(sorted(SHAPES)),
    st.floats(0.01, 0.99),
    st.floats(0.01, 0.6),
    st.floats(0.1, 9),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_every_shape_falls_and_leaves_the_end_of_a_run_alone(
    shape: str, r0: float, p_end: float, gamma: float, times: Sequence[float]
) -> None:
    config, (early, late) = MaskingConfig(shape=shape, r0=r0, p_end=p_end, gamma=gamma), sorted(times)
    assert r0 + 1e-9 >= ratio(config, at(early)) >= ratio(config, at(late)) - 1e-9 >= -1e-9
    assert ratio(config, at(max(0.6, late))) == 0
    assert ratio(config, at(0.0)) == pytest.approx(r0)


def test_what_may_be_hidden_by_hand() -> None:
    """Patches begin at 0, 2, ... 14 s and have their middle one second later; those beside the truth's are shown."""
    one = clip_of(16, Answer(Interval(6.0, 8.0)))
    assert free(one, 0, 0) == [0, 1, 5, 6, 7]
    assert free(one, 2.5, 2.5) == [0, 1, 5, 6, 7]  # from 3.5 to 10.5 s; the middles of 1 and 5 are at 3 and 11 s
    assert free(one, 3.5, 2.5) == [0, 5, 6, 7]
    assert free(one, 2.5, 3.5) == [0, 1, 6, 7]
    assert free(clip_of(16, Answer(Interval(5.9, 8.1))), 0, 0) == [0, 6, 7]  # moments of the patches 2 and 4
    two = clip_of(16, Answer(intervals=(Interval(0.0, 1.0), Interval(14.5, 15.0))))
    assert free(two, 0, 0) == [2, 3, 4, 5]
    moment = clip_of(16, Answer(Interval(6.0, 6.0)))
    assert free(moment, 0, 0) == [0, 1, 5, 6, 7]
    late = clip_of(16, Answer(Interval(18.0, 19.0)))  # past the end of the video: its last patch is the truth's
    assert free(late, 0, 0) == [0, 1, 2, 3, 4, 5]
    odd = clip_of(7, Answer(Interval(0.0, 1.0)))  # the last patch is one frame, from 6 to 7 s
    assert free(odd, 0, 5.4) == [3]
    assert free(odd, 0, 5.6) == []


def free(loaded: LoadedSample, before: float, after: float) -> list[int]:
    return np.flatnonzero(outside(loaded, before, after)).tolist()


def test_the_frames_of_a_true_tube_are_shown_too() -> None:
    one = clip_of(16, Answer(Interval(6.0, 8.0), 1, Tube(5, np.tile([0.0, 0, 4, 4], (2, 1)))))  # from 5 to 7 s
    assert free(one, 0, 0) == [0, 5, 6, 7]


@pytest.mark.parametrize(("fill", "task"), [(fill, task) for fill in FILLS for task in ("vtg", "gqa", "stvg")])
@settings(max_examples=20)
@given(number=st.integers(0, 200), shares=st.tuples(SHARES, SHARES), seed=st.integers(0, 9))
def test_frames_only_come_back_in_whole_patches_and_the_truth_is_shown(
    fill: str, task: str, number: int, shares: Sequence[float], seed: int
) -> None:
    source = toy_source(7_770_000_000 + number, 1, fps=4.0, toy={"vtg": VTG, "gqa": GQA, "stvg": STVG}[task].toy)
    loaded = source.load(source.samples[0])
    masking = Masking(replace(ALL, fill=fill, margin=0.15))
    more, less = (masking.hidden(loaded, share, seed) for share in sorted(shares, reverse=True))
    assert not (less & ~more).any()
    assert (more[::2] == more[1::2]).all()
    for one in loaded.sample.truth.segments or ():
        times = loaded.clip.pts
        assert not more[(one.start <= times) & (times < one.end)].any()


def test_the_hidden_share_is_the_ratio_on_average() -> None:
    one = clip_of(400, Answer(Interval(0.0, 2.0)))
    hidden = Masking(ALL).hidden(one, 0.7, 0)
    assert hidden.sum() / 396 == pytest.approx(0.7, abs=0.1)


def test_who_is_masked() -> None:
    truth = Answer(Interval(0.0, 2.0))
    hard = Masking(replace(ALL, r0=0.99, buckets=["hard"]))
    for bucket in ("easy", "medium", "dead", "unheard of"):
        one = clip_of(40, truth, bucket=bucket)
        assert hard(one, START) is one
        assert Masking(replace(ALL, r0=0.99))(one, START) is not one
    assert hard(clip_of(40, truth), START) is not None
    unknown = clip_of(40, truth)
    unknown = replace(unknown, sample=replace(unknown.sample, meta={}))
    assert hard(unknown, START) is unknown


@pytest.mark.parametrize(
    "truth",
    [
        Answer(Interval(0.0, 40.0)),  # all of the video
        Answer(intervals=()),  # never: nothing says what must be shown
        Answer(choices=frozenset("A")),
    ],
)
def test_nothing_is_hidden_where_nothing_is_outside(truth: Answer) -> None:
    one = clip_of(40, truth)
    assert Masking(replace(ALL, r0=0.99))(one, START) is one


def test_a_video_shorter_than_its_margins_is_shown() -> None:
    assert not outside(clip_of(4, Answer(Interval(0.0, 1.0))), 4, 4).any()
    single = clip_of(1, Answer(Interval(0.0, 0.5)))
    assert Masking(replace(ALL, r0=0.99))(single, START) is single


def test_the_same_for_all_members_processes_and_after_a_resume_and_no_two_samples_alike() -> None:
    one = clip_of(100, Answer(Interval(50.0, 52.0)))
    masking = Masking(ALL)
    again = pickle.loads(pickle.dumps(masking))
    assert reds(masking(one, at(0.1))) == reds(again(one, replace(at(0.1), draw=12345)))
    other = replace(one, sample=replace(one.sample, id="other"))
    assert (masking.hidden(one, 0.5, 3) != masking.hidden(other, 0.5, 3)).any()
    assert (masking.hidden(one, 0.5, 3) != masking.hidden(one, 0.5, 4)).any()


HIDDEN = np.array([True, True, False, False, True, True, False, False])
TRUTH = Answer(Interval(6.5, 7.5), 1, Tube(6, np.tile([0.0, 0, 4, 4], (2, 1))))


def test_blank_by_hand() -> None:
    one = clip_of(8, TRUTH)
    made = FILLS["blank"](one, HIDDEN)
    assert reds(made) == [35, 35, 20, 30, 35, 35, 60, 70]
    assert seen(made) == [2, 3, 6, 7]
    assert made.sample is one.sample and made.clip.pts.tolist() == one.clip.pts.tolist()
    assert reds(one) == [0, 10, 20, 30, 40, 50, 60, 70]  # the sample itself is as it was


def test_freeze_by_hand() -> None:
    one = clip_of(8, TRUTH)
    tracks = {1: tuple(rle.encode(np.arange(16).reshape(4, 4) == t) for t in range(8))}
    made = FILLS["freeze"](replace(one, masklets=replace(one.masklets, tracks=tracks)), HIDDEN)
    assert reds(made) == [20, 20, 20, 30, 30, 30, 60, 70]
    assert [tracks[1].index(mask) for mask in made.masklets.tracks[1] if mask] == [2, 2, 2, 3, 3, 3, 6, 7]


def test_what_is_true_is_not_seen_to_last() -> None:
    """Object 1 is there in the truth alone; frozen frames must not show it for longer, or the truth would be wrong."""
    one = clip_of(24, Answer(Interval(10.0, 14.0)))
    track = tuple(BIT if 10 <= t < 14 else None for t in range(24))
    one = replace(one, masklets=replace(one.masklets, tracks={1: track}))
    for seed in range(20):
        made = Masking(replace(ALL, r0=0.99, fill="freeze"))(one, replace(START, seed=seed))
        assert seen(made) == [10, 11, 12, 13]
        assert [red for red in reds(made) if 100 <= red < 140] == [100, 110, 120, 130]


def test_drop_by_hand() -> None:
    made = FILLS["drop"](clip_of(8, TRUTH), HIDDEN)
    assert reds(made) == [20, 30, 60, 70]
    assert made.clip.pts.tolist() == [2, 3, 6, 7] and made.clip.duration == 8
    assert seen(made) == [2, 3, 6, 7] and made.sample.truth == TRUTH


def test_window_by_hand() -> None:
    one = clip_of(8, Answer(Interval(4.0, 5.5), 1, Tube(4, np.tile([0.0, 0, 4, 4], (2, 1)))))
    made = FILLS["window"](one, np.array([True, True, False, False, False, False, True, True]))
    assert reds(made) == [20, 30, 40, 50]
    assert made.clip.pts.tolist() == [0, 1, 2, 3] and made.clip.duration == 4
    assert made.sample.truth.interval == Interval(2.0, 3.5)
    assert made.sample.truth.tube is not None and made.sample.truth.tube.frames == range(2, 4)
    assert made.masklets.pts.tolist() == [0, 1, 2, 3]


def test_a_window_narrows_from_both_sides() -> None:
    free = np.array([True, True, True, True, False, True, False, True, True])  # between two segments all is shown
    assert beyond_window(free, 0.5, np.zeros(2)).tolist() == [True] * 2 + [False] * 6 + [True]
    assert beyond_window(free, 0.9, np.array([0.0, 0.5])).tolist() == [True] * 3 + [False] * 4 + [True] * 2
    assert not beyond_window(np.array([False, True]), 0.4, np.full(2, 0.5)).any()


def test_masks_of_source_frames_between_the_clips_go_with_them() -> None:
    """A clip of every third source frame: those of a hidden one and the two after it are hidden."""
    one = clip_of(12, Answer(Interval(0.0, 6.0)))
    clip = replace(one.clip, frames=one.clip.frames[::3], pts=one.clip.pts[::3])
    made = FILLS["blank"](replace(one, clip=clip), np.array([False, False, True, True]))
    assert seen(made) == [0, 1, 2, 3, 4, 5]
    rounded = replace(one.masklets, pts=one.masklets.pts - 0.001 + 0.001 * (np.arange(12) == 0))
    made = FILLS["blank"](replace(one, clip=clip, masklets=rounded), np.array([False, False, True, True]))
    assert seen(made) == [0, 1, 2, 3, 4, 5]


def test_masks_that_are_rarer_than_frames_show_no_id_on_a_hidden_one() -> None:
    one = clip_of(8, Answer(Interval(0.0, 4.0)), per_second=2.0)
    rare = Masklets((4, 4), 0.5, np.array([0.0, 2.0]), {1: (BIT, BIT)})
    made = FILLS["blank"](replace(one, masklets=rare), np.array([False] * 4 + [True] * 4))
    assert made.masklets.tracks[1] == (BIT, None)


@pytest.mark.parametrize("task", [VTG, GQA, STVG], ids=lambda task: task.name)
@pytest.mark.parametrize("fill", FILLS)
def test_a_perfect_answer_is_worth_the_same(fill: str, task: Task) -> None:
    """What is shown, asked and held against the answer fit each other, whatever is hidden."""
    asking = Asking(task, "short", IdMarker("badge", 15.0), (Masking(replace(ALL, r0=0.99, fill=fill)),))
    source = toy_source(7_770_000_000, 30, fps=4.0, toy=task.toy)
    changed = 0
    for sample in source.samples:
        loaded = source.load(sample)
        asked = asking(loaded, START)
        assert worth(task, asked.loaded) == pytest.approx(worth(task, loaded))
        assert len(asked.shown) == len(asked.loaded.clip)
        changed += asked.loaded is not loaded
        assert asking(loaded).loaded is loaded  # in an evaluation
        assert asking(loaded, at(0.6)).loaded is loaded
    assert changed > 15


def worth(task: Task, loaded: LoadedSample) -> dict[str, float]:
    truth = loaded.sample.truth
    return task.measure(task.read(task.say(truth, "so"), loaded), truth)


def test_a_hidden_frame_shows_no_id() -> None:
    asking = Asking(STVG, "short", IdMarker("badge", 15.0), (Masking(replace(ALL, r0=0.99)),))
    source = toy_source(7_770_000_000, 10, toy=STVG.toy)
    for sample in source.samples:
        loaded = source.load(sample)
        asked = asking(loaded, START)
        hidden = Masking(replace(ALL, r0=0.99)).hidden(loaded, 0.99, START.seed)
        for frame in asked.shown.frames[hidden]:
            assert (frame == frame[0, 0]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"shape": "square"},
            "curriculum.mask.shape must be one of none, linear, cosine, step, adaptive, got 'square'",
        ),
        ({"fill": "noise"}, "curriculum.mask.fill must be one of blank, freeze, drop, window, got 'noise'"),
        ({"buckets": []}, "curriculum.mask.buckets must be null (all) or some of easy, medium, hard, dead, got []"),
        ({"buckets": ["hart"]}, "curriculum.mask.buckets must be one of easy, medium, hard, dead, got 'hart'"),
        ({"r0": 1.0}, "curriculum.mask.r0 must be in (0, 1)"),
        ({"r0": 0.0}, "curriculum.mask.shape=none hides nothing"),
        ({"r0": float("nan")}, "got nan"),
        ({"p_end": 0.7}, "curriculum.mask.p_end must be in (0, 0.6]: the last 40 % of a run show all, got 0.7"),
        ({"p_end": 1.5}, "got 1.5"),
        ({"p_end": 0.0}, "curriculum.mask.p_end"),
        ({"gamma": 0.0}, "curriculum.mask.gamma must be in (0, 100], got 0"),
        ({"margin": -0.1}, "curriculum.mask.margin must be in [0, 1], got -0.1"),
    ],
)
def test_a_schedule_that_cannot_work_is_one_line(changes: dict[str, object], words: str) -> None:
    [line] = check_masking(replace(ALL, **changes), VTG)  # type: ignore[arg-type]
    assert words in line


def test_a_task_without_times_has_nothing_outside_of_them() -> None:
    [line] = check_masking(ALL, QA)
    assert "task=qa has none" in line
    assert check_masking(MaskingConfig(), QA) == []


def test_some_sample_must_be_in_the_buckets() -> None:
    samples = [clip_of(4, Answer(Interval(0.0, 1.0)), bucket=bucket).sample for bucket in ("easy", "hard")]
    check_buckets(replace(ALL, buckets=["hard"]), samples)
    check_buckets(ALL, samples[:1])
    check_buckets(MaskingConfig(), samples[:1])
    for none in (samples[:1], toy_source(5, 10).samples):
        with pytest.raises(UserError, match="whose bucket is hard, and no sample says so"):
            check_buckets(replace(ALL, buckets=["hard"]), none)


def test_frames_are_dropped_only_where_the_model_is_told_each_ones_time() -> None:
    told, untold = (SimpleNamespace(family=FAMILIES[name]) for name in ("qwen3_vl", "qwen2_5_vl"))
    check_told(replace(ALL, fill="drop"), told)  # type: ignore[arg-type]
    check_told(ALL, untold)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="told one rate a video; choose blank, freeze, window"):
        check_told(replace(ALL, fill="drop"), untold)  # type: ignore[arg-type]
