"""What a run wrote of its first evaluation, read again at its end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grounding.commands.outcome import BEFORE, FITTED, absent, controls_table, fitted_constant, read_before, rule_of
from grounding.core import Answer, LoadedSample, Sample, UserError
from grounding.datasets.toy import ToySource, toy_source
from grounding.evaluation.controls import Reply
from grounding.evaluation.evaluate import Evaluation, Prediction
from grounding.evaluation.metrics import summarise
from grounding.tasks.qa import QA
from grounding.tasks.vtg import VTG

SCORES = [
    {"m_tIoU": 0.5, "m_vIoU": 0.25, "id_accuracy": 1.0, "parse_rate": 1.0},
    {"m_tIoU": 0.0, "m_vIoU": 0.0, "id_accuracy": 0.0, "parse_rate": 0.0},
]


def written(folder: Path, **changes: Any) -> Path:
    (folder / BEFORE).write_text(json.dumps({"metrics": summarise(SCORES), "scores": SCORES} | changes))
    return folder / BEFORE


def test_figures_and_scores_come_back(tmp_path: Path) -> None:
    before = read_before(written(tmp_path, left_out=["gone"]))
    metrics = before.metrics
    assert (before.scores, before.left_out, before.constant) == (SCORES, ["gone"], None)
    assert read_before(written(tmp_path, constant="0 to 4")).constant == "0 to 4"
    assert (metrics["m_tIoU"], metrics["m_vIoU"], metrics["id_accuracy"], metrics["count"]) == (0.25, 0.125, 0.5, 2.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {}},
        {"metrics": None},
        {"metrics": summarise(SCORES) | {"m_vIoU": "high"}},
        {"metrics": summarise(SCORES) | {"m_vIoU": float("nan")}},
        {"scores": 5},
        {"scores": [5]},
        {"scores": [{}]},
        {"scores": [SCORES[0] | {"m_tIoU": None}]},
        {"scores": [SCORES[0] | {"more": 1}]},
        {"scores": [SCORES[0] | {"parse_rate": "yes"}]},
        {"left_out": 3},
        {"constant": 5},
        {"constant": ["0 to 4"]},
    ],
)
def test_what_is_damaged_is_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"is damaged: .*; remove it, and the model is evaluated again") as caught:
        read_before(written(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_the_rule_for_options_comes_back(tmp_path: Path) -> None:
    rule = rule_of(QA, toy_source(0, 50, toy=QA.toy))
    assert rule is not None and read_before(written(tmp_path, question_only=rule.to_json())).rule == rule
    assert read_before(written(tmp_path)).rule is None
    with pytest.raises(UserError, match="is damaged: the rule of question_only must have many and counts"):
        read_before(written(tmp_path, question_only=[]))


def test_a_task_without_options_has_no_rule() -> None:
    assert rule_of(VTG, few(2)) is None


def test_a_constant_that_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="constant must be a text, got int"):
        read_before(written(tmp_path, constant=5))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"metrics": {}, "metrics": {}}'])
def test_what_is_no_object_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / BEFORE).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_before(tmp_path / BEFORE)


@dataclass
class Few:
    """Toy clips of which some cannot be loaded."""

    inner: ToySource
    broken: Sequence[int] = ()
    loaded: list[str] = field(default_factory=list)

    @property
    def samples(self) -> Sequence[Sample]:
        return self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        self.loaded.append(sample.id)
        if int(sample.video.removeprefix("toy:")) in self.broken:
            raise UserError(f"{sample.id} has no frames")
        return self.inner.load(sample)

    def version(self, sample: Sample) -> str:
        return self.inner.version(sample)


def few(count: int, broken: Sequence[int] = ()) -> Few:
    return Few(toy_source(0, count, toy=VTG.toy), broken)


def test_the_constant_comes_from_training_samples_spread_over_all() -> None:
    source = few(1000)
    constant = fitted_constant(VTG, source, None)
    numbers = [int(name.rpartition("-")[2]) for name in source.loaded]
    assert (len(numbers), numbers[0], numbers[-1]) == (FITTED, 0, 999)
    assert {b - a for a, b in itertools.pairwise(numbers)} == {15, 16}  # 999 / 63
    times = [source.samples[number].truth.interval for number in numbers]

    def mean(start: float, end: float) -> float:
        shared = [max(0, min(end, one.end) - max(start, one.start)) for one in times if one]
        return sum(both / (end - start + one.end - one.start - both) for both, one in zip(shared, times) if one)  # noqa: B905

    start, end = max(itertools.combinations(range(5), 2), key=lambda one: mean(*one))
    assert constant == f"<think></think> <answer>{start}.0 to {end}.0</answer>"


def test_a_broken_training_sample_stops_or_is_left_out_and_told() -> None:
    told: list[str] = []
    with pytest.raises(UserError, match="has no frames"):
        fitted_constant(VTG, few(3, [1]), None)
    left = few(3, [1])
    truths = [left.samples[index].truth for index in (0, 2)]
    constant = fitted_constant(VTG, left, lambda sample, why: told.append(sample.id))
    assert told == [left.samples[1].id]
    assert constant in [VTG.say(truth, "") for truth in truths]
    assert fitted_constant(VTG, few(2, [0, 1]), lambda sample, why: None) is None


def test_controls_stand_beside_what_they_are_controls_of() -> None:
    def reply(value: float) -> Reply:
        return Reply("", Answer(), {"mIoU": value, "parse_rate": 1.0})

    own = {"mIoU": 1.0, "parse_rate": 1.0}
    sample = Sample("a", "a.mp4", "a dog", Answer())
    beside = [{"blind": reply(0.25), "constant": reply(0.5)}, {"blind": reply(0.75), "constant": reply(0.25)}]
    result = Evaluation(
        [Prediction(sample, "", Answer(), own, {}, None, one) for one in beside], {**own, "count": 2.0}, {}
    )
    header, rows = controls_table(result)
    assert header == ["metric", "model", "blind", "constant"]
    assert rows == [["mIoU", "1.000", "0.500", "0.375"], ["parse_rate", "1.000", "1.000", "1.000"]]
    assert absent(result) == ["no control 'other': no sample has another video to be asked about"]


def test_a_question_with_options_lacks_its_rule() -> None:
    own, options = {"accuracy": 1.0, "parse_rate": 1.0}, {"options": ["x", "y"]}
    sample = Sample("a", "a.mp4", "which?", Answer(choices=frozenset("A")), options)
    beside = {name: Reply("", Answer(), own) for name in ("blind", "other", "constant")}
    result = Evaluation([Prediction(sample, "", Answer(), own, {}, None, beside)], {**own, "count": 1.0}, {})
    assert absent(result) == ["no control 'question_only': no options of training samples are known"]
