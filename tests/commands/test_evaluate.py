"""Evaluating a model again: which configuration it gets, and that the figures are those of its run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from grounding.commands.evaluate import figures, left_out, read_arguments, saved_config, table
from grounding.core import Answer, Sample, UserError, UserErrors
from grounding.curriculum.table import CurriculumConfig
from grounding.datasets.problems import Problem
from grounding.evaluation.evaluate import Evaluation, Prediction
from grounding.evaluation.metrics import summarise
from grounding.tasks.stvg import STVG
from grounding.training.config import QWEN, SAVED
from grounding.training.data import DATA, CleaningConfig, DatasetConfig, JsonlConfig, ToyConfig, open_held_out

CEILINGS = ("oracle_id_oracle_time", "oracle_id_predicted_time", "predicted_id_oracle_time")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder without weights: only the configuration of a run that differs from all defaults."""
    saved = {
        "defaults": ["_self_", {"task": "stvg"}],
        "task": {"name": "stvg", "rewards": "stvg_r1", "weights": {"tube_viou": 2.0}},
        "data": {"name": "toy", "fps": 4.0, "max_frames": 9, "eval_samples": 5, "level": 2, "objects": 2},
        "model": {"name": "tiny", "max_new_tokens": 7},
        "trainer": {"eval_batch": 3},
        "warmup": {"max_steps": 1000},
        "marker": {"style": "digit", "size": 11.0},
        "seed": 6,
    }
    (tmp_path / SAVED).write_text(OmegaConf.to_yaml(OmegaConf.create(saved)))
    return tmp_path


def test_the_saved_configuration_is_the_base(folder: Path) -> None:
    config = read_arguments([f"model={folder}"]).config
    assert config.data == ToyConfig(fps=4.0, max_frames=9, eval_samples=5, level=2, objects=2)
    assert (config.model.path, config.model.max_new_tokens) == (str(folder), 7)
    assert (config.trainer.eval_batch, config.seed) == (3, 6)
    assert (config.marker.style, config.marker.size) == ("digit", 11.0)
    assert config.task.weights == {"tube_viou": 2.0}


def test_arguments_override_it_in_any_order(folder: Path) -> None:
    plan = read_arguments(["data.eval_samples=64", f"out={folder}/f.json", "model.max_new_tokens=8", f"model={folder}"])
    assert plan.out == folder / "f.json"
    assert (plan.config.data.eval_samples, plan.config.model.max_new_tokens) == (64, 8)
    assert plan.config.data.fps == 4.0  # and what was not named stays


@pytest.mark.parametrize(
    "argument",
    [
        ".".join(["a"] * 1000) + "=1",
        "seed=" + "[" * 1000,
        "seed=" + "1" * 5000,
        "seed={",
        "seed=\udcff",
        "seed=!!python/object/apply:os.mkdir [made]",
        "out=",
        "trainer.eval_batch=" + "9" * 400,
    ],
)
def test_what_cannot_be_an_option_is_one_line(folder: Path, argument: str) -> None:
    with pytest.raises(UserError) as caught:
        read_arguments([f"model={folder}", argument])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize(("saved", "positions"), [("", "transformers"), (", positions: trained", "trained")])
def test_a_run_older_than_the_option_keeps_its_positions(folder: Path, saved: str, positions: str) -> None:
    (folder / SAVED).write_text(f"model: {{name: tiny{saved}}}")
    assert read_arguments([f"model={folder}"]).config.model.positions == positions


@pytest.mark.parametrize("saved", ["uniform", "{select: {by: what a later version has}}"])
def test_the_curriculum_of_a_run_is_nothing_to_an_evaluation(folder: Path, saved: str) -> None:
    (folder / SAVED).write_text(f"model: {{name: tiny}}\ncurriculum: {saved}")
    assert read_arguments([f"model={folder}"]).config.curriculum == CurriculumConfig()


def test_a_saved_configuration_takes_in_nothing_of_this_machine(folder: Path) -> None:
    (folder / SAVED).write_text("model: {name: '${oc.env:HOME}'}")
    with pytest.raises(UserError, match="holds values only") as caught:
        read_arguments([f"model={folder}"])
    assert str(Path.home()) not in str(caught.value).replace(str(folder), "")


def test_other_data_keeps_what_both_kinds_have(folder: Path) -> None:
    config = read_arguments(
        [f"model={folder}", "data.name=jsonl", f"data.root={folder}", "data.annotations=a.jsonl"]
    ).config
    expected = JsonlConfig(fps=4.0, max_frames=9, eval_samples=5, root=str(folder), annotations="a.jsonl")
    assert config.data == expected


def test_a_public_dataset_needs_no_training_split(folder: Path, hcstvg: Path) -> None:
    paths = [f"data.root={hcstvg}/videos", f"data.annotations={hcstvg}/annotations", f"data.masklets={hcstvg}/masks"]
    options = ["data.name=hcstvg", *paths, "data.eval_split=val", "data.cleaning.beyond=reject"]
    data = read_arguments([f"model={folder}", *options, "data.train_split=elsewhere"]).config.data
    assert isinstance(data, DatasetConfig)
    assert (data.name, data.fps, data.eval_split) == ("hcstvg", 4.0, "val")
    assert data.cleaning == CleaningConfig(beyond="reject")
    assert [sample.id for sample in open_held_out(data, STVG, 84 * 84)[0].samples] == ["d.mp4", "e.mp4"]
    assert DATA["hcstvg"] == DatasetConfig("hcstvg")  # the table of defaults was not written to


def test_a_saved_public_dataset_is_the_base(folder: Path, hcstvg: Path) -> None:
    paths = {"root": f"{hcstvg}/videos", "annotations": f"{hcstvg}/annotations", "masklets": f"{hcstvg}/masks"}
    data = DatasetConfig("hcstvg", **paths, train_split="train", eval_split="val")  # type: ignore[arg-type]
    saved = OmegaConf.load(folder / SAVED)
    saved.data = OmegaConf.structured(data)
    (folder / SAVED).write_text(OmegaConf.to_yaml(saved))
    assert read_arguments([f"model={folder}"]).config.data == replace(data, train_split="val")
    with pytest.raises(UserErrors, match=r"data\.root is missing"):  # another dataset's videos are elsewhere
        read_arguments([f"model={folder}", "data.name=vidstg"])


def test_a_model_without_a_configuration_gets_the_real_models_defaults(tmp_path: Path) -> None:
    config = read_arguments([f"model={tmp_path}"]).config
    assert (config.model.path, config.model.prompt, config.model.dtype) == (str(tmp_path), QWEN.prompt, QWEN.dtype)
    assert config.trainer.eval_batch == 8
    assert isinstance(config.data, ToyConfig)
    assert QWEN.path != config.model.path  # the table of defaults was not written to


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "model is missing"),
        (["model="], "model is missing"),
        (["model.path=x"], "model is missing"),
        (["fast"], "key=value, got 'fast'"),
        (["=3"], "key=value, got '=3'"),
        (["modle=x", "model=MODEL"], "'modle'"),
        (["model=MODEL", "trainer.eval_bach=2"], "'eval_bach'"),
        (["model=MODEL", "trainer.eval_batch=two"], "trainer.eval_batch: Value 'two'"),
        (["model=MODEL", "data.name=jsonl", "data.annotations="], "data.annotations: Incompatible value 'None'"),
        (["model=MODEL", "data.root=x"], "'root'"),
        (["model=MODEL", "data.name=csv"], "data.name must be one of toy, rooms, jsonl, hcstvg, vidstg"),
        (["model=MODEL", "data.name=charades"], "data=charades has no tube or object_id in its truths (interval)"),
        (["model=MODEL", "data=jsonl"], "data.name=jsonl"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_arguments([a.replace("MODEL", str(folder)) for a in arguments])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_that_cannot_work_come_all_at_once(folder: Path) -> None:
    with pytest.raises(UserErrors) as caught:
        read_arguments([f"model={folder}", "trainer.eval_batch=0", "data.fps=-1"])
    assert len(str(caught.value).splitlines()) == 2


def test_an_existing_output_is_refused_before_anything_runs(folder: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        read_arguments([f"model={folder}", f"out={folder / SAVED}"])


@pytest.mark.parametrize("name", [f"{SAVED}/f.json", f"{SAVED}/a/b/f.json", f"{'x' * 300}.json"])
def test_an_output_that_cannot_be_written_is_refused_too(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"cannot (be )?writ"):
        read_arguments([f"model={folder}", f"out={folder / name}"])


def test_an_output_in_a_new_folder_is_fine(folder: Path) -> None:
    assert read_arguments([f"model={folder}", f"out={folder}/a/b/f.json"]).out == folder / "a" / "b" / "f.json"
    assert not (folder / "a").exists()


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2", "a: !!python/object:os.system {}", "\x00"])
def test_a_broken_configuration_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / SAVED).write_text(text)
    with pytest.raises(UserError) as caught:
        saved_config(str(tmp_path))
    assert SAVED in str(caught.value)
    assert "\n" not in str(caught.value)


def test_table_and_file_hold_every_metric_and_ceiling(folder: Path) -> None:
    ceilings = {name: {"m_vIoU": 0.5 + index / 8, "count": 4.0} for index, name in enumerate(CEILINGS)}
    result = Evaluation([], {"m_vIoU": 0.25, "count": 4.0}, ceilings)
    header, rows = table(result)
    assert len(header) == len(rows[0]) == 5
    assert rows == [["m_vIoU", "0.250", "0.500", "0.625", "0.750"]]
    problem = Problem("a.jsonl", 3, "x", "no video")
    value = json.loads(json.dumps(figures(read_arguments([f"model={folder}"]).config, result, [problem])))
    assert value["metrics"] == result.metrics
    assert value["ceilings"] == ceilings
    assert value["skipped"] == [problem.line()]
    assert value["intervals"] == {}  # no predictions


def test_means_come_with_their_intervals(folder: Path) -> None:
    scores = [{"m_tIoU": 1.0, "m_vIoU": 1.0, "parse_rate": 1.0}] * 4
    sample = Sample("a", "a.mp4", "a dog", Answer())
    predictions = [Prediction(sample, "", Answer(), one, dict.fromkeys(CEILINGS, one), None) for one in scores]
    metrics = summarise(scores)
    result = Evaluation(predictions, metrics, dict.fromkeys(CEILINGS, metrics))
    assert table(result)[1][0] == ["m_tIoU", "1.000 [1.00, 1.00]", "1.000", "1.000", "1.000"]
    value = json.loads(json.dumps(figures(read_arguments([f"model={folder}"]).config, result, [])))
    assert value["intervals"]["m_vIoU"] == {"value": 1.0, "low": 1.0, "high": 1.0, "p": None}
    assert value["intervals"].keys() == metrics.keys() - {"count"}


def test_of_many_rows_left_out_ten_are_told() -> None:
    def lines(count: int) -> list[str]:
        return left_out([Problem("a.jsonl", row, f"s{row}", "no video") for row in range(1, count + 1)])

    assert lines(0) == []
    assert lines(1) == ["left out: a.jsonl, row 1 (s1): no video"]
    assert len(lines(10)) == 10
    assert lines(3714)[9:] == [
        "left out: a.jsonl, row 10 (s10): no video",
        "left out: 3,704 rows more; out=FILE.json lists all",
    ]
