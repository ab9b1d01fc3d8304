"""Figures of a benchmark as functions of how often each sample counts, and their bootstrap 95 % intervals.

A figure takes weights, one a sample, and so knows its value (every weight 1), its interval (weights drawn with
replacement) and, with the same draws, how it differs between two sets of predictions of the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
_BLOCK = 4_000_000  # weights in memory at a time


@dataclass(frozen=True, eq=False)
class Figure:
    """One number of a benchmark.

    Args:
        at: Weights, shape (B, n) -> values, shape (B,); NaN where no sample that takes part has weight.
        count: How many samples take part.
        values: What each sample adds, shape (n,), NaN where it takes no part; None where the figure is no mean.
        percent: The unit is % and not 1.
        digits: Decimals that the official evaluator rounds to; None if it does not.
    """

    at: Callable[[np.ndarray], np.ndarray]
    count: int
    values: np.ndarray | None = None
    percent: bool = False
    digits: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; all three are NaN where no sample takes part.

    Args:
        value: Over the samples as they are.
        low: 2.5th percentile over resamples.
        high: 97.5th percentile.
        p: Of a difference: twice the share of resamples on the rarer side of 0; else None.
    """

    value: float
    low: float
    high: float
    p: float | None = None


def shown(value: float, estimate: Estimate | None, signed: bool = False) -> str:
    """`0.530 [0.49, 0.57]`, of a difference `+0.124 [0.09, 0.16]`; the value alone where no interval is known."""
    bounds = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate else ""
    return f"{value:{'+' if signed else ''}.3f}{bounds}"


def mean(values: np.ndarray, *, percent: bool = False, digits: int | None = None) -> Figure:
    """The mean over the samples that take part.

    Args:
        values: One a sample, shape (n,); NaN takes no part.
        percent: Say it in %.
        digits: See `Figure`.
    """
    values = np.asarray(values, float) * (100.0 if percent else 1.0)
    count = int((~np.isnan(values)).sum())
    return Figure(lambda weights: _means(weights, values[:, None])[:, 0], count, values, percent, digits)


def macro(figures: Sequence[Figure], *, percent: bool = False, digits: int | None = None) -> Figure:
    """The plain mean of several figures of the same unit, such as one a category; those without samples left out."""

    def at(weights: np.ndarray) -> np.ndarray:
        values = np.array([figure.at(weights) for figure in figures])
        present = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            return np.where(present, values, 0).sum(axis=0) / present.sum(axis=0)

    return Figure(at, sum(figure.count for figure in figures), None, percent, digits)


def estimates(
    figures: Mapping[str, Figure], samples: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Value and percentile interval of each figure.

    Args:
        figures: By name.
        samples: How many samples n they are made of, >= 1.
        resamples: How often to draw n samples with replacement.
        seed: Of the draws.
    """
    draws = _draws(figures, samples, resamples, seed)
    return {name: _estimate(_now(figure, samples), draws[name]) for name, figure in figures.items()}


def differences(
    first: Mapping[str, Figure],
    second: Mapping[str, Figure],
    samples: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Second minus first, for the figures that both have, on the same draws of the same samples (a paired bootstrap).

    Args:
        first: Figures of one set of predictions.
        second: Of another one, with the samples in the same order.
        samples: See `estimates`.
        resamples: See `estimates`.
        seed: See `estimates`.
    """
    names = [name for name in first if name in second]
    before = _draws({name: first[name] for name in names}, samples, resamples, seed)
    after = _draws({name: second[name] for name in names}, samples, resamples, seed)
    result = {}
    for name in names:
        drawn = after[name] - before[name]
        value = _now(second[name], samples) - _now(first[name], samples)
        result[name] = _estimate(value, drawn, _two_sided(drawn))
    return result


def _now(figure: Figure, samples: int) -> float:
    return float(figure.at(np.ones((1, samples)))[0])


def _draws(figures: Mapping[str, Figure], samples: int, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """The values of each figure over the resamples; all means in one product, which is much faster."""
    means = {name: figure.values for name, figure in figures.items() if figure.values is not None}
    others = [name for name in figures if name not in means]
    columns = np.stack([*means.values()], axis=1) if means else np.zeros((samples, 0))
    parts = []
    for weights in _weights(samples, resamples, seed):
        parts.append(np.column_stack([_means(weights, columns), *[figures[name].at(weights) for name in others]]))
    return dict(zip([*means, *others], np.concatenate(parts).T, strict=True))


def _means(weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Weighted means of columns (n, F), NaN left out, shape (B, F)."""
    present = ~np.isnan(columns)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: nobody took part
        return (weights @ np.where(present, columns, 0.0)) / (weights @ present.astype(float))


def _weights(samples: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each sample was drawn, in blocks of shape (B, samples)."""
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // samples)
    for first in range(0, resamples, block):
        rows = range(first, min(first + block, resamples))
        yield np.array([np.bincount(rng.integers(0, samples, samples), minlength=samples) for _ in rows], float)


def _estimate(value: float, drawn: np.ndarray, p: float | None = None) -> Estimate:
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), p)


def _two_sided(drawn: np.ndarray) -> float:
    """Never 0, for that is more than a finite number of draws can tell."""
    below, above = (drawn <= 0).sum(), (drawn >= 0).sum()
    return min(1.0, 2.0 * (1.0 + float(min(below, above))) / (1.0 + len(drawn)))
