"""Evaluating a saved model again: its configuration from the model folder and the command line, then its figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from transformers.utils.logging import disable_progress_bar

from grounding.commands.options import clear_option_errors, read_options
from grounding.commands.outcome import CONSTANT, RULE, control_intervals
from grounding.core import Sample, UserError
from grounding.core.checks import unknown, within
from grounding.core.files import check_free
from grounding.core.reading import read_json, read_text
from grounding.datasets.problems import Problem
from grounding.evaluation.bootstrap import shown
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.metrics import intervals, summarise
from grounding.evaluation.question_only import QuestionRule, read_rule
from grounding.jobs.skipped import problem_of
from grounding.policies.policy import load_policy
from grounding.training.config import GROUPS, SAVED, Config, MarkerConfig, TaskConfig, asking_of, check
from grounding.training.data import DATA, DataConfig, DatasetConfig, annotations_of, open_held_out, skips

TOLD = 10  # rows left out that are told of
HINT = "python scripts/train.py --cfg job lists all options; evaluate has model=DIR and out=FILE.json besides"


@dataclass(frozen=True)
class EvaluationPlan:
    """What `scripts/evaluate.py` was asked for.

    Args:
        config: Configuration with `model.path` set.
        out: JSON file to write the figures to, if any.
    """

    config: Config
    out: Path | None


def read_arguments(arguments: Sequence[str]) -> EvaluationPlan:
    """From `model=DIR [out=FILE.json] [key=value ...]` to a configuration.

    The base is the model folder's `tubelet.yaml`, else the defaults of `qwen2_5_vl`; the arguments override it.

    Raises:
        UserError: If `model` is missing, an option is unknown or has the wrong type, or `out` exists already.
        UserErrors: With every option whose value cannot work.
    """
    if wrong := [a for a in arguments if "=" not in a or a.startswith("=")]:
        raise UserError(f"arguments must be key=value, got {wrong[0]!r}; for example model=RUN/model")
    if groups := [a for a in arguments if a.partition("=")[0] in set(GROUPS) - {"model"}]:
        group, _, choice = groups[0].partition("=")
        raise UserError(f"{groups[0]} names a whole group; give single options here, such as {group}.name={choice}")
    own = dict(a.split("=", 1) for a in arguments if a.startswith(("model=", "out=")))
    if not own.get("model"):
        raise UserError("model is missing; give model=DIR, a model folder such as RUN/model, or a hub name")
    if own.get("out") == "":
        raise UserError("out is empty; give out=FILE.json, or leave it out")
    out = Path(own["out"]) if "out" in own else None
    if out is not None:
        _check_writable(out)
    with clear_option_errors(HINT):
        asked = OmegaConf.from_dotlist([a for a in arguments if not a.startswith(("model=", "out="))])
        config = _merged(saved_config(own["model"]), asked)
    config.model.path = own["model"]
    config.trainer.report_to = []  # nothing is trained here, and its logger need not be there
    # Nothing is rewarded here, and a reward's file need not be there.
    config.task.weights = {name: weight for name, weight in config.task.weights.items() if ":" not in name}
    if isinstance(config.data, DatasetConfig):
        config.data.train_split = config.data.eval_split  # training data need not be there
    check(config)
    return EvaluationPlan(config, out)


def _check_writable(out: Path) -> None:
    """Refuse a file that could not be written at the end, before hours of evaluation."""
    try:
        check_free(out)
        folder = next(parent for parent in out.absolute().parents if parent.exists())
    except OSError as error:
        raise UserError(f"out={out} cannot be written: {error.strerror or error}; choose another name") from error
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"out={out} cannot be written, for {folder} is no folder to write into; choose another name")


def saved_config(path: str) -> DictConfig:
    """The configuration that a model folder holds, or the defaults of `qwen2_5_vl` where it holds none.

    Raises:
        UserError: If the file cannot be read or is no configuration of a run.
    """
    file = Path(path) / SAVED
    if not os.path.lexists(file):
        groups = ("model", "objective", "trainer")
        return OmegaConf.create({group: vars(GROUPS[group]["qwen2_5_vl"]) for group in groups})
    saved = read_options(file)
    saved.pop("defaults", None)  # which groups the run composed; they are resolved already
    saved.pop("curriculum", None)  # of training alone; older runs have a name there
    if OmegaConf.is_dict(saved.get("model")):
        saved.model.setdefault("positions", "transformers")  # all that there was before the option
    return saved


def model_config(path: str) -> Config:
    """The whole configuration of a model folder, as `saved_config`; nothing of it is checked but names and types.

    Raises:
        UserError: If the file cannot be read or is no configuration of a run.
    """
    with clear_option_errors(HINT):
        config = _merged(saved_config(path), OmegaConf.create({}))
    config.model.path = path
    return config


def saved_constant(path: str) -> str | None:
    """The constant answer that the run of a model folder fitted on its training samples; None if it holds none.

    Raises:
        UserError: If its file cannot be read.
    """
    file = Path(path) / CONSTANT
    return read_text(file, "the constant answer") if os.path.lexists(file) else None


def saved_rule(path: str) -> QuestionRule | None:
    """The rule for options that the run of a model folder fitted on its training samples; None if it holds none.

    Raises:
        UserError: If its file cannot be read.
    """
    file = Path(path) / RULE
    if not os.path.lexists(file):
        return None
    with within(str(file)):
        return read_rule(read_json(file, "the rule for options"))


def _merged(base: DictConfig, asked: Any) -> Config:
    """The typed configuration: defaults, then `base`, then what was asked for."""
    names = [OmegaConf.select(one, "data.name") for one in (asked, base)]
    name = next((str(n) for n in names if n is not None), "toy")
    if name not in DATA:
        raise UserError(unknown("data.name", name, DATA))
    if OmegaConf.is_dict(base.get("data")) and names[1] != name:  # keep only what all kinds of data have
        known = {field.name for field in fields(DataConfig)} - {"name"}
        base.data = {key: value for key, value in base.data.items() if key in known}
    blank = {group: options["tiny"]() for group, options in GROUPS.items() if isinstance(options.get("tiny"), type)}
    config = Config(task=TaskConfig(), data=DATA[name], marker=MarkerConfig(), **blank)
    typed = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config), base, asked))
    if not isinstance(typed, Config):
        raise TypeError(f"merging made a {type(typed).__name__}")
    return typed


def evaluate_model(
    config: Config, progress: Callable[[Sequence[int]], Iterable[int]] = iter
) -> tuple[Evaluation, list[Problem]]:
    """Evaluate the model of a configuration as its training run did in the end, with the controls.

    Args:
        config: Checked, with `model.path` set.
        progress: Wraps the iteration over batches, to show how far the work is.

    Returns:
        The evaluation, and the broken rows that were left out.

    Raises:
        UserError: If the model cannot be loaded.
        UserErrors: With every broken row of the data.
    """
    disable_progress_bar()  # of loading weights; what a user mistook is then the only line
    model = config.model
    kinds = {"dtype": model.dtype, "attention": model.attention, "positions": model.positions}
    policy = load_policy(str(model.path), **kinds)
    asking = asking_of(config)
    source, skipped = open_held_out(config.data, asking.task, policy.frame_pixels)

    def take(sample: Sample, why: str) -> None:
        skipped.append(problem_of(source, sample, why, annotations_of(config.data)))

    result = evaluate(
        policy,
        source,
        asking,
        max_new_tokens=model.max_new_tokens,
        batch=config.trainer.eval_batch,
        keep=0,
        progress=progress,  # type: ignore[arg-type]
        on_broken=take if skips(config.data) else None,
        controls=True,
        constant=saved_constant(str(model.path)),
        rule=saved_rule(str(model.path)),
    )
    return result, skipped


def left_out(skipped: Sequence[Problem]) -> list[str]:
    """What to say of the rows that were left out: a line for each of the first 10, and how many there are besides."""
    lines = [f"left out: {problem.line()}" for problem in skipped[:TOLD]]
    more = len(skipped) - len(lines)
    return [*lines, f"left out: {more:,} rows more; out=FILE.json lists all"] if more else lines


def figures(config: Config, result: Evaluation, skipped: Sequence[Problem]) -> dict[str, Any]:
    """What `out=FILE.json` holds: whose figures; those that a run's `summary.json` has are the same."""
    bounds: dict[str, Any] = {name: asdict(one) for name, one in intervals(result.scores).items()}
    if result.controls:
        bounds["controls"] = control_intervals(result)
    return {
        "task": config.task.name,
        "model": config.model.path,
        "data": config.data.name,
        "skipped": [problem.line() for problem in skipped],
        "metrics": result.metrics,
        "ceilings": result.ceilings,
        "controls": {name: summarise(scores) for name, scores in result.controls.items()},
        "intervals": bounds,
    }


def table(result: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every metric with its 95 % interval and its ceilings."""
    bounds = intervals(result.scores)
    metrics = {name: value for name, value in result.metrics.items() if name != "count"}
    return ["metric", "value", *(name.replace("_", " ") for name in result.ceilings)], [
        [name, shown(value, bounds.get(name)), *[f"{best[name]:.3f}" for best in result.ceilings.values()]]
        for name, value in metrics.items()
    ]
