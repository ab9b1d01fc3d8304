"""The toy world of stills: which frame is asked about, what is asked, and the ruler on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Answer, UserError
from grounding.datasets.toy import COLOURS, FPS, SIZE, ToySource, make_world, present, toy_source
from grounding.datasets.toy_stills import RULER, STILLS, ask, paint


def source(count: int, **options: int) -> ToySource:
    return toy_source(5_000_000, count, toy=STILLS, **options)


def test_a_toy_sample_is_one_frame_with_the_target_and_another_object() -> None:
    for sample in source(40).samples:
        one = source(40).load(sample)
        questions, at = sample.meta["questions"], sample.meta["frame"]
        assert one.clip.frames.shape == (1, SIZE, SIZE, 3)
        assert one.clip.pts.tolist() == [at / FPS]
        assert len(questions) > 1
        for question in questions:
            thing = question.about
            assert present(thing, at) and question.query == f"the {thing.name}"
            x, y = np.round(thing.path[at])
            r = thing.radius
            assert question.truth == Answer(box=(x - r, y - r, x + r + 1, y + r + 1))
            mask = one.masklets.masks_at(at).get(thing.id)
            if mask is not None:
                colours = one.clip.frames[0][mask]
                assert (colours == COLOURS[thing.colour]).all()


def test_the_frame_is_any_of_the_targets_time() -> None:
    places = []
    for sample in source(200).samples:
        thing, at = sample.meta["questions"][0].about, sample.meta["frame"]
        places.append((at / FPS - thing.interval.start) / thing.interval.duration)
    assert min(places) == 0.0 and max(places) > 0.8
    assert np.mean(places) == pytest.approx(0.42, abs=0.07)  # of n frames 0 to (n - 1) / n, most often n = 4 or 8


def test_twins_are_not_asked_for_where_both_are_seen() -> None:
    for sample in source(60, level=2).samples:
        at = sample.meta["frame"]
        seen = [one.name for one in sample.meta["objects"] if present(one, at)]
        assert [seen.count(one.about.name) for one in sample.meta["questions"]] == [1] * len(sample.meta["questions"])


def test_nothing_is_asked_where_nothing_else_could_be_meant() -> None:
    world = make_world(np.random.default_rng(0), 1, 1)
    assert ask(world[0], world, np.random.default_rng(0)) == []
    with pytest.raises(
        UserError, match=r"no fair question about toy clip 5000000 was found; choose other data\.objects"
    ):
        source(1, objects=1).samples[0]


def test_the_ground_is_a_ruler() -> None:
    frames = paint([], np.zeros((3, SIZE, SIZE), np.uint8), 2, np.random.default_rng(0)).astype(float)
    assert frames.shape == (2, SIZE, SIZE, 3)
    np.testing.assert_array_equal(frames[0], frames[1])
    # Means of the outermost 7 columns or rows; noise of 6 on 588 pixels is 0.25.
    green, red, blue = frames[0, :, :, 1], frames[0, :, :, 0], frames[0, :, :, 2]
    ends = [green[:, :7], green[:, -7:], red[:7], red[-7:], blue[-7:], blue[:7]]
    low, high = 20 + RULER * 3 / 83, 20 + RULER * 80 / 83
    assert [part.mean() for part in ends] == pytest.approx([low, high] * 3, abs=2)
