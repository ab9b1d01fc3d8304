"""Sharing a prompt among its completions changes nothing: against plain full sequences through transformers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare

from grounding.core import Clip, UserError
from grounding.policies.policy import Policy, VideoPrompt, load_policy, pad_tokens
from grounding.policies.shared_prefix import (
    Sampling,
    _draw,
    generate,
    log_probs,
    read_prompts,
    runs,
    sample,
)

Noise = Callable[..., Clip]
Logits = Callable[[Policy, VideoPrompt, list[int]], torch.Tensor]

REPEATS = [1, 3, 2]
COMPLETIONS = [[40, 50, 60, 70, 80], [90], [100, 101, 102], [30, 31], [2], [200, 7, 150, 33]]


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Completions as `log_probs` takes them."""
    return pad_tokens([torch.tensor(row, dtype=torch.long) for row in rows], 0, side="right")


@pytest.fixture(scope="module")
def prompts(sharp: Policy, noise: Noise) -> list[VideoPrompt]:
    """Three prompts of different lengths, frame sizes and rates."""
    clips = [noise(4, 2, 28, 28, seed=1), noise(6, 1, 42, 28, seed=2), noise(2, 4, 28, 56, seed=3)]
    return sharp.encode(list(zip(["a", "find the blue square there", "what is it"], clips, strict=True)))


@pytest.fixture(scope="module")
def long_prompt(sharp: Policy, noise: Noise) -> VideoPrompt:
    """40 tiny frames at 1 fps: 20 temporal patches of 2 s, so temporal positions run far past the text's."""
    return sharp.encode([("when", noise(40, 1, 28, 28, seed=4))])[0]


@contextmanager
def end_token(policy: Policy, token: int) -> Iterator[None]:
    """The policy with another end token, for as long as the block lasts."""
    config = policy.model.generation_config
    before, config.eos_token_id = config.eos_token_id, token
    yield
    config.eos_token_id = before


def expanded(prompts: list[VideoPrompt], repeats: list[int]) -> list[VideoPrompt]:
    return [prompt for prompt, count in zip(prompts, repeats, strict=True) for _ in range(count)]


def plain(
    full_logits: Logits, policy: Policy, prompt: VideoPrompt, row: list[int], temperature: float = 1.0
) -> torch.Tensor:
    """Log-probabilities of a completion's tokens from the full sequence."""
    logp = torch.log_softmax(full_logits(policy, prompt, row).float() / temperature, -1)
    return logp.gather(-1, torch.tensor(row)[:, None]).squeeze(-1)


def shared(
    policy: Policy, prompts: list[VideoPrompt], repeats: list[int], rows: list[list[int]], shift: int = 0
) -> list[torch.Tensor]:
    """The same from the shared prefix; `shift` moves the completions' positions, to break it."""
    prefix = read_prompts(policy, prompts, repeats)
    tokens, mask = padded(rows)
    logp, _ = log_probs(policy, replace(prefix, start=prefix.start + shift), tokens, mask)
    return [logp[i, : len(row)] for i, row in enumerate(rows)]


def largest_difference(left: list[torch.Tensor], right: list[torch.Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(left, right, strict=True))


@torch.no_grad()
def test_log_probs_are_those_of_full_sequences(sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits) -> None:
    rows = expanded(prompts, REPEATS)
    expected = [plain(full_logits, sharp, p, c) for p, c in zip(rows, COMPLETIONS, strict=True)]
    assert len({len(p.input_ids) for p in prompts}) == 3
    assert largest_difference(shared(sharp, prompts, REPEATS, COMPLETIONS), expected) < 2e-5


@torch.no_grad()
def test_a_prompt_is_read_once_and_the_last_layer_asks_only_what_predicts(
    sharp: Policy, prompts: list[VideoPrompt]
) -> None:
    asked, frames = {}, []

    def count(name: str) -> Callable[..., None]:
        return lambda _module, args: asked.__setitem__(name, asked.get(name, 0) + args[0].shape[-2])

    attentions = [layer.self_attn for layer in sharp.core.language_model.layers]
    hooks = [
        getattr(attention, f"{what}_proj").register_forward_pre_hook(count(f"{what}{index}"))
        for index, attention in enumerate(attentions)
        for what in "qk"
    ]
    hooks.append(sharp.core.visual.register_forward_pre_hook(lambda _module, args: frames.append(len(args[0]))))
    shared(sharp, prompts, REPEATS, COMPLETIONS)
    for hook in hooks:
        hook.remove()
    # The last token of a completion is not fed: 4 + 0 + 2 + 1 + 0 + 3.
    read, fed = sum(len(prompt.input_ids) for prompt in prompts), 10
    expected = {f"{what}{index}": read + fed for index in range(4) for what in "qk"}
    assert asked == {**expected, "q3": len(prompts) + fed}
    assert sum(frames) == sum(len(prompt.pixel_values) for prompt in prompts)


@torch.no_grad()
@pytest.mark.parametrize("shift", [3, -3])
def test_the_comparison_sees_shifted_completions(
    sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits, shift: int
) -> None:
    rows = expanded(prompts, REPEATS)
    expected = [plain(full_logits, sharp, p, c) for p, c in zip(rows, COMPLETIONS, strict=True)]
    assert largest_difference(shared(sharp, prompts, REPEATS, COMPLETIONS, shift), expected) > 0.1


def gradients(policy: Policy, score: torch.Tensor) -> dict[str, torch.Tensor]:
    policy.model.zero_grad()
    score.backward()
    found = {name: p.grad.clone() for name, p in policy.model.named_parameters() if p.grad is not None}
    policy.model.zero_grad()
    return found


def test_gradients_are_those_of_full_sequences(sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits) -> None:
    rows = expanded(prompts, REPEATS)
    full = [plain(full_logits, sharp, p, c) for p, c in zip(rows, COMPLETIONS, strict=True)]
    expected = gradients(sharp, weighted(full))
    got = gradients(sharp, weighted(shared(sharp, prompts, REPEATS, COMPLETIONS)))
    assert any("visual" in name for name in got)  # through the prompt into the video
    assert_same_gradients(got, expected)


def weighted(rows: list[torch.Tensor]) -> torch.Tensor:
    """A score in which every token has a weight of its own."""
    weights = torch.randn(sum(map(len, rows)), generator=torch.Generator().manual_seed(3))
    return (torch.cat(rows) * weights).sum()


def assert_same_gradients(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (got[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")  # a frozen tower has no gradients
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("adapted", [False, True], ids=["whole", "lora"])
@pytest.mark.parametrize("frozen", [False, True], ids=["trained tower", "frozen tower"])
def test_gradient_checkpointing_changes_no_gradient(
    trainable: Policy, prompts: list[VideoPrompt], full_logits: Logits, frozen: bool, adapted: bool, reentrant: bool
) -> None:
    model = trainable.model
    if adapted:
        layers = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
        peft = pytest.importorskip("peft")
        model = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=layers, init_lora_weights=False))
    trainable = replace(trainable, model=model)
    trainable.core.visual.requires_grad_(not frozen and not adapted)
    rows = expanded(prompts, REPEATS)
    full = [plain(full_logits, trainable, p, c) for p, c in zip(rows, COMPLETIONS, strict=True)]
    expected = gradients(trainable, weighted(full))
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    layer = trainable.core.language_model.layers[0]
    forwards = []
    layer.mlp.register_forward_pre_hook(lambda *_: forwards.append(1))
    ours = shared(trainable, prompts, REPEATS, COMPLETIONS)
    assert largest_difference(ours, full) < 2e-5
    got = gradients(trainable, weighted(ours))
    assert len(forwards) == 2  # once forward, once again in the backward pass
    assert_same_gradients(got, expected)


def test_features_of_earlier_serve_several_passes(
    sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits
) -> None:
    rows = expanded(prompts, REPEATS)
    full = [plain(full_logits, sharp, p, c) for p, c in zip(rows, COMPLETIONS, strict=True)]
    expected = gradients(sharp, weighted(full))
    features = sharp.encode_videos(prompts)
    before = sharp.encoded["frames"]
    with end_token(sharp, -1):
        drawn = sample(sharp, prompts, 2, Sampling(3, temperature=0.0), features)
        assert drawn == sample(sharp, prompts, 2, Sampling(3, temperature=0.0))
    after = sharp.encoded["frames"]
    assert after - before == sum(prompt.frames for prompt in prompts)  # by the call without features alone
    prefix = read_prompts(sharp, prompts, REPEATS, features)
    tokens, mask = padded(COMPLETIONS)
    with torch.no_grad():
        scored, _ = log_probs(sharp, prefix, tokens, mask)
    logp, _ = log_probs(sharp, prefix, tokens, mask)
    assert torch.equal(scored, logp)
    assert_same_gradients(gradients(sharp, weighted([logp[i, : len(c)] for i, c in enumerate(COMPLETIONS)])), expected)
    assert sharp.encoded["frames"] == after


def test_features_that_do_not_fit_the_tokens_stop_in_one_line(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    places = int((prompts[0].input_ids == sharp.model.config.video_token_id).sum())
    short = replace(prompts[0], input_ids=prompts[0].input_ids[1:][prompts[0].input_ids.diff() != 0])
    assert places > 1
    with pytest.raises(UserError, match=f"prompt 1 has 1 visual tokens but its video has {places} features") as caught:
        read_prompts(sharp, [prompts[1], short], [1, 1])
    assert "\n" not in str(caught.value)


def test_features_for_the_last_layer_stop_in_one_line(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    prefix, layers = read_prompts(sharp, prompts, REPEATS), len(sharp.core.language_model.layers)
    deeper = replace(prefix, features=prefix.features.expand(layers + 1, -1, -1))
    with pytest.raises(UserError, match=f"features of {layers + 1} levels for a model of {layers} layers"):
        log_probs(sharp, deeper, *padded(COMPLETIONS))


def test_an_empty_completion_counts_for_nothing(sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits) -> None:
    rows: list[list[int]] = [[], [30, 31, 32], []]
    prefix = read_prompts(sharp, prompts[:2], [2, 1])
    tokens, mask = padded(rows)
    logp, entropy = log_probs(sharp, prefix, tokens, mask)
    assert logp[[0, 2]].abs().max() == entropy[[0, 2]].abs().max() == 0
    assert largest_difference([logp[1]], [plain(full_logits, sharp, prompts[0], rows[1])]) < 2e-5
    got = gradients(sharp, weighted([logp[1]]))
    assert_same_gradients(got, gradients(sharp, weighted([plain(full_logits, sharp, prompts[0], rows[1])])))


def test_nothing_but_empty_completions_have_no_gradient(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    tokens = torch.full((2, 3), 5)
    logp, entropy = log_probs(sharp, read_prompts(sharp, prompts[:1], [2]), tokens, torch.zeros_like(tokens))
    assert logp.shape == entropy.shape == (2, 3)
    assert logp.abs().max() == 0
    assert all(not gradient.any() for gradient in gradients(sharp, logp.sum()).values())


@torch.no_grad()
def test_padding_is_not_read(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    tokens, mask = padded(COMPLETIONS)
    other = torch.where(mask.bool(), tokens, 77)
    before, _ = log_probs(sharp, read_prompts(sharp, prompts, REPEATS), tokens, mask)
    after, entropy = log_probs(sharp, read_prompts(sharp, prompts, REPEATS), other, mask)
    assert torch.equal(before, after)
    assert not after[mask == 0].any() and not entropy[mask == 0].any()


def test_logits_exist_a_chunk_at_a_time(
    sharp: Policy, prompts: list[VideoPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gradients(sharp, weighted(shared(sharp, prompts, REPEATS, COMPLETIONS)))
    vocabulary = sharp.model.config.text_config.vocab_size
    monkeypatch.setattr("grounding.policies.shared_prefix.LOGITS_AT_ONCE", 3 * vocabulary + 1)
    scored: list[int] = []
    hook = sharp.head.register_forward_hook(lambda _m, _i, logits: scored.append(len(logits)))
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.shape[-1] if t.ndim else 0) or t, lambda t: t
    ):
        rows = shared(sharp, prompts, REPEATS, COMPLETIONS)
    assert scored == [3, 3, 3, 3, 3, 1]  # 5 + 1 + 3 + 2 + 1 + 4 tokens; no prompt token, no padding
    assert vocabulary not in kept
    chunked = gradients(sharp, weighted(rows))
    hook.remove()
    assert_same_gradients(chunked, whole)


def test_completions_of_one_token_need_no_second_forward(
    sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits
) -> None:
    with torch.no_grad():
        got = shared(sharp, prompts, [1, 1, 1], [[15], [16], [17]])
        expected = [plain(full_logits, sharp, p, [t]) for p, t in zip(prompts, (15, 16, 17), strict=True)]
    assert largest_difference(got, expected) < 2e-5


@torch.no_grad()
def test_temperature_and_entropy(sharp: Policy, prompts: list[VideoPrompt], full_logits: Logits) -> None:
    row = COMPLETIONS[0]
    tokens, mask = padded([row])
    logp, entropy = log_probs(sharp, read_prompts(sharp, prompts[:1], [1]), tokens, mask, temperature=0.7)
    distribution = torch.distributions.Categorical(logits=full_logits(sharp, prompts[0], row) / 0.7)
    torch.testing.assert_close(logp[0], distribution.log_prob(torch.tensor(row)), rtol=0, atol=3e-5)
    torch.testing.assert_close(entropy[0], distribution.entropy(), rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_video_is_read(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    other = replace(prompts[0], pixel_values=prompts[0].pixel_values.flip(0))
    same = shared(sharp, [prompts[0]], [1], [COMPLETIONS[0]])
    assert largest_difference(same, shared(sharp, [other], [1], [COMPLETIONS[0]])) > 0.01


@pytest.mark.parametrize(("positions", "beyond"), [("trained", 0), ("transformers", 20)])
@torch.no_grad()
def test_long_video_agrees_wherever_the_text_after_it_is(
    trainable: Policy, long_prompt: VideoPrompt, full_logits: Logits, positions: str, beyond: int
) -> None:
    policy = replace(trainable, placing=positions)
    placed = policy.positions(long_prompt)
    last, largest = int(placed[0, -1]), int(placed.max())
    assert (largest > last + beyond) == (beyond > 0)  # transformers puts the text among the video's times
    rows = [COMPLETIONS[0], COMPLETIONS[5]]
    expected = [plain(full_logits, policy, long_prompt, row) for row in rows]
    assert largest_difference(shared(policy, [long_prompt], [2], rows), expected) < 2e-5
    assert largest_difference(shared(policy, [long_prompt], [2], rows, 20), expected) > 0.1


@torch.no_grad()
def test_a_sampled_continuation_of_a_long_video_is_the_full_sequences(
    sharp: Policy, long_prompt: VideoPrompt, prompts: list[VideoPrompt], full_logits: Logits
) -> None:
    with end_token(sharp, -1):
        rows = sample(sharp, [long_prompt, prompts[0]], 1, Sampling(8, temperature=0.0))
    for prompt, row in zip([long_prompt, prompts[0]], rows, strict=True):
        assert row == allowed(sharp, full_logits(sharp, prompt, row)).argmax(-1).tolist()
        assert len(row) == 8


def allowed(policy: Policy, logits: torch.Tensor) -> torch.Tensor:
    """Logits without the placeholders of video and image."""
    logits = logits.clone()
    token = policy.tokenizer.convert_tokens_to_ids
    logits[..., [token("<|video_pad|>"), token("<|image_pad|>")]] = -torch.inf
    return logits


def test_greedy_is_transformers_generate_token_for_token(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    placeholders = [sharp.model.config.image_token_id, sharp.model.config.video_token_id]
    batch = sharp.pad(prompts)
    output = sharp.model.generate(**batch, do_sample=False, max_new_tokens=12, suppress_tokens=placeholders)
    expected = output[:, batch["input_ids"].shape[1] :].tolist()
    rows = sample(sharp, prompts, 1, Sampling(12, temperature=0.0))
    for row, whole in zip(rows, expected, strict=True):
        assert row == whole[: len(row)]
        assert len(row) == 12 or row[-1] in sharp.end_tokens
    texts = sharp.tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    assert generate(sharp, prompts, 12) == texts


def test_completions_of_a_prompt_come_one_after_another(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    alone = [sample(sharp, [prompt], 1, Sampling(5, temperature=0.0))[0] for prompt in prompts]
    assert alone[0] != alone[1] != alone[2]
    together = sample(sharp, prompts, 2, Sampling(5, temperature=0.0))
    assert together == [row for row in alone for _ in range(2)]


def test_nothing_comes_after_the_end_token(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    with end_token(sharp, -1):
        whole = sample(sharp, prompts, 1, Sampling(12, temperature=0.0))
    end = whole[0][3]
    expected = [row[: row.index(end) + 1] if end in row else row for row in whole]
    assert len({len(row) for row in expected}) > 1  # rows that ended and rows that went on beside them
    with end_token(sharp, end):
        assert sample(sharp, prompts, 1, Sampling(12, temperature=0.0)) == expected


def test_sampling_stops_when_all_have_ended(
    sharp: Policy, prompts: list[VideoPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    with end_token(sharp, -1):
        first = sample(sharp, prompts[:1], 1, Sampling(1, temperature=0.0))[0][0]
    calls = []
    forward = sharp.core.language_model.forward
    monkeypatch.setattr(sharp.core.language_model, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    with end_token(sharp, first):
        assert sample(sharp, prompts[:1], 4, Sampling(500, temperature=0.0)) == [[first]] * 4
    assert len(calls) == 1  # the prompt was read; nothing more


def test_same_seed_same_completions(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    def drawn(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        return sample(sharp, prompts, 2, Sampling(6))

    assert drawn(1) == drawn(1) != drawn(2)


def test_given_numbers_draw_the_same_whatever_is_drawn_beside(sharp: Policy, prompts: list[VideoPrompt]) -> None:
    how, numbers = Sampling(6), torch.rand(3, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = sample(sharp, prompts, 2, how, numbers=numbers)
    assert len({tuple(row) for row in together}) == 6
    with end_token(sharp, together[0][1]):  # some end early, and the rows of others move up
        some = sample(sharp, prompts, 2, how, numbers=numbers)
        assert [row == whole[: len(row)] for row, whole in zip(some, together, strict=True)] == [True] * 6
        assert len(some[0]) <= 2
    for place in range(3):
        alone = sample(sharp, prompts[place : place + 1], 1, how, numbers=numbers[place : place + 1, 1:])
        assert alone == together[2 * place + 1 : 2 * place + 2]


@torch.no_grad()
def test_first_tokens_follow_the_softmax(sharp: Policy, noise: Noise, full_logits: Logits) -> None:
    prompt = sharp.encode([("x", noise(2))])[0]
    torch.manual_seed(0)
    draws = Counter(row[0] for _ in range(5) for row in sample(sharp, [prompt], 400, Sampling(1, temperature=0.8)))
    expected = torch.softmax(allowed(sharp, full_logits(sharp, prompt, [0]))[0].double() / 0.8, -1) * 2000
    common = [token for token in range(len(expected)) if expected[token] >= 5]
    assert len(common) > 5
    seen = [draws[token] for token in common]
    hoped = [float(expected[token]) for token in common]
    rest = [2000 - sum(seen)], [2000 - sum(hoped)]
    assert chisquare(seen + rest[0], hoped + rest[1]).pvalue > 1e-3
    # The test tells 0.8 from 1.0: the same draws do not follow the other temperature.
    wrong = torch.softmax(allowed(sharp, full_logits(sharp, prompt, [0]))[0].double(), -1) * 2000
    other = [float(wrong[token]) for token in common]
    assert chisquare([*seen, *rest[0]], [*other, 2000 - sum(other)]).pvalue < 1e-3


@torch.no_grad()
def test_sampled_tokens_have_the_log_probs_they_were_drawn_with(
    sharp: Policy, prompts: list[VideoPrompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []

    def spying(logits: torch.Tensor, how: Sampling, *numbers: torch.Tensor | None) -> torch.Tensor:
        token = _draw(logits, how, *numbers)
        drawn.append(torch.log_softmax(logits.float() / how.temperature, -1).gather(-1, token[:, None])[:, 0])
        return token

    monkeypatch.setattr("grounding.policies.shared_prefix._draw", spying)
    torch.manual_seed(0)
    with end_token(sharp, -1):
        rows = sample(sharp, prompts, 2, Sampling(6, temperature=0.9))
    tokens, mask = padded(rows)
    logp, _ = log_probs(sharp, read_prompts(sharp, prompts, [2, 2, 2]), tokens, mask, temperature=0.9)
    full = torch.stack(drawn, dim=1)
    assert full.shape == logp.shape == (6, 6)
    # Drawing leaves out two placeholders, so what was drawn can only have been likelier than its score says.
    assert (full - logp > -5e-5).all()
    assert (full - logp).max() < 0.5


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities).log()


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.4, {1}), (0.75, {1, 3}), (0.85, {1, 3, 0}), (0.99, {1, 3, 0, 2}), (1.0, {1, 3, 0, 2})],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: set[int]) -> None:
    # Sorted: token 1 (0.5), 3 (0.3; together 0.8), 0 (0.15; 0.95), 2 (0.05; 1).
    torch.manual_seed(0)
    rows = logits_of(0.15, 0.5, 0.05, 0.3).expand(4000, -1)
    assert set(_draw(rows, Sampling(1, top_p=top_p)).tolist()) == kept


def test_top_p_keeps_the_proportions() -> None:
    torch.manual_seed(0)
    rows = logits_of(0.15, 0.5, 0.05, 0.3).expand(8000, -1)
    share = (_draw(rows, Sampling(1, top_p=0.75)) == 1).float().mean()
    assert share == pytest.approx(0.5 / 0.8, abs=0.025)  # about 4.6 standard deviations


@pytest.mark.parametrize(("number", "token"), [(0.0, 3), (0.49, 3), (0.5, 1), (1 - 2**-53, 1)])
def test_a_token_without_probability_is_never_drawn(number: float, token: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tokens 1 and 3 share the probability; up to which of 0, 1/2, 1/2, 1, 1 is 1 - number reached?
    monkeypatch.setattr(torch, "rand_like", lambda like: torch.full_like(like, number))
    assert _draw(logits_of(0.0, 0.5, 0.0, 0.5, 0.0)[None], Sampling(1)).tolist() == [token]


def test_given_numbers_are_those_of_the_rows() -> None:
    # Up to which token do the probabilities reach 1 - number? 0.5, 0.75, 1.
    rows = logits_of(0.5, 0.25, 0.25).expand(4, -1)
    numbers = torch.tensor([[0.0], [0.3], [0.6], [0.9]], dtype=torch.float64)
    assert _draw(rows, Sampling(1), numbers).tolist() == [2, 1, 0, 0]


def test_rows_are_drawn_each_from_its_own_logits() -> None:
    rows = torch.stack([logits_of(0.9, 0.05, 0.05), logits_of(0.05, 0.05, 0.9)])
    assert _draw(rows, Sampling(1, top_p=0.5)).tolist() == [0, 2]
    assert _draw(rows, Sampling(1, temperature=0.0)).tolist() == [0, 2]
    assert _draw(rows, Sampling(1, temperature=0.01)).tolist() == [0, 2]


@torch.no_grad()
def test_placeholders_are_never_drawn(tiny_folder: Path, noise: Noise) -> None:
    policy = load_policy(str(tiny_folder))
    prompt = policy.encode([("x", noise(2))])[0]
    hidden = policy.core(**policy.pad([prompt])).last_hidden_state[:, -1]
    placeholders = [policy.model.config.video_token_id, policy.model.config.image_token_id]
    before = policy.head.weight[placeholders].clone()
    policy.head.weight[placeholders] = hidden[0] * 10  # now by far the likeliest tokens
    logits = policy.head(policy.core(**policy.pad([prompt])).last_hidden_state)[0, -1]
    assert set(logits.topk(2).indices.tolist()) == set(placeholders)
    rows = sample(policy, [prompt], 16, Sampling(12)) + sample(policy, [prompt], 1, Sampling(12, temperature=0.0))
    assert not set(placeholders) & {token for row in rows for token in row}
    policy.head.weight[placeholders] = before


def test_runs_are_of_the_same_prompt_not_of_equal_ones(prompts: list[VideoPrompt]) -> None:
    a, b = (replace(prompts[0]) for _ in range(2))
    assert [(prompt is a, count) for prompt, count in runs([a, a, a, b, b])] == [(True, 3), (False, 2)]
