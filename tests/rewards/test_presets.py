from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Answer, Interval, Mask, ParseFailure, Tube, rle
from rewards import PRESETS, REWARDS, CitingAnswer, Evidence, Meta, WeightedSum

# A truth that has everything, the text that a perfect model writes for each form, and all that may be known.
TRUTH = CitingAnswer(
    interval=Interval(2.0, 6.0),
    object_id=3,
    tube=Tube(2, np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))),
    intervals=(Interval(2.0, 6.0), Interval(10.0, 12.0)),
    object_ids=frozenset([1, 3]),
    box=(1.0, 2.0, 30.0, 40.0),
    point=(1.5, 1.5),
    mask=Mask((4, 4), rle.encode(np.ones((4, 4), bool))),
    choices=frozenset("B"),
    text="a red chair",
    number=45.0,
    evidence=(Evidence(4.0, (1.0, 2.0, 30.0, 40.0)),),
)
FORMS = {
    "planned_think_format": "<think><planning>a</planning><observation>b</observation><reasoning>c</reasoning></think>"
    "<answer>45%</answer>",
    "glue_format": "<think>t</think><answer>B</answer><glue>[(2, 6), (10, 12)]</glue>",
    "time_caption_format": "<time>2-6</time><caption>a</caption><think>b</think><time>10-12</time><caption>c</caption>"
    "<think>d</think><answer>B</answer>",
}
PLAIN = "<think>all of it</think> <answer>right</answer>"


def meta(text):
    return Meta(text, duration=20.0, progress=0.5, tokens=400, max_tokens=1000, previous=40.0)


def text_for(names):
    return next((FORMS[name] for name in names if name in FORMS), PLAIN)


@pytest.mark.parametrize("name", REWARDS)
def test_the_truth_gets_the_most_of_every_reward(name):
    one = REWARDS[name]
    answer = Answer(intervals=(Interval(2.0, 6.0),)) if name == "best_segment_iou" else TRUTH
    assert one(answer, TRUTH, meta(text_for([name]))) == pytest.approx(one.high)


@pytest.mark.parametrize("name", sorted(set(REWARDS) - {"overlong", "repetition"}))
def test_a_failure_gets_the_least_of_every_reward(name):
    assert REWARDS[name](ParseFailure("no tags"), TRUTH, meta("")) == REWARDS[name].low == 0.0


@pytest.mark.parametrize(
    ("preset", "most"),
    [
        ("tubelet", 3.5),
        ("stvg_r1", 3.0),
        ("time_r1", 2.0),
        ("timezero", 2.0),
        ("when", 2.0),
        ("grounded", 3.0),
        ("what", 2.0),
        ("tvg_r1", 1.0),
        ("temporal_r1", 1.0),
        ("videotg_r1", 2.0),
        ("videochat_r1", 2.0),
        ("videochat_r1_gqa", 3.0),
        ("videochat_r1_tracking", 2.0),
        ("tempsamp_r1", 1.8018232),  # 0.8 + 0.01 ln 1.2, and 1
        ("open_o3_video", 6.0),
        ("museg", 3.0),
        ("scene_r1", 2.0),
        ("scene_r1_box", 2.0),
        ("scene_r1_qa", 2.0),
        ("seed_bench_r1", 1.0),
        ("longvila_r1", 1.0),
        ("video_r1", 2.2),
        ("primo_r1", 2.2),
        ("primo_r1_qa", 2.2),
        ("progress", 2.0),
        ("sole_r1", 2.0),
        ("tw_grpo", 2.0),
        ("veripo", 2.5),  # this truth has options and a number, real ones have one of them
        ("videohallu", 2.0),
        ("deepvideo_r1", 1.0),
        ("deepvideo_r1_gqa", 2.0),
        ("vst", 1.0),
        ("objects", 1.5),
        ("video_thinker", 2.0),
    ],
)
def test_what_a_perfect_answer_gets_of_each_paper(preset, most):
    total = WeightedSum(PRESETS[preset])
    text = text_for(PRESETS[preset])
    assert total.total(total.parts(TRUTH, TRUTH, meta(text))) == pytest.approx(most)
    assert total.total(total.parts(ParseFailure("no tags"), TRUTH, meta(""))) == 0.0


def test_every_preset_is_tested_above():
    marks = test_what_a_perfect_answer_gets_of_each_paper.pytestmark
    assert {row[0] for row in marks[0].args[1]} == set(PRESETS)
