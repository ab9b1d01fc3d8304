"""The private parts of TRL that `VideoGRPOTrainer` overrides are still what they were."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import requires, version

import pytest
import trl
from packaging.requirements import Requirement
from trl import GRPOTrainer

from grounding.training.steady import Steady
from grounding.training.trainer import VideoGRPOTrainer

# Parameters after `self` that our overrides rely on, in TRL's order.
OVERRIDDEN = {
    "_generate_and_score_completions": ["inputs"],
    "_tokenize_prompts": ["prompts"],
    "_generate_single_turn": ["prompt_ids", "images", "multimodal_fields", "num_generations"],
    "_calculate_rewards": ["inputs", "prompts", "completions", "completion_ids_list"],
    "_get_per_token_logps_and_entropies": ["model", "input_ids", "attention_mask", "logits_to_keep", "batch_size"],
    "_prepare_inputs": ["generation_batch"],
    "_compute_loss": ["model", "inputs"],
    "compute_loss": ["model", "inputs", "return_outputs", "num_items_in_batch"],
    "training_step": ["model", "inputs", "num_items_in_batch"],
    "log": ["logs", "start_time"],
    "_get_train_sampler": ["dataset"],
    "get_decay_parameter_names": ["model"],
    "_get_output_dir": ["trial"],
    "_save_checkpoint": ["model", "trial"],
    "_load_from_checkpoint": ["resume_from_checkpoint", "model"],
    "_load_optimizer_and_scheduler": ["checkpoint"],
    "_load_rng_state": ["checkpoint"],
    "_get_grad_norm": ["model", "grad_norm"],
    "_send_telemetry": [],
}


def parameters(owner: type, method: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(owner, method)).parameters.values())[1:]


@pytest.mark.parametrize("method", OVERRIDDEN)
def test_trl_still_has_the_method_as_we_override_it(method: str) -> None:
    names = [parameter.name for parameter in parameters(GRPOTrainer, method)]
    assert names[: len(OVERRIDDEN[method])] == OVERRIDDEN[method]


@pytest.mark.parametrize("method", OVERRIDDEN)
def test_our_method_takes_what_trl_may_pass(method: str) -> None:
    ours = parameters(VideoGRPOTrainer, method)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in ours)
    names = {p.name for p in ours}
    for parameter in parameters(GRPOTrainer, method):
        assert takes_any or parameter.name in names, parameter.name


def test_every_override_is_pinned_here() -> None:
    both = {**vars(Steady), **vars(VideoGRPOTrainer)}
    own = {name for name in both if inspect.isfunction(both[name])}
    shared = {name for name in own if hasattr(GRPOTrainer, name)} - {"__init__"}
    assert shared == set(OVERRIDDEN)


def test_installed_trl_and_transformers_are_within_bounds() -> None:
    bounds = {Requirement(line).name: Requirement(line) for line in requires("tubelet") or []}
    for name in ("trl", "transformers"):
        assert bounds[name].specifier.contains(version(name)), name
        assert any(part.operator == "<" for part in bounds[name].specifier), name
    assert re.match(r"1\.16\.", trl.__version__)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("__init__", ["self.ref_model = create_model_from_path(", "self.ref_model = prepare_fsdp(self.ref_model"]),
        ("_prepare_inputs", ["_buffered_inputs", "steps_per_generation", "num_iterations", "self._step"]),
        ("_generate_and_score_completions", ["self._generate(", "num_items_in_batch", "ref_per_token_logps"]),
        ("_generate", ["_tokenize_prompts(", "_generate_single_turn("]),
        ("_compute_loss", ["prompt_ids", "completion_mask", "advantages"]),
        ("_save_checkpoint", ["create_model_card", "super()._save_checkpoint"]),  # ours leaves the card out
        ("_inner_training_loop", ["_prepare_for_training", "_run_epoch"]),
        # A step of gradients that are None leaves weights and moments as they are, and comes after our look at them.
        ("_run_epoch", ["self._get_grad_norm(model", "self.optimizer.step()", "skip_first_batches"]),
    ],
)
def test_trl_still_works_through_the_attributes_that_we_use(method: str, words: list[str]) -> None:
    source = inspect.getsource(getattr(GRPOTrainer, method))
    for word in words:
        assert word in source, word
