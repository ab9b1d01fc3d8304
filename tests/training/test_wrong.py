"""When things are wrong in training: what is masked, what is counted, and what stops the run with one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from grounding.core import LoadedSample, Sample, UserError, UserErrors
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config, check
from grounding.training.examples import Collator
from grounding.training.grpo import run_grpo, trl_config
from grounding.training.learning import Place, Work
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))
FIRST = 5_000_000
MODULE = "grounding.training.trainer"
Train = Callable[..., dict[str, float]]


@dataclass(frozen=True)
class Toys:
    """Four toy clips, of which some cannot be read."""

    samples: Sequence[Sample]
    broken: Sequence[str] = ()

    def load(self, sample: Sample) -> LoadedSample:
        if sample.id in self.broken:
            raise UserError(f"{sample.id}: the video has no frames")
        return toy_source(FIRST, 4, fps=1.0).load(sample)

    def version(self, sample: Sample) -> str:
        return sample.id


SOURCE = Toys(list(toy_source(FIRST, 4, fps=1.0).samples))


@pytest.fixture
def train(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """`train(policy, source=..., rows=...)` makes one step of four groups of two and gives its figures.

    Rewards are sums of letters; `rows` are the completions' tokens, two, the same for every group.
    """
    monkeypatch.setitem(REWARDS, "id_match", lambda answer, truth, meta: sum(map(ord, meta.text)) % 11 / 10)

    def step(
        policy: Policy, source: Any = SOURCE, rows: Any = None, on_broken: Any = None, **changes: Any
    ) -> dict[str, float]:
        if rows:
            monkeypatch.setattr("grounding.policies.shared_prefix.sample", lambda *_: rows * 4)
        logged: list[dict[str, float]] = []
        small = replace(config(objective={"scheduler": "constant"}), **changes)
        work = Work(small, ASKING, source, on_broken)  # type: ignore[arg-type]
        run_grpo(policy, work, Place(tmp_path, tmp_path / "model"), logged.append)
        return logged[0]

    return step


def change(policy: Policy, before: dict[str, torch.Tensor]) -> float:
    return max(float((value - before[name]).abs().max()) for name, value in policy.model.state_dict().items())


def state(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in policy.model.state_dict().items()}


def test_an_empty_completion_is_counted_and_judged_like_any_other(fresh: Callable[[], Policy], train: Train) -> None:
    policy = fresh()
    end, said = policy.end_tokens[0], policy.tokenizer("abc")["input_ids"]
    before = state(policy)
    figures = train(policy, rows=[[end], [*said, end]])
    assert figures["completions/empty_ratio"] == 0.5
    assert figures["completions/min_length"] == 1  # its end token, which is learnt from
    assert figures["completions/clipped_ratio"] == 0
    # "" sums to 0; 97 + 98 + 99 = 294 = 26 * 11 + 8. Nothing else is rewarded.
    assert figures["reward"] == pytest.approx((0.0 + 0.8) / 2)
    assert figures["grad_norm"] > 0
    assert 0 < change(policy, before) < 0.1


def test_nothing_but_empty_completions_teach_nothing(fresh: Callable[[], Policy], train: Train) -> None:
    policy = fresh()
    before = state(policy)
    end = policy.end_tokens[0]
    figures = train(policy, rows=[[end], [end]])
    assert (figures["completions/empty_ratio"], figures["frac_reward_zero_std"]) == (1.0, 1.0)
    assert figures["loss"] == figures["grad_norm"] == change(policy, before) == 0


def test_a_completion_without_end_is_counted_and_learnt_from(fresh: Callable[[], Policy], train: Train) -> None:
    policy = fresh()
    end, abc, abd = policy.end_tokens[0], *(policy.tokenizer(text)["input_ids"] for text in ("abc", "abd"))
    figures = train(policy, rows=[[*abc, end], abd])
    assert figures["completions/clipped_ratio"] == 0.5
    assert figures["completions/mean_terminated_length"] == len(abc) + 1
    assert figures["reward"] == pytest.approx((0.8 + 0.9) / 2)  # "abd" sums to one more
    cut = train(fresh(), rows=[abc, abd])
    assert cut["completions/clipped_ratio"] == 1.0
    assert cut["completions/mean_terminated_length"] == 0
    assert cut["grad_norm"] > 0


def test_a_group_of_one_is_refused(config: Callable[..., Config]) -> None:
    with pytest.raises(UserErrors, match=r"objective\.generations must be at least 2, to compare answers, got 1"):
        check(config(objective={"generations": 1}))


def test_a_prompt_longer_than_the_context_stops_the_run(fresh: Callable[[], Policy], train: Train) -> None:
    policy = fresh()
    policy.model.config.text_config.max_position_embeddings = 8
    with pytest.raises(UserError, match=r"^sample \S+: a prompt has \d+ tokens but the model takes 8; lower") as caught:
        train(policy)
    assert "\n" not in str(caught.value)


def test_a_video_without_frames_stops_the_run_or_is_passed_over(fresh: Callable[[], Policy], train: Train) -> None:
    name = SOURCE.samples[2].id
    source = replace(SOURCE, broken=[name])
    with pytest.raises(UserError, match=f"^{name}: the video has no frames$"):
        train(fresh(), source)
    told: list[tuple[str, str]] = []
    train(fresh(), source, on_broken=lambda sample, why: told.append((sample.id, why)))
    assert told == [(name, f"{name}: the video has no frames")]


class FewerTokens(Collator):
    """Its prompts have a visual token less than their videos have features, as of another model's processor."""

    def __call__(self, rows: Any) -> Any:
        made: list[Any] = super().__call__(rows)
        known = {}
        for row in made:
            prompt = row["example"].prompt
            first = int((prompt.input_ids.diff() == 0).nonzero()[0])  # a placeholder after a placeholder
            fewer = replace(prompt, input_ids=torch.cat([prompt.input_ids[:first], prompt.input_ids[first + 1 :]]))
            known.setdefault(id(prompt), replace(row["example"], prompt=fewer))
            row["example"] = known[id(prompt)]
        return made


def test_another_number_of_tokens_than_of_features_stops_the_run(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path
) -> None:
    policy = fresh()
    collator = FewerTokens(SOURCE, policy, ASKING, keep=8)
    args = trl_config(config(), tmp_path)
    trainer = VideoGRPOTrainer(policy, STVG, {"id_match": 1.0}, collator, draws_of(args, 4), args)
    with pytest.raises(UserError, match=r"^prompt 0 has (\d+) visual tokens but its video has (\d+) features") as error:
        trainer.train()
    assert "give the processor that belongs to the model" in str(error.value)
