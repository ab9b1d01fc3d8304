"""The table of tasks. A new one is one file with a `Task`, and one line here."""

from __future__ import annotations

from grounding.tasks.qa import QA
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG

TASKS: dict[str, Task] = {task.name: task for task in (STVG, VTG, QA)}
