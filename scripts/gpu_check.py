"""Check on a GPU what CPUs cannot show, and measure what only a GPU makes worth measuring, in 8 minutes on an H200.

    python scripts/gpu_check.py --out runs/gpu           on a GPU; nothing is downloaded, weights are random
    python scripts/gpu_check.py --out runs/try --tiny    the smallest sizes, on a CPU too: does the script work?

Every part runs in a process of its own and within a limit. It prints its line when it has ended, and all figures are
then in DIR/gpu_check.json; DIR/gpu_check.md has the table, DIR/logs what the parts printed. The status is 1 if a part
is not ok.
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro
from benchmarks.apart import alone
from gpu_parts.conduct import Outcome, conduct
from gpu_parts.parts import PARTS, Part, Place
from gpu_parts.report import line, write_figures, write_table
from gpu_parts.setting import setting

from grounding.core import UserError
from grounding.core.files import check_free, writing


@dataclass(frozen=True)
class Options:
    """What to check, and where the results go.

    Args:
        out: Folder for the results; made, nothing in it is overwritten.
        only: Names of parts; all if none is given.
        minutes: For all parts together.
        tiny: The smallest sizes, also on a CPU, to see that the script works; its figures mean nothing.
    """

    out: Path
    only: tuple[str, ...] = ()
    minutes: float = 8.0
    tiny: bool = False


def main(options: Options) -> None:
    """Run the parts and write down what they find."""
    parts = chosen(options.only)
    if not options.minutes > 0:
        raise UserError(f"--minutes must be more than 0, got {options.minutes:g}")
    check_free(options.out, folder=True)
    found = alone(setting, options.tiny)
    if found["device"] == "cpu" and not options.tiny:
        raise UserError("no CUDA GPU that torch can see was found; --tiny tries the script on the CPU")
    logs = options.out / "logs"
    with writing(options.out):
        logs.mkdir(parents=True)
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(found["device"], found["card"], options.tiny, Path(folder))
        for part, outcome in conduct(parts, place, logs, 60 * options.minutes):
            outcomes[part.name] = outcome
            print(line(part, outcome), flush=True)
            write_figures(options.out, found, outcomes)
    write_table(options.out, found, parts, outcomes)
    print(f"wrote {options.out}")
    if any(outcome.status != "ok" for outcome in outcomes.values()):
        raise SystemExit(1)


def chosen(names: tuple[str, ...]) -> list[Part]:
    """The parts of these names, in their own order; all if there is none."""
    known = [part.name for part in PARTS]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"there is no part {', '.join(unknown)}; choose of {', '.join(known)}")
    return [part for part in PARTS if not names or part.name in names]


if __name__ == "__main__":
    run(lambda: main(tyro.cli(Options, description=__doc__)))
