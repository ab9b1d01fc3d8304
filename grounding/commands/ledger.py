"""What a run cost, part by part: seconds, frames, tokens, and an estimate of its floating-point operations.

The estimate counts two operations a weight of a matrix and token in a forward pass and twice as many in a backward
pass (Kaplan et al. 2020, section 2.1); attention itself is left out. A prompt is read once for all completions of its
group, as it is here. Tokens and operations of a server are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from grounding.commands.folder import METRICS
from grounding.core.checks import number
from grounding.core.reading import read_json
from grounding.evaluation.curves import Series, read_metrics
from grounding.policies.policy import Policy
from grounding.training.config import Config
from grounding.training.objectives import ROLLOUTS

FORWARD, BACKWARD = 2, 4  # operations a weight and token
REPORTS = {"reflect": "reflection.json", "difficulty": "difficulty.json"}  # of the stages that judge samples


@dataclass(frozen=True)
class Cost:
    """What a part of a run cost.

    Args:
        seconds: Of wall time.
        frames: That the vision tower encoded.
        tokens: That the language model read or wrote.
        operations: Floating-point ones, estimated; None where a server's are not known.
    """

    seconds: float = 0.0
    frames: float = 0.0
    tokens: float = 0.0
    operations: float | None = 0.0


@dataclass(frozen=True)
class Weights:
    """How many numbers the matrices of a model's parts have.

    Args:
        tower: Of the vision tower; each patch goes through it.
        text: Of the language model's layers; each token goes through them.
        head: Of the head; each token that is written or scored goes through it.
    """

    tower: int
    text: int
    head: int

    @classmethod
    def of(cls, policy: Policy) -> Weights:
        """Those of a policy."""
        core = policy.core
        return cls(_matrices(core.visual), _matrices(core.language_model.layers), _matrices(policy.head))


def _matrices(part: nn.Module) -> int:
    return sum(one.numel() for one in part.parameters() if one.ndim > 1)


def ledger(folder: Path, config: Config, policy: Policy) -> dict[str, Cost]:
    """What each part of a run cost, as its run folder tells; parts that it did not have are left out.

    Args:
        folder: The run folder.
        config: The run's configuration.
        policy: The trained one, or any of its shape.

    Raises:
        UserError: If a file of the folder is damaged.
    """
    weights, phases = Weights.of(policy), read_metrics(folder / METRICS)
    costs = {"warmup": Cost(seconds=_sum(phases.get("warmup", {}), "seconds/step"))}
    for part, file in REPORTS.items():
        if (folder / file).exists():
            costs[part] = judged(folder / file, weights)
    costs["sft"] = supervised(phases.get("sft", {}), config, weights)
    costs |= rollouts_and_updates(phases.get("grpo", {}), config, weights)
    return {part: cost for part, cost in costs.items() if cost != Cost()}


def judged(report: Path, weights: Weights) -> Cost:
    """What a judge's report says of its own cost."""
    said = read_json(report, "report").get("cost", {})
    seconds, frames, patches, read, written = (
        number(said.get(name) or 0.0, f"{name} in {report}")
        for name in ("seconds", "frames", "patches", "read", "written")
    )
    unknown = said.get("requests") and "read" not in said
    operations = None if unknown else _forward(weights, patches, read, written)
    return Cost(seconds, frames, read + written, operations)


def supervised(sft: Series, config: Config, weights: Weights) -> Cost:
    """The stage `sft`, of what its steps logged; each answer is read with its video's prompt."""
    frames, patches = _sum(sft, "vision/encoded_frames"), _sum(sft, "vision/encoded_patches")
    read, written = _sum(sft, "prompt_tokens"), _sum(sft, "answer_tokens")
    back = _forward(weights, 0.0 if config.model.freeze_vision else patches, read, written) * BACKWARD / FORWARD
    operations = _forward(weights, patches, read, written) + back
    return Cost(_sum(sft, "seconds/step"), frames, read + written, operations)


def rollouts_and_updates(grpo: Series, config: Config, weights: Weights) -> dict[str, Cost]:
    """The parts of GRPO, of what its steps logged."""
    objective = config.objective
    rows = objective.generations * ROLLOUTS[objective.rollout].turns
    frames, patches = _sum(grpo, "vision/encoded_frames"), _sum(grpo, "vision/encoded_patches")
    written = _sum(grpo, "completions/mean_length") * config.trainer.prompts * rows
    in_all = max((value for _, value in grpo.get("num_tokens", ())), default=0.0)  # every row with its own prompt
    read = max(0.0, in_all - written) / rows
    seconds = {name: _sum(grpo, f"seconds/{name}") for name in ("rollout", "rewards", "wait", "step")}
    again = 0.0 if config.model.freeze_vision else patches
    update = objective.iterations * (1 + BACKWARD / FORWARD) * _forward(weights, again, read, written)
    reference = _forward(weights, patches, read, written) if objective.beta and not config.model.lora_rank else 0.0
    return {
        "rollout": Cost(seconds["rollout"], frames, read + written, _forward(weights, patches, read, written)),
        "reward": Cost(seconds["rewards"]),
        "update": Cost(
            seconds["step"] - seconds["rollout"] - seconds["rewards"] - seconds["wait"],
            tokens=objective.iterations * (read + written),
            operations=update + reference,
        ),
    }


def _forward(weights: Weights, patches: float, read: float, written: float) -> float:
    return FORWARD * (weights.tower * patches + weights.text * (read + written) + weights.head * written)


def _sum(series: Series, name: str) -> float:
    return sum(value for _, value in series.get(name, ()))
