"""Groups: the completions of one prompt, which are compared with one another and never separated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from grounding.policies.policy import VideoPrompt


def by_group(values: torch.Tensor, members: int) -> torch.Tensor:
    """Values of rows as a view of shape (groups, members, ...).

    Raises:
        ValueError: If the rows are not whole groups.
    """
    if len(values) % members:
        raise ValueError(f"{len(values)} rows are no whole groups of {members}")
    return values.unflatten(0, (-1, members))


def check_groups(prompts: Sequence[VideoPrompt], members: int) -> None:
    """See that rows are whole groups of one prompt each.

    Raises:
        ValueError: If they are not; a batch of a process must hold whole groups.
    """
    firsts = prompts[::members]
    whole = [prompt for prompt in firsts for _ in range(members)]
    if len(whole) != len(prompts) or any(one is not other for one, other in zip(prompts, whole, strict=True)):
        raise ValueError(f"{len(prompts)} rows are no whole groups of {members} completions of one prompt")


def split_groups(batch: dict[str, Any], parts: int) -> list[dict[str, Any]]:
    """Cut a batch into equal runs of consecutive rows; a column that is not one value a row goes to every part."""
    rows = len(batch["prompts"])
    size = rows // parts

    def cut(value: Any, index: int) -> Any:
        whole = not isinstance(value, (torch.Tensor, list)) or (isinstance(value, torch.Tensor) and value.ndim == 0)
        return value if whole else value[index * size : (index + 1) * size]

    return [{name: cut(value, index) for name, value in batch.items()} for index in range(parts)]


def runs(prompts: Sequence[VideoPrompt]) -> Iterator[tuple[VideoPrompt, int]]:
    """Consecutive rows of one prompt: the prompt and how many rows it has."""
    for _, rows in itertools.groupby(prompts, key=id):
        members = list(rows)
        yield members[0], len(members)
