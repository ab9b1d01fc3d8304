"""What came of a run: the evaluations before and after the last stage, and the report that puts them side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grounding.core import UserError
from grounding.core.checks import number
from grounding.core.files import write_json, write_text
from grounding.core.reading import read_json
from grounding.evaluation.bootstrap import Estimate, shown
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.metrics import Score, gains, intervals
from grounding.evaluation.report import contact_sheet, curves, showcase_video
from grounding.policies.policy import Policy
from grounding.training.folder import METRICS, SUMMARY
from grounding.training.stages import Tools

BEFORE = "evaluation_before.json"  # figures of the evaluation before the last stage
SHOWN = 6  # held-out clips on the contact sheet and in the video


@dataclass(frozen=True)
class Before:
    """What `evaluated_before` wrote.

    Args:
        metrics: The figures.
        scores: Of each sample; a run begun by an older version has none.
        left_out: Ids of samples that could not be used.
    """

    metrics: dict[str, float]
    scores: Sequence[Score]
    left_out: list[str]


def read_before(file: Path) -> Before:
    """The evaluation before training.

    Raises:
        UserError: If the file is damaged.
    """
    try:
        value = read_json(file, "the evaluation before training")
        metrics = _figures(value["metrics"])
        scores = [_figures(one) for one in value.get("scores", ())]
        if "count" not in metrics or any(one.keys() - metrics.keys() or not one for one in scores):
            raise UserError("its scores and metrics do not belong together")
        return Before(metrics, scores, list(value.get("left_out", ())))
    except (UserError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, UserError) else f"expected metrics and scores ({error})"
        raise UserError(f"{file} is damaged: {why}; remove it, and the model is evaluated again") from error


def _figures(value: dict[str, Any]) -> dict[str, float]:
    return {name: number(figure, name) for name, figure in value.items()}


def evaluated_before(policy: Policy, tools: Tools) -> None:
    """Evaluate before the last stage, once a run; figures go to evaluation_before.json."""
    file = tools.folder / BEFORE
    if file.exists():
        return
    (tools.folder / "predictions_before.jsonl").unlink(missing_ok=True)  # killed between the two files
    result = evaluated(policy, tools, "before", on_broken=tools.skipped.on_broken(tools.sources.held_out))
    figures = {"metrics": result.metrics, "ceilings": result.ceilings, "scores": result.scores}
    write_json(file, {**figures, "left_out": sorted(result.left_out)})


def evaluated_after(policy: Policy, tools: Tools) -> Evaluation:
    """Evaluate after the last stage, on the samples of before: one that can no longer be used stops the run."""
    return evaluated(policy, tools, "after", leave_out=read_before(tools.folder / BEFORE).left_out)


def evaluated(policy: Policy, tools: Tools, name: str, **which: Any) -> Evaluation:
    """Evaluate on the held-out samples, `which` of them, and write the predictions down."""
    config = tools.config
    batches = -(-len(tools.sources.held_out.samples) // config.trainer.eval_batch)
    with tools.log.phase(name, batches) as phase:
        result = evaluate(
            policy,
            tools.sources.held_out,
            tools.asking,
            max_new_tokens=config.model.max_new_tokens,
            batch=config.trainer.eval_batch,
            keep=SHOWN,
            progress=phase.over,
            **which,
        )
    rows = [{"id": p.sample.id, "query": p.sample.query, "text": p.text} for p in result.predictions]
    write_text(tools.folder / f"predictions_{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return result


def report(tools: Tools, stages: Sequence[str], after: Evaluation, seconds: float) -> None:
    """Write curves, contact sheet, video and, when all is there, the summary; show the table."""
    config, folder = tools.config, tools.folder
    before = read_before(folder / BEFORE)
    if before.metrics.keys() != after.metrics.keys():
        raise UserError(f"{folder / BEFORE} is damaged: it lacks figures; remove it, and the model is evaluated again")
    paired = gains(before.scores, after.scores)
    bounds = {"before": intervals(before.scores), "after": intervals(after.scores), "gain": paired}
    summary = {
        "task": config.task.name,
        "model": config.model.path or config.model.name,
        "data": config.data.name,
        "seed": config.seed,
        "stages": list(stages),
        "steps": config.trainer.max_steps,
        "wall_s": round(seconds, 1),
        "skipped": len(tools.skipped.listed()),
        "before": before.metrics,
        "after": after.metrics,
        "ceilings": after.ceilings,
        "intervals": {part: {name: asdict(one) for name, one in of.items()} for part, of in bounds.items()},
    }
    if stages:
        curves(folder / METRICS, folder / "curves.png")
    contact_sheet(after.shown, folder / "contact_sheet.png")
    showcase_video(after.shown, folder / "showcase.mp4")
    write_json(folder / SUMMARY, summary)
    title = f"held-out, {int(after.metrics['count'])} samples"
    tools.log.table(f"{title}, with 95 % intervals", *results_table(before.metrics, after.metrics, bounds))
    if after.ceilings:
        tools.log.table(f"{title}, ceilings", *ceilings_table(after))
    tools.log.say(f"wrote {folder}: summary.json, curves.png, contact_sheet.png, showcase.mp4, model/")


def results_table(
    before: Mapping[str, float], after: Mapping[str, float], bounds: Mapping[str, Mapping[str, Estimate]]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: before, after and difference of every metric, with their intervals where these are known."""
    rows = []
    for name in (name for name in after if name != "count"):
        values = {"before": before[name], "after": after[name], "gain": after[name] - before[name]}
        rows.append([name, *(shown(value, bounds[part].get(name), part == "gain") for part, value in values.items())])
    return ["metric", *bounds], rows


def ceilings_table(after: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the ceilings of every metric."""
    names = [name for name in after.metrics if name != "count"]
    rows = [[name, *(f"{best[name]:.3f}" for best in after.ceilings.values())] for name in names]
    return ["metric", *(name.replace("_", " ") for name in after.ceilings)], rows
