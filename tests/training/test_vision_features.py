"""A video is encoded once a generation, also by a tower that learns from it, and nothing else changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from grounding.datasets.toy import toy_source
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.vision_features import VisionFeatures
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator, make_examples
from grounding.training.grpo import trl_config
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))
SOURCE = toy_source(5_000_000, 8, fps=1.0)
RUN = str(Path(__file__).parents[1] / "commands" / "small_run.py")
DDP = str(Path(__file__).parents[2] / "scripts" / "accelerate" / "ddp.yaml")


@pytest.fixture
def own(fresh: Callable[[], Policy]) -> Policy:
    return fresh()


@pytest.fixture
def prompts(own: Policy) -> list[VideoPrompt]:
    loaded = [SOURCE.load(sample) for sample in SOURCE.samples[:2]]
    return [example.prompt for example in make_examples(loaded, own, ASKING)]


def frames(policy: Policy, before: int = 0) -> int:
    """Frames encoded since there were `before`."""
    return policy.encoded["frames"] - before


def gradients(policy: Policy, features: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a sum in which every feature has a weight of its own."""
    policy.model.zero_grad()
    made = torch.Generator().manual_seed(0)
    sum((x * torch.randn(x.shape, generator=made)).sum() for x in features).backward()
    return {name: p.grad.clone() for name, p in policy.core.visual.named_parameters() if p.grad is not None}


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_update_flows_through_what_the_rollout_read(own: Policy, prompts: list[VideoPrompt]) -> None:
    expected = gradients(own, own.encode_videos(prompts))
    assert any(float(gradient.norm()) > 0 for gradient in expected.values())
    vision, before = VisionFeatures(frozen=False), frames(own)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        read, again = vision.of(own, prompts), vision.of(own, prompts[::-1])
    assert not any(one.requires_grad for one in read)
    assert read[0] is again[1] and read[1] is again[0]
    learnt = vision.of(own, prompts)
    assert all(torch.equal(a, b) for a, b in zip(read, learnt, strict=True))
    assert equal(gradients(own, learnt), expected)  # to the bit
    assert frames(own, before) == sum(prompt.frames for prompt in prompts)


def test_a_second_update_encodes_anew(own: Policy, prompts: list[VideoPrompt]) -> None:
    vision = VisionFeatures(frozen=False)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        vision.of(own, prompts)
    gradients(own, vision.of(own, prompts))
    with torch.no_grad():
        own.core.visual.merger.mlp[2].bias.add_(1.0)  # an optimizer's step
    before = frames(own)
    second = vision.of(own, prompts)
    assert frames(own, before) == sum(prompt.frames for prompt in prompts)
    assert equal(gradients(own, second), gradients(own, own.encode_videos(prompts)))


def test_a_video_that_was_not_read_before_is_encoded_beside_one_that_was(
    own: Policy, prompts: list[VideoPrompt]
) -> None:
    vision = VisionFeatures(frozen=False)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        vision.of(own, prompts[:1])
    before = frames(own)
    got = vision.of(own, [prompts[1], prompts[0], prompts[1]])
    assert frames(own, before) == prompts[1].frames
    assert got[0] is got[2]
    one, other = own.encode_videos(prompts)
    assert equal(gradients(own, got), gradients(own, [other, one, other]))


def test_where_several_passes_learn_no_graph_waits(own: Policy, prompts: list[VideoPrompt]) -> None:
    vision = VisionFeatures(frozen=False)
    vision.forget()
    graphs: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: graphs.append(1) or t, lambda t: t), torch.no_grad():
        vision.of(own, prompts)
    assert not graphs
    before = frames(own)
    assert all(one.requires_grad for one in vision.of(own, prompts))
    assert frames(own, before) == sum(prompt.frames for prompt in prompts)


def test_a_references_tower_learns_nothing(
    own: Policy, fresh: Callable[[], Policy], prompts: list[VideoPrompt]
) -> None:
    reference, vision = replace(own, model=fresh().model), VisionFeatures(frozen=False)
    vision.forget(learning=own.core.visual)
    graphs: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: graphs.append(1) or t, lambda t: t), torch.no_grad():
        vision.of(reference, prompts)
        assert not graphs
        vision.of(own, prompts)
    assert graphs
    assert all(one.requires_grad for one in vision.of(own, prompts))


def test_a_new_generation_keeps_nothing(own: Policy, prompts: list[VideoPrompt]) -> None:
    vision = VisionFeatures(frozen=False)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        before = vision.of(own, prompts)
        own.core.visual.merger.mlp[2].bias.add_(1.0)
        vision.forget(learning=own.core.visual)
        after = vision.of(own, prompts)
    # The last bias is added to every feature.
    torch.testing.assert_close(after[0], before[0] + 1.0, rtol=0, atol=1e-5)
    assert equal(gradients(own, vision.of(own, prompts)), gradients(own, own.encode_videos(prompts)))


def test_a_frozen_tower_is_cached_and_leaves_no_graph(own: Policy, prompts: list[VideoPrompt]) -> None:
    own.core.visual.requires_grad_(False)
    vision = VisionFeatures(frozen=True, cache=EmbeddingCache("tower", None, ram_bytes=2**24, disk_bytes=0))
    before = frames(own)
    for _ in range(2):
        vision.forget(learning=own.core.visual)
        with torch.no_grad():
            vision.of(own, prompts)
        assert not any(one.requires_grad for one in vision.of(own, prompts))
    assert frames(own, before) == sum(prompt.frames for prompt in prompts)


def test_gradient_checkpointing_takes_part(own: Policy, prompts: list[VideoPrompt]) -> None:
    expected = gradients(own, own.encode_videos(prompts[:1]))
    own.model.gradient_checkpointing_enable({"use_reentrant": False})
    own.model.eval()  # as while completions are drawn
    calls: list[int] = []
    own.core.visual.blocks[0].attn.register_forward_hook(lambda *_: calls.append(1))
    vision = VisionFeatures(frozen=False)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        vision.of(own, prompts[:1])
    assert not any(module.training for module in own.core.visual.modules())
    assert len(calls) == 1
    assert equal(gradients(own, vision.of(own, prompts[:1])), expected)
    assert len(calls) == 2  # once again in the backward pass


def test_the_rollout_reads_what_an_update_would_compute(own: Policy, prompts: list[VideoPrompt]) -> None:
    autocast = partial(torch.autocast, "cpu", torch.bfloat16)
    vision = VisionFeatures(frozen=False, autocast=autocast)
    vision.forget(learning=own.core.visual)
    with torch.no_grad():
        read = vision.of(own, prompts[:1])[0]
    with autocast():
        expected = own.encode_videos(prompts[:1])[0]
    assert torch.equal(read, expected)
    assert not torch.equal(read, own.encode_videos(prompts[:1])[0])


def trained(policy: Policy, config: Config, folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    args = trl_config(config, folder)
    args.optim = "sgd"
    trainer = VideoGRPOTrainer(
        policy, STVG, {"letters": 1.0}, Collator(SOURCE, policy, ASKING, keep=8), draws_of(args, 8), args
    )
    trainer.train()
    return policy.model.state_dict(), [row for row in trainer.state.log_history if "loss" in row]


@pytest.mark.parametrize("iterations", [1, 2])
def test_a_generation_of_one_pass_learns_the_same_from_one_encoding(
    fresh: Callable[[], Policy],
    config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    iterations: int,
) -> None:
    monkeypatch.setitem(REWARDS, "letters", lambda answer, truth, meta: sum(map(ord, meta.text)) % 11 / 10)
    small = config(objective={"lr": 0.1, "clip": 1e9, "iterations": iterations, "beta": 0.04}, trainer={"max_steps": 2})
    once, logged = trained(fresh(), small, tmp_path / "once")
    assert logged[0]["vision/encodings_per_frame"] == 1 + 1  # the reference's tower is another one
    forget = VisionFeatures.forget
    monkeypatch.setattr(VisionFeatures, "forget", lambda self, learning=None: forget(self))
    twice, more = trained(fresh(), small, tmp_path / "twice")
    assert more[0]["vision/encodings_per_frame"] == 2 + 1
    assert equal(once, twice)
    assert [row["loss"] for row in logged] == [row["loss"] for row in more]
    begin = fresh().model.state_dict()
    assert any(not torch.equal(begin[name], once[name]) for name in begin if "visual" in name)


@pytest.mark.slow
def test_two_processes_learn_from_one_encoding_like_one(tmp_path: Path) -> None:
    # A pass of all groups: one process has four of them, two have two each, and each pass is a whole generation.
    changes = {
        "trainer": {"prompts": 4, "groups_per_pass": 4, "max_steps": 2},
        "data": {"train_clips": 50},
        "objective": {"lr": 0.5, "clip": 1e9},  # of SGD
    }
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--config_file", DDP]
    for name, command in {"one": [sys.executable], "two": launch}.items():
        line = [*command, RUN, str(tmp_path / name), json.dumps(changes)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(row) for row in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert [row["vision/encodings_per_frame"] for row in rows if "vision/encodings_per_frame" in row] == [1.0, 1.0]
    begin, one, two = (
        load_file(tmp_path / n / "model.safetensors") for n in ("one/warmup/model", "one/model", "two/model")
    )
    tower = [name for name in one if "visual" in name]
    moved = max(float((one[name] - begin[name]).abs().max()) for name in tower)
    apart = max(float((one[name] - two[name]).abs().max()) for name in one)
    assert moved > 1e-3
    assert apart < 1e-4 * max(moved, 1e-2)
