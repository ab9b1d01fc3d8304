"""Curves of a training run, drawn from its `metrics.jsonl`."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.core import UserError
from grounding.core.checks import within
from grounding.core.files import whole_file
from grounding.core.reading import parse_json, read_bytes

Series = dict[str, list[tuple[int, float]]]  # name -> (step, value), in the order of the file


@dataclass(frozen=True)
class Panel:
    """One plot.

    Args:
        title: What it shows.
        phase: Of which phase.
        key: The name of its figures; "*" stands for the name of a reward.
        share: The figures lie in [0, 1], and so does the axis.
    """

    title: str
    phase: str
    key: str
    share: bool = False

    def among(self, phases: Mapping[str, Series]) -> Series:
        """The series that belong here, by label."""
        series = phases.get(self.phase, {})
        return {label: points for name, points in series.items() if (label := self.label(name)) is not None}

    def label(self, name: str) -> str | None:
        """What "*" stands for in the name, the name itself where the key has no star; None if it does not match."""
        before, star, after = self.key.partition("*")
        if not star:
            return name if name == self.key else None
        middle = name.removeprefix(before).removesuffix(after)
        return middle if middle and before + middle + after == name else None


PANELS = (
    Panel("warm-up: loss", "warmup", "loss"),
    Panel("warm-up: answers right in every token", "warmup", "exact", share=True),
    Panel("GRPO: reward", "grpo", "reward"),
    Panel("GRPO: mean of each reward", "grpo", "rewards/*/mean"),
    Panel("GRPO: share of groups without variance", "grpo", "frac_reward_zero_std", share=True),
    Panel("GRPO: parse rate", "grpo", "parse_rate", share=True),
)


def curves(metrics_file: Path, path: Path, *, overwrite: bool = False) -> None:
    """Draw a PNG with a panel for each of `PANELS` that the metrics file has figures for; of other phases the loss.

    Args:
        metrics_file: One object a line: `{"step": int, "phase": "<stage>", "<name>": number, ...}`. Names that have
            no panel, nulls and NaNs are left out.
        path: Where to write.
        overwrite: Replace an existing file.

    Raises:
        UserError: Naming file and row of a line that is not as above; or if there is nothing to draw, matplotlib is
            missing, or the file exists or cannot be written.
    """
    series = read_metrics(metrics_file)
    others = [Panel(f"{phase}: loss", phase, "loss") for phase in series if phase not in {one.phase for one in PANELS}]
    panels = [(panel, found) for panel in (*PANELS, *others) if (found := panel.among(series))]
    if not panels:
        raise UserError(f"{metrics_file} holds no figures to draw; expected some like loss or reward")
    _draw(panels, path, overwrite)


def read_metrics(file: Path) -> dict[str, Series]:
    """Read a metrics file into series of finite numbers by phase and name.

    Raises:
        UserError: Naming file and row of the first line that is broken, or if the file cannot be read.
    """
    phases: dict[str, Series] = {}
    for row, line in enumerate(read_bytes(file, "metrics").splitlines(), start=1):
        if line.strip():
            with within(f"{file}, row {row}"):
                step, phase, values = parse_metrics(line)
            for name, value in values.items():
                phases.setdefault(phase, {}).setdefault(name, []).append((step, value))
    return phases


def parse_metrics(line: bytes) -> tuple[int, str, dict[str, float]]:
    """Step, phase and the finite numbers of a line of a metrics file.

    Raises:
        UserError: If it is not as `curves` says.
    """
    try:
        value = parse_json(line, "the line")
    except UserError as error:
        raise UserError(f"expected a JSON object, but {error}; remove the line") from error
    if not isinstance(value, dict):
        raise UserError(f"expected a JSON object, got {reprlib.repr(value)}; remove the line")
    step, phase = value.pop("step", None), value.pop("phase", None)
    if type(step) is not int or not isinstance(phase, str):
        got = f"{reprlib.repr(step)} and {reprlib.repr(phase)}"
        raise UserError(f'expected a whole number "step" and a text "phase", got {got}; remove the line')
    return step, phase, {name: float(number) for name, number in value.items() if _is_figure(number)}


def _is_figure(value: Any) -> bool:
    """A finite number; whole ones that no float holds are none."""
    return type(value) in (int, float) and abs(value) < 1e300


def _draw(panels: Sequence[tuple[Panel, Series]], path: Path, overwrite: bool) -> None:
    try:
        from matplotlib.figure import Figure  # here, for it comes with the extra; without pyplot there is no display
    except ImportError as error:
        raise UserError("curves need matplotlib; install it with: pip install 'tubelet[train]'") from error

    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.8 * columns, 3.2 * rows), dpi=110, layout="constrained")
    for place, (panel, series) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for name, points in series.items():
            style = "o-" if len(points) < 30 else "-"
            axes.plot(*zip(*points, strict=True), style, markersize=3, label=name)
        axes.set_title(panel.title, fontsize=11)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if panel.share:
            axes.set_ylim(-0.03, 1.03)
        if "*" in panel.key:
            axes.legend(fontsize=8)
    with whole_file(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png")
