"""The stages that judge samples: what they write, and what later stages train on; replies are scripted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grounding.commands.train import train
from grounding.core import UserError, UserErrors
from grounding.curriculum.backends import LocalBackend, ScriptedBackend
from grounding.curriculum.difficulty import DifficultyConfig
from grounding.curriculum.reflection import ReflectionConfig
from grounding.curriculum.replies import Request
from grounding.curriculum.server import ServerBackend
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from grounding.training import judges
from grounding.training.config import AgentConfig, Config, TaskConfig, check
from grounding.training.data import ToyConfig
from grounding.training.judges import backend_of
from grounding.training.learning import Phase, Place, Work
from grounding.training.stages import STAGES, Stage
from prompting import IdMarker

Make = Callable[..., Config]


class Script:
    """Replies by what is asked, and the number of requests that were answered."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = texts, 0

    def __call__(self, request: Request) -> list[str]:
        self.asked += 1
        return [*self.texts]

    def backend(self, policy: Policy, config: Config) -> ScriptedBackend:
        return ScriptedBackend(self)


@pytest.fixture
def judged(config: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Path, list[Any]]]:
    """`judged(script, stages, **changes)` runs judges and then a stage that trains nothing; gives its samples."""
    seen: list[Any] = []

    def nap(policy: Policy, work: Work, place: Place, phase: Phase) -> Policy:
        seen[:] = work.source.samples
        phase({"loss": 0.0})
        return policy

    monkeypatch.setitem(STAGES, "nap", Stage("nap", lambda config: 1, nap))

    def go(script: Script, *stages: str, out: str = "run", **changes: Any) -> tuple[Path, list[Any]]:
        monkeypatch.setattr(judges, "backend_of", script.backend)
        data = ToyConfig(repeats=True, partial=0.5, train_clips=8, eval_samples=2, fps=1.0)
        made = replace(config(), task=TaskConfig("vtg", "when"), data=data, stages=[*stages, "nap"], **changes)
        folder = train(replace(made, out=str(tmp_path / out)))
        return folder, list(seen)

    return go


TOY = ReflectionConfig(margin=0.0, margin_share=0.0, least=1.0, precision=0.0)


def test_reflection_drops_samples_that_have_more(judged: Callable[..., tuple[Path, list[Any]]]) -> None:
    # Each reply names the last second: where it is not annotated, nor touches what is, it is another event.
    text = "<think>so</think> <answer>3 to 4</answer>"
    folder, left = judged(Script(*[text] * 3), "reflect", reflection=TOY)
    lines = [json.loads(line) for line in (folder / "reflection.jsonl").read_text().splitlines()]
    kept = [one["id"] for one in lines if one["label"] != "partial"]
    assert len(lines) == 8 and len(lines) - len(kept) > 0
    assert [one.id for one in left] == kept
    report = json.loads((folder / "reflection.json").read_text())
    assert report["labels"]["partial"] == 8 - len(kept)
    assert report["cost"]["requests"] + report["cost"]["known"] > 0


def test_difficulty_is_known_to_later_stages(judged: Callable[..., tuple[Path, list[Any]]]) -> None:
    text = "<think>so</think> <answer>0 to 4</answer>"
    folder, left = judged(Script(text, "?"), "difficulty", difficulty=DifficultyConfig(replies=2, dead=0.01))
    for sample in left:
        # The union IoU of the whole clip of 4 s is the annotated share of it; the other reply cannot be read.
        share = sum(one.duration for one in sample.truth.segments) / 4
        assert sample.meta["difficulty"] == pytest.approx(share / 2)
        assert sample.meta["bucket"] == ("hard" if share / 2 < 0.3 else "medium")
    assert (folder / "difficulty.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((folder / "difficulty.json").read_text())
    assert report["parse_rate"] == 0.5 and sum(report["buckets"].values()) == 8
    assert len(left) == 8 - report["buckets"]["dead"]


def test_runs_that_share_replies_ask_once(judged: Callable[..., tuple[Path, list[Any]]], tmp_path: Path) -> None:
    script = Script("<think>so</think> <answer>0 to 4</answer>")
    changes = {
        "agent": AgentConfig(store=str(tmp_path / "shared" / "replies.jsonl")),
        "difficulty": DifficultyConfig(replies=1, dead=0.0),
    }
    _, first = judged(script, "difficulty", **changes)
    asked = script.asked
    folder, again = judged(script, "difficulty", out="other", **changes)
    assert 0 < asked == script.asked
    assert [one.id for one in first] == [one.id for one in again]
    assert json.loads((folder / "difficulty.json").read_text())["cost"]["requests"] == 0


def test_a_policy_that_says_nothing_leaves_nothing(judged: Callable[..., tuple[Path, list[Any]]]) -> None:
    with pytest.raises(UserError, match="no answer to the 8 samples can be read; train the model"):
        judged(Script("?"), "difficulty", difficulty=DifficultyConfig(replies=1))


def test_who_is_asked(config: Make, policy: Policy) -> None:
    made = config()
    own = backend_of(policy, made)
    assert isinstance(own, LocalBackend) and own.policy is policy
    server = AgentConfig(url="http://localhost:1/v1", model="some", temperature=0.5, batch=3)
    there = backend_of(policy, replace(made, agent=server))
    assert isinstance(there, ServerBackend)
    assert (there.model, there.temperature, there.max_new_tokens, there.at_once) == ("some", 0.5, 6, 3)
    with pytest.raises(UserErrors, match=r"agent\.model is missing"):
        check(replace(made, agent=AgentConfig(url="http://localhost:1/v1")))
    with pytest.raises(UserErrors, match=r"agent\.url: a server's URL must be like .* got 'foo'"):
        check(replace(made, agent=AgentConfig(url="foo", model="m")))
    with pytest.raises(UserErrors, match=r"agent\.model is of a server; give agent\.url"):
        check(replace(made, agent=AgentConfig(model="m")))
    with pytest.raises(UserErrors, match=r"agent\.temperature must be 0 .* got -1"):
        check(replace(made, agent=AgentConfig(temperature=-1.0)))


def test_a_task_without_times_is_refused_before_anything_trains(config: Make, tmp_path: Path) -> None:
    made = replace(config(), task=TaskConfig("qa", "what"), stages=["warmup", "reflect"], out=str(tmp_path / "run"))
    with pytest.raises(UserError, match=r"reflect asks when, and answers to task=qa say no time"):
        train(made)
    assert not (tmp_path / "run" / "warmup").exists()


def test_difficulties_that_are_not_all_there_are_named(judged: Callable[..., tuple[Path, list[Any]]]) -> None:
    script = Script(*["<think>so</think> <answer>3 to 4</answer>"] * 2)
    settings = DifficultyConfig(replies=2, dead=0.0)
    folder, _ = judged(script, "difficulty", difficulty=settings)
    file = folder / "difficulty.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-3]))
    source = toy_source(0, 8)
    with pytest.raises(
        UserError, match=r"difficulty\.jsonl has 5 lines, and .*difficulty\.json tells of 8; remove both"
    ):
        judges.samples_tried(source, Config(difficulty=settings), folder)


def test_truths_of_one_time_range_are_not_extended() -> None:
    # A tube has one time range; what only says when may have several.
    work = Work(
        Config(reflection=ReflectionConfig(action="extend")), Asking(STVG, "short", IdMarker()), toy_source(0, 1)
    )
    with pytest.raises(UserError, match=r"several time ranges, and task=stvg takes one; take drop or downweight"):
        judges.check_times(work)
    judges.check_times(replace(work, asking=Asking(VTG, "short", IdMarker())))
    judges.check_times(replace(work, config=Config()))
