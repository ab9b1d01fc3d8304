"""`scripts/bench.py` at the smallest sizes: both sides do the same, the counts are right, mistakes are one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import grpo_step, loader, rollout
from benchmarks.measure import counting
from benchmarks.sides import Side, grouped_side, random_completions, shared_side, stock_side
from benchmarks.world import SIZES, Machine, Shape, build_model, stills

from grounding.policies.policy import Policy

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = Shape(frames=3, side=2, completion=5, generations=2)
LONGER = Shape(frames=2, side=2, completion=7, generations=2)
MACHINE = Machine()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def sides(folder: Path) -> dict[str, Side]:
    makers = {"stock": stock_side, "grouped": grouped_side, "shared": shared_side}
    return {name: make(folder, SMALL, MACHINE) for name, make in makers.items()}


@pytest.fixture(scope="module")
def batches(sides: dict[str, Side]) -> dict[str, dict[str, Any]]:
    completions = random_completions(sides["stock"].processor, SMALL)
    return {name: side.batch(completions) for name, side in sides.items()}


def test_a_frame_is_a_picture_of_its_own(sides: dict[str, Side], batches: dict[str, dict[str, Any]]) -> None:
    prompt = batches["shared"]["prompts"][0]
    config = sides["stock"].model.config
    assert int((prompt.input_ids == config.video_token_id).sum()) == 3 * 2 * 2
    assert int((prompt.input_ids == config.vision_start_token_id).sum()) == 3
    assert prompt.grid.tolist() == [[1, 4, 4]] * 3
    assert batches["stock"]["pixel_values"].shape[0] == 2 * 3 * 16  # TRL holds the pictures once a completion


def test_the_trials_model_is_that_of_the_trials() -> None:
    model, processor = build_model(Machine(size="trial"), frozen=False)
    # Text: 512 x 128 embeddings; 4 layers: attention 4 x 128 x 128 + 3 x 128, then 3 x 128 x 256, norms 2 x 128; 128.
    text = 65_536 + 4 * (65_536 + 384 + 98_304 + 256) + 128
    # Vision: patches of 3 x 2 x 14 x 14; 4 layers like those of the text, with 128 + 2 x 256 + 128 biases more; the
    # merger: 128, 512 x 512 + 512, 512 x 128 + 128.
    vision = 150_528 + 4 * (65_536 + 384 + 98_304 + 256 + 768) + 128 + 262_656 + 65_664
    assert sum(p.numel() for p in model.parameters()) == text + vision == 1_863_552  # 1.86 M
    assert len(processor.tokenizer) <= model.config.text_config.vocab_size == 512
    assert Machine().size == "trial"


def test_every_size_of_the_command_is_a_model() -> None:
    from bench import OnModel

    assert set(get_args(get_type_hints(OnModel)["size"])) == SIZES.keys()


def test_both_sides_have_the_same_weights_and_batch(sides: dict[str, Side], batches: dict[str, dict[str, Any]]) -> None:
    stock, shared = (dict(sides[name].model.named_parameters()) for name in ("stock", "shared"))
    assert stock.keys() == shared.keys()
    assert all(torch.equal(stock[name], shared[name]) for name in stock)
    assert batches["stock"]["completion_mask"].sum() == 2 * 5
    assert batches["stock"]["advantages"].abs().max() > 0.1  # otherwise all gradients were 0
    grpo_step._must_be_identical(batches["stock"], batches["shared"], sides["stock"].model.config)


@pytest.mark.parametrize("name", ["completion_ids", "prompt_ids", "advantages", "pixel_values"])
def test_another_batch_is_refused(sides: dict[str, Side], batches: dict[str, dict[str, Any]], name: str) -> None:
    other = {**batches["stock"], name: batches["stock"][name] + 1}
    with pytest.raises(ValueError, match="same batch"):
        grpo_step._must_be_identical(other, batches["shared"], sides["stock"].model.config)


@pytest.mark.parametrize("name", ["grouped", "shared"])
def test_log_probs_and_gradients_agree_and_the_comparison_can_fail(
    sides: dict[str, Side], batches: dict[str, dict[str, Any]], name: str
) -> None:
    found = grpo_step.differences(sides, batches, name)
    assert 0 < found["max_abs_logp_diff"] <= 2e-5
    assert 0 < found["max_rel_grad_diff"] <= 1e-4
    moved = {**batches[name], "completion_ids": batches[name]["completion_ids"].roll(3, dims=1)}
    wrong = grpo_step.differences(sides, {**batches, name: moved}, name)
    assert wrong["max_abs_logp_diff"] > 0.1
    assert wrong["max_rel_grad_diff"] > 0.1


def test_compare_counts_the_work(folder: Path) -> None:
    found = grpo_step.compare(SMALL, MACHINE, folder, repeats=1)
    prompt, answers = found["prompt_tokens"], 2 * 5
    # Twice, for scores and for the update. TRL: the prompt and three frames for both completions.
    assert found["counts"]["stock"] == {"vision_encodings": 2 * 2 * 3, "text_tokens": 2 * (2 * prompt + answers)}
    # PrefixGrouper: the prompt and three frames once in each of the two.
    assert found["counts"]["grouped"] == {"vision_encodings": 2 * 3, "text_tokens": 2 * (prompt + answers)}
    assert found["counts"]["shared"]["vision_encodings"] == 3  # the update flows through what scoring read
    assert 2 * prompt < found["counts"]["shared"]["text_tokens"] <= 2 * (prompt + answers)
    assert found["peak_memory_bytes"]["shared"] < found["peak_memory_bytes"]["stock"]
    assert 1 < found["flops_ratio"] < 3  # of two completions: no more than twice, and scores need no second tower pass
    for name in ("seconds", "over_floor"):
        assert set(found[name]) == {"stock", "grouped", "shared"}
    saved = found["seconds"]["grouped"] - found["seconds"]["shared"]
    assert found["margin_vision"] + found["margin_row"] == pytest.approx(saved)


def test_the_towers_part_is_two_passes_for_each_that_flows_back_against_one(
    sides: dict[str, Side], batches: dict[str, dict[str, Any]]
) -> None:
    for name, call in grpo_step._vision(sides, batches).items():
        side = sides[name]
        side.model.zero_grad()
        with counting(side.model, side.processor) as counted:
            call()
        assert (counted.frames, counted.tokens) == (6 if name == "grouped" else 3, 0)
        learnt = {key.split(".")[1] for key, gradient in side.gradients().items() if gradient.abs().max() > 0}
        assert learnt == {"visual"}


@pytest.mark.parametrize("frozen", [True, False])
def test_a_whole_step_trains(folder: Path, frozen: bool) -> None:
    for make in (stock_side, shared_side):
        side = make(folder, SMALL, MACHINE, 2, frozen)
        before = {name: p.detach().clone() for name, p in side.model.named_parameters()}
        side.step(0)
        side.step(1)
        moved = {name for name, p in side.model.named_parameters() if not torch.equal(p, before[name])}
        assert any("language_model" in name for name in moved)
        assert any("visual" in name for name in moved) is not frozen


@pytest.mark.parametrize("frozen", [True, False])
def test_a_whole_step_prepares_each_frame_once(folder: Path, frozen: bool) -> None:
    found = grpo_step.whole_step(SMALL, MACHINE, folder, repeats=1, frozen=frozen)
    assert found["shared"]["prepared"] == 3
    assert found["stock"]["prepared"] == 2 * 2 * 3  # to generate and to learn, once a completion
    assert found["shared"]["frames"] == 3  # each frame once, also where the tower is trained
    assert found["stock"]["frames"] == 2 * 2 * 3


def test_a_true_video_is_shorter(folder: Path) -> None:
    tokens = grpo_step.true_video(LONGER, MACHINE, folder, repeats=1)["prompt_tokens"]
    # Two stills have 4 visual tokens and two marks each; as a video they share one patch in time: 12 against 6.
    assert tokens["stills"] - tokens["video"] == 6


def test_every_figure_with_a_bar_is_measured(folder: Path) -> None:
    found = grpo_step.grpo_step(grpo_step.Plan(SMALL, LONGER, (1, 2), 1), MACHINE, folder)
    assert {bar.figure for bar in grpo_step.BARS} <= found.keys()
    assert [row["visual_tokens"] for row in found["growth"]["rows"]] == [4, 8]
    assert {bar.figure for bar in grpo_step.BARS} <= grpo_step.summary(found).keys()
    json.dumps(found, allow_nan=False)


def test_rollouts_agree_and_have_full_length(folder: Path) -> None:
    found = rollout.rollout(SMALL, LONGER, MACHINE, folder, repeats=1)
    assert found["greedy_match"] == 1.0
    assert found["first"]["counts"]["stock"]["vision_encodings"] == 2 * 3
    assert found["first"]["counts"]["shared"]["vision_encodings"] == 3
    stock, shared = (found["first"]["counts"][name]["text_tokens"] for name in ("stock", "shared"))
    # Both feed 4 tokens of each of two completions; TRL feeds the prompt twice.
    assert 2 * (shared - 2 * 4) == stock - 2 * 4
    assert {bar.figure for bar in rollout.BARS} <= rollout.summary(found).keys()


def test_loader_reads_each_video_once(folder: Path) -> None:
    found = loader.loader(folder / "loader", batches=2, generations=3, repeats=1, settle=0.0)
    assert found["videos_loaded"] == {"shared": 2 * 2, "stock": 2 * 2 * 3}
    assert found["videos_over_unique"] == 1.0
    assert set(found["seconds_a_batch"]) == {"shared_0", "shared_2", "stock_0", "stock_2"}
    assert {bar.figure for bar in loader.BARS} <= loader.summary(found).keys()


def test_stills_are_the_frames(folder: Path) -> None:
    side = shared_side(folder, SMALL, MACHINE, kind=Policy)
    clip = side.trainer.collator(side.rows(0))[0]["example"].loaded.clip
    assert [picture.size for picture in stills(clip)] == [(56, 56)] * 3  # 2 tokens of 2 x 14 pixels


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["rollout", "--repeats", "0"], "--repeats must be at least 1, got 0"), (["loader", "--repeats", "-2"], "-2")],
)
def test_a_mistake_is_one_line_and_status_2(command: Command, arguments: list[str], named: str) -> None:
    done = command("bench.py", *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="is no mistake here")
def test_a_missing_gpu_is_said(command: Command) -> None:
    done = command("bench.py", "grpo-step", "--device", "cuda")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --device cuda needs a CUDA GPU")


def test_the_command_writes_all_figures(command: Command, tmp_path: Path) -> None:
    done = command("bench.py", "rollout", "--quick", "--repeats", "1", "--json", "figures.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["setting"]["repeats"] == 1
    assert found["ratio"] > 0
    assert "greedy_match" in done.stdout
