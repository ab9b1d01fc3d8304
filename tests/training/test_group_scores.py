"""What groups score is kept for later draws, and a resumed run knows what the whole one knew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Answer, LoadedSample, Sample, UserError
from grounding.curriculum.order import Weighted
from grounding.curriculum.scores import Difficulty, Scores
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking, Moment
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator
from grounding.training.grpo import trl_config
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

FIRST, SAMPLES, REFRESH = 5_000_000, 4, 2


def dimmed(loaded: LoadedSample, now: Moment) -> LoadedSample:
    """A video as bright as its newest group was good."""
    bright = 1.0 if now.score is None else now.score
    return replace(loaded, clip=loaded.clip.with_frames((loaded.clip.frames * bright).astype(np.uint8)))


ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))


def letters(text: str) -> float:
    return sum(map(ord, text)) % 11 / 10


# Its answers are scored by their letters, which differ between completions of an untrained policy.
LETTERS = replace(
    STVG,
    read=lambda text, loaded: Answer(number=letters(text)),
    measure=lambda said, truth: {"letters": said.number},
    score=lambda figures: figures["letters"],
)


def badly(known: Difficulty, progress: float) -> np.ndarray:
    """What is answered badly is drawn; what nothing is known of, too."""
    return 1.1 - np.nan_to_num(known.mean, nan=0.0)


Make = Callable[..., Any]


@pytest.fixture
def make(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Make:
    """`make(folder)` gives a trainer of six steps of two groups of two, with a checkpoint every two."""
    monkeypatch.setitem(REWARDS, "letters", lambda answer, truth, meta: letters(meta.text))

    def trainer_of(folder: str, source: Any = None, on_broken: Any = None, changes: Any = (), workers: int = 0) -> Any:
        trainer = {"max_steps": 6, "prompts": 2, "groups_per_pass": 1, "save_steps": 2, "keep": 9}
        args = trl_config(config(trainer=trainer, objective={"lr": 1e-2}), tmp_path / folder)
        policy = fresh()
        scores = Scores(Difficulty(*(np.full(SAMPLES, np.nan) for _ in range(2))))
        draws = draws_of(args, SAMPLES, Weighted(badly, scores, np.ones(SAMPLES), REFRESH), scores)
        source = source or toy_source(FIRST, SAMPLES, fps=1.0)
        collator = Collator(source, policy, replace(ASKING, changes=changes), 4, workers, on_broken, draws.moment)
        return VideoGRPOTrainer(policy, LETTERS, {"letters": 1.0}, collator, draws, args)

    return trainer_of


def rows(trainer: Any) -> dict[int, list[Any]]:
    return trainer.draws.scores._groups


def test_each_group_is_kept_with_its_sample_and_its_scores(make: Make) -> None:
    trainer = make("run")
    trainer.train()
    assert sorted(rows(trainer)) == [0, 1, 2, 3, 4, 5]
    for generation, found in rows(trainer).items():
        drawn = [trainer.draws[draw]["index"] for draw in (2 * generation, 2 * generation + 1)]
        assert [sample for sample, _, _ in found] == drawn
    values = [letters(text) for text in trainer._logs["completion"]]  # of the last generation
    assert [mean for _, mean, _ in rows(trainer)[5]] == pytest.approx([sum(values[:2]) / 2, sum(values[2:]) / 2])
    spreads = [abs(values[0] - values[1]) / 2, abs(values[2] - values[3]) / 2]
    assert [std for _, _, std in rows(trainer)[5]] == pytest.approx(spreads)
    assert len({mean for groups in rows(trainer).values() for _, mean, _ in groups}) > 3


def test_a_resumed_run_draws_and_learns_as_the_whole_one(make: Make, tmp_path: Path) -> None:
    whole = make("whole")
    whole.train()
    for step in (2, 4):
        folder = tmp_path / f"resumed{step}" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / f"step-{step:06d}").symlink_to(tmp_path / "whole" / "checkpoints" / f"step-{step:06d}")
        again = make(f"resumed{step}")
        assert again.resume() == step
        assert rows(again) == rows(whole)
        assert [again.draws[draw] for draw in range(12)] == [whole.draws[draw] for draw in range(12)]
        for one, other in zip(again.model.parameters(), whole.model.parameters(), strict=True):
            assert torch.equal(one, other)


def test_draws_follow_what_was_scored(make: Make) -> None:
    trainer = make("run")
    trainer.train()
    draws, known = trainer.draws, [trainer.draws.scores.known(number, REFRESH) for number in range(6)]
    assert np.isnan(known[2].mean).all() and not np.isnan(known[3].mean).all()
    frozen = draws_of(trainer.args, SAMPLES, Weighted(badly, Scores(known[0]), np.ones(SAMPLES)))
    assert [draws[draw] for draw in range(6)] == [frozen[draw] for draw in range(6)]
    weights = [draws._weights(number, 0.0).round(9).tolist() for number in range(6)]
    assert weights[3] == weights[4] != weights[5]


@pytest.mark.slow
def test_changes_see_the_same_scores_however_early_examples_are_made(make: Make) -> None:
    learnt = []
    for workers, changes in ((0, (dimmed,)), (1, (dimmed,)), (0, ())):
        trainer = make(f"run{workers}{len(changes)}", changes=changes, workers=workers)
        trainer.train()
        trainer.close()
        learnt.append((rows(trainer), [one.detach().clone() for one in trainer.model.parameters()]))
    (alone, weights), (helped, same), (bright, other) = learnt
    assert alone == helped and all(map(torch.equal, weights, same))
    assert alone != bright and not all(map(torch.equal, weights, other))


def test_a_checkpoint_without_scores_is_not_gone_on_from(make: Make, tmp_path: Path) -> None:
    make("run").train()
    (tmp_path / "run" / "checkpoints" / "step-000006" / "scores.jsonl").unlink()
    with pytest.raises(UserError, match=r"cannot read scores .*step-000006/scores\.jsonl"):
        make("run").resume()


class FirstBroken:
    """Four clips, the first of which cannot be loaded."""

    def __init__(self) -> None:
        self.inner = toy_source(FIRST, SAMPLES, fps=1.0)
        self.samples = self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        if sample.id == self.samples[0].id:
            raise UserError("it has no frames")
        return self.inner.load(sample)


def test_a_group_of_another_sample_counts_for_that_one(make: Make) -> None:
    trainer = make("run", FirstBroken(), lambda sample, why: None)
    trainer.train()
    drawn = [trainer.draws[draw]["index"] for draw in range(12)]
    found = [sample for groups in rows(trainer).values() for sample, _, _ in groups]
    assert 0 in drawn
    assert found == [1 if index == 0 else index for index in drawn]
