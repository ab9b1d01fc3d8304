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
from benchmarks.world import ASKED, Machine, Shape, build_model, noise_source, patch_of
from gpu_parts.parts import Place, Tell

from grounding.policies import shared_prefix
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_attention import Decoding, Kept
from grounding.policies.shared_prefix import Sampling, read_prompts, sample
from grounding.policies.text_layers import rotated
from grounding.tasks.stvg import STVG

REPEATS = 2
SIZES = {"0.5b": Shape(), "3b": Shape()}
SMALL = {"trial": Shape(frames=2, side=2, completion=4, generations=2)}
PROMPTS = 4


@torch.no_grad()
def rollout(place: Place, tell: Tell) -> None:
    """Tokens a second of a model of 0.5 B and of Qwen2.5-VL 3B, with four prompts."""
    found: dict[str, dict[str, Any]] = {}
    batches = {}
    for size, shape in (SMALL if place.tiny else SIZES).items():
        batches[size] = begun(Machine(place.device, "bfloat16", size), shape)
        found[size] = without_graphs(batches[size], place.device)
        tell(**found, result="; ".join(sentence(*one) for one in found.items()))
    for size, batch in batches.items():
        found[size] |= with_graphs(batch, place.device)
        tell(**found, result="; ".join(sentence(*one) for one in found.items()))


def without_graphs(batch: Batch, device: str) -> dict[str, Any]:
    """Tokens a second of the engine: of the whole rollout, and of its decoding alone."""
    spent = medians(interleave({"whole": batch.whole, "decoding": batch.decode}, REPEATS, clock(device)))
    tokens = batch.drawn.numel()
    rows = {"prompt_tokens": batch.lengths[0], "rows": tokens // batch.how.max_new_tokens}
    return {**rows, **{name: tokens / seconds for name, seconds in spent.items()}}


def with_graphs(batch: Batch, device: str) -> dict[str, Any]:
    """Tokens a second of replayed graphs, and the share of tokens that are the engine's; a CPU has no graphs."""
    begin = time.perf_counter()
    replay = batch.captured() if device == "cuda" else batch.stepwise()
    seconds = time.perf_counter() - begin
    replay()
    equal = float((batch.drawn.flatten(0, 1).cpu() == torch.tensor(batch.whole())).double().mean())
    if device == "cpu":
        return {"equal_tokens": equal, "graphs": None}
    spent = medians(interleave({"graphs": replay}, REPEATS, clock(device)))["graphs"]
    return {"equal_tokens": equal, "graphs": batch.drawn.numel() / spent, "seconds_to_capture": seconds}


def sentence(size: str, found: dict[str, Any]) -> str:
    """What is known of a model so far."""
    said = (
        f"{size}, {found['rows']} completions after P {found['prompt_tokens']}: {found['whole']:.0f} tokens/s, "
        f"decoding alone {found['decoding']:.0f}"
    )
    if "equal_tokens" not in found:
        return said
    graphs = "not on a CPU" if found["graphs"] is None else f"{found['graphs']:.0f}"
    return f"{said}, as CUDA graphs {graphs} ({found['equal_tokens']:.0%} equal tokens)"


def begun(machine: Machine, shape: Shape) -> Batch:
    """A model's batch."""
    policy = Policy(*build_model(machine, frozen=True))
    return Batch(policy, encoded(policy, shape), shape.generations, Sampling(shape.completion, temperature=0.0))


def encoded(policy: Policy, shape: Shape) -> list[VideoPrompt]:
    """Prompts with videos of noise."""
    source = noise_source(shape, patch_of(policy.model), PROMPTS)
    return policy.encode([(STVG.prompt(ASKED, "short"), source.load(one).clip) for one in source.samples])


class Batch:
    """Prompts that were read, and their completions, decoded step by step.

    Args:
        policy: Decodes them.
        prompts: The prompts.
        repeats: Completions of each.
        how: Their length; the likeliest token is taken.
    """

    def __init__(self, policy: Policy, prompts: list[VideoPrompt], repeats: int, how: Sampling) -> None:
        self.policy, self.prompts, self.repeats, self.how = policy, prompts, repeats, how
        self.features = policy.encode_videos(prompts)
        prefix = read_prompts(policy, prompts, [repeats] * len(prompts), self.features)
        none = torch.zeros(1, 0, dtype=torch.long, device=prefix.start.device)
        self.kept: Kept = {}
        hidden = shared_prefix._read(policy, prefix, none, none[0], [[]] * len(prompts), self.kept)
        self.hidden = hidden.repeat_interleave(repeats, dim=0)
        self.lengths, self.turns = prefix.lengths, shared_prefix._turns(policy, prefix, how.max_new_tokens)
        self.drawn = torch.zeros(len(prompts), repeats, how.max_new_tokens, dtype=torch.long, device=hidden.device)
        self.unit = torch.eye(self.turns[0].shape[-1], dtype=hidden.dtype, device=hidden.device)

    def whole(self) -> list[list[int]]:
        """A rollout as the engine does it: the prompts are read, then the completions decoded."""
        return sample(self.policy, self.prompts, self.repeats, self.how, self.features)

    def growing(self) -> Decoding:
        """Completions of no token yet."""
        return Decoding(self.kept, self.lengths, self.repeats, self.how.max_new_tokens)

    @torch.inference_mode()
    def decode(self) -> torch.Tensor:
        """The second half of it."""
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

    @torch.inference_mode()
    def _step(self, growing: Decoding, step: int) -> None:
        """Draw the token of a step, after the one before it was fed."""
        hidden = self.hidden
        if step:
            turned = (turn[step - 1] for turn in self.turns)
            matrix = rotated(self.unit, *turned, adjacent=self.policy.family.adjacent)
            hidden = shared_prefix._grow(self.policy, growing, self.drawn[:, :, step - 1], matrix)
        self.drawn[:, :, step] = self.policy.answer_logits(hidden).argmax(-1).view(-1, self.repeats)
