"""What is chosen by name (LoRA, freezing, FSDP, weight decay) is what is meant, in the module trees of real models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch import distributed
from torch.distributed.fsdp import FSDPModule
from transformers import Glm4vConfig

from grounding.policies.policy import Policy
from grounding.policies.published import PUBLISHED, meta_model, published_config
from grounding.training.config import Config
from grounding.training.learning import trained_model, with_adapter
from grounding.training.steady import Steady
from grounding.training.trainer import VideoGRPOTrainer

SCRIPTS = Path(__file__).parents[2] / "scripts"


def real(name: str) -> Policy:
    """A policy of the published shape, without weights or a processor, made as every policy is made."""
    return Policy(meta_model(published_config(name)), None)


def unnumbered(names: Any) -> Counter[str]:
    """How many of the names there are, with N for the number of a layer."""
    return Counter(re.sub(r"\.\d+\.", ".N.", name) for name in names)


@pytest.mark.parametrize("name", PUBLISHED)
def test_lora_adapts_every_projection_of_the_language_layers_and_nothing_else(name: str) -> None:
    layers = published_config(name).text_config.num_hidden_layers
    adapted = with_adapter(real(name).model, 32)
    places = [name for name, module in adapted.named_modules() if hasattr(module, "lora_A")]
    begin = "base_model.model.model.language_model.layers.N."
    parts = [f"self_attn.{x}_proj" for x in "qkvo"] + [f"mlp.{x}_proj" for x in ("gate", "up", "down")]
    assert unnumbered(places) == {begin + part: layers for part in parts}
    trained = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert unnumbered(trained) == {f"{begin}{part}.lora_{x}.default.weight": layers for part in parts for x in "AB"}


def test_lora_adapts_the_joined_projection_of_glm_too() -> None:
    adapted = with_adapter(meta_model(Glm4vConfig()), 32)
    places = unnumbered(name for name, module in adapted.named_modules() if hasattr(module, "lora_A"))
    parts = [f"self_attn.{x}_proj" for x in "qkvo"] + ["mlp.gate_up_proj", "mlp.down_proj"]
    layers = Glm4vConfig().text_config.num_hidden_layers
    assert places == {f"base_model.model.model.language_model.layers.N.{part}": layers for part in parts}


def test_size_of_an_adapter_by_hand() -> None:
    # A matrix from a to b numbers gets 32 (a + b) more. Of each layer of the 7B model, width 3584:
    # q and o 2 x (3584 + 3584), k and v 2 x (3584 + 512), gate, up and down 3 x (3584 + 18944).
    adapted = with_adapter(real("Qwen/Qwen2.5-VL-7B-Instruct").model, 32)
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert trained == 28 * 32 * (2 * 7168 + 2 * 4096 + 3 * 22528) == 80_740_352


@pytest.mark.parametrize("name", PUBLISHED)
def test_freezing_freezes_the_tower_with_its_mergers_and_nothing_else(name: str, config: Callable[..., Config]) -> None:
    policy = real(name)
    trained_model(policy, config(model={"freeze_vision": True}))
    frozen = {name for name, weight in policy.model.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in policy.model.named_parameters() if name.startswith("model.visual.")}
    assert any(".merger." in name for name in frozen)
    deep = {name.split(".")[3] for name in frozen if ".deepstack_merger_list." in name}
    assert len(deep) == (3 if "Qwen3" in name else 0)


@pytest.mark.parametrize("adapted", [False, True], ids=["whole", "lora"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_all_weights_decay_but_norms_and_biases(name: str, adapted: bool) -> None:
    model = real(name).model
    model = with_adapter(model, 32) if adapted else model
    trainer = Steady.__new__(Steady)  # the method looks at the model alone
    decay, weights = trainer.get_decay_parameter_names(model), dict(model.named_parameters())
    # Norms and biases are the weights of one dimension; there are no others.
    assert decay and set(decay) & weights.keys() == {name for name, weight in weights.items() if weight.ndim > 1}


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of this one process, which shards need."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def accelerator() -> Any:
    """As scripts/accelerate/fsdp2.yaml sets accelerate up."""
    options = yaml.safe_load((SCRIPTS / "accelerate" / "fsdp2.yaml").read_text())["fsdp_config"]
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=options["fsdp_version"],
        auto_wrap_policy=options["fsdp_auto_wrap_policy"],
        reshard_after_forward=options["fsdp_reshard_after_forward"],
        cpu_ram_efficient_loading=options["fsdp_cpu_ram_efficient_loading"],
    )
    state = SimpleNamespace(fsdp_plugin=plugin)
    return SimpleNamespace(
        state=state, torch_device_mesh=None, mixed_precision="no", is_main_process=True, is_fsdp2=True
    )


def assert_gathered_by_layer(model: Any, shape: Any) -> None:
    wrapped = [name for name, module in model.named_modules() if isinstance(module, FSDPModule)]
    assert unnumbered(f"{name}." for name in wrapped) == {
        "model.language_model.layers.N.": shape.text_config.num_hidden_layers,
        "model.visual.blocks.N.": shape.vision_config.depth,
        "model.language_model.embed_tokens.": 1,
        "lm_head.": 1,
        ".": 1,  # the rest: the first and last parts of the tower, and the norm at the end
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_fsdp_gathers_layer_by_layer(name: str, alone: None) -> None:
    model = real(name).model
    fsdp2_prepare_model(accelerator(), model)
    assert_gathered_by_layer(model, published_config(name))


def test_fsdp_gathers_the_model_of_the_kl_term_layer_by_layer_too(alone: None) -> None:
    name = "Qwen/Qwen2.5-VL-7B-Instruct"
    trainer = VideoGRPOTrainer.__new__(VideoGRPOTrainer)
    trainer.accelerator = accelerator()
    trainer.ref_model = meta_model(published_config(name), "bfloat16")
    once = trainer.ref_model
    assert_gathered_by_layer(once, published_config(name))
    assert {weight.dtype for weight in once.parameters()} == {torch.bfloat16}
    assert not any(weight.requires_grad for weight in once.parameters())
    trainer.ref_model = once  # as TRL gives it back
    assert trainer.ref_model is once
    trainer.ref_model = None
    assert trainer.ref_model is None
