"""Score anybody's prediction file, or compare two; no model needed."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from pathlib import Path
from typing import Annotated

import tyro

from grounding.core import UserError
from grounding.core.checks import printable
from grounding.evaluation.benchmarks.table import BENCHMARKS
from grounding.evaluation.scores_out import check_outputs, show, write
from grounding.evaluation.scoring import Options, inputs_of, score_files

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def main(
    *,
    benchmark: str,
    predictions: tuple[Path, ...],
    truth: Path,
    out: Path | None = None,
    compat: str | None = None,
    strict: Flag = False,
    skip_missing: Flag = False,
    resamples: int = 1000,
    seed: int = 0,
    overwrite: Flag = False,
) -> None:
    """Score a prediction file against the truth, with bootstrap 95 % intervals; or compare two files.

    Args:
        benchmark: One of those listed below.
        predictions: The file, in the benchmark's submission format; with a second one the two are compared with a
            paired bootstrap.
        truth: The benchmark's annotation.
        out: JSON file to write, and beside it the same name in .csv with a row a sample. Never one that is read.
        compat: How to score where there are several ways. hcstvg and vidstg: definition (default), tubedetr (its
            script: 5 frames a second), tubedetr_2022 (that script before 25 May 2022, whose union ends too early);
            hcstvg also hcstvg (the script of its challenge).
        strict: Stop at rows that are wrong and at missing ones instead of scoring the rest.
        skip_missing: Leave samples without a prediction out instead of scoring them 0.
        resamples: For the intervals.
        seed: For the intervals.
        overwrite: Replace files that exist.
    """
    if not 1 <= len(predictions) <= 2:
        raise UserError(f"give one prediction file, or two to compare, got {len(predictions)}")
    if not 1 <= resamples <= 1_000_000 or seed < 0:
        raise UserError(f"--resamples must be 1 to 1000000 and --seed 0 or more, got {resamples} and {seed}")
    if out is not None:
        check_outputs(out, inputs_of(benchmark, predictions, truth), overwrite=overwrite)
    report = score_files(benchmark, predictions, truth, Options(compat, strict, skip_missing, resamples, seed))
    show(report)
    if out is not None:
        print(printable("wrote " + ", ".join(map(str, write(report, out, overwrite=overwrite)))))


def _benchmarks() -> str:
    rows = [f"  {name}\n    truth: {one.truth}\n    predictions: {one.predictions}" for name, one in BENCHMARKS.items()]
    return "\n".join([main.__doc__.partition("\n\n")[0] if main.__doc__ else "", "", "Benchmarks:", *rows])


if __name__ == "__main__":
    run(lambda: tyro.cli(main, description=_benchmarks()))
