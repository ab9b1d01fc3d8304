"""Supervised training: what is grouped, what is learnt, and that splits and stops change nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grounding.commands.train import train
from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, UserError, UserErrors, write_video
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.vtg import VTG
from grounding.training.config import Config, SFTConfig, check
from grounding.training.data import JsonlConfig
from grounding.training.examples import without_weights
from grounding.training.learning import Place, Work
from grounding.training.sft import run_sft
from grounding.training.stages import chosen
from grounding.training.talks import TalkMaker, by_video, check_given, gold_text
from prompting import IdMarker

WHEN = Asking(VTG, "short", IdMarker())
Make = Callable[..., Config]


class Films:
    """Four questions about a, one about b; the last about a is shown other frames."""

    def __init__(self, **meta: Any) -> None:
        names = [("1", "a"), ("2", "b"), ("3", "a"), ("4", "a"), ("other", "a")]
        self.samples = [
            Sample(name, video, f"query {name}", Answer(Interval(0.0, 1.0)), meta if name == "3" else {})
            for name, video in names
        ]

    def load(self, sample: Sample) -> LoadedSample:
        seed = ord(sample.video) + (sample.id == "other")
        frames = np.random.default_rng(seed).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
        clip = Clip(frames, np.arange(4) / 2, 2.0, (28, 28), 2.0)
        return LoadedSample(sample, clip, Masklets((28, 28), 2.0, np.arange(4) / 2, {}))

    def version(self, sample: Sample) -> str:
        return sample.id


def maker(policy: Policy, source: Any, most: int = 8, *, skip: bool = False) -> TalkMaker:
    return TalkMaker(source, by_video(source, most), without_weights(policy), WHEN, skip)


def test_samples_of_a_video_are_together_at_most_so_many() -> None:
    assert by_video(Films(), 8) == [[0, 2, 3, 4], [1]]
    assert by_video(Films(), 3) == [[0, 2, 3], [4], [1]]
    assert by_video(Films(), 8, frozenset({"2", "3"})) == [[0, 3, 4]]
    assert by_video(toy_source(0, 2), 8) == [(0,), (1,)]


def test_a_row_holds_only_what_is_shown_the_same_frames(policy: Policy) -> None:
    talks = maker(policy, Films())(0)
    assert [list(row.ids) for row in talks.rows] == [["1", "3", "4"], ["other"]]
    assert talks.rows[0].owner.max() == 3


def test_a_row_that_is_full_leaves_questions_to_the_next(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    row = maker(policy, Films())(0).rows[0]
    monkeypatch.setattr(
        policy.model.config.text_config, "max_position_embeddings", len(row.prompt.input_ids) + len(row.tokens) - 1
    )
    assert [list(row.ids) for row in maker(policy, Films())(0).rows] == [["1", "3"], ["4"], ["other"]]
    first = int((row.owner == 1).sum())
    monkeypatch.setattr(
        policy.model.config.text_config, "max_position_embeddings", len(row.prompt.input_ids) + first - 1
    )
    with pytest.raises(UserError, match="sample 1: prompt and completion have"):
        maker(policy, Films())(0)


def test_what_is_taught() -> None:
    def text(**meta: Any) -> str:
        films = Films(**meta)
        return gold_text(WHEN, films.load(films.samples[2]))

    assert text() == "<think>query 3 0 to 1</think> <answer>0.0 to 1.0</answer>"
    assert text(thinking="I see.") == "<think>I see.</think> <answer>0.0 to 1.0</answer>"
    assert text(completion="Well. <answer>3 to 4</answer>") == "Well. <answer>3 to 4</answer>"
    with pytest.raises(UserError, match="cannot read its completion"):
        text(completion="Well.")


def test_what_cannot_be_read_is_found_before_training(policy: Policy) -> None:
    films = Films(completion="Well.")
    assert list(check_given(films, WHEN)) == ["3"]
    assert check_given(Films(completion="<answer>3 to 4</answer>"), WHEN) == {}
    talks = maker(policy, films, skip=True)(0)
    assert [list(row.ids) for row in talks.rows] == [["1", "4"], ["other"]]
    assert [sample.id for sample, _ in talks.passed_over] == ["3"]
    with pytest.raises(UserError, match="sample 3: "):
        maker(policy, films)(0)


def trained(policy: Policy, config: Config, folder: Path, source: Any = None) -> tuple[dict[str, Any], list[Any]]:
    logged: list[Any] = []
    work = Work(config, WHEN, source or Films())
    made = run_sft(policy, work, Place(folder, folder / "model"), logged.append)
    return {name: value.clone() for name, value in made.model.state_dict().items()}, logged


def small(config: Make, **sft: Any) -> Config:
    made = config(trainer={"save_steps": 1, "keep": 9})
    return replace(made, sft=SFTConfig(**{"max_steps": 3, "videos": 2, "lr": 1e-2, "scheduler": "linear", **sft}))


def test_the_loss_is_transformers_own(fresh: Any, config: Make, tmp_path: Path) -> None:
    policy = fresh()
    rows = [row for number in (0, 1) for row in maker(policy, Films())(number).rows]
    total, count = 0.0, 0
    for row in rows:
        batch = policy.pad([row.prompt], [row.tokens])
        with torch.no_grad():
            logits = policy.model(**batch).logits[0, len(row.prompt.input_ids) - 1 : -1]
        logp = logits.log_softmax(-1).gather(1, row.tokens[:, None])[:, 0]
        total, count = total - float(logp[row.owner > 0].sum()), count + int((row.owner > 0).sum())
    _, logged = trained(policy, small(config, max_steps=1), tmp_path)
    assert logged[0]["loss"] == pytest.approx(total / count, rel=1e-4)
    assert logged[0]["answer_tokens"] == count
    assert logged[0]["questions_per_row"] == pytest.approx(5 / 3)


def test_passes_change_nothing(fresh: Any, config: Make, tmp_path: Path) -> None:
    _, a = trained(fresh(), small(config, videos_per_pass=2), tmp_path / "one")
    _, b = trained(fresh(), small(config, videos_per_pass=1), tmp_path / "two")
    assert [row["loss"] for row in a] == pytest.approx([row["loss"] for row in b], rel=1e-3)
    assert a[2]["loss"] < a[0]["loss"]
    assert a[0]["grad_norm"] == pytest.approx(b[0]["grad_norm"], rel=1e-3)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_resumed_stage_ends_bit_equal(fresh: Any, config: Make, tmp_path: Path, rank: int) -> None:
    whole = small(config)
    whole = replace(whole, model=replace(whole.model, lora_rank=rank, freeze_vision=bool(rank)))
    expected, _ = trained(fresh(), whole, tmp_path)
    for step in (2, 3):
        shutil.rmtree(tmp_path / "checkpoints" / f"step-{step:06d}")
    found, logged = trained(fresh(), whole, tmp_path)
    assert len(logged) == 2
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    before = fresh().model.state_dict()
    assert any(not torch.equal(expected[name], before[name]) for name in before)


def test_a_skipped_step_is_kept_for_replay(fresh: Any, config: Make, tmp_path: Path) -> None:
    policy = fresh()
    with torch.no_grad():
        policy.model.model.language_model.norm.weight[0] = torch.nan
    _, logged = trained(policy, small(config, max_steps=1), tmp_path)
    assert logged[0]["nonfinite"] == 1
    assert (tmp_path / "nonfinite" / "step-000001" / "batch.safetensors").is_file()


def test_options_are_checked(config: Make) -> None:
    for name, value in [("videos", 0), ("questions", 0), ("lr", 0.0), ("videos_per_pass", 3), ("scheduler", "no")]:
        with pytest.raises(UserErrors, match=rf"sft\.{name}"):
            check(replace(config(), sft=SFTConfig(**{name: value})))
    assert [stage.name for stage in chosen(replace(config(), stages=["sft", "grpo"]))] == ["sft", "grpo"]
    with pytest.raises(UserErrors, match=r"sft\.videos must be a multiple of the 3"):
        check(replace(config(trainer={"prompts": 3, "groups_per_pass": 3}), stages=["sft"]), 3)


def rows_file(root: Path, completion: str) -> None:
    root.mkdir(exist_ok=True)
    write_video(root / "a.mp4", [np.full((56, 56, 3), 40 * k, np.uint8) for k in range(4)], 2.0, overwrite=True)
    row = {"video": "a.mp4", "query": "it brightens", "interval": [0.0, 1.0]}
    rows = [{"id": "x", **row, "completion": completion}, {"id": "y", **row, "thinking": "I look."}]
    (root / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


def test_a_run_on_rows_with_completions(config: Make, tmp_path: Path) -> None:
    made = config()
    data = JsonlConfig(fps=2.0, eval_samples=2, root=str(tmp_path / "data"), annotations="rows.jsonl")
    task = replace(made.task, name="vtg", rewards="timezero")
    made = replace(made, data=data, task=task, stages=["sft", "grpo"], sft=SFTConfig(max_steps=2, videos=1, lr=1e-3))
    rows_file(tmp_path / "data", "Nothing.")
    with pytest.raises(UserErrors, match=r"rows\.jsonl.*1.*x.*cannot read its completion"):
        train(replace(made, out=str(tmp_path / "wrong")))
    rows_file(tmp_path / "data", "Seen. <answer>0 to 1</answer>")
    out = train(replace(made, out=str(tmp_path / "run")))
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in found] == ["sft", "sft", "grpo"]
    assert found[0]["questions_per_row"] == 2
    assert json.loads((out / "summary.json").read_text())["stages"] == ["sft", "grpo"]
    alone = train(replace(made, stages=["sft"], out=str(tmp_path / "alone")))
    summary = json.loads((alone / "summary.json").read_text())
    assert (summary["stages"], summary["steps"]) == (["sft"], 2)
