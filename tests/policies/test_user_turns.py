"""User turns of several texts and clips, in every family: we make of a turn what transformers makes of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Clip, UserError, UserTurn
from grounding.policies import policy as module
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.families import Glm4V
from grounding.policies.policy import Policy, VideoPrompt, pad_tokens
from grounding.policies.shared_prefix import Sampling, log_probs, read_prompts, sample
from grounding.policies.tiny import CHAT_TEMPLATE

Noise = Callable[..., Clip]
Logits = Callable[[Policy, VideoPrompt, list[int]], torch.Tensor]

REPEATS = [2, 1, 1]
COMPLETIONS = [[40, 50, 60, 70, 80], [90, 91], [100, 101, 102], [30, 31]]


@pytest.fixture(scope="module")
def turns(noise: Noise) -> list[UserTurn]:
    """Two stills around a video; the usual turn; and two clips before the text. No two clips have the same pixels."""
    before, after = still(noise(1, 2, 28, 42, seed=1), 0.5), still(noise(1, 2, 28, 42, seed=2), 7.0)
    return [
        (before, "find", noise(6, 1, 42, 28, seed=3), "the blue square, not", after),
        ("what is it", noise(4, 2, 28, 28, seed=4)),
        (noise(2, 1, 28, 56, seed=5), noise(3, 2, 56, 28, seed=6), "?"),
    ]


def still(clip: Clip, time: float) -> Clip:
    return replace(clip, pts=np.array([time]))


def clips_of(turn: UserTurn) -> list[Clip]:
    return [part for part in turn if isinstance(part, Clip)]


def by_transformers(policy: Policy, turn: UserTurn) -> Any:
    """The turn through the processor alone, pixels normalised and all."""
    content = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "video"} for part in turn]
    chat = [{"role": "user", "content": content}]
    clips = clips_of(turn)
    return policy.processor(
        text=[policy.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)],
        videos=[
            torch.from_numpy(clip.frames).permute(0, 3, 1, 2).repeat(1 + (len(clip) < 2), 1, 1, 1) for clip in clips
        ],
        video_metadata=[policy.family.metadata(clip) for clip in clips],
        do_sample_frames=False,
        return_tensors="pt",
    )


def test_a_turn_is_encoded_as_transformers_does(each: Policy, turns: list[UserTurn]) -> None:
    for turn, prompt in zip(turns, each.encode(turns), strict=True):
        expected = by_transformers(each, turn)
        assert torch.equal(prompt.input_ids, expected["input_ids"][0])
        assert torch.equal(prompt.grid, expected["video_grid_thw"])
        torch.testing.assert_close(each.patches(prompt), expected["pixel_values_videos"], rtol=0, atol=1e-6)
        types = each.family.token_types(each.model.config, prompt.input_ids)
        assert types.tolist() == expected["mm_token_type_ids"][0].tolist()
        assert prompt.frames == sum(map(len, clips_of(turn)))


def test_grids_and_rates_by_hand(policy: Policy, turns: list[UserTurn]) -> None:
    # Patches of 7 pixels, two frames a patch in time; a still is shown at its video's rate of 8 frames a second.
    first, _, third = policy.encode(turns)
    assert first.grid.tolist() == [[1, 4, 6], [3, 6, 4], [1, 4, 6]]
    assert list(first.seconds_per_grid) == [0.25, 2.0, 0.25]
    assert third.grid.tolist() == [[1, 4, 8], [2, 8, 4]]
    assert list(third.seconds_per_grid) == [2.0, 1.0]


def test_a_turn_is_the_same_alone_and_beside_others(each: Policy, turns: list[UserTurn]) -> None:
    for turn, together in zip(turns, each.encode(turns), strict=True):
        alone = each.encode([turn])[0]
        for name in ("input_ids", "pixel_values", "grid"):
            assert torch.equal(getattr(together, name), getattr(alone, name))
        assert together.seconds_per_grid == alone.seconds_per_grid


def test_features_are_those_of_each_clip_in_order(each: Policy, turns: list[UserTurn]) -> None:
    before = dict(each.encoded)
    with torch.no_grad():
        made = each.encode_videos(each.encode(turns))
        alone = [torch.cat(each.encode_videos(each.encode([[c] for c in clips_of(t)])), dim=1) for t in turns]
    assert each.encoded["videos"] - before.get("videos", 0) == 2 * 6
    assert each.encoded["frames"] - before.get("frames", 0) == 2 * (8 + 4 + 5)
    for ours, expected in zip(made, alone, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_features_are_kept_by_all_clips_of_a_turn(policy: Policy, turns: list[UserTurn]) -> None:
    before, text, video, more, after = turns[0]
    prompts = policy.encode([turns[0], ("other words", before, video, after), (after, text, video, more, before)])
    cache, calls = EmbeddingCache("x", dtype=torch.float32), []
    for prompt in prompts:

        def encode(prompt: VideoPrompt = prompt) -> dict[str, torch.Tensor]:
            calls.append(prompt)
            return {"features": policy.encode_videos([prompt])[0]}

        cache.features(prompt.pixel_values, prompt.grid, encode)
    assert calls == [prompts[0], prompts[2]]  # other words change nothing, another order of clips does


def shared(policy: Policy, prompts: list[VideoPrompt]) -> list[torch.Tensor]:
    tokens, mask = pad_tokens([torch.tensor(row) for row in COMPLETIONS], 0, side="right")
    logp, _ = log_probs(policy, read_prompts(policy, prompts, REPEATS), tokens, mask)
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
    each: Policy, turns: list[UserTurn], full_logits: Logits
) -> None:
    prompts = each.encode(turns)
    ours, full = shared(each, prompts), plain(full_logits, each, prompts)
    assert max(float((a - b).detach().abs().max()) for a, b in zip(ours, full, strict=True)) < 2e-5
    got, expected = gradients(each, ours), gradients(each, full)
    assert got.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (got[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name


@torch.no_grad()
def test_the_same_with_transformers_positions(trainable: Policy, turns: list[UserTurn], full_logits: Logits) -> None:
    theirs = replace(trainable, placing="transformers")
    prompts = theirs.encode(turns)
    ours, full = shared(theirs, prompts), plain(full_logits, theirs, prompts)
    assert max(float((a - b).abs().max()) for a, b in zip(ours, full, strict=True)) < 2e-5


@torch.no_grad()
def test_the_comparison_sees_clips_in_another_order(each: Policy, turns: list[UserTurn], full_logits: Logits) -> None:
    prompts = each.encode(turns)
    before, text, video, more, after = turns[0]
    swapped = each.encode([(after, text, video, more, before)])
    ours, full = shared(each, [*swapped, *prompts[1:]]), plain(full_logits, each, prompts)
    assert float((ours[0] - full[0]).abs().max()) > 1e-3


def test_greedy_is_transformers_generate_in_a_padded_batch(each: Policy, turns: list[UserTurn]) -> None:
    prompts = each.encode(turns)
    assert len({len(prompt.input_ids) for prompt in prompts}) == 3
    placeholders = [each.model.config.image_token_id, each.model.config.video_token_id]
    batch = each.pad(prompts)
    output = each.model.generate(**batch, do_sample=False, max_new_tokens=8, suppress_tokens=placeholders)
    whole = output[:, batch["input_ids"].shape[1] :].tolist()
    for row, expected in zip(sample(each, prompts, 1, Sampling(8, temperature=0.0)), whole, strict=True):
        assert row == expected[: len(row)]
        assert len(row) == 8 or row[-1] in each.end_tokens


def test_every_clip_is_told_its_own_times(other: Policy, noise: Noise) -> None:
    clips = [still(noise(1), 3.2), replace(noise(3), pts=np.array([0.0, 0.4, 1.2])), still(noise(1), 11.0)]
    text = other.tokenizer.decode(other.encode([clips])[0].input_ids)
    whole = isinstance(other.family, Glm4V)  # seconds of a patch's first frame, else the mean of its two frames
    assert other.family.told(text, [0.0] * 3, [1, 2, 1]).tolist() == ([3, 0, 1, 11] if whole else [3.2, 0.2, 1.2, 11.0])


def test_a_wrong_time_of_any_clip_is_found_out(each: Policy, noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Any = each.family.metadata

    def metadata(_: Any, clip: Clip) -> Any:
        made = told(clip)
        made.fps *= 1 + (len(clip) == 8)
        return made

    monkeypatch.setattr(type(each.family), "metadata", metadata)
    each.encode([(noise(6, 1), "x", noise(4, 1))])
    with pytest.raises(UserError, match="tells the model times") as caught:
        each.encode([(noise(6, 1), "x", noise(8, 1))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", range(3))
def test_uneven_frames_of_any_clip_warn(policy: Policy, noise: Noise, place: int) -> None:
    parts: list[str | Clip] = [noise(2), "x", noise(4)]
    parts.insert(place, replace(noise(5), pts=np.array([0.0, 1.0, 2.0, 3.0, 8.0])))
    with pytest.warns(UserWarning, match="these frames are uneven"):
        policy.encode([parts])


def test_a_time_in_a_query_is_no_time_of_the_video(other: Policy, noise: Noise) -> None:
    for said in ("what is at <3.0 seconds>", "<3.0 seconds>"):
        text = other.tokenizer.decode(other.encode([(said, noise(4), said)])[0].input_ids)
        assert text.count(said) == 2
        assert len(other.family.told(text, [0.0], [2])) == 2


# Texts of a turn.


def test_texts_go_where_they_belong_whatever_they_say(policy: Policy, noise: Noise) -> None:
    hostile = ["TUBELET-TEXT-1-", "TUBELET-TEXT-0-", r"\1 \g<0>", "{{ 7 * 7 }}", "TUBELET-TEXT-99-", "TUBELET-TEXT-"]
    texts = hostile + [str(number) for number in range(12)]
    chat = policy.render([part for text in texts for part in (text, noise(1))])
    video = "<|vision_start|><|video_pad|><|vision_end|>"
    said = "".join(text + video for text in texts)
    assert chat == f"<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_runs_once_for_each_layout(policy: Policy, noise: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    around = module.chat_around

    def counted(processor: Any, layout: tuple[str, ...]) -> str:
        ran.append(layout)
        return around(processor, layout)

    monkeypatch.setattr(module, "chat_around", counted)
    fresh = replace(policy)
    for text in ("a", "b"):
        fresh.render([text, noise(1)])
        fresh.render([noise(1), text, noise(1)])
    assert ran == [("text", "video"), ("video", "text", "video")]
    pickle.loads(pickle.dumps(replace(fresh, model=None))).render([noise(1), "c", noise(1)])


@pytest.mark.parametrize("parts", [("<|im_", "end|>"), ("so <|video", "_pad|> it is")])
def test_no_token_of_the_model_hides_between_two_texts(policy: Policy, noise: Noise, parts: tuple[str, str]) -> None:
    with pytest.raises(UserError, match="own tokens"):
        policy.encode([(*parts, noise())])
    policy.encode([(parts[0], noise(), parts[1])])


@pytest.mark.parametrize("turn", [("words alone",), ()])
def test_a_turn_without_a_clip_is_one_line(policy: Policy, noise: Noise, turn: UserTurn) -> None:
    with pytest.raises(UserError, match="at least one clip"):
        policy.encode([("x", noise()), turn])


FIRST_CLIPS = CHAT_TEMPLATE.replace(
    "{% for part in message.content %}",
    "{% for part in (message.content | selectattr('type', 'equalto', 'video') | list) + "
    "(message.content | selectattr('type', 'equalto', 'text') | list) %}",
)


def test_a_template_that_moves_the_parts_of_a_turn_is_refused(policy: Policy, noise: Noise) -> None:
    processor = pickle.loads(pickle.dumps(policy.processor))
    processor.chat_template = FIRST_CLIPS
    moved = replace(policy, processor=processor)
    moved.render([noise(1), noise(2), "x"])
    with pytest.raises(UserError, match="not where the user's turn has it"):
        moved.render([noise(1), "x", noise(2)])


def test_stills_are_single_frames_that_fill_their_patch(each: Policy, noise: Noise) -> None:
    one = noise(1)
    twice = replace(one, frames=one.frames.repeat(2, axis=0), pts=np.array([0.0, 0.1]))
    single, double = each.encode([(one,), (twice,)])
    assert torch.equal(single.pixel_values, double.pixel_values)
    assert (single.frames, double.frames) == (1, 2)


def test_a_composite_picture_alone(each: Policy, noise: Noise) -> None:
    both = np.concatenate([noise(1, seed=1).frames, noise(1, seed=2).frames], axis=2)  # side by side
    prompt = each.encode([(Clip(both, np.zeros(1), 1.0, (28, 56), 1.0), "left or right?")])[0]
    assert prompt.grid.tolist() == [[1, 4, 8]]
    assert len(sample(each, [prompt], 1, Sampling(4, temperature=0.0))) == 1
