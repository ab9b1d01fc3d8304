"""Grounded question answering: what is asked, said and read, and its figures by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import NAMES, present, toy_source
from grounding.evaluation.temporal import best_iop, best_iou
from grounding.tasks.gqa import GQA, coarse, make, measure, says, share_within
from grounding.tasks.options import options_of
from grounding.tasks.task import Said
from grounding.tasks.teaching import Spot
from rewards.segments import merged

OTHERS = 7_700_000_000  # clip numbers of no run


def truth(letters: str | None, *bounds: tuple[float, float], text: str | None = None) -> Answer:
    choices = None if letters is None else frozenset(letters)
    return Answer(intervals=tuple(Interval(*one) for one in bounds), choices=choices, text=text)


def loaded(answer: Answer, options: tuple[str, ...] = ("a cat", "a dog", "a bird")) -> LoadedSample:
    masklets = Masklets((4, 4), 1.0, np.arange(9.0), {})
    clip = Clip(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1), 1.0, (4, 4), 9.0)
    return LoadedSample(Sample("a", "a.mp4", "What barks?", answer, {"options": options}), clip, masklets)


def test_the_first_range_counts_with_the_true_one_that_it_fits_best() -> None:
    # Said [1, 5) first: of its 4 s, 1 s is in [0, 2) and 2 s are in [3, 6): IoP 2 / 4, IoU 2 / 5. All that was said,
    # [1, 5) and [7, 8), shares 3 s with the truth's 5 s; together they have 7 s.
    found = measure(truth("B", (1, 5), (7, 8)), truth("B", (0, 2), (3, 6)))
    assert found == pytest.approx({"Acc@GQA": 1.0, "accuracy": 1.0, "mIoP": 0.5, "mIoU": 0.4, "union_IoU": 3 / 7})


@pytest.mark.parametrize(
    ("said", "grounded", "right"),
    [
        (truth("B", (0, 4)), 1.0, 1.0),  # half of it is evidence, which is enough
        (truth("B", (0, 4.1)), 0.0, 1.0),
        (truth("A", (0, 2)), 0.0, 0.0),
        (truth("AB", (0, 2)), 0.0, 0.0),  # all letters are no answer
        (truth("B"), 0.0, 1.0),
        (Answer(choices=frozenset("B")), 0.0, 1.0),
        (truth(None, (0, 2)), 0.0, 0.0),
        (ParseFailure("no"), 0.0, 0.0),
    ],
)
def test_an_answer_is_grounded_if_it_is_right_and_half_of_its_range_is_evidence(
    said: Said, grounded: float, right: float
) -> None:
    found = measure(said, truth("B", (0, 2)))
    assert (found["Acc@GQA"], found["accuracy"]) == (grounded, right)


def test_ranges_are_measured_as_the_benchmark_does() -> None:
    rng = np.random.default_rng(0)
    for said, *true in np.sort(rng.integers(0, 6, (200, 3, 2)), axis=-1).astype(float):
        found = measure(truth("A", tuple(said)), truth("A", *map(tuple, true)))
        gold = np.array([true])
        assert found["mIoP"] == pytest.approx(best_iop(said[None], gold)[0])
        assert found["mIoU"] == pytest.approx(best_iou(said[None], gold)[0])


def test_a_moment_is_within_a_range_or_not() -> None:
    assert [share_within(Interval(at, at), Interval(1, 2)) for at in (0.5, 1, 1.5, 2, 2.5)] == [0, 1, 1, 1, 0]


def test_free_words_are_right_if_they_are_the_same() -> None:
    right = truth(None, (0, 2), text="The dog.")
    assert measure(truth(None, (0, 2), text="the dog"), right)["Acc@GQA"] == 1.0
    assert measure(truth(None, (0, 2), text="a dog"), right)["accuracy"] == 0.0


@pytest.mark.parametrize(
    "answer",
    [truth("B", (0, 1.5), (3, 4)), truth("AC", (2, 3)), truth("A"), truth(None, (1, 2), text="a red dog, running")],
)
def test_what_is_said_is_read_back(answer: Answer) -> None:
    text = GQA.say(answer, "so")
    assert GQA.read(text, loaded(answer)) == answer
    assert set(measure(answer, answer).values()) == ({1.0} if answer.intervals else {0.0, 1.0})


def test_one_interval_is_said_as_a_list_of_one() -> None:
    answer = Answer(Interval(1, 2), choices=frozenset("A"))
    assert GQA.say(answer, "t") == "<think>t</think> <answer>A</answer><glue>[(1.0, 2.0)]</glue>"
    assert set(measure(GQA.read(GQA.say(answer, "t"), loaded(answer)), answer).values()) == {1.0}


def test_the_truth_decides_whether_a_letter_or_words_are_asked_for() -> None:
    letter, words = loaded(truth("B", (0, 1))), loaded(truth(None, (0, 1), text="a dog"), ())
    assert GQA.prompt(letter.sample, "full").startswith("Question: what barks?\n(A) a cat\n(B) a dog\n(C) a bird\n")
    assert "the letter of the right option" in GQA.prompt(letter.sample, "full")
    assert "the answer in a few words" in GQA.prompt(words.sample, "full")
    said = "<answer>a dog</answer><glue>[(0, 1)]</glue>"
    assert GQA.read(said, words) == truth(None, (0, 1), text="a dog")
    assert GQA.read(said, letter) == Answer(intervals=(Interval(0, 1),))  # the times alone can be read


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        (truth("B", (0, 1)), (), "the answer is a letter, but the row has no options; take a file that has them"),
        (Answer(choices=frozenset("B")), ("a", "b"), "does not say its interval or intervals"),
        (Answer(Interval(0, 1)), ("a", "b"), "does not say its choices or text"),
    ],
)
def test_a_row_that_cannot_be_asked_about_is_refused(answer: Answer, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        GQA.check(loaded(answer, options).sample)


def test_a_truth_without_answer_or_times_is_an_error() -> None:
    for lacking in (Answer(choices=frozenset("A")), Answer(Interval(0, 1))):
        for act in (lambda one=lacking: measure(one, one), lambda one=lacking: GQA.say(one, "")):
            with pytest.raises(UserError, match=r"with|must have"):
                act()


def test_ceilings() -> None:
    one = loaded(truth("B", (0, 2)))
    said = truth("A", (1, 2))
    assert GQA.oracles(said, one) == {
        "oracle_answer_predicted_time": truth("B", (1, 2)),
        "predicted_answer_oracle_time": truth("A", (0, 2)),
    }
    assert set(GQA.oracles(ParseFailure("no"), one).values()) == {ParseFailure("no")}


# The toy world


def test_some_objects_leave_and_come_back_as_themselves() -> None:
    twice = 0
    for seed in range(100):
        world = make(np.random.default_rng(seed), 1, 3)
        visits = Counter(thing.id for thing in world)
        assert len(visits) == 3 and max(visits.values()) <= 2
        for one, other in [(a, b) for a, b in pairwise(world) if a.id == b.id]:
            twice += 1
            assert other.interval.start == one.interval.end + 1
            assert (one.name, one.path.tolist()) == (other.name, other.path.tolist())
    assert 50 < twice < 100  # of 300 objects


@pytest.mark.parametrize("level", [1, 2])
def test_the_evidence_is_all_time_at_which_the_first_colour_is_seen(level: int) -> None:
    source = toy_source(OTHERS, 30, level=level, toy=GQA.toy)
    for sample in source.samples:
        assert sample.query == "which colour comes first?"
        for one in sample.meta["questions"]:
            seen = [
                [second for second in range(4) if any(colour == thing.colour and present(thing, second * 4) for thing in
                 sample.meta["objects"])]
                for colour in one.meta["options"]
            ]  # fmt: skip
            first = int(seen[1][0] < seen[0][0])
            assert seen[0][0] != seen[1][0] and one.truth.choices == frozenset("AB"[first])
            assert one.truth.intervals == tuple(merged([Interval(second, second + 1) for second in seen[first]]))


@pytest.mark.parametrize("objects", [3, 4])
def test_the_target_is_in_the_own_question_and_no_pair_is_asked_for_twice(objects: int) -> None:
    for sample in toy_source(OTHERS, 20, objects=objects, toy=GQA.toy).samples:
        pairs = [frozenset(one.meta["options"]) for one in sample.meta["questions"]]
        assert len(set(pairs)) == len(pairs) <= objects * (objects - 1) / 2


def test_what_comes_back_is_seen_again_in_the_frames() -> None:
    source = toy_source(OTHERS, 30, toy=GQA.toy)
    sample = next(one for one in source.samples if len(one.truth.segments or ()) == 2)
    one = source.load(sample)
    track = one.masklets.tracks[sample.meta["questions"][0].about.id]
    first, second = sample.truth.segments or ()
    gone = range(round(first.end * 4), round(second.start * 4))
    assert len(gone) == 4 and all(track[frame] is None for frame in gone)


def test_question_and_options_alone_tell_little() -> None:
    """The best letter for each query and options, learnt on 6,000 clips, is near chance on 1,000 others."""
    known: dict[tuple[str, ...], Counter[str]] = {}
    right = 0
    for number, one in enumerate(toy_source(OTHERS + 10_000, 7000, toy=GQA.toy).samples):
        seen, (chosen,) = known.setdefault(tuple(options_of(one)), Counter()), one.truth.choices or "-"
        if number < 6000:
            seen[chosen] += 1
        else:
            right += seen.most_common(1)[0][0] == chosen
    assert 450 < right < 550


def test_the_warm_up_thinks_when_both_come_and_often_teaches_the_whole_clip() -> None:
    one = toy_source(OTHERS, 1, toy=GQA.toy).samples[0].meta["questions"][0]
    (first, *_), options = one.truth.segments, one.meta["options"]
    (chosen,) = one.truth.choices
    words = one.thinking.split()
    assert (words[0], words[1], words[3], words[4]) == ("A", options[0], "B", options[1])
    assert words[6:8] == [chosen, options["AB".index(chosen)]]
    assert words[8] == words[2 + 3 * "AB".index(chosen)] == NAMES[int(first.start)]
    taught = [coarse(one, np.random.default_rng(seed)) for seed in range(200)]
    whole = [answer for answer in taught if answer.intervals == (Interval(0, 4),)]
    assert 95 < len(whole) < 145 and {answer for answer in taught if answer not in whole} == {one.truth}
    assert all(answer.choices == one.truth.choices for answer in taught)


def test_a_visual_token_says_the_colour_and_the_second_that_it_shows() -> None:
    thing = make(np.random.default_rng(0), 1, 1)[0]
    assert says(thing, Spot(2.5, 0, 0)) == {thing.colour: 0.5, "two": 0.5}
    assert says(None, Spot(2.5, 0, 0)) == {}
