"""GRPO over videos: groups, rewards, and that a pass's size changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from transformers import TrainerState

from grounding.core import LoadedSample, ParseFailure, Sample
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import runs
from grounding.tasks import stvg
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator, make_examples
from grounding.training.groups import split_groups
from grounding.training.grpo import run_grpo, trl_config
from grounding.training.learning import Place, Work
from grounding.training.objectives import OBJECTIVES
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))
FIRST = 5_000_000
MODULE = "grounding.training.trainer"
TUBE = "tube_viou"


@dataclass(frozen=True)
class Same:
    """Toy clips that all ask the same question."""

    samples: list[Sample]

    def load(self, sample: Sample) -> LoadedSample:
        return toy_source(FIRST, 1, fps=1.0).load(sample)

    def version(self, sample: Sample) -> str:
        return sample.id


def same_question(count: int) -> Same:
    return Same([replace(sample, query="the same thing") for sample in toy_source(FIRST, count).samples])


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reward that differs between completions of an untrained policy, which the real ones do not."""

    def by_letters(answer: Any, truth: Any, meta: Any) -> float:
        return sum(map(ord, meta.text)) % 11 / 10

    monkeypatch.setitem(REWARDS, "letters", by_letters)


def trainer_of(policy: Policy, source: Any, config: Config, folder: Path, weights: dict[str, float]) -> Any:
    args = trl_config(config, folder)
    args.optim = "sgd"  # so that a small difference of gradients stays one of weights
    collator = Collator(source, policy, ASKING, keep=8)
    return VideoGRPOTrainer(policy, STVG, weights, collator, draws_of(args, len(source.samples)), args)


def test_nobody_is_told_of_a_run(fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path) -> None:
    sent: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *args, **kwargs: sent.append(args))
        patch.delenv("CI", raising=False)  # there TRL sends nothing
        trainer_of(fresh(), toy_source(FIRST, 4, fps=1.0), config(), tmp_path, {"id_match": 1.0})
    assert not sent


def weights_of(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in policy.model.state_dict().items()}


def largest_change(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> float:
    return max(float((before[name] - after[name]).abs().max()) for name in before)


@pytest.mark.parametrize("loss", sorted(set(OBJECTIVES) - {"bnpo"}))  # that one weighs tokens by their pass
def test_groups_a_pass_change_memory_only(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None, loss: str
) -> None:
    after, said = {}, {}
    for groups in (1, 4):
        policy = fresh()
        before = weights_of(policy)
        small = config(
            trainer={"groups_per_pass": groups}, objective={"lr": 0.5, "clip": 1e9, "loss": loss, "generations": 2}
        )
        trainer = trainer_of(policy, toy_source(FIRST, 8, fps=1.0), small, tmp_path / str(groups), {"letters": 1.0})
        trainer.train()
        after[groups], said[groups] = weights_of(policy), list(trainer._logs["completion"])
        assert trainer.state.global_step == 1
    assert said[1] == said[4]
    assert len(said[1]) == 8
    moved = largest_change(before, after[4])
    assert moved > 1e-3
    assert largest_change(after[1], after[4]) < 1e-3 * moved


@pytest.mark.parametrize("adapted", [0, 2], ids=["whole", "lora"])
@pytest.mark.parametrize("frozen", [False, True], ids=["trained tower", "frozen tower"])
def test_gradient_checkpointing_computes_twice_and_learns_the_same(
    fresh: Callable[[], Policy],
    config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    frozen: bool,
    adapted: int,
) -> None:
    letters_everywhere(monkeypatch)
    after, calls = {}, {True: 0, False: 0}
    for again in (True, False):
        policy = fresh()
        before = weights_of(policy)

        def count(*_: Any, again: bool = again) -> None:
            calls[again] += torch.is_grad_enabled()

        policy.core.language_model.layers[0].mlp.register_forward_pre_hook(count)
        small = config(
            trainer={"gradient_checkpointing": again},
            model={"freeze_vision": frozen, "lora_rank": adapted},
            objective={"lr": 1e-2},
        )
        logged: list[dict[str, float]] = []
        source = toy_source(FIRST, 8, fps=1.0)
        place = Place(tmp_path / str(again), tmp_path / "model")
        after[again] = weights_of(run_grpo(policy, Work(small, ASKING, source), place, logged.append))  # type: ignore[arg-type]
    assert calls[True] == 2 * calls[False] > 0
    moved = largest_change(before, after[False])
    assert moved > 1e-3
    assert largest_change(after[True], after[False]) < 1e-3 * moved


@pytest.mark.parametrize("loss", ["bnpo", "cispo", "luspo"])
def test_the_ratio_is_of_sequences_where_it_is_told_so(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None, loss: str
) -> None:
    objective = {"importance": "sequence", "epsilon": 0.1, "epsilon_high": 0.3, "iterations": 2, "loss": loss}
    trainer = trainer_of(
        fresh(), toy_source(FIRST, 8, fps=1.0), config(objective=objective), tmp_path, {"letters": 1.0}
    )
    assert trainer.importance_sampling_level == "sequence"
    assert (trainer.epsilon_low, trainer.epsilon_high) == (0.1, 0.3)
    trainer.train()
    assert math.isfinite(trainer.state.log_history[0]["loss"])


def test_rows_of_a_group_stay_together_and_groups_are_videos(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None
) -> None:
    source = same_question(4)
    small = config(trainer={"groups_per_pass": 2}, objective={"generations": 3})
    trainer = trainer_of(fresh(), source, small, tmp_path, {"letters": 1.0})
    trainer.train()
    parts = trainer._buffered_inputs
    groups = [part["group"].tolist() for part in parts]
    assert [len(part) for part in groups] == [6, 6]  # two passes of two groups of three
    flat = groups[0] + groups[1]
    assert flat[::3] == flat[1::3] == flat[2::3]
    assert sorted(set(flat)) == [0, 1, 2, 3]  # one group a video, although all ask the same
    for part in parts:
        assert [count for _, count in runs(part["prompts"])] == [3, 3]
    # Advantages are rewards less their group's mean, over the group's (n - 1) standard deviation.
    rewards = torch.tensor(trainer._logs["rewards"]["reward"]).view(4, 3)
    expected = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    torch.testing.assert_close(torch.cat([part["advantages"] for part in parts]).view(4, 3), expected)
    assert expected.abs().max() > 0.1


def test_fewer_samples_than_prompts_still_train(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None
) -> None:
    policy = fresh()
    before = weights_of(policy)
    trainer = trainer_of(policy, same_question(1), config(trainer={"max_steps": 2}), tmp_path, {"letters": 1.0})
    trainer.train()
    assert trainer.state.global_step == 2
    assert len(trainer._logs["completion"]) >= 8  # four groups of two, all of the one video
    assert largest_change(before, weights_of(policy)) > 0


def test_split_groups_by_hand() -> None:
    batch = {
        "prompts": ["a", "a", "b", "b"],
        "advantages": torch.tensor([1.0, 2.0, 3.0, 4.0]),
        "ids": torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]]),
        "num_items_in_batch": torch.tensor(9),
        "nothing": None,
    }
    first, second = split_groups(batch, 2)
    assert (first["prompts"], second["prompts"]) == (["a", "a"], ["b", "b"])
    assert (first["advantages"].tolist(), second["advantages"].tolist()) == ([1.0, 2.0], [3.0, 4.0])
    assert second["ids"].tolist() == [[5, 6], [7, 8]]
    assert first["num_items_in_batch"] == second["num_items_in_batch"] == 9
    assert first["nothing"] is second["nothing"] is None


def figures(policy: Policy, config: Config, folder: Path, **source: int) -> list[dict[str, float]]:
    logged: list[dict[str, float]] = []
    work = Work(config, ASKING, toy_source(FIRST, 8, fps=1.0))
    run_grpo(policy, work, Place(folder, folder / "model"), logged.append)  # type: ignore[arg-type]
    return logged


def test_kl_to_the_reference_is_zero_at_first_and_grows(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "id_match", lambda answer, truth, meta: len(meta.text) % 5 / 4)
    small = config(objective={"beta": 0.04, "lr": 1e-3}, trainer={"max_steps": 2})
    logged = figures(fresh(), small, tmp_path)
    assert len(logged) == 2
    assert logged[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert logged[1]["kl"] > 1e-4


def test_without_beta_no_kl_is_computed(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path
) -> None:
    logged = figures(fresh(), config(), tmp_path)
    assert "kl" not in logged[0]


def letters_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REWARDS, "id_match", lambda answer, truth, meta: sum(map(ord, meta.text)) % 11 / 10)


def test_frozen_vision_stays_bit_equal_and_language_learns(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters_everywhere(monkeypatch)
    changed = {}
    for frozen in (True, False):
        policy = fresh()
        before = weights_of(policy)
        figures(policy, config(model={"freeze_vision": frozen}), tmp_path / str(frozen))
        after = weights_of(policy)
        changed[frozen] = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed[True]
    assert not any("visual" in name for name in changed[True])
    assert any("visual" in name for name in changed[False])


def test_lora_trains_language_projections_only_and_is_merged(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters_everywhere(monkeypatch)
    policy = fresh()
    before = weights_of(policy)
    logged: list[dict[str, float]] = []
    small = config(model={"lora_rank": 2}, objective={"beta": 0.04, "lr": 1e-2}, trainer={"max_steps": 2})
    work = Work(small, ASKING, toy_source(FIRST, 8, fps=1.0))
    trained = run_grpo(policy, work, Place(tmp_path, tmp_path / "model"), logged.append)  # type: ignore[arg-type]
    after = trained.model.state_dict()
    assert after.keys() == before.keys()  # a plain model again
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed
    assert all("language_model.layers" in name and "_proj.weight" in name for name in changed)
    assert logged[0]["kl"] == pytest.approx(0.0, abs=1e-6)  # the reference is the model without its adapter
    assert logged[1]["kl"] > 0


def test_scoring_is_not_blind(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None
) -> None:
    source = toy_source(FIRST, 2, fps=1.0)
    policy = fresh()
    trainer = trainer_of(policy, source, config(), tmp_path, {"letters": 1.0})
    examples = make_examples([source.load(sample) for sample in source.samples], policy, ASKING)
    ids = torch.tensor([[40, 41, 42]])

    def score(prompt: Any) -> torch.Tensor:
        trainer._prompts = [prompt]
        whole = torch.cat([prompt.input_ids[None], ids], dim=1)
        with torch.no_grad():
            return trainer._get_per_token_logps_and_entropies(trainer.model, whole, torch.ones_like(whole), 3)[0]

    prompt = examples[0].prompt
    other = replace(prompt, pixel_values=examples[1].prompt.pixel_values)
    assert torch.equal(score(prompt), score(prompt))
    assert (score(prompt) - score(other)).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("size", [None, 3, 2])  # 2 cuts through the groups
def test_scores_are_those_of_full_sequences_in_parts_of_any_size(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, letters: None, size: int | None
) -> None:
    source = toy_source(FIRST, 2, fps=1.0)
    policy = fresh()
    trainer = trainer_of(policy, source, config(), tmp_path, {"letters": 1.0})
    made = make_examples([source.load(sample) for sample in source.samples], policy, ASKING)
    trainer._prompts = [made[0].prompt] * 3 + [made[1].prompt] * 3
    completions = [torch.arange(40, 40 + length) for length in (4, 2, 1, 3, 3, 2)]
    batch = policy.pad(trainer._prompts, completions)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    got, entropy, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, 4, batch_size=size)
    logp = torch.log_softmax(policy.model(**batch).logits[:, -5:-1], -1)
    expected = logp.gather(-1, ids[:, -4:, None]).squeeze(-1)
    real = mask[:, -4:] == 1
    torch.testing.assert_close(got[real], expected[real], rtol=0, atol=3e-5)
    torch.testing.assert_close(entropy[real], -(logp.exp() * logp).sum(-1)[real], rtol=0, atol=1e-4)


@pytest.fixture
def example(policy: Policy) -> Any:
    """A toy clip whose true tube is its visible mask's, over its whole interval."""
    source = toy_source(FIRST, 1)
    loaded = source.load(source.samples[0])
    truth = loaded.sample.truth
    tube = loaded.masklets.tube(truth.object_id, truth.interval)
    known = replace(loaded.sample, truth=replace(truth, tube=tube))
    return make_examples([replace(loaded, sample=known)], policy, ASKING)[0]


def test_rewards_of_completions_written_by_hand(
    fresh: Callable[[], Policy], config: Callable[..., Config], example: Any, tmp_path: Path
) -> None:
    truth = example.loaded.sample.truth
    start, end = truth.interval.start, truth.interval.end
    texts = [
        f"<think>a</think> <answer>Target ID: {truth.object_id}, Time range: {start} to {2 * end - start}</answer>",
        f"<think>a</think> <answer>Target ID: 99, Time range: {start} to {end}</answer>",
        f"<answer>Target ID: {truth.object_id}, Time range: 50 to 60</answer>",  # no thinking, another time
        "nonsense",
        stvg.answer_text(truth, "x"),
    ]
    expected = {
        "temporal_iou": [0.5, 1.0, 0.0, 0.0, 1.0],  # the first says a time twice as long
        "id_match": [1.0, 0.0, 1.0, 0.0, 1.0],
        "think_answer_format": [1.0, 1.0, 0.0, 0.0, 1.0],
    }
    trainer = trainer_of(fresh(), toy_source(FIRST, 4), config(), tmp_path, {**dict.fromkeys(expected, 1.0), TUBE: 2.0})
    loaded = example.loaded
    parts = [trainer.parts(text, [1], loaded, STVG.read(text, loaded)) for text in texts]
    for name, values in expected.items():
        assert [one[name] for one in parts] == pytest.approx(values)
    assert [one[TUBE] for one in parts[1:]] == pytest.approx([0.0, 0.0, 0.0, 1.0])
    assert trainer.reward(parts=parts, ignored=1)[1:] == pytest.approx([2.0, 1.0, 0.0, 5.0])  # a tube weighs 2


def test_rewards_are_told_all_that_the_trainer_knows(
    fresh: Callable[[], Policy], config: Callable[..., Config], example: Any, tmp_path: Path
) -> None:
    told = """
        from rewards import reward
        @reward(range=(-1e9, 1e9))
        def told(answer, truth, meta):
            return 1000 * meta.duration + 100 * meta.progress + 10 * meta.tokens + meta.max_tokens / 100
    """
    (tmp_path / "own.py").write_text(dedent(told))
    own = f"{tmp_path / 'own.py'}:told"
    small = config(model={"max_new_tokens": 48})
    trainer = trainer_of(fresh(), toy_source(FIRST, 4), small, tmp_path, {own: 1.0})
    trainer.state = TrainerState(global_step=3, max_steps=12)
    values = [trainer.parts("a", [1] * tokens, example.loaded, ParseFailure("no"))[own] for tokens in (3, 5)]
    del REWARDS[own]  # it is for this test alone
    # 4 seconds, a quarter done, 3 and 5 tokens of at most 48: 4000 + 25 + 30 + 0.48 and 4000 + 25 + 50 + 0.48
    assert values == pytest.approx([4055.48, 4075.48])


def test_parse_rate_and_rewards_are_logged_as_they_are(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = fresh()
    said = ["<answer>Target ID: 1, Time range: 0 to 1</answer>", "no", "no", "never"]
    rows = [policy.tokenizer(text)["input_ids"] for text in said] * 2
    monkeypatch.setattr("grounding.policies.shared_prefix.sample", lambda *_: rows)
    small = config(objective={"generations": 2}, task={"rewards": "stvg_r1"})
    logged = figures(policy, small, tmp_path)[0]
    assert logged["parse_rate"] == pytest.approx(2 / 8)
    assert logged["rewards/think_answer_format/mean"] == 0.0
    assert 0 <= logged["frac_reward_zero_std"] <= 1
    parts = [logged[f"rewards/{name}/mean"] for name in ("temporal_iou", "id_match", "think_answer_format")]
    assert logged["reward"] == pytest.approx(sum(parts))
    for phase in ("rollout", "rewards", "scoring", "step"):
        assert logged[f"seconds/{phase}"] > 0
    assert json.dumps(logged)


def test_parts_and_sum_are_logged_of_what_was_scored(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"a": 1.0, "b": 0.5, "c": 0.0, "d": None}  # by the text; d is scored by neither reward
    monkeypatch.setitem(REWARDS, "id_match", lambda answer, truth, meta: scores[meta.text])
    monkeypatch.setitem(REWARDS, TUBE, lambda answer, truth, meta: {"a": 0.2, "b": 0.6}.get(meta.text))
    policy = fresh()
    rows = [policy.tokenizer(text)["input_ids"] for text in "abcd"]
    monkeypatch.setattr("grounding.policies.shared_prefix.sample", lambda *_: rows)
    args = trl_config(config(trainer={"prompts": 1}, objective={"generations": 4}), tmp_path)
    source = toy_source(FIRST, 4, fps=1.0)
    collator = Collator(source, policy, ASKING, keep=2)
    trainer: Any = VideoGRPOTrainer(policy, STVG, {"id_match": 1.0, TUBE: 10.0}, collator, draws_of(args, 4), args)
    trainer.train()
    logged = trainer.state.log_history[0]
    assert logged["rewards/id_match/mean"] == pytest.approx(1.5 / 3)
    assert logged["rewards/id_match/std"] == pytest.approx(0.5)  # (0.25 + 0 + 0.25) / 2 under the root
    assert logged[f"rewards/{TUBE}/mean"] == pytest.approx(0.4)
    assert logged[f"rewards/{TUBE}/std"] == pytest.approx(0.08**0.5)  # (0.04 + 0.04) / 1
    assert sorted(name for name in logged if name.startswith("rewards/")) == [
        f"rewards/{name}/{figure}" for name in ("id_match", TUBE) for figure in ("mean", "std")
    ]
    # Sums: 1 + 2, 0.5 + 6, 0; the last is in none of the figures and teaches nothing.
    assert logged["reward"] == pytest.approx(9.5 / 3)
    (batch,) = trainer._buffered_inputs
    assert batch["rewards"].tolist()[:3] == pytest.approx([3.0, 6.5, 0.0])
    assert math.isnan(batch["rewards"][3])
    assert batch["advantages"][3] == 0.0


def test_a_text_is_read_once_and_every_reward_sees_what_was_read(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    judged: dict[str, list[Any]] = {"id_match": [], "tube_viou": []}

    def reading(text: str, loaded: Any) -> Any:
        read.append(STVG.read(text, loaded))
        return read[-1]

    for name, seen in judged.items():
        monkeypatch.setitem(REWARDS, name, lambda answer, truth, meta, seen=seen: seen.append(answer) or 0.0)
    policy, source = fresh(), toy_source(FIRST, 8, fps=1.0)
    collator = Collator(source, policy, ASKING, keep=8)
    args = trl_config(config(objective={"generations": 2}), tmp_path)
    VideoGRPOTrainer(
        policy, replace(STVG, read=reading), dict.fromkeys(judged, 1.0), collator, draws_of(args, 8), args
    ).train()
    assert len(read) == 8  # four groups of two
    for seen in judged.values():
        assert [id(one) for one in seen] == [id(one) for one in read]


def test_weights_of_the_config_weigh_the_rewards(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = fresh()
    rows = [policy.tokenizer("<think>a</think> <answer>b</answer>")["input_ids"]] * 8  # well formed, says nothing
    monkeypatch.setattr("grounding.policies.shared_prefix.sample", lambda *_: rows)
    logged = figures(policy, config(task={"weights": {"think_answer_format": 0.25}}), tmp_path)[0]
    assert logged["rewards/think_answer_format/mean"] == 1.0
    assert logged["reward"] == pytest.approx(0.25)
    assert logged["frac_reward_zero_std"] == 1.0
