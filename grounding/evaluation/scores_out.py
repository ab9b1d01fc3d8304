"""Scores for people and programs: a table, a JSON file and a CSV file with a row a sample."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grounding.core import UserError
from grounding.core.checks import printable
from grounding.core.files import check_free, staged
from grounding.core.reading import is_file
from grounding.evaluation.bootstrap import Estimate
from grounding.evaluation.scoring import TOLD, Collected, Report, Scored, find

PLACES = ("first", "second")


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON: the first file's figures by their official names at the top level, then everything else."""
    first = report.scored[0]
    value: dict[str, Any] = {name: first.value(name) for name in first.figures}
    value |= {"benchmark": report.benchmark, "compat": report.compat, "truth": str(report.truth)}
    value |= {"hopeless": list(report.hopeless), "gaps": list(report.gaps)} | _part(first, report)
    for second in report.scored[1:]:
        value["second"] = {name: second.value(name) for name in second.figures} | _part(second, report)
        value["difference"] = {
            name: {"value": _number(one.value), **_interval(one), "p": _number(one.p)}
            for name, one in report.difference.items()
        }
    return value


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows: figure, value with its interval, how many samples take part; for two files both and the gap.

    Where the benchmark names its main figures, the others are left to the JSON file.
    """
    header = ["figure", *_headings(report), "samples"]
    if report.difference:
        header[-1:] = ["second - first", "p", "samples"]
    rows = []
    figures = report.scored[0].figures
    main = [name for name in find(report.benchmark).main if name in figures]
    for name in main or figures:
        figure = figures[name]
        row = [name + (" (%)" if figure.percent else "")]
        row += [_cell(one.estimates.get(name)) for one in report.scored]
        if report.difference:
            gap = report.difference.get(name)
            row += [_cell(gap), "" if gap is None or gap.p is None else f"{gap.p:.3f}"]
        rows.append([*row, str(figure.count)])
    return header, rows


def show(report: Report) -> None:
    """What a command says of a report: a table and what became of the rows; on stderr the first rows not scored."""
    notes, console = (Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True) for stderr in (True, False))
    for line in _notes(report):
        notes.print(printable(line))
    header, rows = table(report)
    title = f"{report.benchmark} ({report.compat}), {len(report.ids)} samples"
    shown = Table(*map(printable, header), title=title)
    for row in rows:
        shown.add_row(*map(printable, row))
    console.print(shown, soft_wrap=False)
    for one in report.scored:
        console.print(printable(counted(one.collected, report)))


def _notes(report: Report) -> Iterator[str]:
    for one in report.scored:
        problems = one.collected.problems
        yield from (f"not scored: {problem.line()}" for problem in problems[:TOLD])
        if len(problems) > TOLD:
            yield f"not scored: {len(problems) - TOLD} more rows; --out of scripts/score.py lists them all"
    if report.hopeless:
        yield f"{report.truth}: {len(report.hopeless)} of {len(report.ids)} truths are scored 0 whatever is said"
    yield from (f"{report.truth}: {gap}" for gap in report.gaps)


def write(report: Report, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Write `out` (JSON) and, beside it, the same name with `.csv` (a row a sample): both or neither.

    Raises:
        UserError: As `check_outputs`, or if they cannot be written.
    """
    paths = check_outputs(out, report.inputs, overwrite=overwrite)
    with staged(paths, overwrite=overwrite) as (values, sheet):
        values.write_text(json.dumps(to_json(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        sheet.write_text(to_csv(report), encoding="utf-8")
    return paths


def check_outputs(out: Path, inputs: Sequence[Path], *, overwrite: bool = False) -> list[Path]:
    """The JSON file and the CSV file beside it, if both can be written; to be asked before a long scoring, too.

    Args:
        out: The JSON file.
        inputs: Files and folders that are read.
        overwrite: Whether files that exist are replaced.

    Raises:
        UserError: If one exists and `overwrite` is false, is an input or in a folder that is, or both have one name.
    """
    if not out.name:
        raise UserError(f"cannot write {out}: it is a folder; give the name of a file")
    paths = [out, out.with_suffix(".csv")]
    if paths[0] == paths[1]:
        raise UserError(f"{out} is the name of the CSV file, which goes beside the JSON file; give a name in .json")
    for path in paths:
        if is_file(path):
            _refuse_inputs(path, inputs)
        try:
            check_free(path, overwrite=overwrite)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return paths


def _refuse_inputs(path: Path, inputs: Sequence[Path]) -> None:
    for source in inputs:
        if path.samefile(source) or path.resolve().is_relative_to(source.resolve()):
            raise UserError(f"the output {path} is also an input ({source}); choose another output")


def to_csv(report: Report) -> str:
    """Id, status and every per-sample value; empty where a sample takes no part; a second file's end in `_2`.

    A text of the data that a spreadsheet would take for a formula has an apostrophe in front.
    """
    columns: dict[str, Sequence[Any]] = {"id": [_no_formula(sample) for sample in report.ids]}
    for number, one in enumerate(report.scored, start=1):
        end = "" if number == 1 else f"_{number}"
        columns["status" + end] = [one.collected.status(sample) for sample in report.ids]
        for name, figure in one.figures.items():
            if figure.values is not None:
                columns[name + end] = [_plain(value) for value in figure.values.tolist()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_no_formula, columns))
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def counted(collected: Collected, report: Report) -> str:
    """What became of the rows and samples, in one line."""
    rows = collected.rows
    wrong = [f"{rows[kind]} {kind}" for kind in ("invalid", "duplicate", "unknown") if rows[kind]]
    missing = len(collected.missing)
    treated = "left out" if len(report.ids) < report.samples else "scored 0"
    parts = [f"{rows['answered']} answers", *([f"{rows['unanswered']} without answer"] if rows["unanswered"] else [])]
    parts += [*wrong, *([f"{missing} missing ({treated})"] if missing else [])]
    return f"{collected.path}: {rows.total()} rows for {report.samples} samples: {', '.join(parts)}"


def _part(one: Scored, report: Report) -> dict[str, Any]:
    collected = one.collected
    counts = {kind: collected.rows[kind] for kind in ("answered", "unanswered", "invalid", "duplicate", "unknown")}
    return {
        "predictions": str(collected.path),
        "counts": {
            "samples": report.samples,
            "scored": len(report.ids),
            "rows": collected.rows.total(),
            **counts,
            "missing": len(collected.missing),
        },
        "missing": list(collected.missing),
        "problems": [problem.line() for problem in collected.problems],
        "figures": {
            name: {
                "value": _number(one.estimates[name].value),
                **_interval(one.estimates[name]),
                "samples": figure.count,
                "unit": "%" if figure.percent else "1",
            }
            for name, figure in one.figures.items()
        },
    }


def _headings(report: Report) -> list[str]:
    if len(report.scored) == 1:
        return ["value [95 % interval]"]
    return [f"{place}: {one.collected.path.name}" for place, one in zip(PLACES, report.scored, strict=True)]


def _cell(one: Estimate | None) -> str:
    if one is None or math.isnan(one.value):
        return "-"
    digits = 2 if max(abs(one.value), abs(one.low), abs(one.high)) > 1 else 4
    return f"{one.value:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"


def _plain(value: float) -> str:
    return "" if math.isnan(value) else format(value, ".10g")


def _no_formula(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _interval(one: Estimate) -> dict[str, float | None]:
    return {"low": _number(one.low), "high": _number(one.high)}


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
