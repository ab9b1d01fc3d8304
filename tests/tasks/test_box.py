"""Boxes in thousandths of a picture; and the toy world that teaches where its objects are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import COLOURS, FPS, SIZE, ToySource, make_world, present, toy_source
from grounding.tasks import box
from grounding.tasks.box import BOX, LINES, ask, box_of, cut_box, look_and_edges, measure, recite_edges, words_of
from grounding.tasks.teaching import Spot

FIRST = 5_000_000


def loaded(truth: Answer, size: tuple[int, int], shown: tuple[int, int]) -> LoadedSample:
    clip = Clip(np.zeros((1, *shown, 3), np.uint8), np.zeros(1), 1.0, size, 1.0)
    return LoadedSample(Sample("a", "a.jpg", "The cup.", truth), clip, Masklets(size, 1.0, np.zeros(1), {}))


def source(count: int, **options: int) -> ToySource:
    return toy_source(FIRST, count, toy=BOX.toy, **options)


def test_thousandths_of_the_picture_are_pixels_of_the_original() -> None:
    # 720 pixels high and 1280 wide, shown 84 wide: x 250 is 320, 500 is 640; y 100 is 72, 1000 is 720.
    one = loaded(Answer(), (720, 1280), (47, 84))
    said = BOX.read('<think>t</think> <answer>{"bbox_2d": [250, 100, 500, 1000]}</answer>', one)
    assert said == Answer(box=(320.0, 72.0, 640.0, 720.0))
    assert isinstance(BOX.read("<answer>[250, 100, 500, 1001]</answer>", one), ParseFailure)


def test_what_a_perfect_model_says() -> None:
    truth = Answer(box=(320.0, 72.0, 641.0, 720.0), size=(720, 1280))
    said = '<think>a cup</think> <answer>{"bbox_2d": [250, 100, 501, 1000]}</answer>'  # 641 / 1280 is 0.50078
    assert BOX.say(truth, "a cup") == said
    for wrong in (Answer(), Answer(box=(0.0, 0.0, 1.0, 1.0))):
        with pytest.raises(UserError, match="must have a box and the size of its picture"):
            BOX.say(wrong, "")


def test_the_full_prompt_states_form_and_units() -> None:
    text = BOX.prompt(Sample("a", "a.jpg", "The {odd} cup.", Answer()), "full")
    assert 'Query: "the {odd} cup"' in text
    assert '<answer>{"bbox_2d": [x1, y1, x2, y2]}</answer>' in text
    assert "from 0 at the left of the picture to 1000 at the right" in text


@pytest.mark.parametrize(
    ("said", "iou", "hit"),
    [
        ((0, 0, 4, 4), 1.0, 1.0),
        ((0, 0, 4, 2), 0.5, 1.0),  # exactly half counts
        ((2, 0, 6, 4), 1 / 3, 0.0),  # 8 of 24 pixels
        ((4, 0, 8, 4), 0.0, 0.0),
        ((1, 1, 1, 3), 0.0, 0.0),  # without an area
    ],
)
def test_figures(said: tuple[float, float, float, float], iou: float, hit: float) -> None:
    assert measure(Answer(box=said), Answer(box=(0, 0, 4, 4))) == pytest.approx({"mIoU": iou, "Acc@0.5": hit})


def test_a_failure_gets_nothing_and_a_truth_without_a_box_is_an_error() -> None:
    truth = Answer(box=(0, 0, 4, 4))
    assert measure(ParseFailure("no"), truth) == measure(Answer(), truth) == {"mIoU": 0.0, "Acc@0.5": 0.0}
    with pytest.raises(UserError, match="against a truth with a box"):
        measure(truth, Answer())


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
    frames = box.paint([], np.zeros((3, SIZE, SIZE), np.uint8), 2, np.random.default_rng(0)).astype(float)
    assert frames.shape == (2, SIZE, SIZE, 3)
    np.testing.assert_array_equal(frames[0], frames[1])
    # Means of the outermost 7 columns or rows; noise of 6 on 588 pixels is 0.25.
    green, red, blue = frames[0, :, :, 1], frames[0, :, :, 0], frames[0, :, :, 2]
    ends = [green[:, :7], green[:, -7:], red[:7], red[-7:], blue[-7:], blue[:7]]
    low, high = 20 + box.RULER * 3 / 83, 20 + box.RULER * 80 / 83
    assert [part.mean() for part in ends] == pytest.approx([low, high] * 3, abs=2)


def test_words_of_edges() -> None:
    assert words_of((0, 7, 84, 77.4)) == ["la", "tb", "rm", "bl"]
    assert words_of((3.4, 3.6, 10.6, 31.6)) == ["la", "tb", "rc", "bf"]  # the nearest line: 0, 7, 14, 35 pixels
    assert len(LINES) == SIZE // box.CELL + 1
    assert {*words_of((0, 0, 84, 84))} <= {*BOX.teaching.vocabulary}


def test_edges_are_taught_a_line_too_far_inside_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    question = source(1).samples[0].meta["questions"][0]
    question = replace(question, truth=Answer(box=(13.0, 20.0, 36.0, 43.0), size=(SIZE, SIZE)))
    rng = np.random.default_rng(0)
    monkeypatch.setattr(box, "CUT", 0.0)
    assert cut_box(question, rng) == Answer(box=(14.0, 21.0, 35.0, 42.0))
    monkeypatch.setattr(box, "CUT", 1.0)
    assert cut_box(question, rng) == Answer(box=(21.0, 28.0, 28.0, 35.0))
    monkeypatch.undo()
    lefts = [cut_box(question, rng).box[0] for _ in range(1000)]  # type: ignore[index]
    assert {*lefts} == {14.0, 21.0}
    assert np.mean(np.array(lefts) == 21.0) == pytest.approx(box.CUT, abs=0.05)  # standard deviation 0.016


def test_the_thinking_names_the_colour_before_each_edge() -> None:
    question = source(1).samples[0].meta["questions"][0]
    thing = replace(question.about, shape="square", colour="blue")
    taught = Answer(box=(14.0, 21.0, 35.0, 42.0), size=(SIZE, SIZE))
    assert recite_edges(replace(question, about=thing), taught) == "square in blue lc blue td blue rf blue bg"


def test_what_visual_tokens_say() -> None:
    # The token in row 2 and column 3 is 14 pixels wide and high, from (42, 28).
    assert look_and_edges(None, Spot(0.0, 2, 3)) == dict.fromkeys(["lg", "te", "ri", "bg"], 0.25)
    sample = source(1).samples[0]
    thing, at = sample.meta["questions"][0].about, sample.meta["frame"]
    said = look_and_edges(thing, Spot(at / FPS, 0, 0))
    assert list(said) == [thing.shape, thing.colour, *words_of(box_of(thing, at))]
    assert sum(said.values()) == pytest.approx(1)
