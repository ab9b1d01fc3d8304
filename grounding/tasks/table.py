"""The table of tasks. A new one is one file with a `Task`, and one line here."""

from __future__ import annotations

from grounding.tasks.box import BOX, BOX_ROOMS
from grounding.tasks.gqa import GQA
from grounding.tasks.progress import PROGRESS
from grounding.tasks.qa import QA, QA_ROOMS
from grounding.tasks.rvos import RVOS
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG, VTG_ROOMS, VTG_VISITS

TASKS: dict[str, Task] = {task.name: task for task in (STVG, VTG, GQA, QA, BOX, PROGRESS, RVOS)}

# The tasks that other generated worlds ask.
REPEATING: dict[str, Task] = {task.name: task for task in (VTG_VISITS,)}  # where things come again
ROOMS: dict[str, Task] = {task.name: task for task in (VTG_ROOMS, QA_ROOMS, BOX_ROOMS)}
