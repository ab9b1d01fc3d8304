from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Tube
from grounding.evaluation.stvg import (
    FrameTube,
    hcstvg_scores,
    is_sparse,
    sampled_frames,
    sampled_viou,
    stvg_figures,
    tiou,
    viou,
    viou_in_seconds,
)

BOX, HALF = (0, 0, 10, 10), (0, 0, 10, 5)


def tube(start, end, box=BOX, without=()):
    boxes = np.tile(np.array(box, float), (end - start, 1))
    boxes[[frame - start for frame in without]] = np.nan
    return FrameTube(start, end, np.arange(start, end), boxes)


def now(figures):
    return {name: float(figure.at(np.ones((1, len(figure.values))))[0]) for name, figure in figures.items()}


# The definition


def test_by_hand():
    # Frames 2..5 against 4..7: 4 and 5 are shared, each with box IoU 50 / 100; 6 frames in either.
    assert viou(tube(2, 6, HALF), tube(4, 8)) == pytest.approx((0.5 + 0.5) / 6)
    assert tiou(tube(2, 6, HALF), tube(4, 8)) == pytest.approx(2 / 6)


def test_a_predicted_frame_without_a_box_adds_nothing_but_counts():
    assert viou(tube(0, 4, without=[1]), tube(0, 4)) == pytest.approx(3 / 4)


def test_a_true_frame_without_a_box_is_not_compared():
    assert viou(tube(0, 4), tube(0, 4, without=[1, 2])) == 1.0
    assert viou(tube(0, 8), tube(0, 4, without=[1, 2])) == pytest.approx(4 / 8)
    assert viou(tube(0, 4, HALF), tube(0, 4, without=[1, 2])) == pytest.approx(0.5)
    assert viou(tube(0, 4), tube(0, 4, without=range(4))) == 0.0


def boxed(start, end, frames, box=BOX):
    return FrameTube(start, end, np.array(frames), np.tile(box, (len(frames), 1)).astype(float))


def test_a_dense_prediction_and_a_sparse_truth_in_seconds():
    # 30 frames a second; the truth is 0 to 9.6 s with boxes on frames 0, 1, 2 of 288. Counting frames gives 3 / 288.
    truth = boxed(0.0, 9.6, range(3))
    assert is_sparse(truth)
    assert viou_in_seconds(boxed(0.0, 9.6, range(288)), truth) == pytest.approx(1.0)
    assert viou_in_seconds(boxed(0.0, 9.6, range(288), HALF), truth) == pytest.approx(0.5)
    assert viou_in_seconds(boxed(0.0, 19.2, range(576)), truth) == pytest.approx(9.6 / 19.2)
    assert viou_in_seconds(boxed(0.0, 9.6, range(1, 288)), truth) == pytest.approx(2 / 3)  # a box is missing
    assert viou_in_seconds(boxed(9.6, 19.2, range(288)), truth) == 0.0  # boxes outside its own time
    assert viou_in_seconds(boxed(1.0, 1.0, range(288)), truth) == 0.0


def test_tubes_in_seconds_of_one_density_are_compared_by_frames():
    # A box a second each, and 30 a second each: 2 of 4 frames, whatever the times say.
    assert viou_in_seconds(boxed(1.0, 4.0, [30, 60, 90]), boxed(0.0, 3.0, [0, 30, 60])) == pytest.approx(2 / 4)
    dense = boxed(0.0, 1.0, range(30))
    assert not is_sparse(dense)
    assert viou_in_seconds(boxed(0.0, 1.0, range(90)), dense) == pytest.approx(30 / 90)


def test_frames_that_are_far_apart_count_as_what_they_are():
    # Sampled truth: boxes on frames 0, 10, 20; predicted on 10, 20, 30. Two of four frames are shared.
    one = FrameTube(0.0, 3.0, np.array([0, 10, 20]), np.tile(BOX, (3, 1)).astype(float))
    other = FrameTube(1.0, 4.0, np.array([10, 20, 30]), np.tile(BOX, (3, 1)).astype(float))
    assert viou(one, other) == pytest.approx(2 / 4)
    assert tiou(one, other) == pytest.approx(2 / 4)


def test_no_frames_at_all():
    assert viou(tube(3, 3), tube(3, 3)) == 0.0


tubes = st.builds(
    lambda start, length, box: (start, start + length, box),
    st.integers(0, 20),
    st.integers(0, 20),
    st.sampled_from([BOX, HALF, (5, 0, 15, 10), (90, 90, 99, 99)]),
)


@given(tubes, tubes)
def test_it_is_the_viou_of_the_vocabulary_bounded_and_symmetric(one, other):
    a, b = tube(*one), tube(*other)
    assert viou(a, b) == pytest.approx(Tube(one[0], a.boxes).viou(Tube(other[0], b.boxes)))
    assert 0 <= viou(a, b) <= 1
    assert viou(a, b) == viou(b, a)
    assert viou(a, b) <= tiou(a, b) + 1e-12  # a box IoU is at most 1


@given(tubes.filter(lambda one: one[1] > one[0]))
def test_a_tube_is_itself(one):
    assert viou(tube(*one), tube(*one)) == 1.0


# What the official scripts compute


def test_hcstvg_script_agrees_with_the_definition_on_whole_tubes():
    a, b = tube(2, 6, HALF), tube(4, 8)
    assert hcstvg_scores(a, b) == pytest.approx((tiou(a, b), viou(a, b)))


def test_hcstvg_script_takes_frames_without_a_box_out_of_the_time():
    # Time 0..3 in both, but a box is missing on one frame: the script's tIoU is 3 / 4, the definition's 4 / 4.
    a, b = tube(0, 4, without=[2]), tube(0, 4)
    assert hcstvg_scores(a, b) == pytest.approx((3 / 4, 3 / 4))
    assert tiou(a, b) == 1.0


def test_hcstvg_script_on_tubes_apart():
    assert hcstvg_scores(tube(0, 4), tube(8, 12)) == (0.0, 0.0)


def test_tubedetr_takes_min_for_max_at_the_end_of_the_union():
    """TubeDETR's evaluators end the union at the earlier of both ends, so running on past the truth is free.

    Truth 0..9, predicted 0..19, the same box: 10 shared frames of 20 are 0.5. With the mistake the union is 0..9, and
    the prediction is perfect. One that ends too early is perfect, too.
    """
    truth, grid = tube(0, 10), np.arange(30)
    late, early = tube(0, 20), tube(0, 5)
    assert sampled_viou(late, truth, grid) == pytest.approx(10 / 20)
    assert sampled_viou(late, truth, grid, min_for_max=True) == pytest.approx(10 / 10)
    assert sampled_viou(early, truth, grid) == pytest.approx(5 / 10)
    assert sampled_viou(early, truth, grid, min_for_max=True) == pytest.approx(5 / 5)


def test_tubedetr_by_hand():
    # Grid 0, 2, ..., 18. Truth 4..11, predicted 8..15: shared 8, 10; union 4, 6, ..., 14 (6), with the mistake
    # 4, 6, 8, 10 (4). Box IoU 0.5 each.
    truth, prediction, grid = tube(4, 12), tube(8, 16, HALF), np.arange(0, 20, 2)
    assert sampled_viou(prediction, truth, grid) == pytest.approx(1.0 / 6)
    assert sampled_viou(prediction, truth, grid, min_for_max=True) == pytest.approx(1.0 / 4)


def test_sampling_every_frame_is_the_definition():
    a, b = tube(2, 6, HALF), tube(4, 8)
    assert sampled_viou(a, b, np.arange(20)) == pytest.approx(viou(a, b))


def test_no_sampled_frame_in_either():
    assert sampled_viou(tube(1, 2), tube(1, 2), np.array([0, 5])) == 0.0


@given(tubes, tubes, st.booleans())
def test_sampled_viou_is_bounded(one, other, mistake):
    assert 0 <= sampled_viou(tube(*one), tube(*other), np.arange(0, 50, 3), min_for_max=mistake) <= 1


def test_a_prediction_without_a_box_on_a_sampled_frame():
    # Shared 0..3, no box on 2: 3 of 4 frames.
    assert sampled_viou(tube(0, 4, without=[2]), tube(0, 4), np.arange(10)) == pytest.approx(3 / 4)
    boxless = FrameTube(0, 4, np.zeros(0, int), np.zeros((0, 4)))
    assert sampled_viou(boxless, tube(0, 4), np.arange(10)) == 0.0


def test_sampled_frames_by_hand():
    # 10 frames a second: every second one. A clip of HC-STVG, 600 frames of 30 a second: 0, 6, ..., 594.
    assert sampled_frames(0, 9, 10.0).tolist() == [0, 2, 4, 6, 8]
    assert sampled_frames(0, 599, 30.0).tolist() == list(range(0, 599, 6))
    # 300 frames of 5 a second are thinned out to 200: of each three the third is left out.
    assert sampled_frames(0, 300, 5.0).tolist()[:5] == [0, 1, 3, 4, 6]
    assert len(sampled_frames(0, 300, 5.0)) == 200


def slow_sampled(first, last, fps):
    """TubeDETR's loop."""
    chosen = [first]
    for frame in range(first, last):
        if int(chosen[-1] * 5 / fps) < int(frame * 5 / fps):
            chosen.append(frame)
    return [chosen[j * len(chosen) // 200] for j in range(200)] if len(chosen) > 200 else chosen


@given(st.integers(0, 300), st.integers(1, 2000), st.sampled_from([8.0, 16.0, 24.0, 32.0, 64.0]))
def test_sampled_frames_are_those_of_the_loop(first, count, fps):
    assert sampled_frames(first, first + count, fps).tolist() == slow_sampled(first, first + count, fps)


# Figures


def test_figures_by_hand():
    figures = now(stvg_figures(np.array([1.0, 0.5, 0.0]), np.array([0.8, 0.5, 0.1])))
    assert figures["m_tIoU"] == pytest.approx(0.5)
    assert figures["m_vIoU"] == pytest.approx(1.4 / 3)
    assert figures["vIoU@0.3"] == pytest.approx(2 / 3)
    assert figures["vIoU@0.5"] == pytest.approx(1 / 3)  # strictly more
    assert figures["vIoU>=0.5"] == pytest.approx(2 / 3)  # equality counts
    assert figures["vIoU@0.7"] == pytest.approx(1 / 3)
    assert figures["tIoU>=0.5"] == pytest.approx(2 / 3)


def test_who_takes_no_part_is_in_no_denominator():
    figures = stvg_figures(np.array([1.0, np.nan]), np.array([0.4, np.nan]), "declarative_")
    assert now(figures)["declarative_vIoU@0.3"] == 1.0
    assert figures["declarative_vIoU@0.3"].count == 1
