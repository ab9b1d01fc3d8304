"""The inputs of a step come back from the disk as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grounding.core import UserError
from grounding.jobs.batches import load_batch, save_batch
from grounding.policies.policy import VideoPrompt


def prompt(value: float) -> VideoPrompt:
    return VideoPrompt(
        torch.tensor([1, 2]), torch.full((2, 3), value), torch.tensor([[1, 1, 2], [1, 2, 2]]), [value, 0.1], 2
    )


def test_a_batch_comes_back_as_it_was(tmp_path: Path) -> None:
    a, b = prompt(0.5), prompt(1.0)
    values = torch.arange(6.0)
    passes = [
        {"prompts": [a, a, b], "advantages": values[:3], "num_items_in_batch": torch.tensor(7), "nothing": None},
        {"prompts": [b], "advantages": values[3:4], "sample_ids": ["x"]},
    ]
    save_batch(tmp_path / "one", passes, {"step": 3})
    first, second = load_batch(tmp_path / "one")
    assert first["advantages"].tolist() == [0.0, 1.0, 2.0]
    assert (first["num_items_in_batch"].item(), first["nothing"]) == (7, None)
    assert (second["advantages"].tolist(), second["sample_ids"]) == ([3.0], ["x"])
    assert first["prompts"][0] is first["prompts"][1]
    assert first["prompts"][0].grid.tolist() == [[1, 1, 2], [1, 2, 2]]
    assert [(p.seconds_per_grid, p.frames, p.pixel_values.mean().item()) for p in first["prompts"]] == [
        ([0.5, 0.1], 2, 0.5),
        ([0.5, 0.1], 2, 0.5),
        ([1.0, 0.1], 2, 1.0),
    ]
    save_batch(tmp_path / "one", [], {})  # a resumed run meets the step again
    assert len(load_batch(tmp_path / "one")) == 2


def test_a_folder_without_a_batch_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no saved batch"):
        load_batch(tmp_path)
