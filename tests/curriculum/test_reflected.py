"""Reflection over all samples: its files, when it refuses to filter, and what later stages train on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Answer, Clip, Interval, Sample, UserError
from grounding.curriculum.reflected import REPORT, VERDICTS, check_trusted, read_verdicts, reflect, reflected
from grounding.curriculum.reflection import Agent, Calibration, ReflectionConfig, Verdict
from grounding.curriculum.replies import Request
from grounding.curriculum.votes import Found
from grounding.datasets.toy import COLOURS, toy_source
from grounding.datasets.toy_visits import FlawedSource
from grounding.tasks.asking import Asking
from grounding.tasks.vtg import VTG_VISITS
from prompting import IdMarker

OTHERS = 7_700_000_000  # clip numbers of no run
CONFIG = ReflectionConfig(margin=0.0, margin_share=0.0, least=1.0)  # toy clips last 4 s


@dataclass
class Seeing:
    """Says when the thing that is asked for is seen in the clip, by its colour."""

    mistakes: bool = False  # whether it says so of all other seconds instead
    identity: str = "seeing"
    spent: Mapping[str, float] = field(default_factory=lambda: {"read": 7})

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        for place, request in enumerate(requests):
            words, clip = request.turn()
            yield place, [self._reply(words, clip)] * count

    def _reply(self, words: str, clip: Clip) -> str:
        colour = COLOURS[words.split(" in ")[1].split()[0]]
        seen = [(frame == colour).all(axis=-1).sum() >= 9 for frame in clip.frames]
        seconds = sorted({int(at) for at, there in zip(clip.pts, seen, strict=True) if there != self.mistakes})
        return VTG_VISITS.say(Answer(intervals=tuple(Interval(one, one + 1) for one in seconds)), "so")


@pytest.fixture
def agent(tmp_path: Path) -> Callable[..., Agent]:
    def make(backend: Seeing, config: ReflectionConfig = CONFIG, count: int = 40) -> Agent:
        source = FlawedSource(**vars(toy_source(OTHERS, count, toy=VTG_VISITS.toy)), partial=0.3)
        return Agent(source, Asking(VTG_VISITS, "short", IdMarker()), backend, config, tmp_path / "replies.jsonl")

    return make


def partial(sample: Sample) -> bool:
    return bool(sample.truth != sample.meta["whole_truth"])


def test_who_sees_all_finds_what_is_missing(agent: Callable[..., Agent], tmp_path: Path) -> None:
    made, said = agent(Seeing()), list[str]()
    reflect(made, tmp_path, said.append)
    report, verdicts = json.loads((tmp_path / REPORT).read_text()), read_verdicts(tmp_path / VERDICTS)
    missing = sum(map(partial, made.source.samples))
    assert 5 < missing < 20 and len(verdicts) == 40
    # One that is hidden behind another for all of its time is not found.
    assert report["precision"] == report["true_precision"] == 1.0
    assert report["recall"] >= 0.9 and report["true_recall"] >= 0.8
    assert report["labels"]["partial"] == round(report["true_recall"] * missing)
    assert sum(report["labels"].values()) == 40 and set(report["cost"]) == {
        *("requests", "known", "replies", "frames", "seconds", "read")
    }
    assert report["settings"]["mode"] == "mask" and report["calibration"]["items"] > 5
    assert said[0].startswith("reflection has a precision of 1.000 and a recall of") and len(said) == 2


def test_what_was_answered_is_not_asked_again(agent: Callable[..., Agent], tmp_path: Path) -> None:
    reflect(agent(Seeing()), tmp_path, lambda line: None)
    before, again = (tmp_path / VERDICTS).read_text(), agent(Seeing())
    reflect(again, tmp_path, lambda line: None)
    assert (tmp_path / VERDICTS).read_text() == before and again.cost["requests"] == 0


def test_who_is_mistaken_may_not_filter(agent: Callable[..., Agent], tmp_path: Path) -> None:
    said = list[str]()
    with pytest.raises(UserError, match=r"^reflection has a precision of 0\.\d+ .*; reflection.precision=0.8 asks for"):
        reflect(agent(Seeing(mistakes=True)), tmp_path, said.append)
    assert len(said) == 1 and not (tmp_path / VERDICTS).exists() and not (tmp_path / REPORT).exists()
    reflect(agent(Seeing(mistakes=True), replace(CONFIG, precision=0.0)), tmp_path, said.append)
    assert (tmp_path / REPORT).exists()


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (
            Calibration(10, 6, 4),
            "reflection has a precision of 0.600 and a recall of 0.600: 10 samples with several time ranges were asked "
            "about, with one hidden and as they are; reflection.precision=0.8 asks for more; take a better model or a "
            "higher reflection.agreement, or lower reflection.precision",
        ),
        (
            Calibration(10, 0, 0),
            "reflection finds 0 of 10 hidden time ranges, so its precision is not known; reflection.precision=0.8 asks "
            "for more; take a better model or a higher reflection.agreement, or lower reflection.precision",
        ),
        (
            Calibration(0, 0, 0),
            "reflection cannot be measured, for no sample has several time ranges; give data that has some, or "
            "reflection.precision=0 to filter all the same",
        ),
    ],
)
def test_why_nothing_is_filtered(calibration: Calibration, message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_trusted(calibration, ReflectionConfig())
    assert str(caught.value) == message
    check_trusted(calibration, ReflectionConfig(precision=0.0))


def test_a_probe_that_is_good_enough_may_filter() -> None:
    check_trusted(Calibration(10, 8, 2), ReflectionConfig(precision=0.8))


# What later stages train on


def sample(name: str, truth: Answer) -> Sample:
    return Sample(name, f"{name}.mp4", "a dog runs", truth, {"row": 1})


ONE, TWO = Answer(Interval(10, 20)), Answer(intervals=(Interval(2, 4), Interval(8, 9)))
SAMPLES = [sample("one", ONE), sample("two", TWO), sample("near", ONE), sample("odd", ONE)]
ROWS = [
    {"id": "one", "label": "partial", "spans": [[30, 36], [0, 5], [21, 24]], "votes": [3, 1, 2], "near": [0, 0, 1]},
    {"id": "two", "label": "partial", "spans": [[8.5, 10]], "votes": [2], "near": [False]},
    {"id": "near", "label": "boundary_error", "spans": [[21, 24]], "votes": [3], "near": [True]},
    {"id": "odd", "label": "unparsable", "spans": [], "votes": [], "near": []},
]


class Some:
    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples

    def load(self, sample: Sample) -> Any:
        return sample

    def version(self, sample: Sample) -> str:
        return f"version of {sample.id}"


def write(folder: Path, rows: Sequence[Any] = ROWS) -> Path:
    lines = [json.dumps({**row, "readable": 3} if isinstance(row, dict) else row) for row in rows]
    (folder / VERDICTS).write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_partial_samples_are_dropped(tmp_path: Path) -> None:
    source = reflected(Some(SAMPLES), ReflectionConfig(), write(tmp_path))
    assert source.samples == SAMPLES[2:]
    assert (source.load(SAMPLES[2]), source.version(SAMPLES[3])) == (SAMPLES[2], "version of odd")


def test_or_extended_by_what_enough_replies_named(tmp_path: Path) -> None:
    source = reflected(Some(SAMPLES), ReflectionConfig(action="extend"), write(tmp_path))
    assert [one.truth for one in source.samples] == [
        Answer(intervals=(Interval(10, 20), Interval(30, 36))),
        Answer(intervals=(Interval(2, 4), Interval(8, 10))),
        ONE,
        ONE,
    ]


def test_or_weigh_less(tmp_path: Path) -> None:
    source = reflected(Some(SAMPLES), ReflectionConfig(action="downweight", weight=0.25), write(tmp_path))
    assert [one.meta.get("weight") for one in source.samples] == [0.25, 0.25, None, None]
    assert [one.truth for one in source.samples] == [one.truth for one in SAMPLES]


def test_someone_must_be_left(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"drops all 2 samples, for all are partial; take reflection\.action=extend"):
        reflected(Some(SAMPLES[:2]), ReflectionConfig(), write(tmp_path, ROWS[:2]))


def test_verdicts_of_other_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reflection.jsonl is of other samples; remove it and reflection.json"):
        reflected(Some(SAMPLES[:3]), ReflectionConfig(), write(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "a verdict must be an object with id, label"),
        ({"label": "good"}, "label must be one of complete, partial, boundary_error, unparsable, got 'good'"),
        ({"votes": []}, "spans, votes and near must be lists of one length"),
        ({"spans": [[30]]}, r"a span must be \[start, end\] in seconds, got \[30\]"),
        ({"spans": [[36, 30]]}, "interval end 30.0 s lies before its start"),
        ({"spans": [["30", 36]]}, "start must be a finite number, got '30'"),
        ({"votes": [0]}, "votes must be a whole number of 1 or more, got 0"),
        ({"id": "odd"}, "'odd' comes twice; remove one of the two"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, change: Any, message: str) -> None:
    good = {"id": "one", "label": "partial", "spans": [[30, 36]], "votes": [3], "near": [False]}
    with pytest.raises(UserError, match=rf"reflection.jsonl, row 2: {message}"):
        read_verdicts(write(tmp_path, [ROWS[3], {**good, **change} if isinstance(change, dict) else change]) / VERDICTS)


def test_what_is_written_is_read(agent: Callable[..., Agent], tmp_path: Path) -> None:
    made = agent(Seeing())
    verdicts = list(made.verdicts(made.probes()))
    reflect(made, tmp_path, lambda line: None)
    assert list(read_verdicts(tmp_path / VERDICTS).values()) == verdicts
    assert Verdict("odd", "unparsable", (), 3) == read_verdicts(write(tmp_path) / VERDICTS)["odd"]
    assert read_verdicts(tmp_path / VERDICTS)["two"].found == (Found(Interval(8.5, 10), 2, False),)
