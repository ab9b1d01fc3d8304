"""Tests of grounding.tasks.rvos: reading a set of IDs, decoding it to masks, and scoring these."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError, rle
from grounding.tasks.rvos import RVOS, decode, look_id_motion_and_second, measure, oracles
from grounding.tasks.teaching import Spot

SIZE = (100, 100)  # the diagonal is 141.4 and 0.8 % of it 1.13, so boundaries may lie 2 pixels apart


def columns(first: int, last: int) -> bytes:
    mask = np.zeros(SIZE, bool)
    mask[:, first:last] = True
    return rle.encode(mask)


# Object 1 stands left on both frames, 4 right on the first one only, 6 in the middle on both.
VIDEO = Masklets(
    SIZE, 2.0, np.array([0.0, 0.5]), {1: (columns(0, 20),) * 2, 4: (columns(80, 100), None), 6: (columns(40, 60),) * 2}
)


def said(*ids: int) -> Answer:
    answer = decode(Answer(object_ids=frozenset(ids)), VIDEO)
    assert isinstance(answer, Answer)
    return answer


def read(text: str) -> Answer | ParseFailure:
    clip = Clip(np.zeros((2, *SIZE, 3), np.uint8), VIDEO.pts, 2.0, SIZE, 1.0)
    return RVOS.read(text, LoadedSample(Sample("a", "a.mp4", "both", said(1, 4)), clip, VIDEO))


@pytest.mark.parametrize(
    ("block", "ids"),
    [("4", {4}), ("1, 4", {1, 4}), ("[1, 4]", {1, 4}), ("IDs: 4 and 1", {1, 4}), ("[]", set()), ("7, 1", {1, 7})],
)
def test_a_list_of_ids_is_read(block: str, ids: set[int]) -> None:
    answer = read(f"<think>so</think> <answer>{block}</answer>")
    assert isinstance(answer, Answer) and answer.object_ids == ids


@pytest.mark.parametrize("block", ["", "both", "1, 0", "1; the left one", "ID 1 at 0 to 2", "1.5"])
def test_anything_else_is_no_answer(block: str) -> None:
    assert isinstance(read(f"<think>so</think> <answer>{block}</answer>"), ParseFailure)


def test_ids_become_the_masks_of_their_objects_on_every_frame() -> None:
    region = said(4, 1).region
    assert region is not None and region.size == SIZE
    assert region.frames == ((columns(0, 20), columns(80, 100)), (columns(0, 20),))
    assert said(7).region == said().region  # an ID that does not exist has no masks


def test_the_truth_is_said_in_ascending_order() -> None:
    assert RVOS.say(Answer(object_ids=frozenset({6, 1, 4})), "so") == "<think>so</think> <answer>IDs: 1, 4, 6</answer>"
    assert RVOS.say(Answer(object_id=4), "").endswith("<answer>IDs: 4</answer>")
    assert RVOS.say(Answer(object_ids=frozenset()), "").endswith("<answer>[]</answer>")
    with pytest.raises(UserError, match="must have object_ids or an object_id"):
        RVOS.say(Answer(), "")


def test_masks_are_scored_by_hand() -> None:
    truth = said(1, 4)
    assert measure(truth, truth) == {"J&F": 1.0, "J": 1.0, "F": 1.0, "set_F1": 1.0}
    # Object 1 alone. Frame 0: 20 of 40 columns, J 1/2; the true boundaries are the columns 19 and 79, the said one is
    # 19: precision 1, recall 1/2, F 2/3. Frame 1 is right. Of the set: 2 x 1 / (1 + 2).
    assert measure(said(1), truth) == pytest.approx({"J&F": 19 / 24, "J": 3 / 4, "F": 5 / 6, "set_F1": 2 / 3})
    # Object 6 alone touches nothing.
    assert measure(said(6), truth) == {"J&F": 0.0, "J": 0.0, "F": 0.0, "set_F1": 0.0}


def test_frames_without_the_object_are_right_where_nothing_is_said() -> None:
    # Nothing is said: frame 0 is wrong, frame 1, on which object 4 is not, is right.
    assert measure(said(), said(4)) == {"J&F": 0.5, "J": 0.5, "F": 0.5, "set_F1": 0.0}
    assert measure(said(), said()) == {"J&F": 1.0, "J": 1.0, "F": 1.0, "set_F1": 1.0}
    assert measure(ParseFailure("no"), said()) == {"J&F": 0.0, "J": 0.0, "F": 0.0, "set_F1": 0.0}


def test_a_truth_without_masks_cannot_be_scored() -> None:
    with pytest.raises(UserError, match="a truth with a region"):
        measure(said(1), Answer(object_ids=frozenset({1})))


def test_the_ceiling_is_what_the_best_ids_reach() -> None:
    # The true object is 10 columns wide, the nearest masklet, 1, is 20: J 1/2, and the boundaries, columns 9 and 19,
    # lie apart: F 0.
    true = Masklets(SIZE, 2.0, VIDEO.pts, {2: (columns(0, 10),) * 2})
    truth = Answer(object_ids=frozenset({1}), region=true.region([2]))
    clip = Clip(np.zeros((2, *SIZE, 3), np.uint8), VIDEO.pts, 2.0, SIZE, 1.0)
    loaded = LoadedSample(Sample("a", "a.mp4", "it", truth), clip, VIDEO)
    for answer in (ParseFailure("no"), said(6)):
        best = {name: measure(one, truth) for name, one in oracles(answer, loaded).items()}
        assert best == {"oracle_ids": {"J&F": 0.25, "J": 0.5, "F": 0.0, "set_F1": 1.0}}


def test_what_a_visual_token_says() -> None:
    assert RVOS.toy is not None
    world = RVOS.toy.make(np.random.default_rng(3), 1, 3)
    words = look_id_motion_and_second(world[0], Spot(2.5, 0, 0))
    way = world[0].motion.split()[1]
    assert list(words) == [world[0].shape, world[0].colour, str(world[0].id), way, "two"]
    assert sum(words.values()) == pytest.approx(1.0)
    assert look_id_motion_and_second(None, Spot(2.5, 0, 0)) == {}
