"""Two processes learn what one does: same draws, same loss, same weights within rounding."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from grounding.commands.memory import WAYS
from grounding.jobs.processes import told_how, told_to_shard
from grounding.policies.wrapped import inside_forward

CONFIGS = sorted((Path(__file__).parents[2] / "scripts" / "accelerate").glob("*.yaml"))
RUN = str(Path(__file__).parent / "small_run.py")
CHANGES = {
    "trainer": {"prompts": 4, "groups_per_pass": 2, "max_steps": 3},
    "data": {"train_clips": 50},
    "warmup": {"max_steps": 3},
    "objective": {"lr": 0.5, "clip": 1e9},  # of SGD
}
SAME = (
    *("loss", "grad_norm", "reward", "reward_std", "rewards/id_match/mean", "rewards/id_match/std"),
    *("entropy", "num_tokens", "parse_rate", "completions/mean_length"),
)


LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2"]


def launched(config: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of a script, started as README says."""
    file = next(str(path) for path in CONFIGS if path.stem == config)
    line = [*LAUNCH, "--config_file", file, str(Path(__file__).parent / script), *arguments]
    without_gpu = {**os.environ, "DS_ACCELERATOR": "cpu"}
    return subprocess.run(line, capture_output=True, text=True, timeout=600, env=without_gpu)


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes."""
    out = tmp_path_factory.mktemp("two") / "run"
    done = launched("ddp", "small_run.py", str(out), json.dumps(CHANGES))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_two_processes_are_like_one(two: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    done = subprocess.run([sys.executable, RUN, str(one), json.dumps(CHANGES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = metrics(one), metrics(two)
    assert [row["step"] for row in figures[1]] == [1, 2, 3, 1, 2, 3]  # one process writes
    for a, b in zip(*figures, strict=True):
        for key in set(SAME) & a.keys():
            assert b[key] == pytest.approx(a[key], rel=1e-4, abs=1e-6), (key, a["step"])
    assert set(SAME) <= figures[0][-1].keys()
    moved = largest_difference(weights(one / "warmup" / "model"), weights(one / "model"))
    assert moved > 1e-2
    assert largest_difference(weights(one / "model"), weights(two / "model")) < 1e-4 * moved


@pytest.mark.slow
def test_two_processes_draw_by_the_scores_of_both(tmp_path: Path) -> None:
    one, both = tmp_path / "one", tmp_path / "two"
    select = {"select": {"by": "seen", "refresh": 1}}
    changes = {**CHANGES, **select, "trainer": {**CHANGES["trainer"], "max_steps": 4}}
    alone = subprocess.run([sys.executable, RUN, str(one), json.dumps(changes)], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    done = launched("ddp", "small_run.py", str(both), json.dumps(changes))
    assert done.returncode == 0, done.stderr
    kept = [out / "grpo" / "checkpoints" / "step-000004" / "scores.jsonl" for out in (one, both)]
    assert kept[0].read_text() == kept[1].read_text()
    drawn = [json.loads(line)[:2] for line in kept[0].read_text().splitlines()]
    first = {sample for generation, sample in drawn if generation == 0}
    assert len(first) == 4 and {sample for generation, sample in drawn if generation == 2} == first
    for a, b in zip(metrics(one), metrics(both), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_two_processes_learn_answers_as_one_does(tmp_path: Path) -> None:
    one, both = tmp_path / "one", tmp_path / "two"
    changes = {"data": {"train_clips": 50}, "sft": {"lr": 0.5, "clip": 1e9, "videos_per_pass": 2}}
    alone = subprocess.run([sys.executable, RUN, str(one), json.dumps(changes)], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    done = launched("ddp", "small_run.py", str(both), json.dumps(changes))
    assert done.returncode == 0, done.stderr
    for a, b in zip(metrics(one), metrics(both), strict=True):
        for key in ("loss", "grad_norm", "answer_tokens"):
            assert b[key] == pytest.approx(a[key], rel=1e-4), (key, a["step"])
    moved = largest_difference(weights(one / "initial"), weights(one / "model"))
    assert moved > 1e-2
    assert largest_difference(weights(one / "model"), weights(both / "model")) < 1e-4 * moved


def stopped_after_two(run: Path, out: Path) -> Path:
    """A run's folder as it was after step 2: what came later is gone."""
    shutil.copytree(run, out)
    for name in ("model", "grpo/checkpoints/step-000003"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "summary.json").unlink()
    return out


@pytest.mark.slow
def test_two_processes_resume_as_if_never_stopped(two: Path, tmp_path: Path) -> None:
    out = stopped_after_two(two, tmp_path / "run")
    assert (out / "grpo" / "checkpoints" / "step-000002" / "rng_state_1.pth").exists()
    done = launched("ddp", "small_run.py", str(out), json.dumps(CHANGES))
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in metrics(out)] == [1, 2, 3, 1, 2, 3]
    assert metrics(out)[-1]["loss"] == metrics(two)[-1]["loss"]
    assert largest_difference(weights(out / "model"), weights(two / "model")) == 0


@pytest.mark.slow
def test_two_processes_go_on_with_the_warm_up_of_the_first(two: Path, tmp_path: Path) -> None:
    out = stopped_after_two(two, tmp_path / "run")
    for name in ("warmup/model", "grpo"):
        shutil.rmtree(out / name)
    saved = out / "warmup" / "checkpoints" / "step-000002"
    before = saved.stat().st_mtime_ns
    done = launched("ddp", "small_run.py", str(out), json.dumps(CHANGES))
    assert done.returncode == 0, done.stderr
    assert saved.stat().st_mtime_ns == before  # it was not begun again
    assert [row["step"] for row in metrics(out)] == [1, 2, 3, 1, 2, 3]
    assert [row["loss"] for row in metrics(out)] == [row["loss"] for row in metrics(two)]
    assert largest_difference(weights(out / "warmup" / "model"), weights(two / "warmup" / "model")) == 0


SHARDED = {  # by config, what only a model that was shared out leaves in a checkpoint
    "fsdp2": "pytorch_model_fsdp.bin",
    "zero2": "global_step2/zero_pp_rank_1_mp_rank_00_optim_states.pt",
    "zero3": "global_step2/zero_pp_rank_1_mp_rank_00_model_states.pt",
}


def shared_out(config: str, out: Path, *, changes: dict[str, dict[str, Any]], words: tuple[str, ...] = ()) -> None:
    """A run of two processes in a folder, or the rest of it, with the model shared out."""
    if config.startswith("zero"):
        pytest.importorskip("deepspeed", reason="DeepSpeed is not among the project's extras; pip install deepspeed")
    done = launched(config, "small_run.py", str(out), json.dumps(changes), "sharded", *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("config", SHARDED)
def test_a_model_that_is_shared_out_learns_the_same(two: Path, config: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shared_out(config, out, changes=CHANGES)
    assert (out / "grpo" / "checkpoints" / "step-000002" / SHARDED[config]).exists()
    for a, b in zip(metrics(two), metrics(out), strict=True):
        for key in set(SAME) & a.keys():
            assert b[key] == pytest.approx(a[key], rel=1e-4, abs=1e-6), (key, a["step"])
    moved = largest_difference(weights(two / "warmup" / "model"), weights(two / "model"))
    assert largest_difference(weights(two / "model"), weights(out / "model")) < 1e-4 * moved
    assert sorted(path.name for path in (two / "model").iterdir()) == sorted(
        path.name for path in (out / "model").iterdir()
    )


@pytest.mark.slow
def test_the_kl_term_is_the_same_where_models_are_shared_out(tmp_path: Path) -> None:
    changes = {**CHANGES, "objective": {"lr": 0.5, "clip": 1e9, "beta": 0.04}}
    done = launched("ddp", "small_run.py", str(tmp_path / "ddp"), json.dumps(changes))
    assert done.returncode == 0, done.stderr
    shared_out("fsdp2", tmp_path / "fsdp2", changes=changes)
    kl = [[row["kl"] for row in metrics(tmp_path / way) if "kl" in row] for way in ("ddp", "fsdp2")]
    assert kl[0][0] == 0 and kl[0][-1] > 0.1
    assert kl[1] == pytest.approx(kl[0], rel=1e-4, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "frozen"), [("ddp", False), ("fsdp2", False), ("fsdp2", True), ("zero2", False)])
def test_small_steps_move_weights_of_16_bits(config: str, frozen: bool, tmp_path: Path) -> None:
    changes = {
        "trainer": {"max_steps": 1, "bf16": True},
        "objective": {"lr": 1e-6},  # below the steps of bfloat16
        "model": {"dtype": "bfloat16", "freeze_vision": frozen},
        "warmup": {"max_steps": 0},
    }
    if config == "ddp":
        done = launched(config, "small_run.py", str(tmp_path / "run"), json.dumps(changes), "adamw")
        assert done.returncode == 0, done.stderr
    else:
        shared_out(config, tmp_path / "run", changes=changes, words=("adamw",))
    assert metrics(tmp_path / "run")[0]["weights_moved"] > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("config", SHARDED)
def test_a_model_that_is_shared_out_resumes_as_if_never_stopped(config: str, tmp_path: Path) -> None:
    adamw = {**CHANGES, "objective": {"lr": 1e-2}}  # FSDP2 cannot read the state of SGD, for there is none
    whole = tmp_path / "whole"
    shared_out(config, whole, changes=adamw, words=("adamw",))
    out = stopped_after_two(whole, tmp_path / "run")
    shared_out(config, out, changes=adamw, words=("adamw",))
    assert [row["step"] for row in metrics(out)] == [1, 2, 3, 1, 2, 3]
    moved = largest_difference(weights(whole / "warmup" / "model"), weights(whole / "model"))
    assert moved > 1e-3
    assert largest_difference(weights(whole / "model"), weights(out / "model")) < 1e-4 * moved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("0", ["error: a mistake of process 0"]),
        ("1", ["error: a mistake of process 1"]),
        ("01", ["error: a mistake of process 0", "error: a mistake of process 1"]),  # whichever is first
        ("before", ["error: a mistake of everybody"]),
    ],
)
def test_a_mistake_ends_all_processes_with_one_line(failing: str, said: list[str]) -> None:
    begin = time.monotonic()
    done = launched("ddp", "failing_run.py", failing)
    assert time.monotonic() - begin < 300  # not after the hours that processes wait for each other
    assert done.returncode != 0
    assert "exitcode  : 2" in done.stderr  # of ours, as the launcher reports it
    own = done.stderr.partition("torch/distributed/elastic")[0] + done.stderr.rpartition("=====")[2]
    lines = [line for line in own.splitlines() if "error" in line.lower() or "stopped" in line]
    assert len(lines) == 1, done.stderr
    assert lines[0] in said
    # An older torch's Gloo says there that it is connected.
    assert [line for line in done.stdout.splitlines() if not line.startswith("[Gloo] Rank")] == []


@pytest.mark.slow
def test_the_first_process_alone_speaks_and_writes_of_a_mistake_in_the_options(tmp_path: Path) -> None:
    train = str(Path(__file__).parents[2] / "scripts" / "train.py")
    done = launched("ddp", train, "trainer.prompts=3", "trainer.groups_per_pass=3", f"out={tmp_path / 'run'}")
    assert done.returncode != 0
    own = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert own == [
        "error: trainer.prompts must be a multiple of the 2 processes, got 3; or launch with another --num_processes"
    ]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_what_accelerate_reads(path: Path) -> None:
    config = load_config_from_file(str(path))
    assert str(config.distributed_type).rpartition(".")[2] in ("NO", "MULTI_GPU", "FSDP", "DEEPSPEED")
    assert yaml.safe_load(path.read_text())["mixed_precision"] == "no"  # trainer.bf16 decides, in one place


def test_there_is_a_config_for_each_way() -> None:
    assert [path.stem for path in CONFIGS] == ["ddp", "fsdp2", "one_gpu", "zero2", "zero3"]


class Wrapper(torch.nn.Module):
    """Counts what passes through its forward, as DDP needs to see it."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.seen = inner, 0

    def forward(self, *args: Any) -> Any:
        self.seen += 1
        return self.inner(*args)


@pytest.mark.parametrize("patched", [False, True])
def test_a_function_runs_inside_the_wrapped_forward(patched: bool) -> None:
    inner = torch.nn.Linear(2, 2)
    if patched:  # as accelerate does for mixed precision
        original: Callable[..., Any] = inner.forward
        inner.forward = lambda value: original(value) * 2  # type: ignore[method-assign]
    wrapper, value = Wrapper(inner), torch.ones(1, 2)
    expected = inner(value)
    # The function calls the model itself, with its own forward.
    assert torch.equal(inside_forward(wrapper, inner, lambda: inner(value)), expected)
    assert wrapper.seen == 1
    with pytest.raises(ZeroDivisionError):
        inside_forward(wrapper, inner, lambda: 1 / 0)
    assert torch.equal(inner(value), expected)
    assert ("forward" in vars(inner)) == patched
    assert inside_forward(inner, inner, lambda: math.pi) == math.pi


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_what_the_launcher_wants_is_known(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = yaml.safe_load(config.read_text())
    kind, stage = options["distributed_type"], options.get("deepspeed_config", {}).get("zero_stage")
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_DEEPSPEED_ZERO_STAGE"):
        monkeypatch.delenv(name, raising=False)
    if kind in ("FSDP", "DEEPSPEED"):  # as accelerate's launcher sets it
        monkeypatch.setenv(f"ACCELERATE_USE_{kind}", "true")
    if stage:
        monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", str(stage))
    assert told_how() == ("ddp" if config.stem == "one_gpu" else config.stem)
    assert told_how() in WAYS
    assert told_to_shard() == (config.stem in SHARDED)
