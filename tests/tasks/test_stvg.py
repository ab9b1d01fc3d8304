from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, Masklets, ParseFailure, Sample, Tube, UserError
from grounding.core.intervals import frames_within
from grounding.core.rle import encode
from grounding.tasks.stvg import MAX_ANSWER, PROMPTS, STVG, answer_text, decode, parse, read
from rewards import PRESETS, WeightedSum

FPS = 10.0


def mask(x1, y1, x2, y2):
    dense = np.zeros((20, 40), bool)
    dense[y1:y2, x1:x2] = True
    return encode(dense)


def video(tracks, frames=20):
    return Masklets((20, 40), FPS, np.arange(frames) / FPS, tracks)


def two_objects():
    """Object 1 at the left in frames 0-9 only, object 2 in the very same place from frame 10 on; 20 frames, 2 s."""
    place = mask(0, 0, 10, 10)
    return video({1: (place,) * 10 + (None,) * 10, 2: (None,) * 10 + (place,) * 10})


def answered(inside):
    return parse(f"<think>t</think> <answer>{inside}</answer>")


# Prompt


def test_the_full_prompt_says_what_is_asked_and_how_to_answer():
    text = STVG.prompt(Sample("a", "a.mp4", "The {odd} MAN walks.", Answer()), "full")
    assert '"the {odd} man walks"' in text
    for word in ("number drawn on it", "ID", "seconds", "<think>", "<answer>Target ID: N, Time range: A to B</answer>"):
        assert word in text


def test_the_form_that_the_prompt_shows_is_the_one_that_is_read():
    form = PROMPTS["full"].split("form:\n")[1].split("\n")[0]
    filled = form.replace("N", "3").replace(" A ", " 1.5 ").replace("B", "2.25")
    assert parse(filled) == Answer(Interval(1.5, 2.25), 3)


def test_the_short_prompt():
    assert STVG.prompt(Sample("a", "a.mp4", "The red circle.", Answer()), "short") == "Query: the red circle"


def test_an_unknown_prompt_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no prompt 'long' .* full, short"):
        STVG.prompt(Sample("a", "a.mp4", "a", Answer()), "long")


# Answer text


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.5, 3.0, "0.5 to 3.0"),
        (2.42, 10.0, "2.42 to 10.0"),
        (0.0, 1 / 3, "0.0 to 0.33"),
        (1.999, 2.106, "2.0 to 2.11"),
    ],
)
def test_answer_text(start, end, expected):
    text = answer_text(Answer(Interval(start, end), 3), "red: 3")
    assert text == f"<think>red: 3</think> <answer>Target ID: 3, Time range: {expected}</answer>"


@pytest.mark.parametrize("truth", [Answer(), Answer(object_id=1), Answer(Interval(0, 1))])
def test_answer_text_needs_the_whole_truth(truth):
    with pytest.raises(UserError, match="an interval and an object id"):
        answer_text(truth, "")


@pytest.mark.parametrize("thinking", ["a</think>", "<ANSWER>"])
def test_thinking_cannot_close_its_own_tag(thinking):
    with pytest.raises(UserError, match="must not hold the tags"):
        answer_text(Answer(Interval(0, 1), 1), thinking)


# Parser


@pytest.mark.parametrize(
    "inside",
    [
        "Target ID: 3, Time range: 12.5 to 17",
        "Target ID: 3, Time range: 12.5 to 17.0.",
        "Target ID: #3, Time range: 12.5s to 17s",
        "Target ID: [3], Time range: 12.5-17",
        "Target ID: ID 3, Time range: 12.5 and 17",
        "Target ID: 03; Time range: between 12.5 and 17 seconds",
        "\n  target id : 3\n  time range : from 12.50 seconds to 17.000 sec\n",
        "TARGET ID:3,TIME RANGE:12.5–17",  # noqa: RUF001
    ],
)
def test_every_form_of_the_grammar(inside):
    assert answered(inside) == Answer(Interval(12.5, 17.0), 3)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "3, 12.5 to 17",
        "Target ID: 3",
        "Time range: 1 to 2",
        "Target ID: , Time range: 1 to 2",
        "Target ID: 1, 2, Time range: 1 to 2",  # several ids
        "Target ID: 1 or 2, Time range: 1 to 2",
        "Target ID: 1 2 3, Time range: 1 to 2",
        "Target ID: [1, 2], Time range: 1 to 2",
        "Target ID: [1, Time range: 1 to 2",
        "Target ID: 1, Target ID: 2, Time range: 1 to 2",
        "Target ID: 1.5, Time range: 1 to 2",
        "Target ID: -1, Time range: 1 to 2",
        "Target ID: \u0663, Time range: 1 to 2",  # ARABIC-INDIC DIGIT THREE
        "Target ID: 1, Time range: \u0661 to \uff12",  # unicode digits
        "Target ID: 1, T\u0131me range: 1 to 2",  # dotless i, which a regular expression may take for an i
        "Target ID: 1, Time range: 1",
        "Target ID: 1, Time range: 1 to",
        "Target ID: 1, Time range: -1 to 2",
        "Target ID: 1, Time range: 1 to -2",
        "Target ID: 1, Time range: nan to 2",
        "Target ID: 1, Time range: 0 to inf",
        "Target ID: 1, Time range: 0 to 1e309",
        "Target ID: 1, Time range: 0 to 1" + "0" * 20,
        "Target ID: 1, Time range: 0:01 to 0:02",
        "Target ID: 1, Time range: 1 to 2, Time range: 3 to 4",
        "Target ID: 1, Time range: 1 to 2 or 3 to 4",
        "Target ID: 1, Time range: 1 to 2 minutes",
        "I say Target ID: 1, Time range: 1 to 2",
        "Target ID: 1, Time range: 1 to 2 I say",
        "Target ID: 1, Time range: 1 to 2</answer>",
        "<b>Target ID: 1, Time range: 1 to 2</b>",
    ],
)
def test_outside_of_the_grammar_is_a_failure_that_shows_what_came(inside):
    failure = answered(inside)
    assert isinstance(failure, ParseFailure)
    assert failure.reason.startswith("expected 'Target ID: N, Time range: A to B', got ")
    assert "\n" not in failure.reason and len(failure.reason) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Target ID: 1, Time range: 1 to 2", "no <answer>"),  # never the whole text
        ("<think><answer>Target ID: 1, Time range: 1 to 2</answer></think> no idea", "no <answer>"),
        ("<answer>Target ID: 0, Time range: 1 to 2</answer>", "ids begin at 1"),
        ("<answer>Target ID: #000, Time range: 1 to 2</answer>", "ids begin at 1"),
        ("<answer>Target ID: 1, Time range: 2 to 1.5</answer>", "reversed: 2 to 1.5"),
        (f"<answer>{'1' * (MAX_ANSWER + 1)}</answer>", f"longer than {MAX_ANSWER}"),
    ],
)
def test_other_failures_say_why(text, reason):
    failure = parse(text)
    assert isinstance(failure, ParseFailure) and reason in failure.reason


def test_the_last_block_alone_is_read():
    one, two = "Target ID: 1, Time range: 1 to 2", "Target ID: 2, Time range: 3 to 4"
    assert parse(f"<answer>{one}</answer><answer>{two}</answer>") == Answer(Interval(3, 4), 2)
    assert isinstance(parse(f"<answer>{one}</answer><answer>no idea</answer>"), ParseFailure)
    assert parse(f"<think><answer>{one}</answer></think><answer>{two}</answer>") == Answer(Interval(3, 4), 2)


def test_an_empty_interval_is_an_answer():
    assert answered("Target ID: 1, Time range: 2 to 2") == Answer(Interval(2, 2), 1)


@given(st.integers(1, 999999), st.floats(0, 99999), st.floats(0, 99999))
def test_an_answer_is_read_back_within_5_milliseconds(object_id, a, b):
    truth = Answer(Interval(min(a, b), max(a, b)), object_id)
    back = parse(answer_text(truth, "1 to 2, Target ID: 5"))
    assert back.object_id == object_id
    # 0.005 and the rounding error of numbers near 100,000.
    assert back.interval.start == pytest.approx(truth.interval.start, rel=0, abs=0.005 + 1e-9)
    assert back.interval.end == pytest.approx(truth.interval.end, rel=0, abs=0.005 + 1e-9)


# Decoding


def test_no_box_is_ever_borrowed():
    # Asked for object 1 in frames 5-14 (0.5 to 1.5 s); it is seen in 5-9 only, then object 2 stands in its place.
    answer = decode(Answer(Interval(0.5, 1.5), 1), two_objects())
    assert answer.tube.frames == range(5, 15)
    assert (answer.tube.boxes[:5] == [0, 0, 10, 10]).all()
    assert np.isnan(answer.tube.boxes[5:]).all()


def test_a_borrowed_box_would_have_paid():
    masklets = two_objects()
    interval = Interval(1.0, 2.0)
    truth = Answer(interval, 2, masklets.tube(2, interval))
    wrong = decode(Answer(interval, 1), masklets)  # the place is right, the object is not there
    assert wrong.tube.viou(truth.tube) == 0.0
    assert decode(Answer(interval, 2), masklets).tube.viou(truth.tube) == 1.0


@given(st.integers(1, 4), st.integers(0, 25), st.integers(0, 25))
def test_every_box_of_a_tube_is_the_objects_own(object_id, a, b):
    masklets = two_objects()
    interval = Interval(min(a, b) / FPS, max(a, b) / FPS)
    tube = decode(Answer(interval, object_id), masklets).tube or Tube(0, np.zeros((0, 4)))
    seen = [frame for frame, box in zip(tube.frames, tube.boxes, strict=True) if not np.isnan(box).any()]
    lifetime = {1: range(10), 2: range(10, 20)}.get(object_id, range(0))
    assert seen == [f for f in lifetime if min(a, b) <= f < max(a, b)]


def test_an_absent_id_has_no_box_but_an_interval():
    answer = decode(Answer(Interval(0.0, 1.0), 9), two_objects())
    assert answer.object_id == 9 and answer.interval == Interval(0.0, 1.0)
    assert answer.tube is None


def test_the_interval_stays_as_said_past_the_end_of_the_video():
    answer = decode(Answer(Interval(1.0, 5.0), 2), two_objects())
    assert answer.interval == Interval(1.0, 5.0)
    assert answer.tube.frames == range(10, 20)
    assert len(decode(Answer(Interval(7.0, 8.0), 2), two_objects()).tube.boxes) == 0


def test_failures_stay_failures_and_half_an_answer_is_one():
    failure = ParseFailure("no tags")
    assert decode(failure, two_objects()) is failure
    assert read("nothing", two_objects()) == parse("nothing")
    for half in (Answer(), Answer(object_id=1), Answer(Interval(0, 1))):
        assert isinstance(decode(half, two_objects()), ParseFailure)


# The gold law


@given(st.integers(1, 2), st.sampled_from([8.0, 23.976, 25.0, 30.0, 60.0]), st.integers(0, 39), st.integers(1, 40))
def test_the_truth_gets_all_of_every_reward(object_id, fps, first, length):
    place = (mask(3, 2, 30, 15),) * 40
    masklets = Masklets((20, 40), fps, np.arange(40) / fps, {1: place, 2: place})
    interval = Interval(first / fps, min(first + length, 40) / fps)
    truth = Answer(interval, object_id, masklets.tube(object_id, interval))
    text = answer_text(truth, "because")
    answer = read(text, masklets)
    assert frames_within(answer.interval, masklets.pts, fps) == truth.tube.frames
    parts = WeightedSum(PRESETS["tubelet"]).parts(answer, truth, text)
    # Each bound moves by at most 0.005 s, so at most 0.01 s of the union (>= duration) is not shared.
    assert parts.pop("temporal_iou") >= 1 - 0.01 / interval.duration - 1e-9
    assert parts == {"id_match": 1.0, "tube_viou": 1.0, "think_answer_format": 1.0}


@given(st.integers(1, 2), st.integers(0, 19), st.integers(1, 20))
def test_a_truth_in_hundredths_of_a_second_gets_exactly_the_most(object_id, first, length):
    interval = Interval(first / 10, min(first + length, 20) / 10)
    masklets = video({1: (mask(3, 2, 30, 15),) * 20, 2: (mask(0, 0, 4, 4),) * 20})
    truth = Answer(interval, object_id, masklets.tube(object_id, interval))
    text = answer_text(truth, "because")
    for preset, most in (("stvg_r1", 3.0), ("tubelet", 3.5)):
        total = WeightedSum(PRESETS[preset])
        assert total.total(total.parts(read(text, masklets), truth, text)) == most
