r"""Finding a reward by its name, or in a Python file of the user's own: `path/to/file.py:function`.

On the command line the colon in the name is escaped, and the whole is quoted for the shell:

    python scripts/train.py task=stvg 'task.weights={path/to/file.py\:function: 0.5}'
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from grounding.core import UserError
from grounding.core.reading import is_file
from rewards.base import REWARDS, Reward


def find(name: str) -> Reward:
    """The reward of this name; one in a file is loaded at first use and stays in `REWARDS` under `name`.

    The file is the user's own program and runs as such; what it raises is not caught.

    Args:
        name: Of a registered reward, or `path/to/file.py:function`, the function decorated with `@reward(range=...)`.

    Raises:
        UserError: If there is no such reward, file or function, or it is not decorated.
    """
    if name not in REWARDS:
        path, colon, function = name.rpartition(":")
        if not colon or not path.endswith(".py"):
            known = ", ".join(sorted(REWARDS))
            raise UserError(f"there is no reward {name!r}; known rewards: {known}; or give path/to/file.py:function")
        REWARDS[name] = _load(Path(path), function, name)
    return REWARDS[name]


def _load(path: Path, function: str, name: str) -> Reward:
    if not is_file(path):
        raise UserError(f"reward {name}: there is no file {path.resolve()}")
    before = set(REWARDS)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        added = {new: REWARDS.pop(new) for new in set(REWARDS) - before}  # its names are its own
    found = next((one for one in added.values() if one.function is getattr(module, function, None)), None)
    if found is None:
        entered = ", ".join(sorted(added)) or "none"
        raise UserError(f"reward {name}: no function {function!r} with @reward(range=...) in it; it has {entered}")
    return Reward(name, found.function, found.low, found.high)
