"""Reflection over all samples of a run: its report, and the samples that later stages train on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from grounding.core import Answer, Chosen, Interval, Sample, Source, UserError
from grounding.core.checks import number, shown, unknown, whole, within
from grounding.core.files import write_json, write_text
from grounding.core.reading import parse_json, read_text
from grounding.curriculum.reflection import LABELS, Agent, Calibration, ReflectionConfig, Verdict
from grounding.curriculum.votes import Found
from rewards.segments import merged

VERDICTS = "reflection.jsonl"  # in the run folder: a line a sample
REPORT = "reflection.json"  # likewise: how good the probe is, counts by label, cost; written last


def reflect(agent: Agent, folder: Path, say: Callable[[str], None]) -> None:
    """Measure the probe, say how good it is, ask about all samples, and write both files into the run folder.

    Raises:
        UserError: If the probe is not good enough (then nothing is written), there will be no replies, or a sample
            cannot be used.
    """
    probes = agent.probes()
    calibration = agent.calibrate(probes)
    say(measured(calibration))
    check_trusted(calibration, agent.config)
    verdicts = list(agent.verdicts(probes))
    write_text(folder / VERDICTS, "".join(json.dumps(_line(one)) + "\n" for one in verdicts), overwrite=True)
    counts = Counter(one.label for one in verdicts)
    report = {
        "precision": calibration.precision,
        "recall": calibration.recall,
        "calibration": asdict(calibration),
        "labels": {label: counts[label] for label in LABELS},
        **_against_truth(agent.source, verdicts),
        "cost": {name: round(value, 3) for name, value in agent.cost.items()},
        "settings": asdict(agent.config),
    }
    write_json(folder / REPORT, report, overwrite=True)
    say(f"reflection: {', '.join(f'{counts[label]} {label}' for label in LABELS)}")


def measured(calibration: Calibration) -> str:
    """How good the probe is, in a line."""
    found, items = calibration.found, calibration.items
    if calibration.precision is None or calibration.recall is None:
        return f"reflection finds {found} of {items} hidden time ranges, so its precision is not known"
    return (
        f"reflection has a precision of {calibration.precision:.3f} and a recall of {calibration.recall:.3f}: "
        f"{items} samples with several time ranges were asked about, with one hidden and as they are"
    )


def check_trusted(calibration: Calibration, config: ReflectionConfig) -> None:
    """Refuse to filter by a probe that is not good enough.

    Raises:
        UserError: Saying what was measured and what can be changed.
    """
    if not config.precision or (calibration.precision or 0.0) >= config.precision:
        return
    if not calibration.items:
        mend = "give data that has some, or reflection.precision=0 to filter all the same"
        raise UserError(f"reflection cannot be measured, for no sample has several time ranges; {mend}")
    mend = "take a better model or a higher reflection.agreement, or lower reflection.precision"
    raise UserError(f"{measured(calibration)}; reflection.precision={config.precision:g} asks for more; {mend}")


def reflected(source: Source, config: ReflectionConfig, folder: Path) -> Source:
    """What later stages train on: the samples, those that were found to be partial dropped, extended or weighted.

    Args:
        source: What was reflected over.
        config: What is done.
        folder: The run folder.

    Raises:
        UserError: If the verdicts cannot be read or are of other samples, or no sample is left.
    """
    verdicts = read_verdicts(folder / VERDICTS)
    samples = list(source.samples)
    if [one.id for one in samples] != list(verdicts):
        raise UserError(f"{folder / VERDICTS} is of other samples; remove it and {REPORT}, and reflect again")
    chosen = [kept for one in samples if (kept := _treated(one, verdicts[one.id], config)) is not None]
    if not chosen:
        mend = "take reflection.action=extend or downweight"
        raise UserError(f"reflection drops all {len(samples)} samples, for all are partial; {mend}")
    return Chosen(source, chosen)


def read_verdicts(path: Path) -> dict[str, Verdict]:
    """The verdicts of a file by the sample's id, in their order.

    Raises:
        UserError: Naming the row that is none, or that is of a sample that had one before.
    """
    verdicts: dict[str, Verdict] = {}
    for row, line in enumerate(read_text(path, "the verdicts").splitlines(), start=1):
        with within(f"{path}, row {row}"):
            verdict = _verdict(parse_json(line, "the line"))
            if verdict.id in verdicts:
                raise UserError(f"{shown(verdict.id)} comes twice; remove one of the two")
            verdicts[verdict.id] = verdict
    return verdicts


def _treated(sample: Sample, verdict: Verdict, config: ReflectionConfig) -> Sample | None:
    """The sample as it is trained on; None if it is not."""
    if verdict.label != "partial":
        return sample
    if config.action == "drop":
        return None
    if config.action == "downweight":
        return replace(sample, meta={**sample.meta, "weight": config.weight})
    new = [one.span for one in verdict.found if one.votes >= config.votes and not one.near]
    return replace(sample, truth=_extended(sample.truth, new))


def _extended(truth: Answer, spans: Sequence[Interval]) -> Answer:
    return replace(truth, interval=None, intervals=tuple(merged([*(truth.segments or ()), *spans])))


def _against_truth(source: Source, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
    """True precision and recall where samples know their `whole_truth`, as those of the toy world do."""
    pairs = list(zip(source.samples, verdicts, strict=True))
    known = [
        (one.truth != one.meta["whole_truth"], v.label == "partial") for one, v in pairs if "whole_truth" in one.meta
    ]
    if not known:
        return {}
    both = known.count((True, True))
    said, true = sum(label for _, label in known), sum(partial for partial, _ in known)
    return {"true_precision": both / said if said else None, "true_recall": both / true if true else None}


def _line(verdict: Verdict) -> dict[str, Any]:
    found = verdict.found
    return {
        "id": verdict.id,
        "label": verdict.label,
        "spans": [[one.span.start, one.span.end] for one in found],
        "votes": [one.votes for one in found],
        "near": [one.near for one in found],
        "readable": verdict.readable,
    }


def _verdict(row: Any) -> Verdict:
    names = ("id", "label", "spans", "votes", "near", "readable")
    if not isinstance(row, dict) or not set(names) <= row.keys():
        raise UserError(f"a verdict must be an object with {', '.join(names)}, got {shown(row)}")
    lists = [row[name] for name in ("spans", "votes", "near")]
    if not all(isinstance(one, list) and len(one) == len(lists[0]) for one in lists):
        raise UserError("spans, votes and near must be lists of one length")
    if row["label"] not in LABELS:
        raise UserError(unknown("label", row["label"], LABELS))
    found = tuple(
        Found(_span(span), whole(votes, "votes", 1), bool(near)) for span, votes, near in zip(*lists, strict=True)
    )
    return Verdict(str(row["id"]), row["label"], found, whole(row["readable"], "readable"))


def _span(value: Any) -> Interval:
    if not isinstance(value, list) or len(value) != 2:
        raise UserError(f"a span must be [start, end] in seconds, got {shown(value)}")
    return Interval(number(value[0], "start"), number(value[1], "end"))
