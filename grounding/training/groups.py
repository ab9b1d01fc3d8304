"""Groups: the completions of one prompt, which are compared with one another and never separated.

A group whose completions are all rewarded alike teaches nothing; another can take its place (dynamic sampling of DAPO).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def flat_groups(rewards: torch.Tensor, members: int) -> list[int]:
    """Groups whose rows have no two different rewards.

    Args:
        rewards: Shape (rows,), NaN where a row could not be scored.
        members: Rows of a group.
    """
    groups = by_group(rewards, members)
    most, least = groups.nan_to_num(-torch.inf).amax(1), groups.nan_to_num(torch.inf).amin(1)
    return (most <= least).nonzero().flatten().tolist()


def put_groups(
    batch: dict[str, Any], places: Sequence[int], others: dict[str, Any], chosen: Sequence[int], members: int, pad: int
) -> dict[str, Any]:
    """Replace groups of a batch by groups of another; what is not one value a row stays as it is.

    Args:
        batch: Columns of rows: lists, or tensors of shape (rows,) or (rows, length). Those of prompts are padded on
            the left, all others on the right; ids with `pad`, all others with 0.
        places: Groups to replace.
        others: The same columns.
        chosen: Groups of `others`, as many as there are places.
        members: Rows of a group.
        pad: The token that pads.
    """
    to = [place * members + member for place in places for member in range(members)]
    of = [group * members + member for group in chosen for member in range(members)]

    def joined(name: str, mine: Any, theirs: Any) -> Any:
        if isinstance(mine, list):
            new = dict(zip(to, (theirs[row] for row in of), strict=True))
            return [new.get(row, value) for row, value in enumerate(mine)]
        if not isinstance(mine, torch.Tensor) or mine.ndim == 0:
            return mine
        if mine.ndim == 2:
            length = max(mine.shape[1], theirs.shape[1])
            mine, theirs = (
                _widened(one, length, name.startswith("prompt"), pad * name.endswith("_ids")) for one in (mine, theirs)
            )
        return mine.index_copy(0, torch.tensor(to, dtype=torch.long, device=mine.device), theirs[of])

    return {name: joined(name, value, others[name]) for name, value in batch.items()}


def _widened(rows: torch.Tensor, length: int, left: bool, value: int) -> torch.Tensor:
    missing = length - rows.shape[1]
    return torch.nn.functional.pad(rows, (missing, 0) if left else (0, missing), value=value)
