"""From prediction files to scores: every row is accounted for, and every sample has a place in the denominator."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.core import UserError, UserErrors
from grounding.core.reading import is_file, is_folder
from grounding.datasets.problems import Problem
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.table import BENCHMARKS
from grounding.evaluation.bootstrap import RESAMPLES, Estimate, Figure, differences, estimates

TOLD = 20  # mistakes that --strict names before it only counts


@dataclass(frozen=True)
class Options:
    """How to score.

    Args:
        compat: One of the benchmark's modes; None is its first.
        strict: Stop at anything wrong with the predictions instead of scoring the rest.
        skip_missing: Leave samples without a prediction out of the denominator instead of scoring them 0.
        resamples: For the intervals.
        seed: For the intervals.
    """

    compat: str | None = None
    strict: bool = False
    skip_missing: bool = False
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Collected:
    """The rows of a prediction file, sorted.

    Args:
        path: The file.
        answers: By id, None where the row says that there is none.
        seen: Ids that a row is about; those without an answer had a wrong one.
        rows: How many rows are `answered`, `unanswered`, `invalid`, `duplicate` and `unknown`; together all of them.
        problems: One for each row of the last three kinds.
        missing: Ids that no row is about.
    """

    path: Path
    answers: Mapping[str, Any]
    seen: frozenset[str]
    rows: Counter[str]
    problems: Sequence[Problem]
    missing: Sequence[str]

    def status(self, sample: str) -> str:
        """`answered`, `unanswered`, `invalid` or `missing`."""
        if sample in self.answers:
            return "unanswered" if self.answers[sample] is None else "answered"
        return "invalid" if sample in self.seen else "missing"


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one prediction file.

    Args:
        collected: What was in it.
        figures: By name.
        estimates: Values and intervals, by name.
    """

    collected: Collected
    figures: Mapping[str, Figure]
    estimates: Mapping[str, Estimate]

    def value(self, name: str) -> float | None:
        """A figure rounded as the official evaluator rounds it; None where no sample takes part."""
        value, digits = self.estimates[name].value, self.figures[name].digits
        if value != value:
            return None
        return value if digits is None else float(f"{value:.{digits}f}")


@dataclass(frozen=True, eq=False)
class Report:
    """What `score_files` finds.

    Args:
        benchmark: Its name.
        compat: The mode.
        truth: The file.
        ids: The samples that are scored, in the order of the truth.
        inputs: All files and folders that were read.
        samples: How many the truth holds; more than `ids` only where missing ones are skipped.
        scored: For one prediction file, or two.
        hopeless: Those of `ids` whose truth no answer can score on, such as an interval without length.
        gaps: What their truths do not tell, in a line each.
        difference: Second minus first, where there are two.
    """

    benchmark: str
    compat: str
    truth: Path
    inputs: Sequence[Path]
    ids: Sequence[str]
    samples: int
    scored: Sequence[Scored]
    hopeless: Sequence[str] = ()
    gaps: Sequence[str] = ()
    difference: Mapping[str, Estimate] = field(default_factory=dict)


def score_files(
    name: str, predictions: Sequence[str | Path], truth: str | Path, options: Options | None = None
) -> Report:
    """Score one prediction file, or compare two, against the truth.

    Args:
        name: A key of `BENCHMARKS`.
        predictions: One or two files (or folders, where the benchmark has them).
        truth: The benchmark's annotation.
        options: See `Options`.

    Raises:
        UserError: If the benchmark or mode is unknown, a file cannot be used at all, or, when strict, naming file and
            row of everything that is wrong with the predictions.
    """
    options = options or Options()
    said, truth = [Path(path) for path in predictions], Path(truth)
    benchmark = find(name)
    mode = _mode(name, benchmark, options.compat)
    truths = benchmark.truths(truth)
    if not truths:
        raise UserError(f"{truth} holds no samples; give {benchmark.truth}")
    files = [collect(path, benchmark, truths) for path in said]
    if options.strict:
        _stop(files)
    ids = [one for one in truths if not (options.skip_missing and any(f.status(one) == "missing" for f in files))]
    if not ids:
        raise UserError(f"{predictions[0]} has a prediction for none of the samples of {truth}; nothing is left")
    chosen = [truths[one] for one in ids]
    results = [benchmark.figures(chosen, [file.answers.get(one) for one in ids], mode) for file in files]
    draws = {"resamples": options.resamples, "seed": options.seed}
    scored = [
        Scored(file, figures, estimates(figures, len(ids), **draws))
        for file, figures in zip(files, results, strict=True)
    ]
    paired = differences(results[0], results[1], len(ids), **draws) if len(results) == 2 else {}
    hopeless = [one for one in ids if benchmark.hopeless(truths[one])]
    read = inputs_of(name, said, truth)
    return Report(name, mode, truth, read, ids, len(truths), scored, hopeless, benchmark.gaps(chosen), paired)


def inputs_of(name: str, predictions: Sequence[Path], truth: Path) -> list[Path]:
    """All files and folders that `score_files` reads, as far as they exist."""
    read = (truth, *predictions, *find(name).beside(truth))
    return [path for path in read if is_file(path) or is_folder(path)]


def find(name: str) -> Benchmark:
    """A benchmark by name.

    Raises:
        UserError: Naming those that there are.
    """
    if name not in BENCHMARKS:
        close = difflib.get_close_matches(name, BENCHMARKS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"there is no benchmark {name!r}{hint}; known: {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def collect(path: Path, benchmark: Benchmark, truths: Mapping[str, Any]) -> Collected:
    """Sort the rows of a prediction file; of two rows for one sample the first counts.

    Raises:
        UserError: If the file cannot be read, or none of its rows can be used.
    """
    answers: dict[str, Any] = {}
    seen: set[str] = set()
    rows: Counter[str] = Counter()
    problems = []
    for entry in benchmark.entries(path):
        sample, kind = None, "invalid"
        try:
            if isinstance(entry.value, UserError):
                kind = "duplicate" if entry.key in seen else kind
                raise entry.value
            sample = benchmark.identify(entry)
            if sample not in truths:
                kind = "unknown"
                raise UserError("the truth has no sample with this id; remove the row or take the truth of its split")
            if sample in seen:
                kind = "duplicate"
                raise UserError("there is a row for this sample before, which counts; remove one of the two")
            seen.add(sample)
            answers[sample] = benchmark.answer(entry.value, truths[sample])
            kind = "unanswered" if answers[sample] is None else "answered"
        except UserError as error:
            problems.append(Problem(str(path), entry.row, sample, str(error)))
        rows[kind] += 1
    if not answers:
        first = f"the first: row {problems[0].row}: {problems[0].message}" if problems else "it is empty"
        raise UserError(f"{path}: none of its {rows.total()} rows can be used; {first}")
    missing = [one for one in truths if one not in seen]
    return Collected(path, answers, frozenset(seen), rows, problems, missing)


def _mode(name: str, benchmark: Benchmark, compat: str | None) -> str:
    if compat is None:
        return benchmark.modes[0]
    if compat not in benchmark.modes:
        raise UserError(f"{name} has no --compat {compat!r}; choose one of: {', '.join(benchmark.modes)}")
    return compat


def _stop(files: Sequence[Collected]) -> None:
    """Refuse predictions that are not one good row for each sample."""
    lines = [problem.line() for file in files for problem in file.problems]
    lines += [f"{file.path}: no prediction for {sample}" for file in files for sample in file.missing]
    if lines:
        more = [f"and {len(lines) - TOLD} more; mend these first"] if len(lines) > TOLD else []
        raise UserErrors(lines[:TOLD] + more)
