"""Boxes in thousandths of a picture; and what the tiny policy is taught about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import FPS, SIZE, Question, toy_source
from grounding.datasets.toy_stills import STILLS
from grounding.tasks import box
from grounding.tasks.box import BOX, LINES, cut_box, look_and_edges, measure, recite_edges, words_of
from grounding.tasks.teaching import Spot


def loaded(truth: Answer, size: tuple[int, int], shown: tuple[int, int]) -> LoadedSample:
    clip = Clip(np.zeros((1, *shown, 3), np.uint8), np.zeros(1), 1.0, size, 1.0)
    return LoadedSample(Sample("a", "a.jpg", "The cup.", truth), clip, Masklets(size, 1.0, np.zeros(1), {}))


def asked() -> tuple[Question, int]:
    """A toy question and the source frame that it is about."""
    sample = toy_source(5_000_000, 1, toy=STILLS).samples[0]
    return sample.meta["questions"][0], sample.meta["frame"]


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


def test_words_of_edges() -> None:
    assert words_of((0, 7, 84, 77.4)) == ["la", "tb", "rm", "bl"]
    assert words_of((3.4, 3.6, 10.6, 31.6)) == ["la", "tb", "rc", "bf"]  # the nearest line: 0, 7, 14, 35 pixels
    assert len(LINES) == SIZE // box.CELL + 1
    assert {*words_of((0, 0, 84, 84))} <= {*BOX.teaching.vocabulary}


def test_edges_are_taught_a_line_too_far_inside_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    question, _ = asked()
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
    question, _ = asked()
    thing = replace(question.about, shape="square", colour="blue")
    taught = Answer(box=(14.0, 21.0, 35.0, 42.0), size=(SIZE, SIZE))
    assert recite_edges(replace(question, about=thing), taught) == "square in blue lc blue td blue rf blue bg"


def test_what_visual_tokens_say() -> None:
    # The token in row 2 and column 3 is 14 pixels wide and high, from (42, 28).
    assert look_and_edges(None, Spot(0.0, 2, 3)) == dict.fromkeys(["lg", "te", "ri", "bg"], 0.25)
    question, at = asked()
    thing = question.about
    said = look_and_edges(thing, Spot(at / FPS, 0, 0))
    assert list(said) == [thing.shape, thing.colour, *words_of(thing.box_at(at))]
    assert sum(said.values()) == pytest.approx(1)
