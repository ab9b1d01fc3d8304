from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.evaluation.scenes import AP_LEVELS, average_precision, box3d_iou, instance_figures, match, overlaps

CHAIR, TABLE = 5, 7
NAMES = {CHAIR: "chair", TABLE: "table"}
UNIT = np.array([0.0, 0, 0, 1, 1, 1])


def shifted(by):
    return UNIT + np.array([by, 0, 0, by, 0, 0])


# Boxes


def test_boxes_by_hand():
    assert box3d_iou(UNIT, shifted(0.5)) == pytest.approx(0.5 / 1.5)
    assert box3d_iou(UNIT, shifted(1.0)) == 0.0
    assert box3d_iou(UNIT, np.array([0, 0, 0, 2, 1, 1])) == pytest.approx(1 / 2)
    assert box3d_iou(UNIT, np.full(6, np.nan)) == 0.0
    assert box3d_iou(np.zeros(6), np.zeros(6)) == 0.0


@given(st.floats(0, 2), st.floats(0, 2))
def test_boxes_are_bounded_symmetric_and_monotone(one, other):
    near, far = sorted((one, other))
    assert 0 <= box3d_iou(UNIT, shifted(far)) <= box3d_iou(UNIT, shifted(near)) <= 1
    assert box3d_iou(UNIT, shifted(near)) == pytest.approx(box3d_iou(shifted(near), UNIT))
    assert box3d_iou(shifted(one), shifted(one)) == pytest.approx(1.0)


# Instances: a scene is a row of vertices, and everything on it a range of them


def scene(true, predicted, vertices=2000):
    """Overlaps of a scene.

    Args:
        true: (label, instance, first, last) each.
        predicted: (label, score, first, last) each.
        vertices: How many; those of no instance have the id 0.
    """
    ids = np.zeros(vertices, int)
    for label, instance, first, last in true:
        ids[first:last] = label * 1000 + instance
    masks = [np.isin(np.arange(vertices), np.arange(first, last)) for _, _, first, last in predicted]
    labels, scores = [one[0] for one in predicted], [one[1] for one in predicted]
    return overlaps(ids, masks, labels, scores, set(NAMES))


def figures(*scenes):
    weights = np.ones((1, len(scenes)))
    return {name: float(figure.at(weights)[0]) for name, figure in instance_figures(scenes, NAMES).items()}


def chairs(*ranges):
    return [(CHAIR, number, first, last) for number, (first, last) in enumerate(ranges, start=1)]


def test_perfect_predictions():
    one = scene(chairs((0, 200), (200, 400)), [(CHAIR, 0.9, 0, 200), (CHAIR, 0.8, 200, 400)])
    assert figures(one) == {"AP": 1.0, "AP50": 1.0, "AP25": 1.0, "AP50 chair": 1.0}


def test_ap_ends_at_0_90():
    """AP is the mean of nine levels, 0.50 to 0.90: `arange(0.5, 0.95, 0.05)` stops before 0.95.

    186 of 200 vertices are an IoU of 0.93: all nine levels are passed, though 0.95 would not be. 170 are 0.85, above
    the seven levels to 0.80 and not above 0.85 itself, for the comparison is strict.
    """
    assert len(AP_LEVELS) == 9 and AP_LEVELS[-1] == pytest.approx(0.9)
    assert figures(scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 186)]))["AP"] == pytest.approx(1.0)
    assert figures(scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 170)]))["AP"] == pytest.approx(7 / 9)
    assert figures(scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 178)]))["AP"] == pytest.approx(8 / 9)  # 0.89


def test_the_level_itself_is_not_enough():
    one = scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 100)])  # IoU 0.5
    assert figures(one)["AP50"] == 0.0
    assert figures(one)["AP25"] == 1.0


def test_the_area_by_hand():
    # A hit (0.9), a false one (0.8) and a hit (0.7) for two chairs. Recall 1/2, 1/2, 1 with precision 1, 1/2, 2/3,
    # from (0, 1) on. Each precision has half the recall from the point before to the one after:
    # 1 x 1/4 + 1 x 1/4 + 1/2 x 1/4 + 2/3 x 1/4
    true = [*chairs((0, 200), (200, 400)), (TABLE, 1, 800, 1200)]
    one = scene(true, [(CHAIR, 0.9, 0, 200), (CHAIR, 0.8, 800, 1000), (CHAIR, 0.7, 200, 400)])
    assert figures(one)["AP50 chair"] == pytest.approx((1 + 1 + 1 / 2 + 2 / 3) / 4)


def test_equal_scores_are_one_point():
    # A hit and a false one, both 0.9, for one chair: recall 1 at precision 1/2, and (0, 1): 1 x 1/2 + 1/2 x 1/2.
    true = [*chairs((0, 200)), (TABLE, 1, 800, 1200)]
    one = scene(true, [(CHAIR, 0.9, 0, 200), (CHAIR, 0.9, 800, 1000)])
    assert figures(one)["AP50 chair"] == pytest.approx(3 / 4)


def test_of_two_on_one_instance_the_surer_is_the_hit():
    # Listed first with 0.3, then with 0.9. Hit at 0.9, false at 0.3: recall 1, 1 with precision 1, 1/2 from (0, 1):
    # 1 x 1/2 + 1 x 1/2 + 1/2 x 0
    one = scene(chairs((0, 200)), [(CHAIR, 0.3, 0, 200), (CHAIR, 0.9, 0, 190)])
    assert figures(one)["AP50"] == pytest.approx(1.0)
    found = match(one[CHAIR], 0.5)
    assert sorted(zip(found.scores.tolist(), found.hits.tolist(), strict=True)) == [(0.3, False), (0.9, True)]


def test_what_lies_on_void_or_on_small_instances_is_ignored():
    small = (CHAIR, 2, 300, 350)  # 50 vertices: too few to be found, or to be false on
    true = [*chairs((0, 200)), small]
    predicted = [(CHAIR, 0.9, 0, 200), (CHAIR, 0.95, 1000, 1200), (CHAIR, 0.97, 250, 400)]
    assert figures(scene(true, predicted))["AP50"] == 1.0
    # On a table it is false: hit at 0.9 behind a false one at 0.95: precision 1/2: 1 x 0 + 0 x 1/2 + 1/2 x 1/2
    table = (TABLE, 1, 1000, 1200)
    assert figures(scene([*true, table], predicted))["AP50 chair"] == pytest.approx(1 / 4)


def test_small_predictions_and_other_labels_are_left_out():
    predicted = [(CHAIR, 0.9, 0, 200), (CHAIR, 0.99, 600, 650), (99, 0.99, 600, 900)]
    assert figures(scene([*chairs((0, 200)), (TABLE, 1, 600, 900)], predicted))["AP50 chair"] == 1.0


def test_a_class_counts_where_it_has_instances():
    # Chairs are perfect, the table is missed: (1 + 0) / 2. Without a table there is nothing to miss.
    predicted = [(CHAIR, 0.9, 0, 200)]
    assert figures(scene([*chairs((0, 200)), (TABLE, 1, 600, 900)], predicted))["AP50"] == 0.5
    assert figures(scene(chairs((0, 200)), predicted))["AP50"] == 1.0
    # A predicted table where there is none takes part in no mean.
    assert figures(scene(chairs((0, 200)), [*predicted, (TABLE, 0.9, 0, 200)]))["AP50"] == 1.0


def test_scenes_share_one_curve():
    # A hit (0.9) in one scene, a false one (0.95) in the other, whose chair is missed. Recall 0, 1/2 with precision 0,
    # 1/2, from (0, 1) on: 1 x 0 + 0 x 1/4 + 1/2 x 1/4
    first = scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 200)])
    second = scene([*chairs((0, 200)), (TABLE, 1, 600, 900)], [(CHAIR, 0.95, 600, 900)])
    assert figures(first, second)["AP50 chair"] == pytest.approx(1 / 8)


def test_a_scene_that_counts_twice_is_like_two_of_it():
    first = scene(chairs((0, 200)), [(CHAIR, 0.9, 0, 200)])
    second = scene([*chairs((0, 200)), (TABLE, 1, 600, 900)], [(CHAIR, 0.95, 600, 900)])
    found = {0: match(first[CHAIR], 0.5), 1: match(second[CHAIR], 0.5)}
    twice = average_precision(found, np.array([[2.0, 1.0], [0.0, 1.0]]))
    assert twice[0] == pytest.approx(figures(first, first, second)["AP50 chair"])
    assert twice[1] == pytest.approx(figures(second)["AP50 chair"])


def test_a_draw_without_instances_has_no_value():
    empty, full = scene([], [(CHAIR, 0.9, 0, 200)]), scene(chairs((0, 200)), [])
    found = {0: match(empty[CHAIR], 0.5), 1: match(full[CHAIR], 0.5)}
    assert np.isnan(average_precision(found, np.array([[1.0, 0.0]]))[0])
    assert average_precision(found, np.array([[0.0, 1.0]]))[0] == 0.0
    assert np.isnan(figures(empty)["AP"])


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400), st.floats(0, 1)), max_size=5),
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400)), min_size=1, max_size=4),
)
def test_ap_is_bounded(predicted, true):
    one = scene(
        [(CHAIR, number, first, first + count) for number, (first, count) in enumerate(true, start=1)],
        [(CHAIR, score, first, first + count) for first, count, score in predicted],
    )
    values = figures(one)
    for value in values.values():
        assert np.isnan(value) or -1e-12 <= value <= 1 + 1e-12


# The same, step by step as the official evaluator goes


def slow_ap(scenes, level):
    """AP of chairs at one level.

    Args:
        scenes: (true ids of the vertices, [(score, mask), ...]) each.
        level: IoU.
    """
    truths, scores, instances = [], [], 0
    for ids, predictions in scenes:
        used = set()
        chairs_here = [n for n in np.unique(ids) if n // 1000 == CHAIR and (ids == n).sum() >= 100]
        predictions = [one for one in predictions if one[1].sum() >= 100]
        instances += len(chairs_here)
        for chair in chairs_here:
            best = None
            for number, (score, mask) in enumerate(predictions):
                if number not in used and overlap(mask, ids == chair) > level:
                    if best is None:
                        best = score
                        used.add(number)
                    else:
                        truths.append(0)
                        scores.append(min(best, score))
                        best = max(best, score)
            if best is not None:
                truths.append(1)
                scores.append(best)
        every = [n for n in np.unique(ids) if n // 1000 == CHAIR]
        for score, mask in predictions:
            if not any(overlap(mask, ids == chair) > level for chair in every):
                ignored = mask & ~np.isin(ids // 1000, list(NAMES))
                for small in set(every) - set(chairs_here):
                    ignored = ignored | (mask & (ids == small))
                if ignored.sum() / mask.sum() <= level:
                    truths.append(0)
                    scores.append(score)
    return slow_area(np.array(truths), np.array(scores), instances)


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def slow_area(truths, scores, instances):
    """One point a threshold, from the lowest to the highest, and (0, 1) last; steps by convolution."""
    if not instances:
        return np.nan
    precision, recall = [], []
    for threshold in np.unique(scores):
        taken = truths[scores >= threshold]
        precision.append(taken.sum() / len(taken))
        recall.append(taken.sum() / instances)
    precision, recall = np.array([*precision, 1.0]), np.array([*recall, 0.0])
    steps = np.convolve(np.concatenate([recall[:1], recall, [0.0]]), [-0.5, 0, 0.5], "valid")
    return float(precision @ steps)


ranges = st.tuples(st.integers(0, 700), st.integers(60, 300))
drawn_scenes = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from([CHAIR, CHAIR, TABLE]), ranges), max_size=4),
        st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.5, 0.9]), ranges), max_size=4),
    ),
    min_size=1,
    max_size=3,
)


@given(drawn_scenes, st.sampled_from([0.25, 0.5, 0.75]))
def test_ap_is_that_of_the_official_steps(drawn, level):
    slow, fast = [], {}
    for number, (true, predicted) in enumerate(drawn):
        ids = np.zeros(1000, int)
        for instance, (label, (first, count)) in enumerate(true, start=1):
            ids[first : first + count] = label * 1000 + instance
        places = [np.isin(np.arange(1000), np.arange(first, first + count)) for _, (first, count) in predicted]
        scores = [score for score, _ in predicted]
        slow.append((ids, list(zip(scores, places, strict=True))))
        found = overlaps(ids, places, [CHAIR] * len(places), scores, set(NAMES))
        if CHAIR in found:
            fast[number] = match(found[CHAIR], level)
    expected = slow_ap(slow, level)
    value = average_precision(fast, np.ones((1, len(drawn))))[0] if fast else np.nan
    assert (np.isnan(value) and np.isnan(expected)) or value == pytest.approx(expected)
