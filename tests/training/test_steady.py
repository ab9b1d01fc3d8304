"""Parts of the steady trainer that need no run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from grounding.training.steady import _load_adapters


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
