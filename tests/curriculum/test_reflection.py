"""What a model is asked about annotations, and what its replies come to: by hand, with scripted replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, UserError, UserTurn
from grounding.core.samples import normalise_query
from grounding.curriculum.reflection import (
    Agent,
    Calibration,
    Probe,
    ReflectionConfig,
    Verdict,
    check_reflection,
    with_one_hidden,
)
from grounding.curriculum.replies import Request
from grounding.curriculum.votes import Found
from grounding.datasets.catalog import open_dataset
from grounding.tasks.asking import Asking
from grounding.tasks.gqa import GQA
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG
from prompting import IdMarker

BLANK = 100  # the mean of the frames below


@dataclass
class Still:
    """Videos of 40 s, a frame a second, in turn black and light."""

    samples: Sequence[Sample]
    seconds: int = 40
    every: float = 1.0

    def load(self, sample: Sample) -> LoadedSample:
        pts = np.arange(0.0, self.seconds, self.every)
        frames = np.zeros((len(pts), 4, 4, 3), np.uint8)
        frames[1::2] = 2 * BLANK
        clip = Clip(frames, pts, 1 / self.every, (4, 4), float(self.seconds))
        return LoadedSample(sample, clip, Masklets((4, 4), 1 / self.every, pts, {}))

    def version(self, sample: Sample) -> str:
        return f"{self.seconds} {self.every}"


@dataclass
class Scripted:
    """Says what a function makes of each turn."""

    say: Callable[[UserTurn], Sequence[str]]
    identity: str = "script"
    asked: list[UserTurn] = field(default_factory=list)
    spent: Mapping[str, float] = field(default_factory=dict)

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        for place, request in enumerate(requests):
            self.asked.append(request.turn())
            yield place, self.say(self.asked[-1])[:count]


def sample(*bounds: tuple[float, float], name: str = "a", **meta: Any) -> Sample:
    return Sample(name, f"{name}.mp4", f"dog {name} runs", Answer(intervals=spans(*bounds)), {"duration": 40.0, **meta})


def spans(*bounds: tuple[float, float]) -> tuple[Interval, ...]:
    return tuple(Interval(*one) for one in bounds)


def text(*bounds: tuple[float, float]) -> str:
    return VTG.say(Answer(intervals=spans(*bounds)), "so")


@pytest.fixture
def agent(tmp_path: Path) -> Callable[..., Agent]:
    def make(
        samples: Sequence[Sample], say: Callable[[UserTurn], Sequence[str]], task: Task = VTG, **config: Any
    ) -> Agent:
        asking = Asking(task, "full", IdMarker())
        return Agent(Still(samples), asking, Scripted(say), ReflectionConfig(**config), tmp_path / "replies.jsonl")

    return make


def verdict(agent: Agent) -> Verdict:
    (only,) = agent.verdicts(agent.probes())
    return only


@pytest.mark.parametrize(
    ("said", "label", "found"),
    [
        # The annotation is [10, 20): looked at are [0, 9) and [21, 40); what counts lasts 3 s or more.
        ([text((30, 36)), text((30, 35)), text()], "partial", [Found(Interval(30, 35.5), 2, False)]),
        ([text((30, 36)), text(), text()], "complete", [Found(Interval(30, 36), 1, False)]),
        ([text((30, 32.9))] * 3, "complete", []),
        ([text((20, 26))] * 3, "boundary_error", [Found(Interval(21, 26), 3, True)]),
        ([text((0, 40))] * 3, "boundary_error", [Found(Interval(0, 9), 3, True), Found(Interval(21, 40), 3, True)]),
        (
            [text((20, 26), (30, 36))] * 3,
            "partial",
            [Found(Interval(21, 26), 3, True), Found(Interval(30, 36), 3, False)],
        ),
        ([text((12, 18))] * 3, "complete", []),  # what is annotated
        ([text(), text(), "what?"], "complete", []),
        ([text(), "what?", "<answer>36 to 30</answer>"], "unparsable", []),
        (["no"] * 3, "unparsable", []),
    ],
)
def test_replies_by_hand(agent: Callable[..., Agent], said: Sequence[str], label: str, found: Sequence[Found]) -> None:
    one = verdict(agent([sample((10, 20))], lambda turn: said))
    readable = sum(answer.startswith("<think>") for answer in said)
    assert one == Verdict("a", label, tuple(found), readable)


def test_all_periods_are_asked_for_and_none_is_allowed(agent: Callable[..., Agent]) -> None:
    once = replace(sample(), truth=Answer(Interval(10, 20)))
    made = agent([once], lambda turn: [text()] * 3)
    assert verdict(made).label == "complete"
    (words, _), *_ = made.backend.asked
    assert "all time ranges in their order" in words and '"dog a runs"' in words


def test_the_annotated_part_is_blanked_and_times_stay(agent: Callable[..., Agent]) -> None:
    made = agent([sample((10, 20), (30, 31))], lambda turn: [text()] * 3)
    verdict(made)
    ((_, clip),) = made.backend.asked
    assert clip.pts.tolist() == list(range(40))
    assert [at for at in range(40) if (clip.frames[at] == BLANK).all()] == [*range(10, 20), 30]
    assert {key: made.cost[key] for key in ("requests", "replies", "known", "frames")} == {
        **{"requests": 1, "replies": 3, "known": 0, "frames": 40}
    }


def test_each_part_is_cut_out_and_its_start_is_added_back(agent: Callable[..., Agent]) -> None:
    # Parts [0, 10), [20, 30) and [31, 40); in the last the event is said from 4 s to 8 s, which is [35, 39).
    made = agent(
        [sample((10, 20), (30, 31))],
        lambda turn: [text((4, 8)) if turn[1].duration == 9 else text()] * 3,
        mode="cut",
    )
    assert verdict(made) == Verdict("a", "partial", (Found(Interval(35, 39), 3, False),), 3)
    assert [(len(clip), clip.pts[0], clip.duration) for _, clip in made.backend.asked] == [
        (10, 0, 10),
        (10, 0, 10),
        (9, 0, 9),
    ]
    assert all(set(np.unique(clip.frames)) == {0, 2 * BLANK} for _, clip in made.backend.asked)
    assert made.cost["frames"] == 29


def test_a_part_may_not_be_left(agent: Callable[..., Agent]) -> None:
    made = agent([sample((10, 20))], lambda turn: [text((5, 99))] * 3, mode="cut")
    assert [one.span for one in verdict(made).found] == [Interval(5, 9), Interval(25, 40)]


@pytest.mark.parametrize("bounds", [[(0, 40)], [(0, 39)], [(1.5, 38.5)], [(0, 19), (21, 40)]])
@pytest.mark.parametrize("mode", ["mask", "cut"])
def test_where_nothing_is_left_nothing_is_asked(agent: Callable[..., Agent], bounds: list[Any], mode: str) -> None:
    made = agent([sample(*bounds)], lambda turn: pytest.fail("asked"), mode=mode)
    assert verdict(made) == Verdict("a", "complete")


def test_a_video_shorter_than_the_margins_is_complete(agent: Callable[..., Agent]) -> None:
    made = agent([sample((0, 1), duration=2.5)], lambda turn: pytest.fail("asked"))
    assert verdict(made).label == "complete"


def test_a_video_tells_how_long_it_is_where_no_row_does(agent: Callable[..., Agent]) -> None:
    made = agent([sample((10, 20), duration=None)], lambda turn: [])
    assert made.probes() == [Probe(0, "a", spans((10, 20)), 40.0)]


def test_never_is_asked_about_all_of_the_video(agent: Callable[..., Agent]) -> None:
    assert verdict(agent([sample()], lambda turn: [text((0, 40))] * 3)).label == "partial"


def test_a_sample_without_a_time_is_refused(agent: Callable[..., Agent]) -> None:
    made = agent([replace(sample(), truth=Answer(text="a dog"))], lambda turn: [])
    with pytest.raises(UserError, match="sample a says no time, so nothing outside of it can be looked for"):
        made.probes()


def test_a_backend_that_is_down_stops_but_keeps_what_was_answered(agent: Callable[..., Agent]) -> None:
    def say(turn: UserTurn) -> list[str]:
        if "dog b" in turn[0]:
            raise UserError("the server is down; start it")
        return [text()] * 3

    some = [sample((10, 20)), sample((10, 20), name="b")]
    made = agent(some, say)
    with pytest.raises(UserError, match="the server is down; start it"):
        list(made.verdicts(made.probes()))
    again = agent(some, lambda turn: [text()] * 3)
    assert [one.label for one in again.verdicts(again.probes())] == ["complete"] * 2
    assert [turn[0].split('"')[1] for turn in again.backend.asked] == ["dog b runs"]
    assert (again.cost["requests"], again.cost["known"]) == (1, 1)


@dataclass
class Torn(Still):
    """Of which some videos cannot be read."""

    broken: Sequence[str] = ("b", "d")

    def load(self, sample: Sample) -> LoadedSample:
        if sample.id in self.broken:
            raise UserError(f"{sample.video} is torn")
        return super().load(sample)


@pytest.mark.parametrize("known", [True, False])  # whether the row tells the video's length
def test_videos_that_cannot_be_read_may_be_left_out(agent: Callable[..., Agent], known: bool) -> None:
    length = {} if known else {"duration": None}
    some = [sample((10, 20), name=name, **length) for name in "abcde"]
    made = replace(agent(some, lambda turn: [text((30, 36))] * 3), source=Torn(some))
    with pytest.raises(UserError, match=r"b\.mp4 is torn"):
        list(made.verdicts(made.probes()))
    told: list[tuple[str, str]] = []
    made = replace(made, on_broken=lambda one, why: told.append((one.id, why)), broken={})
    found = list(made.verdicts(made.probes()))
    assert told == [("b", "b.mp4 is torn"), ("d", "d.mp4 is torn")]
    labels = {"a": "partial", "b": "unparsable", "c": "partial", "d": "unparsable", "e": "partial"}
    assert {one.id: one.label for one in found} == labels
    assert list(made.verdicts(made.probes()))[1] == Verdict("b", "unparsable")  # and nobody is told again


def test_a_clip_without_a_frame_in_a_part_is_told_of(agent: Callable[..., Agent]) -> None:
    made = agent([sample((10, 20), (24, 40))], lambda turn: [text()] * 3, mode="cut", margin=0.0, margin_share=0.0)
    made.source.every = 21.0
    with pytest.raises(UserError, match=r"^sample a: no frame of the video was sampled within \[0, 10\] s"):
        list(made.verdicts(made.probes()))


# Grounded question answering


def grounded(letter: str, *bounds: tuple[float, float]) -> str:
    return GQA.say(Answer(intervals=spans(*bounds), choices=frozenset(letter)), "so")


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ([grounded("B", (30, 36))] * 2 + [grounded("A", (30, 36))], "partial"),
        ([grounded("B", (30, 36))] + [grounded("A", (30, 36))] * 2, "complete"),  # evidence of another answer
        (["<answer>B</answer>"] * 3, "unparsable"),
    ],
)
def test_evidence_is_that_of_the_right_answer(agent: Callable[..., Agent], said: Sequence[str], label: str) -> None:
    asked = sample((10, 20), options=["a cat", "a dog"])
    asked = replace(asked, truth=replace(asked.truth, choices=frozenset("B")))
    made = agent([asked], lambda turn: said, task=GQA)
    assert verdict(made).label == label
    assert "(A) a cat\n(B) a dog" in made.backend.asked[0][0]


# Calibration


def test_precision_and_recall_by_hand() -> None:
    assert (Calibration(10, 8, 2).precision, Calibration(10, 8, 2).recall) == (0.8, 0.8)
    assert (Calibration(10, 0, 0).precision, Calibration(10, 0, 0).recall) == (None, 0.0)
    assert (Calibration(0, 0, 0).precision, Calibration(0, 0, 0).recall) == (None, None)


def test_always_the_same_range_is_hidden() -> None:
    probe = Probe(0, "a", spans((0, 1), (4, 6), (8, 9)), 10.0)
    hidden = {with_one_hidden(replace(probe, id=name)).annotated for name in "abcdefgh"}
    assert with_one_hidden(probe) == with_one_hidden(probe)
    assert hidden == {spans((4, 6), (8, 9)), spans((0, 1), (8, 9)), spans((0, 1), (4, 6))}


def test_only_samples_with_several_ranges_are_asked_about_and_no_more_than_allowed(agent: Callable[..., Agent]) -> None:
    some = [sample((2, 4), (30, 36), name=name) for name in "abcdef"] + [sample((10, 20), name="z")]
    made = agent(some, lambda turn: [text()] * 3, calibration=4)
    assert made.calibrate(made.probes()) == Calibration(4, 0, 0)
    assert made.cost["requests"] == 8 and not any("dog z" in words for words, _ in made.backend.asked)


def test_touching_ranges_are_one(agent: Callable[..., Agent]) -> None:
    made = agent([sample((2, 4), (4, 6))], lambda turn: [])
    assert made.calibrate(made.probes()) == Calibration(0, 0, 0)


@pytest.mark.shared_data
def test_official_samples_by_hand(agent: Callable[..., Agent], shared_data: Path) -> None:
    """The first five of QVHighlights with several windows; by default margins are 1 s or a tenth of a window.

    5342: 56-76 is hidden, 96-150 stays. Three replies name it, none anything else:                 found.
    2638: 144-150 is hidden. From 0-74 and 76-142, with 7.4 s and 6.6 s around, nothing is left to look at: not found.
    3359: 52-74 is hidden. Of 50-60, 52-74 and 53-75 the last two are alike (21 of 23 s): found. As it is, two replies
          name 100-120: wrong.
    3503: 96-98 is hidden, but 2 s are not 0.3 of 52-88: not found. As it is, only one reply names 0-30: complete.
    1872: 134-144 is hidden, between 122-132 and 146-150: found. As it is, nobody can read the replies: not wrong.
    """
    replies = {
        "5342": ([text((57, 75))] * 3, [text()] * 3),
        "3359": ([text((50, 60)), text((52, 74)), text((53, 75))], [text((100, 120))] * 2 + [text()]),
        "3503": ([text((96, 98))] * 3, [text((0, 30)), text(), text()]),
        "1872": ([text((134, 144))] * 3, ["They eat."] * 3),
    }
    file = shared_data / "vtg" / "qvhighlights" / "highlight_val_release.jsonl"
    several = [one for one in open_dataset("qvhighlights", file).samples if len(one.truth.segments or ()) > 1][:5]
    assert [one.id for one in several] == ["5342", "2638", "3359", "3503", "1872"]

    def say(turn: UserTurn) -> Sequence[str]:
        words, clip = turn
        (asked,) = (one for one in several if normalise_query(one.query) in words)
        whole = sum(one.duration for one in asked.truth.segments or ())
        return replies[asked.id][int((clip.frames == BLANK).all(axis=(1, 2, 3)).sum() == whole)]

    made = agent(several, say)
    made.source.seconds = 150
    found = made.calibrate(made.probes())
    assert (found, found.precision, found.recall) == (Calibration(5, 3, 1), 0.75, 0.6)


# Configuration


def test_votes() -> None:
    assert [ReflectionConfig(replies=count).votes for count in (1, 2, 3, 4, 6)] == [1, 2, 2, 3, 4]
    assert ReflectionConfig(replies=5, agreement=1.0).votes == 5


def test_the_defaults_work() -> None:
    assert check_reflection(ReflectionConfig()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "blur"}, "reflection.mode must be one of mask, cut, got 'blur'"),
        ({"action": "mend"}, "reflection.action must be one of drop, extend, downweight, got 'mend'"),
        ({"replies": 0}, "reflection.replies must be 1 to 10000, got 0"),
        ({"margin": -1.0}, "reflection.margin must be 0 or more, got -1.0"),
        ({"least": float("nan")}, "reflection.least must be 0 or more, got nan"),
        ({"agreement": 0.0}, "reflection.agreement must be above 0 and at most 1, got 0.0"),
        ({"precision": 1.5}, "reflection.precision must be 0 to 1, got 1.5"),
        ({"weight": -0.5}, "reflection.weight must be 0 to 1, got -0.5"),
    ],
)
def test_wrong_numbers_are_one_line(wrong: dict[str, Any], message: str) -> None:
    assert check_reflection(ReflectionConfig(**wrong)) == [message]
