"""What came of a run: the evaluations before and after the last stage, and the report that puts them side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grounding.commands.folder import METRICS, SUMMARY
from grounding.commands.ledger import Cost, ledger
from grounding.core import Answer, OnBroken, ParseFailure, Source, UserError
from grounding.core.checks import number
from grounding.core.files import write_json, write_text
from grounding.core.reading import read_json
from grounding.evaluation.bootstrap import Estimate, shown
from grounding.evaluation.controls import best_constant, unseen
from grounding.evaluation.evaluate import Evaluation, Prediction, evaluate
from grounding.evaluation.metrics import Score, gains, intervals, summarise
from grounding.evaluation.question_only import QuestionRule, fitted_rule, read_rule
from grounding.evaluation.report import contact_sheet, curves, showcase_video
from grounding.jobs.runlog import RunLog
from grounding.jobs.skipped import Skipped
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.options import options_of
from grounding.tasks.task import Task
from grounding.training.config import Config
from grounding.training.data import Sources, spread
from grounding.training.learning import Work
from grounding.training.stages import Judge, Stage, training

BEFORE = "evaluation_before.json"  # figures of the evaluation before the last stage
CONSTANT = "constant.txt"  # in the model's folder: the constant answer
RULE = "question_only.json"  # likewise: the rule that takes options by the question alone
FITTED = 64  # training samples, spread over all, whose answers are tried as the constant one; held-out ones likewise
QUESTIONS = 4096  # training samples, spread over all, whose options the rule is fitted on
SHOWN = 6  # held-out clips on the contact sheet and in the video


@dataclass(frozen=True)
class Tools:
    """What all parts of a run share: configuration, run folder, what is asked, samples and log."""

    config: Config
    folder: Path
    asking: Asking
    sources: Sources
    log: RunLog
    skipped: Skipped

    @property
    def work(self) -> Work:
        """What stages train on."""
        source = self.sources.train
        return Work(self.config, self.asking, source, self.skipped.on_broken(source), self.log.say)


@dataclass(frozen=True)
class Before:
    """What `evaluated_before` wrote.

    Args:
        metrics: The figures.
        scores: Of each sample; a run begun by an older version has none.
        left_out: Ids of samples that could not be used.
        constant: The answer that serves best as the same one to all training samples, if there is one.
        rule: The best that can be said of options without videos, if there are options.
    """

    metrics: dict[str, float]
    scores: Sequence[Score]
    left_out: list[str]
    constant: str | None = None
    rule: QuestionRule | None = None


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
        constant = value.get("constant")
        if not isinstance(constant, str | None):
            raise UserError(f"constant must be a text, got {type(constant).__name__}")
        return Before(metrics, scores, list(value.get("left_out", ())), constant, read_rule(value.get("question_only")))
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
    train, held_out = tools.sources.train, tools.sources.held_out
    # So early, for a broken sample may stop the run.
    constant = fitted_constant(tools.asking.task, train, tools.skipped.on_broken(train))
    rule = rule_of(tools.asking.task, train)
    result = evaluated(policy, tools, "before", on_broken=tools.skipped.on_broken(held_out))
    figures = {"metrics": result.metrics, "ceilings": result.ceilings, "scores": result.scores}
    fitted = {"constant": constant, "question_only": rule and rule.to_json()}
    write_json(file, {**figures, "left_out": sorted(result.left_out), **fitted})


def evaluated_after(policy: Policy, tools: Tools) -> Evaluation:
    """Evaluate after the last stage, with the controls, on the samples of before.

    One that can no longer be used stops the run. The constant answer and the rule for options go into the model's
    folder, where an evaluation without the training data finds them.
    """
    before = read_before(tools.folder / BEFORE)
    if before.constant is not None:
        write_text(tools.folder / "model" / CONSTANT, before.constant, overwrite=True)
    if before.rule is not None:
        write_json(tools.folder / "model" / RULE, before.rule.to_json(), overwrite=True)
    fitted = {"constant": before.constant, "rule": before.rule}
    return evaluated(policy, tools, "after", leave_out=before.left_out, controls=True, **fitted)


def rule_of(task: Task, source: Source) -> QuestionRule | None:
    """The rule for options that training questions give; None for a task or data without options. No video is read."""
    if not any("choices" in need for need in task.needs):
        return None
    return fitted_rule(source.samples[index] for index in spread(len(source.samples), QUESTIONS))


def ceilings_first(tools: Tools) -> None:
    """Say what an answer with all of its parts right reaches on held-out samples: what is learnt cannot come above.

    As many samples are read as for the constant answer, spread over all.
    """
    task, source = tools.asking.task, tools.sources.held_out
    on_broken = tools.skipped.on_broken(source)
    reached: dict[str, list[Score]] = {}
    for index in spread(len(source.samples), FITTED):
        sample = source.samples[index]
        try:
            loaded = source.load(sample)
        except UserError as error:
            if on_broken is None:
                raise
            on_broken(sample, str(error))
            continue
        best = task.oracles(ParseFailure("nothing was said yet"), loaded)
        if not best:
            return
        for name, said in best.items():
            if isinstance(said, Answer):
                reached.setdefault(name, []).append(task.measure(said, loaded.sample.truth))
    for name, scores in reached.items():
        figures = [f"{figure} {value:.3f}" for figure, value in summarise(scores).items() if figure != "count"]
        tools.log.say(f"ceiling, {name.replace('_', ' ')}: {', '.join(figures)} ({len(scores)} held-out samples)")


def fitted_constant(task: Task, source: Source, on_broken: OnBroken | None) -> str | None:
    """The answer to a training sample that serves best as the same answer to all; None if none can be used.

    Args:
        task: What is asked.
        source: Training samples.
        on_broken: Takes each sample that cannot be used and why, and it is left out; if None, the first one stops.

    Raises:
        UserError: If a sample cannot be used and `on_broken` is None.
    """
    texts, clips = [], []
    for index in spread(len(source.samples), FITTED):
        sample = source.samples[index]
        try:
            loaded = source.load(sample)
            texts.append(task.say(loaded.sample.truth, ""))
            clips.append(unseen(loaded))
        except UserError as error:
            if on_broken is None:
                raise
            on_broken(sample, str(error))
    return best_constant(task, texts, clips)


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
    rows = [row_of(prediction) for prediction in result.predictions]
    write_text(tools.folder / f"predictions_{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return result


def row_of(prediction: Prediction) -> dict[str, Any]:
    """What was said about a sample, word for word."""
    row = {"id": prediction.sample.id, "query": prediction.sample.query, "text": prediction.text}
    controls = {name: reply.text for name, reply in prediction.controls.items()}
    return row | {"controls": controls} if controls else row


def report(tools: Tools, stages: Sequence[Stage | Judge], after: Evaluation, policy: Policy, seconds: float) -> None:
    """Write curves, contact sheet, video and, when all is there, the summary; show the table."""
    config, folder, trained = tools.config, tools.folder, training(stages)
    before = read_before(folder / BEFORE)
    if before.metrics.keys() != after.metrics.keys():
        raise UserError(f"{folder / BEFORE} is damaged: it lacks figures; remove it, and the model is evaluated again")
    costs = ledger(folder, config, policy)
    paired = gains(before.scores, after.scores)
    bounds = {"before": intervals(before.scores), "after": intervals(after.scores), "gain": paired}
    summary = {
        "task": config.task.name,
        "model": config.model.path or config.model.name,
        "data": config.data.name,
        "seed": config.seed,
        "stages": [stage.name for stage in stages],
        "steps": trained[-1].steps(config) if trained else 0,  # of the last that trains
        "wall_s": round(seconds, 1),
        "cost": {part: asdict(cost) for part, cost in costs.items()},
        "skipped": len(tools.skipped.listed()),
        "before": before.metrics,
        "after": after.metrics,
        "ceilings": after.ceilings,
        "controls": {name: summarise(scores) for name, scores in after.controls.items()},
        "intervals": {
            **{part: {name: asdict(one) for name, one in of.items()} for part, of in bounds.items()},
            "controls": control_intervals(after),
        },
    }
    written = ["summary.json", "contact_sheet.png", "showcase.mp4", "model/"]
    if trained:
        curves(folder / METRICS, folder / "curves.png")
        written.insert(1, "curves.png")
    contact_sheet(after.shown, folder / "contact_sheet.png")
    showcase_video(after.shown, folder / "showcase.mp4")
    write_json(folder / SUMMARY, summary)
    title = f"held-out, {int(after.metrics['count'])} samples"
    tools.log.table(f"{title}, with 95 % intervals", *results_table(before.metrics, after.metrics, bounds))
    tools.log.table(f"{title}, beside the controls", *controls_table(after))
    for line in absent(after):
        tools.log.say(line)
    if after.ceilings:
        tools.log.table(f"{title}, ceilings", *ceilings_table(after))
    tools.log.table("cost", *costs_table(costs))
    tools.log.say(f"wrote {folder}: {', '.join(written)}")


def results_table(
    before: Mapping[str, float], after: Mapping[str, float], bounds: Mapping[str, Mapping[str, Estimate]]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: before, after and difference of every metric, with their intervals where these are known."""
    rows = []
    for name in (name for name in after if name != "count"):
        values = {"before": before[name], "after": after[name], "gain": after[name] - before[name]}
        rows.append([name, *(shown(value, bounds[part].get(name), part == "gain") for part, value in values.items())])
    return ["metric", *bounds], rows


def control_intervals(result: Evaluation) -> dict[str, dict[str, Any]]:
    """The 95 % interval of every metric of every control, ready for JSON."""
    return {
        name: {metric: asdict(one) for metric, one in intervals(scores).items()}
        for name, scores in result.controls.items()
    }


def controls_table(result: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every metric beside what the controls reach."""
    beside = [result.metrics, *map(summarise, result.controls.values())]
    names = [name for name in result.metrics if name != "count"]
    rows = [[name, *(f"{figures[name]:.3f}" if name in figures else "" for figures in beside)] for name in names]
    return ["metric", "model", *result.controls], rows


def absent(result: Evaluation) -> list[str]:
    """Why a control that was asked for has no figures, a line each."""
    why = {
        "other": "no sample has another video to be asked about",
        "constant": "no answer to training samples is known",
    }
    if any(options_of(one.sample) and one.sample.truth.choices for one in result.predictions):
        why["question_only"] = "no options of training samples are known"
    return [f"no control {name!r}: {because}" for name, because in why.items() if name not in result.controls]


def ops(cost: Cost) -> str:
    """Operations in 10^12; nothing where they are not known."""
    return f"{cost.operations / 1e12:.3g}" if cost.operations else ""


def costs_table(costs: Mapping[str, Cost]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what each part of the run cost."""
    rows = []
    for part, one in costs.items():
        counts = [f"{count:,.0f}" if count else "" for count in (one.frames, one.tokens)]
        rows.append([part, f"{one.seconds:.1f}", *counts, ops(one)])
    return ["part", "seconds", "frames encoded", "tokens", "10^12 operations (estimate)"], rows


def ceilings_table(after: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the ceilings of every metric."""
    names = [name for name in after.metrics if name != "count"]
    rows = [[name, *(f"{best[name]:.3f}" for best in after.ceilings.values())] for name in names]
    return ["metric", *(name.replace("_", " ") for name in after.ceilings)], rows
