"""What a policy gets that would rather not look, beside what an honest good answer gets: no trick pays.

Each figure is worked out in the comment beside it. An honest good answer is one that looked and is a little off.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from grounding.core import Answer, Interval, Masklets, rle
from grounding.tasks import answers, boxes, evidence, objects, stvg, vtg
from rewards import PRESETS, REWARDS, CitingAnswer, Evidence, Meta, WeightedSum


def answered(block):
    return f"<think>t</think> <answer>{block}</answer>"


def total(preset, parse, truth, text, **known):
    weighted = WeightedSum(PRESETS[preset])
    return weighted.total(weighted.parts(parse(text), truth, Meta(text, **known)))


# When: the truth is 2 to 8 s of 20 s, the honest answer 2 to 7 s. IoU 5/6 = 0.8333.
# time_r1: 5/6 * 1 * (1 - 1/20) = 0.7917. tempsamp_r1: 0.8 + 0.01 ln(1.0333) = 0.8003. Each with 1 for the form.

WHEN = Answer(Interval(2.0, 8.0))
HONEST_WHEN = answered("2 to 7")
WHEN_PRESETS = ("timezero", "time_r1", "tempsamp_r1")
EVERY_RANGE = " ".join(f"<answer>{s} to {s + 6}</answer>" for s in range(0, 16, 2))
WHEN_PROBES = {
    # The last block counts, 14 to 20 s, and the form is lost: IoU 0; TempSamp-R1 pays 0.087 for any range.
    "many answers": (f"<think>t</think> {EVERY_RANGE}", (0.0, 0.0, 0.0868)),
    # Several ranges are no answer: form only.
    "many ranges": (answered("0 to 6, 2 to 8, 4 to 10"), (1.0, 1.0, 1.0)),
    # 6 / 20 = 0.3; both bounds: 0.3 * (1 - 2/20) * (1 - 12/20) = 0.108; 0.8 - (e^0.5 - 1) / (e - 1) = 0.4225.
    "whole video": (answered("0 to 20"), (1.3, 1.108, 1.4225)),
    # 6 / 999,999 of the time: 0.000006; the end is far past the video; 0.8 - (e^0.799994 - 1) / (e - 1) = 0.0868.
    "for ever": (answered("0 to 999999"), (1.0, 1.0, 1.0868)),
    "a moment within": (answered("4 to 4"), (1.0, 1.0, 1.0868)),
    "thinking only": ("<think>2 to 8</think> <answer>see above</answer>", (1.0, 1.0, 1.0)),
    "answer in the thinking": (f"<think>{answered('2 to 8')}</think> <answer>no</answer>", (0.0, 0.0, 0.0)),
    "empty tags": ("<think></think><answer></answer>", (1.0, 1.0, 1.0)),
    # The honest answer in more wrapping loses the form and gains nothing.
    "tag stuffing": (f"<think></think><answer></answer>{HONEST_WHEN}", (0.8333, 0.7917, 0.8003)),
    "nothing": ("", (0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("name", WHEN_PROBES)
def test_when(name):
    text, expected = WHEN_PROBES[name]
    for preset, value, honest in zip(WHEN_PRESETS, expected, (1.8333, 1.7917, 1.8003), strict=True):
        assert total(preset, vtg.parse, WHEN, text, duration=20.0) == pytest.approx(value, abs=1e-4)
        assert total(preset, vtg.parse, WHEN, HONEST_WHEN, duration=20.0) == pytest.approx(honest, abs=1e-4)
        assert value < honest


# Which, where and when: object 1 stands still in all 20 frames of a video of 20 s and is meant from 2 to 8 s, object 2
# beside it. The honest answer is 2 to 7 s: tIoU = vIoU = 5/6. Presets: tubelet, with 0.5 for the form; stvg_r1;
# videochat_r1_tracking.

TUBE_PRESETS = ("tubelet", "stvg_r1", "videochat_r1_tracking")
ONE, OTHER = (rle.encode(np.kron(half, np.ones((8, 4), bool))) for half in ([[True, False]], [[False, True]]))
TRACKED = Masklets((8, 8), 1.0, np.arange(20.0), {1: (ONE,) * 20, 2: (OTHER,) * 20})
SEEN_THEN = replace(TRACKED, tracks={1: (None,) * 2 + (ONE,) * 6 + (None,) * 12, 2: (OTHER,) * 20})
TUBE_PROBES = {
    # 6 of 20 frames, in seconds as in boxes.
    "whole video": ("Target ID: 1, Time range: 0 to 20", (0.3 + 1 + 0.3 + 0.5, 0.3 + 1 + 1, 1.3)),
    # 6 of 999,999 s, but boxes end with the video.
    "for ever": ("Target ID: 1, Time range: 0 to 999999", (1 + 0.3 + 0.5, 2.0, 1.3)),
    "a frame": ("Target ID: 1, Time range: 4 to 5", (1 / 6 + 1 + 1 / 6 + 0.5, 1 / 6 + 2, 1 + 1 / 6)),
    "a moment": ("Target ID: 1, Time range: 4 to 4", (1.5, 2.0, 1.0)),
    "the other": ("Target ID: 2, Time range: 2 to 8", (1.5, 2.0, 1.0)),
    "nobody": ("Target ID: 9, Time range: 2 to 8", (1.5, 2.0, 1.0)),
    "two": ("Target ID: 1, 2, Time range: 2 to 8", (0.5, 1.0, 1.0)),
}


@pytest.mark.parametrize("masklets", [TRACKED, SEEN_THEN], ids=["always there", "there at the time only"])
@pytest.mark.parametrize("name", TUBE_PROBES)
def test_tubes(name, masklets):
    block, expected = TUBE_PROBES[name]
    parse = partial(stvg.read, masklets=masklets)
    truth = stvg.read(answered("Target ID: 1, Time range: 2 to 8"), masklets)
    good = answered("Target ID: 1, Time range: 2 to 7")
    for preset, value, honest in zip(TUBE_PRESETS, expected, (1.5 + 10 / 6, 2 + 5 / 6, 1 + 5 / 6), strict=True):
        assert total(preset, parse, truth, answered(block)) == pytest.approx(value, abs=1e-4)
        assert total(preset, parse, truth, good) == pytest.approx(honest, abs=1e-4)
        assert value < honest


# Single parts that look at one side only can be had for nothing, and say so; no preset uses them. Together they
# cannot: an honest 2 to 7 s has 1 + 5/6, the whole video 0.3 + 1, a moment's neighbourhood 1 + 0.2 / 6.


@pytest.mark.parametrize(
    ("block", "iop", "recall"), [("2 to 7", 1.0, 5 / 6), ("0 to 20", 0.3, 1.0), ("4 to 4.2", 1.0, 1 / 30)]
)
def test_one_sided_parts_pay_only_together(block, iop, recall):
    answer = vtg.parse(answered(block))
    parts = [REWARDS[name](answer, WHEN, "") for name in ("temporal_iop", "temporal_recall")]
    assert parts == pytest.approx([iop, recall])
    assert sum(parts) <= 1 + 5 / 6
    assert not any({"temporal_iop", "temporal_recall"} & set(weights) for weights in PRESETS.values())


# Several segments: the truth is 2 to 6 and 10 to 14 s of 20 s, the honest answer 2 to 6 and 10 to 13 s.
# museg: F1 = 2 * 7 / (7 + 8) = 0.9333; in order (1 + 0.875) / 2 = 0.9375 (4 s of 4, 3 s of 4: (1 + 0.75) / 2).

SEGMENTS = Answer(intervals=(Interval(2, 6), Interval(10, 14)))
HONEST_SEGMENTS = answered("2-6 10-13")
SEGMENT_PROBES = {
    # 8 of 20 s: F1 = 16 / 28; one pair with IoU = GIoU = 4 / 20, of two: 0.6 / 2.
    "whole video": (answered("0-20"), 1 + 16 / 28 + 0.3),
    # The same seconds in twenty pieces: (0, 1) with (2, 6): hull 6, union 5: 5/12; (1, 2) with (10, 14): hull 13,
    # union 5: 5/26; of twenty.
    "every second": (answered(" ".join(f"{s}-{s + 1}" for s in range(20))), 1 + 16 / 28 + (5 / 12 + 5 / 26) / 20),
    # More than 64 segments are no answer.
    "every third of a second": (answered(" ".join(f"{s / 5:.1f}-{(s + 1) / 5:.1f}" for s in range(100))), 1.0),
    # The first twice counts once: F1 = 2 * 4 / (4 + 8); in order 1 and (2, 6) with (10, 14): 8 / 12 / 2.
    "the same twice": (answered("2-6 2-6"), 1 + 2 / 3 + (1 + 1 / 3) / 2),
    "never": (answered("[]"), 1.0),
    "empty tags": ("<think></think><answer></answer>", 1.0),
    "many answers": (f"<think>t</think>{'<answer>2-6 10-14</answer>' * 3}", 2.0),  # all of it right, the form lost
}


@pytest.mark.parametrize("name", SEGMENT_PROBES)
def test_segments(name):
    text, expected = SEGMENT_PROBES[name]
    assert total("museg", vtg.parse_segments, SEGMENTS, text) == pytest.approx(expected)
    honest = total("museg", vtg.parse_segments, SEGMENTS, HONEST_SEGMENTS)
    assert honest == pytest.approx(1 + 14 / 15 + 0.9375) and expected < honest


# Which ones: the truth is {2, 5} of ids 1 to 8, the honest answer {2, 5, 6}: F1 = 2 * 2 / (3 + 2) = 0.8.


@pytest.mark.parametrize(
    ("block", "expected"),
    [("2, 5, 6", 0.8), ("1, 2, 3, 4, 5, 6, 7, 8", 0.4), ("2", 2 / 3), ("2, 2, 2, 2", 2 / 3), ("[]", 0.0), ("all", 0.0),
     (", ".join(map(str, range(1, 65))), 4 / 66), (", ".join(map(str, range(1, 66))), 0.0)],
)  # fmt: skip
def test_ids(block, expected):
    truth = Answer(object_ids=frozenset([2, 5]))
    assert REWARDS["id_set_f1"](objects.parse_all(answered(block)), truth, "") == pytest.approx(expected)
    assert expected <= 0.8
    # Asked for one, a list is no answer.
    one = REWARDS["id_match"](objects.parse(answered(block)), Answer(object_id=2), "")
    assert one == float(block in ("2", "2, 2, 2, 2"))


# Where: a box of 40 x 40 in an image of 200 x 100; the honest one is shifted by 4: 36 * 40 / (2 * 1600 - 1440) = 9/11.

WHERE_PROBES = {
    "whole image": ("[0, 0, 200, 100]", 1 + 1600 / 20000),
    "everything there may be": ("[0, 0, 100000, 100000]", 1 + 1600 / 1e10),
    "no area": ("[30, 30, 30, 30]", 1.0),
    "many boxes": ("[[10, 10, 50, 50], [20, 20, 60, 60]]", 0.0),  # no box could be read: no form either
    "two under one key": ('{"bbox_2d": [20, 20, 60, 60], "bbox_2d": [10, 10, 50, 50]}', 0.0),
    "reversed": ("[60, 60, 20, 20]", 0.0),
    "empty": ("", 0.0),
}


@pytest.mark.parametrize("name", WHERE_PROBES)
def test_where(name):
    block, expected = WHERE_PROBES[name]
    parse = partial(boxes.parse_box, size=(100, 200))
    truth = Answer(box=(20.0, 20.0, 60.0, 60.0))
    assert total("scene_r1_box", parse, truth, answered(block)) == pytest.approx(expected)
    honest = total("scene_r1_box", parse, truth, answered("[24, 20, 64, 60]"))
    assert honest == pytest.approx(1 + 9 / 11) and expected < honest


# Options: the truth is {A, C} of five; the honest answer {A, C} pays 2 with the form, and {A} alone 1.5.


@pytest.mark.parametrize(
    ("block", "soft", "strict"),
    [
        ("A, C", 2.0, 2.0),
        ("A", 1.5, 1.0),  # TW-GRPO pays for the one that is surest; so does no other of our rewards as much
        ("A, B, C, D, E", 1.0, 1.0),
        ("A or C", 1.0, 1.0),
        ("A</answer><answer>C", 0.5, 0.0),  # the last block counts, C, and the form is lost
    ],
)
def test_options(block, soft, strict):
    truth, parse = Answer(choices=frozenset("AC")), partial(answers.parse_choices, options=5)
    text = answered(block)
    assert total("tw_grpo", parse, truth, text) == soft
    weighted = WeightedSum({"choice_match": 1.0, "think_answer_format": 1.0})
    assert weighted.total(weighted.parts(parse(text), truth, text)) == strict


def test_length_pays_only_with_an_answer_that_is_right():
    truth, parse = Answer(choices=frozenset("A")), partial(answers.parse_choices, options=5)
    padded = "<think>" + "so " * 400 + "</think><answer>{}</answer>"
    assert total("video_r1", parse, truth, padded.format("B"), tokens=400) == 1.0
    assert total("video_r1", parse, truth, padded.format("A"), tokens=400) == pytest.approx(2.2)
    assert total("video_r1", parse, truth, answered("A"), tokens=10) == 2.0


# Progress: 40 % were told, 60 % are true, the honest answer 50 %: 0.9 + 0.5 + 0.5.


@pytest.mark.parametrize(
    ("block", "expected"),
    [("50%", 1.9), ("40%", 1.3), ("100%", 1.6), ("0", 0.9), ("1000000%", 1.0), ("0 to 100", 0.5), ("50%, 60%", 0.5)],
)
def test_progress(block, expected):
    # Repeating 40: 0.8 + 0 + 0.5. Always done: 0.6 + 0.5 + 0.5. A million: 0 + 0.5 for 'it rose' + 0.5.
    truth = Answer(number=60.0)
    assert total("sole_r1", answers.parse_progress, truth, answered(block), previous=40.0) == pytest.approx(expected)
    assert expected <= 1.9


# Words: the honest answer 'a man in a red coat' for 'the man in the red coat': four of six words, one pair
# ('red coat'; 'man in' too): R1 = 8/12, R2 = 2 * 2 / 10, RL = 8/12.


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a man in a red coat", (8 / 12 + 4 / 10 + 8 / 12) / 3),
        # Its words apart: five of ten and six in order, no pair.
        ("the x man x in x red x coat x", (10 / 16 + 0 + 10 / 16) / 3),
        ("the " * 60, (4 / 66 + 0 + 4 / 66) / 3),
        # A bag of likely words: man, red, coat of eleven.
        ("man woman child dog car red blue green coat hat door", (6 / 17 + 0 + 6 / 17) / 3),
    ],
)
def test_words(words, expected):
    truth = Answer(text="the man in the red coat")
    value = REWARDS["rouge"](answers.parse_words(answered(words)), truth, "")
    assert value == pytest.approx(expected)
    assert value <= (8 / 12 + 4 / 10 + 8 / 12) / 3


# Traces: any number of captions gets the one point for the form, and none for a wrong letter.


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (64, 1.0), (65, 0.0)])
def test_caption_stuffing(count, expected):
    text = "<time>0-1</time><caption>c</caption><think>t</think>" * count + "<answer>B</answer>"
    truth, parse = Answer(choices=frozenset("A")), partial(answers.parse_trace, options=4)
    assert total("video_thinker", parse, truth, text, duration=20.0) == expected
    assert total("video_thinker", parse, Answer(choices=frozenset("B")), text, duration=20.0) == expected + 1


# Grounded QA: the right letter and 2 to 6 s of 2 to 6 and 10 to 14 s: 1 + 0.5 + 1.


@pytest.mark.parametrize(
    ("answer", "glue", "expected"),
    [("A", "[(2, 6)]", 2.5), ("A", "[(0, 20)]", 2.4), ("B", "[(0, 20)]", 1.4), ("A, B, C, D", "[(0, 20)]", 1.4),
     ("A", "[]", 2.0), ("A", "[(6, 2)]", 1.0), ("A", f"{[(0, 20)] * 65}", 1.0)],
)  # fmt: skip
def test_grounded(answer, glue, expected):
    truth = Answer(choices=frozenset("A"), intervals=SEGMENTS.intervals)
    text = f"<think>t</think><answer>{answer}</answer><glue>{glue}</glue>"
    parse = partial(answers.parse_grounded, options=4)
    assert total("videochat_r1_gqa", parse, truth, text) == pytest.approx(expected)
    assert expected <= 2.5


# Cited evidence: B, with an object at 4 s and one at 10 s; the honest answer cites both, the first half a second late,
# each shifted by 4 of 40: moments (e^-0.125 + 1) / 2 with sigma 1, boxes 9/11. A sure claim alone is a right claim.


def cited(*claims):
    said = "".join(f"<obj>man</obj>{''.join(f'<box>[{b}]</box>' for b in boxes)}at<t>{t}</t>s " for t, *boxes in claims)
    return f"<think>{said}</think><answer>B</answer>"


EVERYWHERE = "0, 0, 200, 100"
CITED_PROBES = {
    "nothing": (cited(), 1.5),  # the letter, and half of the form
    "the whole image": (cited((4, EVERYWHERE), (10, EVERYWHERE)), 3 + 1600 / 20000),
    # Three seconds from both moments: e^-4.5; no box is near.
    "in the middle": (cited((7, "60, 20, 100, 60")), 2 + math.exp(-4.5)),
    # One of eight boxes fits, the next ones share 20 x 40 and nothing with it: (1 + 1/3 + 1/3) / 8.
    "a row of boxes": (cited((4, *(f"{x}, 20, {x + 40}, 60" for x in range(0, 160, 20)))), 3 + 5 / 24),
}


@pytest.mark.parametrize("name", CITED_PROBES)
def test_cited(name):
    truth = CitingAnswer(
        choices=frozenset("B"),
        intervals=(Interval(4, 4), Interval(10, 10)),
        evidence=(Evidence(4.0, (20.0, 20.0, 60.0, 60.0)), Evidence(10.0, (100.0, 20.0, 140.0, 60.0))),
    )
    letters = partial(answers.parse_choices, options=4)
    parse = partial(evidence.parse_cited, parse=letters, size=(100, 200))
    text, expected = CITED_PROBES[name]
    honest = total(
        "open_o3_video", parse, truth, cited((4.5, "24, 20, 64, 60"), (10, "104, 20, 144, 60")), progress=1.0
    )
    assert honest == pytest.approx(2 + (math.exp(-0.125) + 1) / 2 + 9 / 11)
    value = total("open_o3_video", parse, truth, text, progress=1.0)
    assert value == pytest.approx(expected) and value < honest
    every = cited(*((t, EVERYWHERE) for t in range(20)))
    assert total("open_o3_video", parse, truth, every, progress=1.0) < honest
