"""What a step learnt from, written down so that the step can be looked at, or taken again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from grounding.core import UserError
from grounding.core.reading import read_json
from grounding.policies.policy import VideoPrompt
from grounding.policies.saving import whole_folder
from grounding.policies.shared_prefix import runs


def save_batch(folder: Path, passes: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write the inputs of a step's passes: tensors to batch.safetensors, everything else to batch.json.

    Args:
        folder: Made here, whole or not at all; nothing is written if it exists (a resumed run meets it again).
        passes: Inputs of the trainer's loss, with a list of `VideoPrompt` as `prompts`.
        facts: What else is known, as JSON can hold it.
    """
    if folder.exists():
        return
    tensors: dict[str, torch.Tensor] = {}
    notes = [_take_apart(one, f"{index}.", tensors) for index, one in enumerate(passes)]
    with whole_folder(folder) as partial:
        save_file(tensors, partial / "batch.safetensors")
        (partial / "batch.json").write_text(json.dumps({**facts, "passes": notes}, indent=2) + "\n", encoding="utf-8")


def load_batch(folder: Path) -> list[dict[str, Any]]:
    """The inputs that `save_batch` wrote.

    Raises:
        UserError: If they cannot be read.
    """
    try:
        notes = read_json(folder / "batch.json")["passes"]
        with safe_open(folder / "batch.safetensors", "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        return [_put_together(note, f"{index}.", tensors) for index, note in enumerate(notes)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} holds no saved batch: {error}; give a folder RUN/nonfinite/step-N") from error


def _take_apart(inputs: Mapping[str, Any], prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    rest: dict[str, Any] = {"prompts": []}
    for number, (prompt, count) in enumerate(runs(inputs["prompts"])):
        values = {one.name: getattr(prompt, one.name) for one in fields(prompt)}
        plain = {name: value for name, value in values.items() if not isinstance(value, torch.Tensor)}
        rest["prompts"].append({"rows": count, **plain})
        _keep({f"prompt{number}.{name}": value for name, value in values.items()}, prefix, tensors)
    others = {name: value for name, value in inputs.items() if name != "prompts"}
    _keep(others, prefix, tensors)
    return {**rest, **{name: value for name, value in others.items() if not isinstance(value, torch.Tensor)}}


def _keep(values: Mapping[str, Any], prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    found = {prefix + name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
    # Parts of one batch share storage, which safetensors refuses.
    tensors |= {name: value.detach().cpu().contiguous().clone() for name, value in found.items()}


def _put_together(note: dict[str, Any], prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    prompts: list[VideoPrompt] = []
    for number, plain in enumerate(note["prompts"]):
        begin = f"prompt{number}."
        parts: dict[str, Any] = {
            name.removeprefix(begin): own.pop(name) for name in list(own) if name.startswith(begin)
        }
        values = {name: value for name, value in plain.items() if name != "rows"}
        prompts += [VideoPrompt(**parts, **values)] * plain["rows"]
    return {**note, **own, "prompts": prompts}
