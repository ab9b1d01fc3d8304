"""Difficulty: figures and buckets by hand, what is asked again and what is not, and what comes of bad samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, UserError
from grounding.curriculum.difficulty import (
    Agent,
    DifficultyConfig,
    Estimate,
    Tried,
    check_difficulty,
    estimated,
    read_estimates,
    summed_up,
    survey,
)
from grounding.curriculum.replies import Request
from grounding.datasets.catalog import open_dataset
from grounding.datasets.records import AS_IT_STANDS, Cleaning
from grounding.tasks.asking import Asking
from grounding.tasks.vtg import VTG
from prompting import IdMarker

ASKING = Asking(VTG, "short", IdMarker())
NONSENSE = "the dog runs"


def says(start: float, end: float) -> str:
    return f"<think>so</think> <answer>{start} to {end}</answer>"


def sample(name: str, start: float, end: float, **meta: Any) -> Sample:
    return Sample(name, f"{name}.mp4", f"{name} runs", Answer(Interval(start, end)), meta)


@dataclass
class Blank:
    """Samples whose videos are black; some cannot be found, others not read."""

    samples: Sequence[Sample]
    gone: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    loads: list[str] = field(default_factory=list)

    def version(self, sample: Sample) -> str:
        if sample.id in self.gone:
            raise UserError(f"{sample.video} is gone")
        return sample.video

    def load(self, sample: Sample) -> LoadedSample:
        self.loads.append(sample.id)
        if sample.id in self.unreadable:
            raise UserError(f"{sample.video} has no frames")
        clip = Clip(np.zeros((3, 4, 4, 3), np.uint8), np.arange(3.0), 1.0, (4, 4), 9.0)
        return LoadedSample(sample, clip, Masklets((4, 4), 1.0, np.arange(9.0), {}))


@dataclass
class Script:
    """Texts by the query that they reply to; it shows itself each video."""

    texts: Mapping[str, Sequence[str]]
    identity: str = "script"
    asked: list[str] = field(default_factory=list)
    spent: Mapping[str, float] = field(default_factory=lambda: {"read": 7})

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        for place, request in enumerate(requests):
            words = next(part for part in request.turn() if isinstance(part, str))
            self.asked.append(words.removeprefix("When: ").removeprefix("Tell when: "))
            yield place, self.texts[self.asked[-1]][:count]


def script(**texts: Sequence[str]) -> Script:
    return Script({f"{name} runs": said for name, said in texts.items()})


FOUR = DifficultyConfig(replies=4)
# A true [2, 6): all right; half right, a quarter, outside, not to be read.
ALL, HALF, QUARTER, NONE = says(2, 6), says(2, 4), says(2, 3), says(7, 9)
SOURCE = Blank([sample(name, 2, 6, row=row) for row, name in enumerate("abcde", start=1)])
SCRIPT = script(
    a=[ALL, ALL, ALL, QUARTER],  # (3 + 1/4) / 4 = 0.8125
    b=[ALL, HALF, NONE, NONSENSE],  # 0.375
    c=[HALF, NONE, NONE, NONE],  # 0.125
    d=[NONE, NONE, NONE, NONSENSE],
    e=[NONSENSE] * 4,
)


def agent(tmp_path: Path, source: Any = SOURCE, backend: Any = SCRIPT, config: Any = FOUR, **options: Any) -> Agent:
    return Agent(source, ASKING, backend, config, tmp_path / "replies.jsonl", **options)


def went(*arguments: Any, **options: Any) -> list[Tried]:
    return list(agent(*arguments, **options).tried())


def test_estimates_by_hand(tmp_path: Path) -> None:
    a, b, c, d, e = [one.estimate for one in went(tmp_path)]
    # Variance of 1, 1, 1, 1/4: (3 + 1/16) / 4 - 0.8125^2 = 0.10546875.
    assert a == Estimate("a", 0.8125, 1.0, pytest.approx(0.10546875**0.5), 1.0, "easy")  # type: ignore[arg-type]
    assert b == Estimate("b", 0.375, 1.0, pytest.approx(0.171875**0.5), 0.75, "medium")  # type: ignore[arg-type]
    assert c == Estimate("c", 0.125, 0.5, pytest.approx(0.046875**0.5), 1.0, "hard")  # type: ignore[arg-type]
    assert d == Estimate("d", 0.0, 0.0, 0.0, 0.75, "dead")
    assert e == Estimate("e", 0.0, 0.0, 0.0, 0.0, "dead")


@pytest.mark.parametrize(
    ("scores", "bucket"),
    [
        ([0.7, 0.7], "easy"),  # where a bucket begins is in it
        ([0.69, 0.7], "medium"),
        ([0.3, 0.3], "medium"),
        ([0.29, 0.3], "hard"),
        ([0.0, 0.05], "hard"),
        ([0.049, 0.049], "dead"),
    ],
)
def test_where_buckets_end(scores: list[float], bucket: str) -> None:
    assert DifficultyConfig().bucket(np.array(scores)) == bucket


def test_each_reply_is_asked_for_once(tmp_path: Path) -> None:
    first, again = replace(SCRIPT, asked=[]), replace(SCRIPT, asked=[])
    one, two = went(tmp_path, backend=first), went(tmp_path, backend=again)
    assert len(first.asked) == 5 and not again.asked
    assert [x.estimate for x in one] == [x.estimate for x in two]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    @dataclass
    class Dying(Script):
        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            for answer in super().ask(requests, count):
                if len(self.asked) == 4:
                    raise KeyboardInterrupt
                yield answer

    with pytest.raises(KeyboardInterrupt):
        went(tmp_path, backend=Dying(SCRIPT.texts))
    rest = replace(SCRIPT, asked=[])
    assert [one.estimate.bucket for one in went(tmp_path, backend=rest)] == ["easy", "medium", "hard", "dead", "dead"]
    assert rest.asked == ["d runs", "e runs"]


def test_replies_of_another_model_prompt_or_number_are_not_taken(tmp_path: Path) -> None:
    went(tmp_path)
    for change in ("model", "prompt", "number"):
        anew = replace(SCRIPT, asked=[], identity="other" if change == "model" else "script")
        asking = (
            replace(ASKING, task=replace(VTG, prompts={"short": "Tell when: {query}"}))
            if change == "prompt"
            else ASKING
        )
        config = replace(FOUR, replies=3) if change == "number" else FOUR
        list(replace(agent(tmp_path, backend=anew, config=config), asking=asking).tried())
        assert len(anew.asked) == 5, change


def test_a_sample_is_asked_about_as_it_is(tmp_path: Path) -> None:
    def spoil(loaded: LoadedSample, now: Any) -> LoadedSample:
        raise AssertionError("a curriculum changes samples in training only")

    spoiling = replace(ASKING, changes=(spoil,))
    assert len(list(replace(agent(tmp_path), asking=spoiling).tried())) == 5


def test_samples_that_cannot_be_used_are_told_and_left_out(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    source = replace(SOURCE, gone=["b"], unreadable=["d"])
    found = went(tmp_path, source, on_broken=lambda one, why: told.append((one.id, why)))
    assert [one.estimate.id for one in found] == ["a", "c", "e"]
    assert told == [("b", "b.mp4 is gone"), ("d", "d.mp4 has no frames")]


@pytest.mark.parametrize("bad", [{"gone": ["b"]}, {"unreadable": ["b"]}])
def test_or_the_first_stops(tmp_path: Path, bad: dict[str, list[str]]) -> None:
    with pytest.raises(UserError, match=r"b\.mp4"):
        went(tmp_path, replace(SOURCE, **bad))


def test_a_backend_that_is_down_stops_though_samples_may_be_left_out(tmp_path: Path) -> None:
    class Down(Script):
        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            raise UserError("nobody answers at localhost:8000")
            yield

    with pytest.raises(UserError, match="nobody answers"):
        went(tmp_path, backend=Down({}), on_broken=lambda *_: None)


def test_few_samples_are_in_memory_and_each_is_loaded_once(tmp_path: Path) -> None:
    source = replace(SOURCE, loads=[])
    went(tmp_path, source)
    assert source.loads == ["a", "b", "c", "d", "e"]


def written(tmp_path: Path) -> dict[str, Any]:
    asked = agent(tmp_path)
    return survey(asked, asked.tried(), tmp_path, "rows.jsonl")


def test_the_report(tmp_path: Path) -> None:
    report = written(tmp_path)
    assert report["cost"].pop("seconds") > 0
    assert report == {
        "samples": 5,
        "left_out": 0,
        "buckets": {"easy": 1, "medium": 1, "hard": 1, "dead": 2},
        "mean": pytest.approx((0.8125 + 0.375 + 0.125) / 5),
        "parse_rate": pytest.approx(3.5 / 5),
        "cost": {"known": 0, "requests": 5, "replies": 20, "frames": 15, "read": 7},
        "settings": {"replies": 4, "easy": 0.7, "hard": 0.3, "dead": 0.05, "keep": ["easy", "medium", "hard"]},
    }
    again = written(tmp_path)["cost"]
    assert (again["known"], again["requests"], again["replies"], again.get("frames", 0)) == (5, 0, 0, 0)
    first = json.loads((tmp_path / "difficulty.jsonl").read_text().splitlines()[0])
    assert list(first) == ["id", "mean", "max", "std", "parse_rate", "bucket"]
    assert read_estimates(tmp_path / "difficulty.jsonl") == [one.estimate for one in went(tmp_path)]
    d, e = map(json.loads, (tmp_path / "dead.jsonl").read_text().splitlines())
    assert (d["file"], d["row"], d["sample_id"]) == ("rows.jsonl", 4, "d")
    assert d["message"] == (
        "none of 4 answers scores 0.05 or more; check its truth and video; "
        "one ends 'think>so</think> <answer>7 to 9</answer>'"
    )
    assert e["message"] == "none of 4 answers can be read; one begins 'the dog runs'"


def test_the_report_in_a_line(tmp_path: Path) -> None:
    report = written(tmp_path)
    assert summed_up(report) == (
        "difficulty: 1 easy, 1 medium, 1 hard, 2 dead; 70.0% of the answers can be read; "
        "what is dead may be wrong, see dead.jsonl"
    )
    fine = {**report, "buckets": {**report["buckets"], "dead": 0}, "parse_rate": 1.0}
    assert summed_up(fine) == "difficulty: 1 easy, 1 medium, 1 hard, 0 dead; 100.0% of the answers can be read"


def test_nonsense_everywhere_is_dead_and_one_clear_line(tmp_path: Path) -> None:
    asked = agent(tmp_path, backend=Script({f"{name} runs": [NONSENSE] * 4 for name in "abcde"}))
    report = survey(asked, asked.tried(), tmp_path, "rows.jsonl")
    assert summed_up(report) == (
        "difficulty: 0 easy, 0 medium, 0 hard, 5 dead; "
        "no answer can be read: train the model to answer in the task's form first"
    )
    with pytest.raises(UserError, match="no answer to the 5 samples can be read; train the model"):
        estimated(SOURCE.samples, read_estimates(tmp_path / "difficulty.jsonl"), FOUR.keep)


def test_no_sample_that_can_be_used_is_one_clear_line(tmp_path: Path) -> None:
    asked = agent(tmp_path, replace(SOURCE, gone=list("abcde")), on_broken=lambda *_: None)
    with pytest.raises(UserError, match="none of 5 samples can be used to estimate difficulty; mend the data"):
        survey(asked, asked.tried(), tmp_path, "rows.jsonl")


def test_later_stages_are_told_what_was_found(tmp_path: Path) -> None:
    written(tmp_path)
    estimates = read_estimates(tmp_path / "difficulty.jsonl")
    a, b, c = estimated(SOURCE.samples, estimates, DifficultyConfig().keep)
    assert [one.meta["bucket"] for one in (a, b, c)] == ["easy", "medium", "hard"]
    assert a.meta == {"row": 1, "difficulty": 0.8125, "difficulty_std": estimates[0].std, "bucket": "easy"}
    assert a.truth == SOURCE.samples[0].truth
    assert [one.id for one in estimated(SOURCE.samples, estimates, ["hard", "dead"])] == ["c", "d", "e"]
    assert [one.id for one in estimated(SOURCE.samples, estimates[:2], ["easy", "hard", "medium"])] == ["a", "b"]


def test_no_sample_that_is_left_is_one_clear_line(tmp_path: Path) -> None:
    written(tmp_path)
    estimates = read_estimates(tmp_path / "difficulty.jsonl")
    with pytest.raises(UserError, match=r"^no sample is hard: of 2 samples there are 1 easy, 1 medium; change diff"):
        estimated(SOURCE.samples, estimates[:2], ["hard"])
    with pytest.raises(UserError, match=r"^no sample is easy or hard: no answer to the 1 samples can be read; train"):
        estimated(SOURCE.samples, estimates[4:], ["easy", "hard"])
    with pytest.raises(UserError, match="of 0 samples there are none"):
        estimated(SOURCE.samples, [], ["easy"])


def test_difficulties_of_other_data_are_refused() -> None:
    other = Estimate("z", 0.5, 0.5, 0.0, 1.0, "medium")
    with pytest.raises(UserError, match="there is no sample 'z', which has a difficulty"):
        estimated(SOURCE.samples, [other], ["medium"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"bucket": "fine"}, "bucket must be one of easy, medium, hard, dead, got 'fine'"),
        ({"mean": 1.5}, "mean must be from 0 to 1, got 1.5"),
        ({"std": None}, "std must be a finite number"),
        ({"id": 7}, "expected an object with id, mean"),
        ({"more": 1}, "expected an object with id, mean"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    good = {"id": "a", "mean": 0.5, "max": 1.0, "std": 0.1, "parse_rate": 1.0, "bucket": "medium"}
    file = tmp_path / "difficulty.jsonl"
    file.write_text(json.dumps(good) + "\n" + json.dumps({**good, "id": "b", **change}) + "\n")
    with pytest.raises(UserError, match=rf"difficulty\.jsonl, row 2: {why}"):
        read_estimates(file)
    file.write_text((json.dumps(good) + "\n") * 2)
    with pytest.raises(UserError, match="row 2: sample 'a' has a line already"):
        read_estimates(file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"replies": 0}, "difficulty.replies must be 1 to 10000, got 0"),
        ({"easy": 0.2}, r"difficulty.easy must be in [difficulty.hard, 1] = [0.3, 1], got 0.2"),
        ({"hard": -1.0}, "difficulty.hard must be in [0, 1], got -1.0"),
        ({"dead": 1.5}, "difficulty.dead must be in [0, 1], got 1.5"),
        ({"keep": []}, "difficulty.keep must be some of easy, medium, hard, dead, got []"),
        ({"keep": ["best"]}, "difficulty.keep must be one of easy, medium, hard, dead, got 'best'"),
    ],
)
def test_numbers_that_cannot_work(change: dict[str, Any], why: str) -> None:
    assert check_difficulty(DifficultyConfig()) == []
    assert check_difficulty(DifficultyConfig(**change)) == [why]


# Rows of Charades' training split as they stand there, and of ActivityNet's that have no length.
REVERSED = ["LEOL6 8 7##a", "IOL8Q 20.9 12##b", "AKKWU 38 13##c", "AKKWU 38 13##d", "GOOD 7 8##g"]
EMPTY = {"v_x": {"duration": 55.15, "timestamps": [[4.14, 4.14], [0, 0], [7, 8]], "sentences": ["e", "f", "g"]}}


def dirty(tmp_path: Path, cleaning: Cleaning) -> list[Sample]:
    (tmp_path / "charades_sta_train.txt").write_text("\n".join(REVERSED) + "\n")
    (tmp_path / "train.json").write_text(json.dumps(EMPTY))
    files = {"charades": "charades_sta_train.txt", "activitynet": "train.json"}
    opened = [open_dataset(name, tmp_path / file, cleaning=cleaning) for name, file in files.items()]
    return [one for its in opened for one in its.samples]


@dataclass
class Everywhere(Script):
    """Says the bounds of all rows in their right order; nobody could do better."""

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        spans = [(7, 8), (12, 20.9), (13, 38), (4, 4.5), (0, 55), (0, 0)]
        for place in range(len(requests)):
            yield place, [says(*one) for one in spans[:count]]


def test_rows_whose_truth_cannot_be_right_are_rejected_or_dead_but_never_hard(tmp_path: Path) -> None:
    assert [one.query for one in dirty(tmp_path, Cleaning())] == ["g", "g"]
    kept = dirty(tmp_path, AS_IT_STANDS)
    assert [one.query for one in kept] == ["a", "b", "c", "d", "g", "e", "f", "g"]
    found = went(tmp_path, Blank(kept), Everywhere({}), DifficultyConfig(replies=6))
    assert [one.estimate.bucket for one in found] == [
        *["dead"] * 4,
        "hard",
        "dead",
        "dead",
        "hard",
    ]  # the good rows differ


@pytest.mark.shared_data
@pytest.mark.parametrize("cleaning", [Cleaning(), AS_IT_STANDS], ids=["cleaned", "as it stands"])
@pytest.mark.parametrize(
    ("name", "file", "beyond"), [("charades", "charades_test.json", 562), ("activitynet", "val_2.json", 111)]
)
def test_ends_beyond_the_video_make_no_row_hard(
    shared_data: Path, tmp_path: Path, name: str, file: str, beyond: int, cleaning: Cleaning
) -> None:
    opened = open_dataset(name, shared_data / "vtg" / name / file, cleaning=cleaning)
    wrong = {one.sample_id for one in opened.findings if one.kind == "beyond"}
    rows = [one for one in opened.samples if one.id in wrong]
    assert len(rows) == beyond

    class Seeing(Script):
        """Says the part of the truth that is in the video, to two decimals."""

        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            for place, row in enumerate(rows):
                truth = row.truth.interval
                assert truth is not None
                yield place, [says(round(truth.start, 2), round(min(truth.end, row.meta["duration"]), 2))] * count

    found = went(tmp_path, Blank(rows), Seeing({}), DifficultyConfig(replies=2))
    buckets = [one.estimate.bucket for one in found]
    assert set(buckets) == ({"easy"} if cleaning.beyond == "clamp" or name == "activitynet" else {"easy", "medium"})
