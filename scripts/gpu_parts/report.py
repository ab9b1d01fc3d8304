"""What `gpu_check.py` writes: a line a part at once, all figures as JSON, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpu_parts.conduct import Outcome
from gpu_parts.parts import Part

from grounding.core.files import write_json, write_text

FIGURES, TABLE = "gpu_check.json", "gpu_check.md"
HEADER = "| part | status | seconds | what is measured | result |\n|---|---|---|---|---|\n"


def line(part: Part, outcome: Outcome) -> str:
    """A part's line."""
    return f"{part.name:<15} {outcome.status:<7} {outcome.seconds:>4.0f} s  {result(outcome)}"


def result(outcome: Outcome) -> str:
    """In one line: what a part found, or why it did not and what it had found until then."""
    parts = [part for part in (outcome.reason, outcome.figures.get("result", "")) if part]
    return " ".join("; until then: ".join(parts).split())


def write_figures(folder: Path, setting: Mapping[str, Any], outcomes: Mapping[str, Outcome]) -> None:
    """Write all figures anew, as far as they are known."""
    parts = {name: asdict(outcome) for name, outcome in outcomes.items()}
    write_json(folder / FIGURES, {"setting": dict(setting), "parts": parts}, overwrite=True)


def write_table(
    folder: Path, setting: Mapping[str, Any], parts: Sequence[Part], outcomes: Mapping[str, Outcome]
) -> None:
    """Write the table, a row a part."""
    write_text(folder / TABLE, table(setting, parts, outcomes))


def table(setting: Mapping[str, Any], parts: Sequence[Part], outcomes: Mapping[str, Outcome]) -> str:
    """The table as Markdown."""
    where = ", ".join(f"{name} {value}" for name, value in setting.items() if value is not None)
    return f"{where}\n\n{HEADER}" + "".join(_row(part, outcomes[part.name]) for part in parts)


def _row(part: Part, outcome: Outcome) -> str:
    cells = [part.name, outcome.status, f"{outcome.seconds:.0f}", part.measures, result(outcome)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
