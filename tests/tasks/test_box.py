"""Boxes in thousandths of a picture; and what the tiny policy is taught about them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import FPS, SIZE, Question, toy_source
from grounding.tasks import box
from grounding.tasks.box import BOX, BOX_ROOMS, Lines, measure
from grounding.tasks.task import Task
from grounding.tasks.teaching import Spot


def loaded(truth: Answer, size: tuple[int, int], shown: tuple[int, int]) -> LoadedSample:
    clip = Clip(np.zeros((1, *shown, 3), np.uint8), np.zeros(1), 1.0, size, 1.0)
    return LoadedSample(Sample("a", "a.jpg", "The cup.", truth), clip, Masklets(size, 1.0, np.zeros(1), {}))


def with_box(of: tuple[float, float, float, float]) -> Question:
    """A toy question about something in a box."""
    question = toy_source(5_000_000, 1, toy=BOX.toy).samples[0].meta["questions"][0]
    return replace(question, truth=Answer(box=of, size=(SIZE, SIZE)))


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


LINES = {"stills": (Lines.STILLS, BOX), "rooms": (Lines.ROOMS, BOX_ROOMS)}


def test_words_of_edges() -> None:
    assert Lines.STILLS.words_of((0, 7, 84, 77.4)) == ["la", "tb", "rm", "bl"]
    assert Lines.STILLS.words_of((3.4, 3.6, 10.6, 31.6)) == ["la", "tb", "rc", "bf"]  # nearest: 0, 7, 14, 35 pixels
    assert Lines.ROOMS.words_of((1.8, 7, 84, 56)) == ["lb", "tc", "ry", "bq"]  # 3.5, 7, 84, 56 pixels


@pytest.mark.parametrize(("lines", "task"), LINES.values(), ids=LINES)
def test_all_edges_of_a_picture_have_words_in_the_vocabulary(lines: Lines, task: Task) -> None:
    assert task.teaching.vocabulary == lines.vocabulary
    sample = toy_source(5_000_000, 1, toy=task.toy).samples[0]
    height, width = sample.truth.size
    assert lines.words_of((0, 0, width, height))[2] == "r" + lines.names[-1]
    assert {*lines.words_of((0, 0, width, height))} <= {*lines.vocabulary}


@pytest.mark.parametrize(("cut", "chance"), [("cut_edges", "CUT"), ("cut_box", "TIGHT")])
def test_edges_are_taught_a_line_too_far_inside(cut: str, chance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question, taught = with_box((13.0, 20.0, 36.0, 43.0)), getattr(Lines.STILLS, cut)
    rng = np.random.default_rng(0)
    monkeypatch.setattr(box, chance, 0.0)
    assert taught(question, rng) == Answer(box=(14.0, 21.0, 35.0, 42.0), size=(SIZE, SIZE))
    monkeypatch.setattr(box, chance, 1.0)
    assert taught(question, rng) == Answer(box=(21.0, 28.0, 28.0, 35.0), size=(SIZE, SIZE))


def test_each_edge_is_cut_by_itself_or_all_of_a_box_are() -> None:
    question, rng = with_box((14.0, 21.0, 35.0, 42.0)), np.random.default_rng(0)
    lefts = [Lines.STILLS.cut_edges(question, rng).box[0] for _ in range(1000)]  # type: ignore[index]
    assert {*lefts} == {14.0, 21.0}
    assert np.mean(np.array(lefts) == 21.0) == pytest.approx(box.CUT, abs=0.05)  # standard deviation 0.016
    boxes = [Lines.ROOMS.cut_box(question, rng).box for _ in range(1000)]
    assert {*boxes} == {(14.0, 21.0, 35.0, 42.0), (17.5, 24.5, 31.5, 38.5)}
    assert np.mean([one == (17.5, 24.5, 31.5, 38.5) for one in boxes]) == pytest.approx(box.TIGHT, abs=0.05)


def test_a_thin_box_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "TIGHT", 1.0)
    # Two lines high: nothing would be left. Three lines wide: one is left.
    taught = Lines.ROOMS.cut_box(with_box((7.0, 7.0, 17.5, 14.0)), np.random.default_rng(0))
    assert taught.box == (10.5, 7.0, 14.0, 14.0)


def test_the_thinking_names_the_colour_before_each_edge() -> None:
    question = with_box((7.0, 7.0, 42.0, 42.0))
    thing = replace(question.about, shape="square", colour="blue")
    taught = Answer(box=(14.0, 21.0, 35.0, 42.0), size=(SIZE, SIZE))
    one = replace(question, about=thing)
    assert Lines.STILLS.recite_taught(one, taught) == "square in blue lc blue td blue rf blue bg"
    assert Lines.STILLS.recite_true(one, taught) == "square in blue lb blue tb blue rg blue bg"


def test_in_rooms_the_thinking_begins_with_words_for_the_thing_itself() -> None:
    question = toy_source(5_000_000, 1, toy=BOX_ROOMS.toy).samples[0].meta["questions"][0]
    question = replace(question, truth=replace(question.truth, box=(14.0, 21.0, 35.0, 42.0)), thinking="small red box")
    one = replace(question, about=replace(question.about, colour="red"))
    expected = "small red box red le red tg red rk red bm"
    assert BOX_ROOMS.teaching.think(one, Answer(box=(0, 0, 7, 7))) == expected


def test_the_task_in_rooms_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(BOX_ROOMS)) == BOX_ROOMS


@pytest.mark.parametrize(("lines", "task"), LINES.values(), ids=LINES)
def test_what_visual_tokens_say(lines: Lines, task: Task) -> None:
    # The token in row 2 and column 3 is 14 pixels wide and high, from (42, 28).
    ground = {"stills": ["lg", "te", "ri", "bg"], "rooms": ["lm", "ti", "rq", "bm"]}[
        "stills" if task is BOX else "rooms"
    ]
    assert lines.look_and_edges(None, Spot(0.0, 2, 3)) == dict.fromkeys(ground, 0.25)
    sample = toy_source(5_000_000, 1, toy=task.toy).samples[0]
    thing, at = sample.meta["questions"][0].about, sample.meta["frame"]
    said = lines.look_and_edges(thing, Spot(at / FPS, 0, 0))
    assert list(said) == [*thing.look, *lines.words_of(thing.box_at(at))]
    assert sum(said.values()) == pytest.approx(1)
