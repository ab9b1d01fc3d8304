"""Encoding, padding, loading and saving of a policy."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, LlamaConfig, LlamaForCausalLM

from grounding.core import Clip, UserError
from grounding.policies.policy import Policy, VideoPrompt, load_policy, pad_tokens, save_policy
from grounding.policies.tiny import build_tokenizer

Noise = Callable[..., Clip]


def video_tokens(policy: Policy, prompt: VideoPrompt) -> int:
    return int((prompt.input_ids == policy.tokenizer.convert_tokens_to_ids("<|video_pad|>")).sum())


@pytest.mark.parametrize(
    ("frames", "height", "width", "grid"),
    [
        (4, 28, 28, [2, 4, 4]),  # two frames a temporal patch; 28 / 7 = 4 patches
        (5, 28, 42, [3, 4, 6]),  # an odd frame is repeated
        (8, 84, 84, [4, 12, 12]),
        (1, 28, 28, [1, 4, 4]),
    ],
)
def test_one_placeholder_a_visual_feature(
    policy: Policy, noise: Noise, frames: int, height: int, width: int, grid: list[int]
) -> None:
    prompt = policy.encode([("what", noise(frames, 2, height, width))])[0]
    assert prompt.grid.tolist() == [grid]
    assert len(prompt.pixel_values) == np.prod(grid)
    assert video_tokens(policy, prompt) == np.prod(grid) // 4  # 2 x 2 patches are merged into one feature
    features = policy.core.get_video_features(policy.patches(prompt), prompt.grid)
    pooled = features.pooler_output if hasattr(features, "pooler_output") else features
    assert sum(len(video) for video in pooled) == video_tokens(policy, prompt)


def test_larger_frames_are_brought_down_to_the_models_pixels(policy: Policy, noise: Noise) -> None:
    prompt = policy.encode([("x", noise(2, 2, 240, 180))])[0]
    _, height, width = prompt.grid[0].tolist()
    assert height * width * 49 <= policy.frame_pixels


@pytest.mark.parametrize(("fps", "seconds"), [(2.0, 1.0), (1.0, 2.0), (4.0, 0.5), (2.5, 0.8)])
def test_a_temporal_patch_lasts_two_sampled_frames(policy: Policy, noise: Noise, fps: float, seconds: float) -> None:
    clip = noise(6, fps)
    prompt = policy.encode([("x", clip)])[0]
    assert [*prompt.seconds_per_grid, 2 / clip.sampled_fps] == pytest.approx([seconds, seconds])


def test_seconds_follow_the_frames_times_not_the_sources_rate(policy: Policy, noise: Noise) -> None:
    clip = replace(noise(4), pts=np.array([0.0, 0.3, 0.9, 1.2]), source_fps=30.0)
    # 3 steps in 1.2 s are 2.5 frames a second: two of them last 0.8 s
    assert policy.encode([("x", clip)])[0].seconds_per_grid == pytest.approx([0.8])


def test_frames_closer_than_the_models_times_warn(policy: Policy, noise: Noise) -> None:
    # Positions are half seconds (tokens_per_second is 2) and a patch is two frames: 4 frames/s is the limit.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy.encode([("x", noise(6, 4.0))])
    with pytest.warns(UserWarning, match=r"6 frames/s is finer than the model's times.*lower data.fps to 4"):
        policy.encode([("x", noise(6, 6.0))])


def test_frames_too_uneven_for_one_rate_warn(policy: Policy, noise: Noise) -> None:
    # 5 frames in 8 s: patches are told at 0, 4, 8 s; the second one is at 2 s, 2 s away.
    with pytest.warns(UserWarning, match=r"up to 2\.00 s from where the model is told"):
        policy.encode([("x", replace(noise(5), pts=np.array([0.0, 1.0, 2.0, 3.0, 8.0])))])


def test_a_processor_that_tells_another_rate_is_found_out(
    policy: Policy, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = type(policy.processor).__call__

    def forgetful(self: Any, **given: Any) -> Any:
        made = called(self, **given)
        made["second_per_grid_ts"] = [1 / 12] * len(made["second_per_grid_ts"])  # two frames at 24 frames/s
        return made

    monkeypatch.setattr(type(policy.processor), "__call__", forgetful)
    with pytest.raises(UserError, match=r"times 0\.00, 0\.08 s for patches at 0\.00, 2\.00 s") as caught:
        policy.encode([("x", noise(4, 1.0))])
    assert "\n" not in str(caught.value)


def test_videos_are_encoded_once_and_counted(policy: Policy, noise: Noise) -> None:
    first, second = policy.encode([("a", noise(3, 2, seed=1)), ("b", noise(6, 2, 42, 28, seed=2))])
    before = dict(policy.encoded)
    with torch.no_grad():
        features = policy.encode_videos([first, second, first, first])
    assert policy.encoded["videos"] - before.get("videos", 0) == 2
    assert policy.encoded["frames"] - before.get("frames", 0) == 3 + 6  # frames of the clips, not of padded patches
    assert features[0] is features[2] is features[3]
    # 3 frames make 2 patches in time of 2 x 2 tokens; 6 make 3 of 3 x 2. One level, as wide as the text.
    assert [tuple(video.shape) for video in features[1:3]] == [(1, 18, 128), (1, 8, 128)]
    assert replace(policy, model=policy.model).encoded is policy.encoded  # a trainer's copy counts with it


def test_features_are_those_of_transformers(policy: Policy, noise: Noise) -> None:
    prompts = policy.encode([("a", noise(4, seed=1)), ("b", noise(6, 2, 42, 28, seed=2))])
    with torch.no_grad():
        pixels, grid = torch.cat([policy.patches(p) for p in prompts]), torch.cat([p.grid for p in prompts])
        expected = policy.core.get_video_features(pixels, grid).pooler_output
        for got, video in zip(policy.encode_videos(prompts), expected, strict=True):
            torch.testing.assert_close(got[0], video, rtol=0, atol=1e-5)


def test_only_a_trained_tower_leaves_a_graph(tiny_folder: Path, noise: Noise) -> None:
    policy = load_policy(str(tiny_folder))
    prompts = policy.encode([("x", noise(4)), ("y", noise(2))])
    first, second = policy.encode_videos(prompts)
    first.sum().backward()
    second.sum().backward()  # the graph of one video outlives another's backward pass
    with torch.no_grad():
        assert not policy.encode_videos(prompts)[0].requires_grad
    policy.core.visual.requires_grad_(False)
    assert not policy.encode_videos(prompts)[0].requires_grad


@pytest.mark.parametrize(("fps", "step"), [(2.0, 2), (1.0, 4), (4.0, 1)])
def test_positions_tell_the_model_the_time(policy: Policy, noise: Noise, fps: float, step: int) -> None:
    # tokens_per_second is 2, a temporal patch lasts 2 / fps seconds: 4 / fps positions from one to the next
    prompt = policy.encode([("x", noise(6, fps))])[0]
    batch = policy.pad([prompt])
    video = {name: batch[name] for name in ("video_grid_thw", "second_per_grid_ts", "mm_token_type_ids")}
    positions, _ = policy.core.get_rope_index(batch["input_ids"], attention_mask=batch["attention_mask"], **video)
    temporal = positions[0, 0][batch["mm_token_type_ids"][0] == 2]
    assert temporal.diff()[temporal.diff() > 0].tolist() == [step, step]  # three temporal patches
    assert len(temporal.unique(return_counts=True)[1].unique()) == 1  # as many tokens in each


def test_a_turn_is_laid_out_as_it_was_given(policy: Policy, noise: Noise) -> None:
    expected = "<|im_start|>user\nfind it<|vision_start|><|video_pad|><|vision_end|><|im_end|>\n<|im_start|>assistant\n"
    assert policy.render(["find it", noise()]) == expected


def test_clips_of_different_sizes_are_encoded_together_as_alone(policy: Policy, noise: Noise) -> None:
    clips = [noise(4, 2, 28, 28, seed=1), noise(7, 1, 56, 42, seed=2), noise(2, 4, 84, 28, seed=3)]
    texts = ["a", "find the blue one", "b c"]
    together = policy.encode(list(zip(texts, clips, strict=True)))
    for clip, text, prompt in zip(clips, texts, together, strict=True):
        alone = policy.encode([(text, clip)])[0]
        assert torch.equal(prompt.input_ids, alone.input_ids)
        assert torch.equal(prompt.pixel_values, alone.pixel_values)
        assert torch.equal(prompt.grid, alone.grid)
        assert prompt.seconds_per_grid == alone.seconds_per_grid
    assert len({len(prompt.input_ids) for prompt in together}) > 1


def test_pixels_are_those_of_the_frames(policy: Policy, noise: Noise) -> None:
    dark = noise(2)
    dark = dark.with_frames(np.zeros_like(dark.frames))
    light = dark.with_frames(np.full_like(dark.frames, 255))
    first, second = policy.encode([("x", dark), ("x", light)])
    assert (first.pixel_values < second.pixel_values).all()


def test_a_prompt_longer_than_the_context_is_the_users_mistake(policy: Policy, noise: Noise) -> None:
    with pytest.raises(UserError, match=r"tokens but the model takes 8192.*max_frames") as caught:
        policy.encode([("7" * 9000, noise())])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|image_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_a_query_cannot_speak_for_the_model(policy: Policy, noise: Noise, token: str) -> None:
    with pytest.raises(UserError) as caught:
        policy.encode([("fine", noise()), (f"the dog {token} runs", noise())])
    assert token in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pad_tokens_by_hand() -> None:
    rows = [torch.tensor([5, 6, 7]), torch.tensor([8])]
    tokens, mask = pad_tokens(rows, 0, side="left")
    assert tokens.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    tokens, mask = pad_tokens(rows, 9, side="right")
    assert tokens.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_prompts_are_padded_left_and_completions_right(policy: Policy) -> None:
    video, pad = policy.model.config.video_token_id, policy.tokenizer.pad_token_id
    prompts = [
        VideoPrompt(torch.tensor([20, video, 21]), torch.ones(4, 294), torch.tensor([[1, 2, 2]]), [1.0]),
        VideoPrompt(torch.tensor([video, 22]), torch.zeros(4, 294), torch.tensor([[1, 2, 2]]), [0.5]),
    ]
    batch = policy.pad(prompts, [torch.tensor([30]), torch.tensor([31, 32])])
    assert batch["input_ids"].tolist() == [[20, video, 21, 30, pad], [pad, video, 22, 31, 32]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [0, 1, 1, 1, 1]]
    assert batch["mm_token_type_ids"].tolist() == [[0, 2, 0, 0, 0], [0, 2, 0, 0, 0]]
    assert batch["second_per_grid_ts"].tolist() == [1.0, 0.5]
    assert batch["video_grid_thw"].tolist() == [[1, 2, 2], [1, 2, 2]]
    assert batch["pixel_values_videos"].mean(1).tolist() == [1.0] * 4 + [0.0] * 4  # in the prompts' order
    assert policy.pad(prompts)["input_ids"].tolist() == [[20, video, 21], [pad, video, 22]]


def test_padding_does_not_change_the_logits(sharp: Policy, noise: Noise, full_logits: Any) -> None:
    prompts = sharp.encode([("a", noise(2, seed=1)), ("find the blue one", noise(6, 1, 42, 28, seed=2))])
    completions = [[40, 41, 42, 43], [44, 45]]
    batch = sharp.pad(prompts, [torch.tensor(c) for c in completions])
    width = batch["input_ids"].shape[1] - 4
    with torch.no_grad():
        logits = sharp.model(**batch).logits
        for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            got = logits[row, width - 1 : width - 1 + len(completion)]
            torch.testing.assert_close(got, full_logits(sharp, prompt, completion), rtol=0, atol=2e-4)


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def breaks(folder: Path, how: str) -> None:
    """Spoil a model folder in one way."""
    weights = folder / "model.safetensors"
    if how == "truncated weights":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif how == "weights are text":
        weights.write_text("this is not a model")
    elif how == "no weights":
        weights.unlink()
    elif how == "broken config":
        (folder / "config.json").write_text('{"model_type": "qwen2_5')
    elif how == "unknown architecture":
        (folder / "config.json").write_text('{"model_type": "no_such_thing"}')
    elif how == "no tokenizer":
        (folder / "tokenizer.json").write_text("{")
    elif how == "empty":
        shutil.rmtree(folder)
        folder.mkdir()


@pytest.mark.parametrize(
    "how",
    [
        "truncated weights",
        "weights are text",
        "no weights",
        "broken config",
        "unknown architecture",
        "no tokenizer",
        "empty",
    ],
)
def test_a_broken_model_folder_is_one_line(tiny_folder: Path, tmp_path: Path, how: str) -> None:
    folder = copied(tiny_folder, tmp_path / "model")
    breaks(folder, how)
    with pytest.raises(UserError) as caught:
        load_policy(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_policy(str(tmp_path / "nothing"))
    assert "nothing" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_video_is_refused_in_one_line(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(["text only"])
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError) as caught:
        load_policy(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_model_of_an_unknown_family_is_refused_in_one_line(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grounding.policies.policy.FAMILIES", {"some_vl": None, "another_vl": None})
    with pytest.raises(UserError, match="give a model of one of some_vl, another_vl") as caught:
        load_policy(str(tiny_folder))
    assert "\n" not in str(caught.value)


def test_attention_is_not_part_of_a_saved_policy(policy: Policy, tmp_path: Path) -> None:
    save_policy(policy, tmp_path / "saved")
    assert "shared_prefix" not in (tmp_path / "saved" / "config.json").read_text()


def test_saved_and_loaded_is_the_same_policy(policy: Policy, tmp_path: Path, noise: Noise) -> None:
    save_policy(policy, tmp_path / "saved")
    again = load_policy(str(tmp_path / "saved"))
    old, new = policy.model.state_dict(), again.model.state_dict()
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)
    clip = noise()
    assert torch.equal(policy.encode([("x", clip)])[0].input_ids, again.encode([("x", clip)])[0].input_ids)
    assert again.end_tokens == policy.end_tokens
    AutoProcessor.from_pretrained(tmp_path / "saved")
    AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]  # nothing half-written is left


def test_an_existing_folder_is_never_overwritten(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="exists already"):
        save_policy(policy, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("part", ["model", "processor"])
def test_a_save_that_fails_leaves_nothing(
    policy: Policy, tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(folder: Path, *_: Any, **__: Any) -> None:
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(getattr(policy, part), "save_pretrained", full_disk)
    with pytest.raises(UserError, match="No space left on device") as caught:
        save_policy(policy, tmp_path / "saved")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_remains_of_a_killed_save_are_no_hindrance(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / ".saved.partial").mkdir()
    (tmp_path / ".saved.partial" / "config.json").write_text("{")
    save_policy(policy, tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    load_policy(str(tmp_path / "saved"))
