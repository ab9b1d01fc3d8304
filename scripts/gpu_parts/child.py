"""One part in this process: `python -m gpu_parts.child CALL PLACE RESULT`, as `conduct` starts it."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from gpu_parts.parts import Place

from grounding.core.extras import needs
from grounding.core.files import write_json


def main(call: str, place: str, result: str) -> None:
    """Run a part; what it tells is in the file at once, so that a part that dies leaves what it has.

    Args:
        call: The part's function, `module:function`.
        place: A `Place` as JSON.
        result: File for the figures, written anew each time.
    """
    values = json.loads(place)
    found: dict[str, Any] = {}

    def tell(**figures: Any) -> None:
        found.update(finite(figures))
        write_json(result, found, overwrite=True)

    module, _, function = call.partition(":")
    with needs("train"):
        getattr(importlib.import_module(module), function)(Place(**{**values, "folder": Path(values["folder"])}), tell)


def finite(value: Any) -> Any:
    """The value with None for numbers that are not finite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
