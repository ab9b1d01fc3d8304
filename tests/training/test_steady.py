"""A step on numbers that are not finite is skipped, told, kept for replay, and five in a row end the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from grounding.core import UserError
from grounding.datasets.toy import toy_source
from grounding.jobs.batches import load_batch
from grounding.jobs.runlog import LogCallback
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator
from grounding.training.grpo import trl_config
from grounding.training.steady import _load_adapters, skipped_in_a_row
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

FIRST = 5_000_000
Make = Callable[..., Any]


@pytest.fixture
def make(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Make:
    """`make(steps, broken)` gives a trainer whose advantages at some steps (counted from 1) are not numbers."""
    monkeypatch.setitem(REWARDS, "letters", lambda answer, truth, meta: sum(map(ord, meta.text)) % 11 / 10)

    def trainer_of(steps: int, broken: set[int], logged: list[Any], said: list[str]) -> Any:
        small = config(trainer={"max_steps": steps, "prompts": 2, "groups_per_pass": 1}, objective={"lr": 1e-2})
        source, policy = toy_source(FIRST, 4, fps=1.0), fresh()
        collator = Collator(source, policy, Asking(STVG, "short", IdMarker("badge", 15.0)), keep=4)
        args = trl_config(small, tmp_path)
        trainer: Any = VideoGRPOTrainer(
            *(policy, STVG, {"letters": 1.0}, collator, draws_of(args, 4), args),
            callbacks=[LogCallback(logged.append)],
            say=said.append,
        )
        generate = trainer._generate_and_score_completions

        def generate_badly(rows: Any) -> Any:
            batch = generate(rows)
            if trainer.state.global_step + 1 in broken:
                batch["advantages"][3] = torch.nan  # of the second pass
            return batch

        trainer._generate_and_score_completions = generate_badly
        return trainer

    return trainer_of


def state_of(trainer: Any) -> list[torch.Tensor]:
    moments = [value.clone() for one in trainer.optimizer.state.values() for value in one.values()]
    return [*(value.detach().clone() for value in trainer.model.state_dict().values()), *moments]


def test_a_skipped_step_changes_nothing_and_is_told(make: Make, tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    said: list[str] = []
    trainer = make(3, {2}, logged, said)
    states = []
    trainer.add_callback(Recorder(lambda: states.append(state_of(trainer))))
    trainer.train()
    first, second, third = states
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(second, third, strict=True))
    assert all(value.isfinite().all() for value in third if value.is_floating_point())
    folder = tmp_path / "nonfinite" / "step-000002"
    assert said == [f"step 2 was skipped: loss or gradient is not finite; its batch is in {folder}"]
    assert [row.get("nonfinite") for row in logged] == [None, 1.0, None]
    assert [row["loss"] == row["loss"] for row in logged] == [True, False, True]


def Recorder(record: Callable[[], None]) -> Any:
    from transformers import TrainerCallback

    class Recording(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            record()

    return Recording()


def test_the_batch_can_be_replayed(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    trainer = make(1, {1}, [], said)
    trainer.train()
    folder = tmp_path / "nonfinite" / "step-000001"
    note = json.loads((folder / "batch.json").read_text())
    assert note["step"] == 1
    assert note["losses"].count("nan") == 1
    trainer.model.train()
    passes = load_batch(folder)
    # Two passes of one group of two, as they were: the second has the broken row.
    losses = [trainer._compute_loss(trainer.model, one) for one in passes]
    assert [bool(loss.isfinite()) for loss in losses] == [True, False]
    for one, buffered in zip(passes, trainer._buffered_inputs, strict=True):
        assert one.keys() == buffered.keys()
        assert torch.equal(one["completion_ids"], buffered["completion_ids"])
        assert one["sample_ids"] == buffered["sample_ids"]
        assert one["prompts"][0] is one["prompts"][1]
        assert torch.equal(one["prompts"][0].pixel_values, buffered["prompts"][0].pixel_values)


def test_five_in_a_row_end_the_run_with_one_line(make: Make, tmp_path: Path) -> None:
    said: list[str] = []
    trainer = make(20, {2, *range(4, 20)}, [], said)
    with pytest.raises(UserError, match="5 steps in a row") as caught:
        trainer.train()
    assert "\n" not in str(caught.value)
    assert trainer.state.global_step == 7  # 4, 5, 6 and 7 were skipped, 8 was the fifth
    assert len(said) == 6
    assert len(list((tmp_path / "nonfinite").iterdir())) == 6


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0),
        ([{"learning_rate": 1, "nonfinite": 1}], 1),
        ([{"learning_rate": 1, "nonfinite": 1}, {"learning_rate": 1}], 0),
        (
            [
                {"learning_rate": 1},
                {"learning_rate": 1, "nonfinite": 1},
                {"other": 1},
                {"learning_rate": 1, "nonfinite": 1},
            ],
            2,
        ),
    ],
)
def test_skipped_in_a_row_by_hand(rows: list[dict[str, float]], expected: int) -> None:
    assert skipped_in_a_row(rows) == expected


def adapted(seed: int, *others: str) -> Any:
    torch.manual_seed(seed)
    config = LoraConfig(r=1, target_modules=["0"], init_lora_weights=False)
    model = get_peft_model(torch.nn.Sequential(torch.nn.Linear(2, 2)), config)
    for name in others:
        model.add_adapter(name, config)
    return model


def adapters(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items() if "lora" in name}


@pytest.mark.parametrize("others", [(), ("ref",)])
def test_every_adapter_is_loaded_and_the_trained_one_stays_so(tmp_path: Path, others: tuple[str, ...]) -> None:
    saved, model = adapted(0, *others), adapted(1, *others)
    expected = adapters(saved)
    saved.save_pretrained(tmp_path)
    before = adapters(model)
    assert not any(torch.equal(before[name], value) for name, value in expected.items())
    _load_adapters(model, tmp_path)
    got = adapters(model)
    assert len(got) == 2 * (1 + len(others))  # A and B of each
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trained == {name for name in got if ".default." in name}
