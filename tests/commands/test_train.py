"""Whole runs, tiny ones: what they write, what they refuse."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import yaml
from hydra import compose, initialize
from omegaconf import OmegaConf
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from grounding.commands.evaluate import read_arguments
from grounding.commands.outcome import BEFORE, ceilings_table, results_table
from grounding.commands.train import train
from grounding.core import Interval, UserError, UserErrors
from grounding.core.video import read_clip
from grounding.datasets.toy import toy_source
from grounding.datasets.toy_export import export_toy
from grounding.evaluation.bootstrap import Estimate
from grounding.evaluation.evaluate import Evaluation
from grounding.training.config import Config, register
from rewards import REWARDS

Run = Callable[..., Path]
SMALL = [
    "data.eval_samples=4",
    "model.max_new_tokens=8",
    "objective.generations=2",
    "trainer.prompts=2",
    "trainer.groups_per_pass=2",
    "trainer.max_steps=1",
    "trainer.eval_batch=4",
    "warmup.max_steps=0",
]
METRICS = {"m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5", "vIoU@0.7", "id_accuracy", "parse_rate", "count"}


@pytest.fixture(scope="module")
def configured() -> Iterator[Callable[..., Config]]:
    register()
    with initialize(version_base="1.3", config_path=None):
        yield lambda *overrides: OmegaConf.to_object(compose("config", overrides=[*SMALL, *overrides]))


@pytest.fixture(scope="module")
def complete(configured: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one complete run with two steps of warm-up and one of GRPO."""
    out = tmp_path_factory.mktemp("runs") / "complete"
    config = configured("warmup.max_steps=2", "warmup.batch=2", "trainer.save_steps=1", "seed=3", f"out={out}")
    assert train(config) == out
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_configuration_and_versions_are_written(complete: Path) -> None:
    config = yaml.safe_load((complete / "config.yaml").read_text())
    assert config["seed"] == 3
    assert config["trainer"]["prompts"] == 2
    assert config["objective"]["generations"] == 2
    assert "${" not in (complete / "config.yaml").read_text()
    versions = json.loads((complete / "versions.json").read_text())
    assert versions["seed"] == 3
    assert {"tubelet", "torch", "trl", "transformers", "python"} <= versions.keys()
    assert versions["torch"].partition("+")[0] == torch.__version__.partition("+")[0]


@pytest.mark.slow
def test_the_summary_has_what_is_documented(complete: Path) -> None:
    summary = json.loads((complete / "summary.json").read_text())
    assert {"task", "model", "data", "seed", "steps", "wall_s", "before", "after", "ceilings"} <= summary.keys()
    found = [summary[name] for name in ("task", "data", "seed", "steps", "skipped")]
    assert found == ["stvg", "toy", 3, 1, 0]
    assert summary["wall_s"] > 0
    assert summary["controls"].keys() == {"blind", "other", "constant"}
    for part in (summary["before"], summary["after"], *summary["ceilings"].values(), *summary["controls"].values()):
        assert part.keys() == METRICS
        assert all(isinstance(value, (int, float)) for value in part.values())
    assert summary["after"]["count"] == 4
    assert len(summary["ceilings"]) == 3
    beside = summary["intervals"].pop("controls")
    assert summary["intervals"].keys() == {"before", "after", "gain"}
    values = {name: {metric: one["value"] for metric, one in of.items()} for name, of in beside.items()}
    assert values == {
        name: pytest.approx({metric: value for metric, value in of.items() if metric != "count"})
        for name, of in summary["controls"].items()
    }
    for part, of in summary["intervals"].items():
        assert of.keys() == METRICS - {"count"}
        for name, one in of.items():
            expected = summary["after"][name] - summary["before"][name] if part == "gain" else summary[part][name]
            assert one["value"] == pytest.approx(expected)
            assert one["low"] <= one["high"]


def test_the_tables_show_intervals_where_they_are_known() -> None:
    before, after = {"m_vIoU": 0.25, "count": 4.0}, {"m_vIoU": 0.75, "count": 4.0}
    bounds = {"before": {}, "after": {"m_vIoU": Estimate(0.75, 0.5, 1.0)}, "gain": {"m_vIoU": Estimate(0.5, 0.0, 1.0)}}
    header, table = results_table(before, after, bounds)
    assert header == ["metric", "before", "after", "gain"]
    assert table == [["m_vIoU", "0.250", "0.750 [0.50, 1.00]", "+0.500 [0.00, 1.00]"]]
    ceilings = {
        name: {"m_vIoU": 0.5 + index / 8, "count": 4.0}
        for index, name in enumerate(("oracle_id_oracle_time", "right time"))
    }
    header, table = ceilings_table(Evaluation([], after, ceilings))
    assert header == ["metric", "oracle id oracle time", "right time"]
    assert table == [["m_vIoU", "0.500", "0.625"]]


@pytest.mark.slow
def test_the_constant_is_the_best_answer_to_training_clips(complete: Path) -> None:
    constant = (complete / "model" / "constant.txt").read_text()
    said = re.fullmatch(r"<think></think> <answer>Target ID: [1-9], Time range: (.*) to (.*)</answer>", constant)
    assert said
    time = Interval(*map(float, said.groups()))
    assert time.end - time.start >= 3  # of toy clips, 4 s long
    truths = [sample.truth.interval for sample in toy_source(0, 4).samples]
    found = json.loads((complete / "summary.json").read_text())["controls"]["constant"]
    assert found["m_tIoU"] == pytest.approx(sum(one.iou(time) for one in truths if one) / 4)
    assert (found["parse_rate"], found["count"]) == (1.0, 4.0)
    for row in rows(complete / "predictions_after.jsonl"):
        assert row["controls"].keys() == {"blind", "other", "constant"}
        assert row["controls"]["constant"] == constant


@pytest.mark.slow
def test_a_run_that_an_older_version_began_ends_without_the_intervals_it_cannot_know(
    complete: Path, configured: Callable[..., Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(complete, tmp_path / "run")
    before = json.loads((out / BEFORE).read_text())
    del before["scores"], before["constant"]
    (out / "model" / "constant.txt").unlink()
    (out / BEFORE).write_text(json.dumps(before))
    (out / "summary.json").unlink()
    options = ["warmup.max_steps=2", "warmup.batch=2", "trainer.save_steps=1", "seed=3", "resume=latest"]
    train(configured(*options, f"out={out}"))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["controls"].keys() == {"blind", "other"}
    assert "no control 'constant': no answer to training samples is known" in capsys.readouterr().out
    found = summary["intervals"]
    assert (found["before"], found["gain"]) == ({}, {})
    assert found["after"].keys() == METRICS - {"count"}


@pytest.mark.slow
def test_every_step_is_in_the_metrics(complete: Path) -> None:
    metrics = rows(complete / "metrics.jsonl")
    steps = {phase: [row["step"] for row in metrics if row["phase"] == phase] for phase in ("warmup", "grpo")}
    assert steps == {"warmup": [1, 2], "grpo": [1]}
    grpo = next(row for row in metrics if row["phase"] == "grpo")
    assert {"reward", "parse_rate", "frac_reward_zero_std", "tokens_per_second", "seconds/step"} <= grpo.keys()
    for name in ("temporal_iou", "id_match", "tube_viou", "think_answer_format"):
        assert {f"rewards/{name}/mean", f"rewards/{name}/std"} <= grpo.keys()


@pytest.mark.slow
def test_predictions_pictures_and_video_are_there(complete: Path) -> None:
    for name in ("before", "after"):
        predictions = rows(complete / f"predictions_{name}.jsonl")
        assert [row["id"] for row in predictions] == [sample.id for sample in toy_source(0, 4).samples]
    for name in ("curves.png", "contact_sheet.png"):
        with Image.open(complete / name) as picture:
            picture.verify()
        assert cv2.imread(str(complete / name)).std() > 1  # something is drawn
    assert len(read_clip(complete / "showcase.mp4", fps=2.0, max_frames=8, max_pixels=100_000)) > 1
    assert list((complete / "tensorboard").rglob("events.*"))


@pytest.mark.slow
def test_models_are_loadable_by_transformers_and_were_trained(complete: Path) -> None:
    weights = {}
    for name in ("initial", "warmup/model", "model", "grpo/checkpoints/step-000001"):
        weights[name] = AutoModelForImageTextToText.from_pretrained(complete / name).state_dict()
        AutoProcessor.from_pretrained(complete / name)
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(weights["initial"][name], weights["warmup/model"][name])
    assert all(torch.equal(weights["model"][n], weights["grpo/checkpoints/step-000001"][n]) for n in weights["model"])
    assert yaml.safe_load((complete / "model" / "tubelet.yaml").read_text())["seed"] == 3


@pytest.mark.slow
def test_nothing_half_written_is_left(complete: Path) -> None:
    assert not [path for path in complete.rglob("*") if "partial" in path.name or path.name.endswith(".tmp")]


@pytest.mark.slow
def test_a_run_folder_is_never_overwritten(complete: Path, configured: Callable[..., Config]) -> None:
    before = {path: path.stat().st_mtime_ns for path in complete.rglob("*")}
    with pytest.raises(UserError, match="not empty"):
        train(configured(f"out={complete}"))
    assert {path: path.stat().st_mtime_ns for path in complete.rglob("*")} == before


def test_a_wrong_configuration_makes_no_folder(configured: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(UserErrors):
        train(configured("objective.generations=1", f"out={tmp_path / 'run'}"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_cannot_be_made_is_one_line(configured: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError) as caught:
        train(configured(f"out={tmp_path / 'file' / 'run'}"))
    assert "\n" not in str(caught.value)


def test_a_dry_run_trains_nothing(
    configured: Callable[..., Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = train(configured("trainer.dry_run=true", "warmup.max_steps=5", f"out={tmp_path / 'run'}"))
    said = capsys.readouterr().out
    assert "dry run" in said
    assert "tokens" in said
    assert "GB of each GPU (ddp, processes: 1)" in said
    assert "2,048" in said and "8,192" not in said  # the tiny model's context is 8192, and text comes beside
    assert not [name for name in ("summary.json", "model", "warmup") if (out / name).exists()]
    assert rows(out / "metrics.jsonl") == []


def test_the_memory_of_grpo_is_told_only_where_it_runs(
    configured: Callable[..., Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(configured("trainer.dry_run=true", "stages=[sft]", f"out={tmp_path / 'run'}"))
    said = capsys.readouterr().out
    assert "dry run" in said and "GB of each GPU" not in said


def test_a_dry_run_sees_that_prompt_and_completion_do_not_fit(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="the model takes 8192"):
        train(configured("trainer.dry_run=true", "model.max_new_tokens=9000", f"out={tmp_path / 'run'}"))


def test_a_missing_model_is_one_line(configured: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        train(configured(f"model.path={tmp_path / 'none'}", f"out={tmp_path / 'run'}"))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "data"
    export_toy(toy_source(1_000_000, 3, fps=4.0), root)
    return root


@pytest.mark.slow
def test_a_run_on_ones_own_videos(configured: Callable[..., Config], own_data: Path, tmp_path: Path) -> None:
    # Three videos, four prompts a step.
    data = ["data=jsonl", f"data.root={own_data}", "data.annotations=annotations.jsonl"]
    more = ["trainer.prompts=4", "trainer.groups_per_pass=2", f"out={tmp_path / 'run'}"]
    out = train(configured(*data, *more))
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["data"], summary["after"]["count"], summary["skipped"]) == ("jsonl", 3, 0)
    assert [row["phase"] for row in rows(out / "metrics.jsonl")] == ["grpo"]
    assert (out / "showcase.mp4").stat().st_size > 0


BREVITY = """
from rewards import reward

@reward(range=(0.0, 1.0))
def brevity(answer, truth, meta):
    return 1 / (1 + len(meta.text))
"""


@pytest.mark.slow
def test_a_reward_from_a_file_is_named_on_the_command_line(configured: Callable[..., Config], tmp_path: Path) -> None:
    """README's line; the model is evaluated where the file is not, for evaluation rewards nothing."""
    file = tmp_path / "mine.py"
    file.write_text(BREVITY)
    out = train(configured(f"task.weights={{{file}\\:brevity: 0.5, tube_viou: 2}}", f"out={tmp_path / 'run'}"))
    named = f"{file}:brevity"
    assert yaml.safe_load((out / "config.yaml").read_text())["task"]["weights"] == {named: 0.5, "tube_viou": 2.0}
    (step,) = rows(out / "metrics.jsonl")
    assert 0.0 < step[f"rewards/{named}/mean"] <= 1.0
    del REWARDS[named]
    file.unlink()
    assert read_arguments([f"model={out / 'model'}"]).config.task.weights == {"tube_viou": 2.0}


@pytest.mark.slow
def test_skipped_rows_are_listed_and_counted(configured: Callable[..., Config], own_data: Path, tmp_path: Path) -> None:
    lines = (own_data / "annotations.jsonl").read_text().splitlines()
    broken = {**json.loads(lines[1]), "id": "gone", "video": "videos/gone.mp4"}
    (own_data / "some.jsonl").write_text("\n".join([*lines, json.dumps(broken)]) + "\n")
    data = ["data=jsonl", f"data.root={own_data}", "data.annotations=some.jsonl", "data.on_error=skip"]
    out = train(configured(*data, f"out={tmp_path / 'run'}"))
    assert json.loads((out / "summary.json").read_text())["skipped"] == 1
    assert [row["sample_id"] for row in rows(out / "skipped.jsonl")] == ["gone"]


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_run_on_real_video(configured: Callable[..., Config], shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    data = ["data=jsonl", f"data.root={root}", "data.annotations=annotations.jsonl"]
    out = train(configured(*data, "trainer.prompts=16", "trainer.groups_per_pass=16", f"out={tmp_path / 'run'}"))
    # 11 samples, 16 prompts a step: a step is taken all the same.
    assert [row["phase"] for row in rows(out / "metrics.jsonl")] == ["grpo"]
    for name in ("summary.json", "curves.png", "contact_sheet.png", "showcase.mp4", "model/model.safetensors"):
        assert (out / name).stat().st_size > 0, name
