"""Make all runs of a study and compare them: `python scripts/experiments.py videotg_ablation`.

A study that was stopped goes on where it was: runs that are complete are not made again.

    python scripts/experiments.py videotg_ablation --out runs/ablation --jobs 2
"""

from __future__ import annotations

from grounding.cli import imports, run  # first: from here on Ctrl-C ends with one line

# isort: split
import argparse
from pathlib import Path

with imports("train"):
    from grounding.experiments.study import run_study
    from grounding.experiments.table import STUDIES


def main() -> None:
    """Read the command line, make the runs, and show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--out", type=Path, help="folder of all runs; runs/STUDY unless it is given")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    arguments = parser.parse_args()
    folder = arguments.out or Path("runs") / arguments.study
    run_study(STUDIES[arguments.study], folder, arguments.jobs)
    print((folder / "table.md").read_text(), end="")


if __name__ == "__main__":
    run(main)
