"""Other families than Qwen2.5-VL: the shared prefix changes nothing, and the model is told when each frame is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Clip, UserError
from grounding.policies.families import FAMILIES, Glm4V, Qwen3VL, Qwen25VL
from grounding.policies.policy import Policy, VideoPrompt, pad_tokens
from grounding.policies.shared_prefix import Sampling, log_probs, read_prompts, sample

Noise = Callable[..., Clip]
Logits = Callable[[Policy, VideoPrompt, list[int]], torch.Tensor]

REPEATS = [2, 1]
COMPLETIONS = [[40, 50, 60, 70, 80], [90, 91], [100, 101, 102]]


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Completions as `log_probs` takes them."""
    return pad_tokens([torch.tensor(row) for row in rows], 0, side="right")


@pytest.fixture(scope="module")
def prompts(other: Policy, noise: Noise) -> list[VideoPrompt]:
    clips = [noise(6, 1, 28, 28, seed=1), noise(4, 2, 42, 28, seed=2)]
    return other.encode(list(zip(["a", "find the blue square there"], clips, strict=True)))


def shared(policy: Policy, prompts: list[VideoPrompt], shift: int = 0) -> list[torch.Tensor]:
    prefix = read_prompts(policy, prompts, REPEATS)
    tokens, mask = padded(COMPLETIONS)
    logp, _ = log_probs(policy, replace(prefix, start=prefix.start + shift), tokens, mask)
    return [row[: len(said)] for row, said in zip(logp, COMPLETIONS, strict=True)]


def plain(full_logits: Logits, policy: Policy, prompts: list[VideoPrompt]) -> list[torch.Tensor]:
    rows = [prompt for prompt, count in zip(prompts, REPEATS, strict=True) for _ in range(count)]
    logps = [torch.log_softmax(full_logits(policy, p, c), -1) for p, c in zip(rows, COMPLETIONS, strict=True)]
    return [logp.gather(-1, torch.tensor(said)[:, None])[:, 0] for logp, said in zip(logps, COMPLETIONS, strict=True)]


def gradients(policy: Policy, rows: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    weights = torch.randn(sum(map(len, rows)), generator=torch.Generator().manual_seed(3))
    policy.model.zero_grad()
    (torch.cat(rows) * weights).sum().backward()
    found = {name: p.grad.clone() for name, p in policy.model.named_parameters() if p.grad is not None}
    policy.model.zero_grad()
    return found


def test_log_probs_and_gradients_are_those_of_full_sequences(
    other: Policy, prompts: list[VideoPrompt], full_logits: Logits
) -> None:
    ours, full = shared(other, prompts), plain(full_logits, other, prompts)
    assert max(float((a - b).detach().abs().max()) for a, b in zip(ours, full, strict=True)) < 2e-5
    got, expected = gradients(other, ours), gradients(other, full)
    assert got.keys() == expected.keys()
    assert any("visual" in name for name in got)
    for name, gradient in expected.items():
        assert (got[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name


@torch.no_grad()
def test_the_comparison_sees_shifted_completions(
    other: Policy, prompts: list[VideoPrompt], full_logits: Logits
) -> None:
    ours, full = shared(other, prompts, shift=3), plain(full_logits, other, prompts)
    assert max(float((a - b).detach().abs().max()) for a, b in zip(ours, full, strict=True)) > 0.1


def test_greedy_is_transformers_generate_token_for_token(other: Policy, prompts: list[VideoPrompt]) -> None:
    placeholders = [other.model.config.image_token_id, other.model.config.video_token_id]
    batch = other.pad(prompts)
    output = other.model.generate(**batch, do_sample=False, max_new_tokens=10, suppress_tokens=placeholders)
    whole = output[:, batch["input_ids"].shape[1] :].tolist()
    rows = sample(other, prompts, 2, Sampling(10, temperature=0.0))
    for row, expected in zip(rows, [whole[0], whole[0], whole[1], whole[1]], strict=True):
        assert row == expected[: len(row)]
        assert len(row) == 10 or row[-1] in other.end_tokens


@torch.no_grad()
def test_features_count_as_transformers_do(other: Policy, prompts: list[VideoPrompt]) -> None:
    levels = 1 + len(getattr(other.model.config.vision_config, "deepstack_visual_indexes", []))
    for prompt, features in zip(prompts, other.encode_videos(prompts), strict=True):
        assert features.shape == (levels, int(prompt.grid.prod()) // 4, 64)


@torch.no_grad()
def test_every_level_of_the_features_counts(other: Policy, prompts: list[VideoPrompt]) -> None:
    features = other.encode_videos(prompts[:1])[0]
    tokens, mask = padded(COMPLETIONS[:1])

    def scores(made: torch.Tensor) -> torch.Tensor:
        return log_probs(other, read_prompts(other, prompts[:1], [1], [made]), tokens, mask)[0]

    before = scores(features)
    for level in range(len(features)):
        changed = features.clone()
        changed[level] = changed[level].flip(0)
        assert (scores(changed) - before).abs().max() > 1e-3


def test_patches_are_bytes_until_the_device_and_then_the_processors_own(other: Policy, noise: Noise) -> None:
    clip = noise(4, 1, 84, 60)
    prompt = other.encode([("x", clip)])[0]
    assert prompt.pixel_values.dtype == torch.uint8
    own = other.processor.video_processor(
        [torch.from_numpy(clip.frames).permute(0, 3, 1, 2)], do_sample_frames=False, return_tensors="pt"
    )
    torch.testing.assert_close(other.patches(prompt), own["pixel_values_videos"], rtol=0, atol=1e-6)


# Frames at 0, 0.5, 1.2, 3.04, 3.1 s: patches of two frames, the last frame repeated.
UNEVEN = np.array([0.0, 0.5, 1.2, 3.04, 3.1])


def test_uneven_times_reach_the_model_exactly(other: Policy, noise: Noise) -> None:
    prompt = other.encode([("x", replace(noise(5), pts=UNEVEN))])[0]
    text = other.tokenizer.decode(prompt.input_ids)
    told = other.family.told(text, [0.0], [3])
    if isinstance(other.family, Glm4V):
        assert told.tolist() == [0, 1, 3]  # whole seconds of 0, 1.2, 3.1
    else:
        assert told.tolist() == [0.2, 2.1, 3.1]  # (0 + 0.5) / 2 = 0.25, (1.2 + 3.04) / 2 = 2.12, 3.1; one decimal


def test_a_single_frame_is_a_video(other: Policy, noise: Noise) -> None:
    prompt = other.encode([("x", noise(1))])[0]
    assert prompt.grid.tolist() == [[1, 4, 4]]
    assert prompt.frames == 1


def test_frames_closer_than_the_models_times_warn(other: Policy, noise: Noise) -> None:
    limit = 2 / other.family.resolution(other.model.config)  # two frames a patch
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other.encode([("x", noise(6, limit))])
    with pytest.warns(UserWarning, match=rf"{limit * 1.5:.3g} frames/s is finer.*lower data.fps to {limit:g}"):
        other.encode([("x", noise(6, limit * 1.5))])


def test_a_processor_that_tells_other_times_is_found_out(
    other: Policy, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Any = other.family.metadata
    monkeypatch.setattr(type(other.family), "metadata", lambda self, clip: _twice_as_fast(told(clip)))
    with pytest.raises(UserError, match="tells the model times") as caught:
        other.encode([("x", noise(8, 1))])
    assert "\n" not in str(caught.value)


def _twice_as_fast(metadata: Any) -> Any:
    metadata.fps *= 2
    return metadata


def test_families_by_transformers_name() -> None:
    assert {name: type(family) for name, family in FAMILIES.items()} == {
        "qwen2_5_vl": Qwen25VL,
        "qwen3_vl": Qwen3VL,
        "glm4v": Glm4V,
    }
