"""Processes that join and then wait for each other, of which some make a mistake; for test_processes."""

from __future__ import annotations

import sys

from accelerate import PartialState

from grounding.cli import run
from grounding.core import UserError
from grounding.jobs.processes import join_processes, one_voice, stopping_when_told


@one_voice()
def main(failing: str) -> None:
    """Join, fail where told, and wait for the others."""
    if failing == "before":
        raise UserError("a mistake of everybody")
    with stopping_when_told():
        join_processes()
        if str(PartialState().process_index) in failing:
            raise UserError(f"a mistake of process {PartialState().process_index}")
        PartialState().wait_for_everyone()
        sys.stdout.write(f"process {PartialState().process_index} is well\n")


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]))
