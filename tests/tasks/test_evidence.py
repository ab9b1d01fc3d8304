from __future__ import annotations

from functools import partial

import pytest

from grounding.core import Interval, ParseFailure
from grounding.tasks import vtg
from grounding.tasks.answers import parse_choices, parse_words
from grounding.tasks.evidence import parse_cited
from rewards import PRESETS, CitingAnswer, Evidence, Meta, WeightedSum

SIZE = (200, 400)  # height, width
CLAIM = "<obj>the dog</obj><box>[10, 20, 30.5, 40]</box>at<t>4.5</t>s"
DOG = Evidence(4.5, (10.0, 20.0, 30.5, 40.0))
read = partial(parse_cited, parse=parse_words, size=SIZE)


def thought(thinking, answer="it runs"):
    return f"<think>{thinking}</think><answer>{answer}</answer>"


def test_words_with_their_evidence():
    found = read(thought(f"First {CLAIM}, then at <t>6</t>s it is gone."))
    moments = (Interval(4.5, 4.5), Interval(6.0, 6.0))
    assert found == CitingAnswer(text="it runs", intervals=moments, evidence=(DOG,))


@pytest.mark.parametrize(
    "claim",
    [
        CLAIM,
        "<obj>the dog</obj> <box> [10,20,30.5,40] </box> at <t>4.5</t> s",
        "<obj>the\ndog</obj>\n<box>[10, 20,\n30.5, 40]</box>at\n<t>4.5</t>s",
    ],
)
def test_spaces_between_the_parts(claim):
    assert read(thought(claim)).evidence == (DOG,)


def test_several_boxes_of_one_claim():
    text = "<obj>dogs</obj><box>[1, 2, 3, 4]</box><box>[5, 6, 7, 8]</box>at<t>1</t>s"
    assert read(thought(text)).evidence == (Evidence(1.0, (1.0, 2.0, 3.0, 4.0)), Evidence(1.0, (5.0, 6.0, 7.0, 8.0)))


def test_thousandths():
    # x: 500 / 1000 of 400 = 200, 1000 is 400; y: 250 / 1000 of 200 = 50, 500 is 100.
    text = thought("<obj>a</obj><box>[500, 250, 1000, 500]</box>at<t>1</t>s")
    assert read(text, units="thousandths").evidence == (Evidence(1.0, (200.0, 50.0, 400.0, 100.0)),)


@pytest.mark.parametrize(
    "claim",
    [
        "<obj></obj><box>[1, 2, 3, 4]</box>at<t>1</t>s",
        "<obj>a</obj><box>[1, 2, 3]</box>at<t>1</t>s",
        "<obj>a</obj><box>[1, 2, 3, 4, 5]</box>at<t>1</t>s",
        "<obj>a</obj><box>[-1, 2, 3, 4]</box>at<t>1</t>s",
        "<obj>a</obj><box>[3, 2, 1, 4]</box>at<t>1</t>s",  # reversed
        "<obj>a</obj><box>[1, 4, 3, 2]</box>at<t>1</t>s",
        "<obj>a</obj><box>[1, 2, 3, 999999]</box>at<t>1</t>s",
        "<obj>a</obj><box>[1, 2, 3, nan]</box>at<t>1</t>s",
        "<obj>a</obj>at<t>1</t>s",
        "<obj>a</obj><box>[1, 2, 3, 4]</box>near<t>1</t>s",
        "<box>[1, 2, 3, 4]</box>at<t>1</t>s",
    ],
)
def test_what_is_no_claim_still_cites_its_moment(claim):
    assert read(thought(claim)) == CitingAnswer(text="it runs", intervals=(Interval(1.0, 1.0),))


@pytest.mark.parametrize("moment", ["<t>1</t>", "<t>-1</t>s", "<t>1e3</t>s", "<t>one</t>s", "1s"])
def test_what_is_no_moment(moment):
    assert read(thought(f"<obj>a</obj><box>[1, 2, 3, 4]</box>at{moment}")) == CitingAnswer(text="it runs", intervals=())


def test_only_the_thinking_is_searched():
    assert read(f"{CLAIM}<think>so</think>{CLAIM}<answer>b</answer>") == CitingAnswer(text="b", intervals=())
    assert read(f"<answer>b</answer> {CLAIM}") == CitingAnswer(text="b", intervals=())
    assert isinstance(read(f"<think>{CLAIM}"), ParseFailure)  # cut off while thinking


def test_at_most_64_claims_count():
    found = read(thought(CLAIM * 70))
    assert (len(found.evidence), len(found.intervals)) == (64, 64)


def test_an_answer_that_cannot_be_read_leaves_its_evidence():
    choices = partial(parse_cited, parse=partial(parse_choices, options=4), size=SIZE)
    assert choices(thought(CLAIM, "B")).choices == frozenset("B")
    assert choices(thought(CLAIM, "perhaps")) == CitingAnswer(intervals=(Interval(4.5, 4.5),), evidence=(DOG,))
    assert isinstance(choices(thought("nothing", "perhaps")), ParseFailure)


def test_a_range_in_the_papers_form():
    found = parse_cited(thought("at <t>4</t>s", "From <t>3.5</t>s to <t>7</t>s"), vtg.parse, SIZE)
    assert found == CitingAnswer(Interval(3.5, 7.0), intervals=(Interval(4.0, 4.0),))


def test_the_papers_sum_by_hand():
    """Cited 1 s late at the start of the training, and half of the box."""
    truth = CitingAnswer(
        text="it runs", intervals=(Interval(4.0, 4.0),), evidence=(Evidence(4.0, (0.0, 0.0, 40.0, 20.0)),)
    )
    text = thought("<obj>dog</obj><box>[0, 0, 20, 20]</box>at<t>4.5</t>s")
    weighted = WeightedSum(PRESETS["open_o3_video"])
    parts = weighted.parts(read(text), truth, Meta(text, progress=0.0))
    assert parts["answer_accuracy"] == parts["evidence_format"] == 1.0
    assert parts["evidence_iou"] == 0.5
    assert parts["time_proximity"] == pytest.approx(0.992218)  # exp(-0.5 (0.5 / 4)^2) = exp(-0.0078125)
    assert (parts["temporal_iou"], parts["box_iou"]) == (None, None)
    assert weighted.total(parts) == pytest.approx(3.492218)


def test_probes_no_trick_pays():
    """The truth has one box of 40 x 40; an honest box is shifted by 4: 36 * 40 / (2 * 1600 - 1440) = 9/11."""
    truth = CitingAnswer(
        text="it runs", intervals=(Interval(4.0, 4.0),), evidence=(Evidence(4.0, (20.0, 20.0, 60.0, 60.0)),)
    )
    weighted = WeightedSum({"evidence_iou": 1.0, "evidence_format": 1.0})

    def total(thinking):
        text = thought(thinking)
        return weighted.total(weighted.parts(read(text), truth, Meta(text)))

    box = "<obj>a</obj><box>{}</box>at<t>4</t>s".format
    honest = total(box("[24, 20, 64, 60]"))
    assert honest == pytest.approx(1 + 9 / 11)
    every = "".join(f"<box>[{x}, {y}, {x + 40}, {y + 40}]</box>" for x in (0, 20, 40, 60) for y in (0, 20))
    assert total(f"<obj>a</obj>{every}at<t>4</t>s") < honest  # eight boxes, one of them right
    assert total(box("[0, 0, 400, 200]")) == pytest.approx(1 + 1600 / 80000)
    assert total("".join(f"<obj>a</obj><box>[20, 20, 60, 60]</box>at<t>{t}</t>s" for t in range(10))) < honest
    assert total("nothing") == 0.5
