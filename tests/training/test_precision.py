"""Trained weights are float32 whatever the model's type is, so a small step is not rounded away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from grounding.core import UserErrors
from grounding.datasets.toy import toy_source
from grounding.policies.policy import load_policy, save_policy
from grounding.policies.precision import SAMPLE, Movement, too_still, train_in_float32
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.tasks.teaching import Lesson
from grounding.training.config import Config, check
from grounding.training.grpo import run_grpo
from grounding.training.learning import Place, Work
from grounding.training.warmup import WarmupPlan, warm_up
from prompting import IdMarker
from rewards import REWARDS

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))
FIRST = 5_000_000
LR = 1e-6  # the published one, too small for bfloat16


def test_a_small_step_moves_float32_and_not_bfloat16() -> None:
    # 1 is 2^0: bfloat16 has steps of 2^-7 above it, float32 of 2^-23.
    for dtype, expected in ((torch.bfloat16, 0.0), (torch.float32, 1.0)):
        weight = torch.ones(8, dtype=dtype)
        before = Movement([weight])
        assert before.share([weight + 1e-6]) == expected


def test_movement_by_hand() -> None:
    still, half = torch.zeros(4), torch.zeros(4)
    before = Movement([still, half])
    assert before.counts([still, half]).tolist() == [0, 8]  # nothing moved: all are counted
    assert before.counts([still, torch.tensor([1.0, 0.0, 1.0, 0.0])]).tolist() == [2, 4]  # `still` had no gradient
    assert Movement([]).share([]) == 0.0


def test_large_tensors_are_looked_at_in_part() -> None:
    large = torch.zeros(4 * SAMPLE)
    moved, of = Movement([large]).counts([large + 1]).tolist()
    assert moved == of
    assert SAMPLE / 2 < of <= SAMPLE


@pytest.mark.parametrize("share", [0.0, 0.0035, 0.499])
def test_few_moved_weights_are_warned_of(share: float) -> None:
    assert f"{share:.1%}" in str(too_still(share))


def test_enough_moved_weights_are_not() -> None:
    assert too_still(0.5) is None


def test_only_trained_weights_become_float32() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)).to(torch.bfloat16)
    model[0].requires_grad_(False)
    train_in_float32(model)
    assert [p.dtype for p in model.parameters()] == [torch.bfloat16] * 2 + [torch.float32] * 2


def letters(answer: Any, truth: Any, meta: Any) -> float:
    return sum(map(ord, meta.text)) % 11 / 10


CASES = {
    "full": {"dtype": "bfloat16"},
    "frozen tower": {"dtype": "bfloat16", "freeze_vision": True},
    "lora": {"dtype": "bfloat16", "lora_rank": 2},
    "float16": {"dtype": "float16"},
    "float16 lora": {"dtype": "float16", "lora_rank": 2},
    "float32": {"dtype": "float32"},
}


def work(config: Config, say: Callable[[str], None] = print) -> Work:
    return Work(config, ASKING, toy_source(FIRST, 4, fps=1.0), say=say)


@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
@pytest.mark.parametrize("autocast", [True, False])
def test_a_step_of_the_published_size_moves_what_is_trained(
    tiny_folder: Path,
    config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: dict[str, Any],
    autocast: bool,
) -> None:
    if autocast and model["dtype"] == "float16":
        pytest.skip("refused, see below")
    monkeypatch.setitem(REWARDS, "id_match", letters)
    policy = load_policy(str(tiny_folder), dtype=model["dtype"])
    before = {name: value.clone().float() for name, value in policy.model.state_dict().items()}
    small = config(model=model, objective={"lr": LR}, trainer={"bf16": autocast, "prompts": 2, "groups_per_pass": 2})
    logged: list[dict[str, float]] = []
    said: list[str] = []
    trained = run_grpo(policy, work(small, said.append), Place(tmp_path, tmp_path / "model"), logged.append)
    assert logged[0]["weights_moved"] > 0.99
    assert said == []
    save_policy(trained, tmp_path / "model")
    after = load_file(tmp_path / "model" / "model.safetensors")
    layer = "layers.0.mlp.down_proj.weight"
    (saved,) = (value for name, value in after.items() if name.endswith(layer))
    assert saved.dtype == torch.float32  # what was learnt is in the file, not rounded
    assert (saved != before[f"model.language_model.{layer}"]).float().mean() > 0.95


def test_without_float32_the_guard_warns(
    tiny_folder: Path, config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "id_match", letters)
    monkeypatch.setattr("grounding.training.learning.train_in_float32", lambda model: None)
    policy = load_policy(str(tiny_folder), dtype="bfloat16")
    small = config(objective={"lr": LR}, trainer={"bf16": True, "prompts": 2, "groups_per_pass": 2})
    logged: list[dict[str, float]] = []
    said: list[str] = []
    run_grpo(policy, work(small, said.append), Place(tmp_path, tmp_path / "model"), logged.append)
    assert logged[0]["weights_moved"] < 0.05
    assert len(said) == 1
    assert "rounded away" in said[0]


def test_a_step_without_gradient_is_not_judged(
    tiny_folder: Path, config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every answer is rewarded alike until the second step, so the first has no gradient.
    monkeypatch.setitem(REWARDS, "id_match", lambda a, t, meta: letters(a, t, meta) if meta.progress > 0 else 0.0)
    policy = load_policy(str(tiny_folder))
    trainer = {"max_steps": 3, "prompts": 2, "groups_per_pass": 2}
    small = config(objective={"generations": 4}, trainer=trainer)
    logged: list[dict[str, float]] = []
    said: list[str] = []
    run_grpo(policy, work(small, said.append), Place(tmp_path, tmp_path / "model"), logged.append)
    assert [row["grad_norm"] > 0 for row in logged] == [False, True, True]
    assert ["weights_moved" in row for row in logged] == [False, True, False]
    assert said == []


def test_a_resumed_run_reads_float32_weights_beside_a_frozen_tower(
    tiny_folder: Path, config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "id_match", letters)
    small = config(
        model={"dtype": "bfloat16", "freeze_vision": True},
        objective={"lr": LR},
        trainer={"bf16": True, "prompts": 2, "groups_per_pass": 2, "max_steps": 2, "save_steps": 1},
    )
    results = []
    for _ in range(2):  # the second begins from the checkpoint of the last step, and trains nothing
        policy = load_policy(str(tiny_folder), dtype="bfloat16")
        logged: list[dict[str, float]] = []
        trained = run_grpo(policy, work(small), Place(tmp_path, tmp_path / "model"), logged.append)
        results.append({name: value.clone() for name, value in trained.model.state_dict().items()})
    assert {value.dtype for value in results[0].values()} == {torch.float32, torch.bfloat16}
    assert all(torch.equal(results[0][name], value) for name, value in results[1].items())


def test_the_warm_up_learns_in_float32(tiny_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = load_policy(str(tiny_folder), dtype="bfloat16")
    plan = WarmupPlan([Lesson(1.0)], batch=2, lr=1e-5, max_steps=1, first_clip=FIRST)
    warm_up(policy, ASKING, plan, lambda figures: None)
    assert {parameter.dtype for parameter in policy.model.parameters()} == {torch.float32}
    assert caplog.records == []


def test_the_two_kinds_of_16_bits_do_not_mix(config: Callable[..., Config]) -> None:
    with pytest.raises(UserErrors, match=r"model.dtype must be bfloat16 or float32 with trainer.bf16, got float16"):
        check(config(model={"dtype": "float16"}, trainer={"bf16": True}))
