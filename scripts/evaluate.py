"""Evaluate a saved model: `python scripts/evaluate.py model=RUN/model` gives the `after` figures of the run again.

model=DIR                        a model folder or hub name; the folder's tubelet.yaml says how it was trained
out=FILE.json                    write the figures, too
data.eval_samples=64             any option of a run overrides what tubelet.yaml says
data.name=jsonl data.root=DIR data.annotations=FILE                                  evaluate on your own videos
data.name=hcstvg data.root=DIR data.annotations=FILE data.masklets=DIR               or on HC-STVG or VidSTG
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import sys

from rich.console import Console
from rich.progress import track
from rich.table import Table

from grounding.core.extras import needs
from grounding.core.files import write_json


def show(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    shown = Table(*header, title=title)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)


def main() -> None:
    """Parse, evaluate, print."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    with needs("train"):  # heavy; --help is quick
        from grounding.commands.evaluate import evaluate_model, figures, left_out, read_arguments, table
        from grounding.commands.outcome import absent, controls_table

    plan = read_arguments(arguments)
    notes = Console(stderr=True)
    result, skipped = evaluate_model(plan.config, lambda batches: track(batches, "Evaluating", console=notes))
    for line in left_out(skipped):
        notes.print(line, markup=False, highlight=False, soft_wrap=True)
    title = f"{plan.config.data.name}, {int(result.metrics['count'])} samples"
    show(title, *table(result))
    show(f"{title}, beside the controls", *controls_table(result))
    for line in absent(result):
        notes.print(line, markup=False, highlight=False, soft_wrap=True)
    if plan.out is not None:
        write_json(plan.out, figures(plan.config, result, skipped))
        print(f"wrote {plan.out}")


if __name__ == "__main__":
    run(main)
