"""`rollout`: tokens a second of our generation, with its decoding as it is and replayed as CUDA graphs.

Our engine decodes without graphs. To see what they would give, each step of a batch is captured once, and the replays
of all steps are timed. Capturing is timed apart, for a graph fits the prompts and lengths of one batch only. Both ways
take the likeliest token, and the tokens are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from benchmarks.measure import clock, interleave, medians
from benchmarks.world import QUERY, Machine, Shape, build_model, noise_source, patch_of
from gpu_parts.parts import Place, Tell

from grounding.policies import shared_prefix
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_attention import Decoding, Kept
from grounding.policies.shared_prefix import Sampling, read_prompts, sample
from grounding.policies.text_layers import rotated
from grounding.tasks import stvg

REPEATS = 2
SIZES = {"0.5b": Shape(), "3b": Shape()}
SMALL = {"trial": Shape(frames=2, side=2, completion=4, generations=2)}
PROMPTS = 4


def rollout(place: Place, tell: Tell) -> None:
    """Tokens a second of a model of 0.5 B and of Qwen2.5-VL 3B, with four prompts."""
    said = []
    for size, shape in (SMALL if place.tiny else SIZES).items():
        found = measured(Machine(place.device, "bfloat16", size), shape)
        replayed = "unknown" if found["with_graphs"] is None else f"{found['with_graphs']:.0f}"
        said.append(
            f"{size}, {PROMPTS} x {shape.generations} x {shape.completion} tokens after P {found['prompt_tokens']}: "
            f"{found['whole']:.0f} tokens/s; decoding alone {found['without_graphs']:.0f}, as CUDA graphs {replayed} "
            f"({found['equal_tokens']:.0%} equal tokens)"
        )
        tell(**{size: found}, result="; ".join(said))


@torch.inference_mode()
def measured(machine: Machine, shape: Shape) -> dict[str, Any]:
    """Tokens a second by way; graphs are None on a CPU, which has none."""
    policy = Policy(*build_model(machine, frozen=True))
    prompts = encoded(policy, shape)
    how, features = Sampling(shape.completion, temperature=0.0), policy.encode_videos(prompts)
    batch = Batch(policy, prompts, shape.generations, how, features)
    calls: dict[str, Callable[[], Any]] = {
        "whole": lambda: sample(policy, prompts, shape.generations, how, features),
        "without_graphs": batch.decode,
    }
    rows = sample(policy, prompts, shape.generations, how, features)
    begin = time.perf_counter()
    replay = batch.captured() if machine.device == "cuda" else batch.stepwise()
    seconds_to_capture = time.perf_counter() - begin
    replay()
    equal = (batch.drawn.flatten(0, 1).cpu() == torch.tensor(rows)).double().mean()
    if machine.device == "cuda":
        calls["with_graphs"] = replay
    spent = medians(interleave(calls, REPEATS, clock(machine.device)))
    tokens = batch.drawn.numel()
    return {
        "with_graphs": None,
        **{name: tokens / seconds for name, seconds in spent.items()},
        "seconds_to_capture": seconds_to_capture if machine.device == "cuda" else None,
        "prompt_tokens": len(prompts[0].input_ids),
        "equal_tokens": float(equal),
    }


def encoded(policy: Policy, shape: Shape) -> list[VideoPrompt]:
    """Prompts with videos of noise."""
    source = noise_source(shape, patch_of(policy.model), PROMPTS)
    clips = [source.load(one).clip for one in source.samples]
    return policy.encode(clips, [stvg.prompt(QUERY, "short")] * PROMPTS)


class Batch:
    """Prompts that were read, and their completions, decoded step by step.

    Args:
        policy: Decodes them.
        prompts: The prompts.
        repeats: Completions of each.
        how: Their length; the likeliest token is taken.
        features: Of the prompts' videos.
    """

    def __init__(
        self, policy: Policy, prompts: list[VideoPrompt], repeats: int, how: Sampling, features: list[torch.Tensor]
    ) -> None:
        self.policy, self.how, self.repeats = policy, how, repeats
        prefix = read_prompts(policy, prompts, [repeats] * len(prompts), features)
        none = torch.zeros(1, 0, dtype=torch.long, device=prefix.start.device)
        self.kept: Kept = {}
        hidden = shared_prefix._read(policy, prefix, none, none[0], [[]] * len(prompts), self.kept)
        self.hidden = hidden.repeat_interleave(repeats, dim=0)
        self.lengths, self.turns = prefix.lengths, shared_prefix._turns(policy, prefix, how.max_new_tokens)
        self.drawn = torch.zeros(len(prompts), repeats, how.max_new_tokens, dtype=torch.long, device=hidden.device)
        self.unit = torch.eye(self.turns[0].shape[-1], dtype=hidden.dtype, device=hidden.device)

    def growing(self) -> Decoding:
        """Completions of no token yet."""
        return Decoding(self.kept, self.lengths, self.repeats, self.how.max_new_tokens)

    def decode(self) -> torch.Tensor:
        """As the engine decodes."""
        return shared_prefix._complete(self.policy, self.growing(), self.hidden, self.turns, self.how)

    def stepwise(self) -> Callable[[], None]:
        """The same as one call for each step, each with tensors at fixed places."""
        growing = self.growing()

        def run() -> None:
            growing.filled = 0
            for step in range(self.how.max_new_tokens):
                self._step(growing, step)

        return run

    def captured(self) -> Callable[[], None]:
        """The steps as CUDA graphs, to be replayed one after another."""
        growing, pool, graphs = self.growing(), torch.cuda.graph_pool_handle(), []
        for step in range(self.how.max_new_tokens):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool):
                self._step(growing, step)
            graphs.append(graph)

        def replay() -> None:
            for graph in graphs:
                graph.replay()

        return replay

    def _step(self, growing: Decoding, step: int) -> None:
        """Draw the token of a step, after the one before it was fed."""
        hidden = self.hidden
        if step:
            turned = (turn[step - 1] for turn in self.turns)
            matrix = rotated(self.unit, *turned, adjacent=self.policy.family.adjacent)
            hidden = shared_prefix._grow(self.policy, growing, self.drawn[:, :, step - 1], matrix)
        self.drawn[:, :, step] = self.policy.answer_logits(hidden).argmax(-1).view(-1, self.repeats)
