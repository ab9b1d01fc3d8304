"""The two parts of GRPO that a paper changes: how completions come about, and how rewards become a gradient.

A new way of drawing completions is one function and one entry of `ROLLOUTS`, a new objective one entry of `OBJECTIVES`.

A member of a group is one attempt at its sample. It is one row (a prompt and what was said to it), or several, where
the policy is asked again; what it said last is read and rewarded, and all of its rows learn from that.
Shapes: R rows, those of a group one after another; C tokens of the longest completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a configuration is checked without torch
    from torch import Tensor

    from grounding.policies.policy import Policy, VideoPrompt
    from grounding.policies.shared_prefix import Sampling
    from grounding.training.examples import Example


@dataclass(frozen=True, eq=False)
class Row:
    """What was asked, and the tokens that were said, the end token included where it was drawn."""

    prompt: VideoPrompt
    tokens: list[int]


@dataclass(frozen=True, eq=False)
class Drawing:
    """What completions are drawn from.

    Args:
        policy: In evaluation mode, without gradients.
        examples: One a group.
        members: How many attempts at each.
        how: Longest completion, temperature and top-p.
        features: Of the videos of prompts, each encoded once a generation.
    """

    policy: Policy
    examples: Sequence[Example]
    members: int
    how: Sampling
    features: Callable[[Sequence[VideoPrompt]], list[Tensor]]


@dataclass(frozen=True)
class Rollout:
    """A way of drawing completions.

    Args:
        draw: The rows of each member, in their order, 1 to `turns`; the members of a group one after another.
        turns: Most rows of a member.
    """

    draw: Callable[[Drawing], list[list[Row]]]
    turns: int = 1


def one_turn(drawing: Drawing) -> list[list[Row]]:
    """The policy is asked once."""
    from grounding.policies.shared_prefix import sample

    prompts = [example.prompt for example in drawing.examples]
    drawn = sample(drawing.policy, prompts, drawing.members, drawing.how, drawing.features(prompts))
    asked = [prompt for prompt in prompts for _ in range(drawing.members)]
    return [[Row(prompt, tokens)] for prompt, tokens in zip(asked, drawn, strict=True)]


ROLLOUTS: dict[str, Rollout] = {"one_turn": Rollout(one_turn)}


def rows_of(members: Sequence[Sequence[Row]], size: int, turns: int) -> tuple[list[Row], list[int]]:
    """The rows of groups of `size` members as a batch has them: of each group all first turns, then all second ones.

    Rows of one prompt are neighbours so, and share it. A member of fewer turns has rows without tokens in the end.

    Returns:
        The rows, and for each of them the number of its member's last row that has any.
    """
    rows, last = list[Row](), list[int]()
    for start in range(0, len(members), size):
        group = members[start : start + size]
        final = [start * turns + (len(member) - 1) * size + place for place, member in enumerate(group)]
        for turn in range(turns):
            rows += [member[turn] if turn < len(member) else Row(member[-1].prompt, []) for member in group]
            last += final
    return rows, last


@dataclass(frozen=True)
class Generation:
    """What advantages are made of: the completions of one process in one generation, always whole groups.

    Args:
        rewards: Weighted sums, float, shape (R,); NaN where a completion could not be scored.
        tokens: Of the completions, int64, shape (R, C).
        mask: 1 where a token is part of its completion, shape (R, C).
        rows: Rows of a group.
        advantages: TRL's own, float, shape (R,).
    """

    rewards: Tensor
    tokens: Tensor
    mask: Tensor
    rows: int
    advantages: Tensor


@dataclass(frozen=True)
class Pass:
    """What a loss is made of: the rows of one forward pass, always whole groups.

    Args:
        logps: Log-probabilities of the tokens, with their graph, shape (R, C).
        old_logps: The same when they were drawn, shape (R, C).
        ref_logps: The same of the reference, shape (R, C); None without a KL term.
        advantages: Shape (R,), or (R, C) where tokens differ.
        rewards: As in `Generation`.
        mask: As in `Generation`.
        rows: Rows of a group.
    """

    logps: Tensor
    old_logps: Tensor
    ref_logps: Tensor | None
    advantages: Tensor
    rewards: Tensor
    mask: Tensor
    rows: int


@dataclass(frozen=True)
class Objective:
    """How rewards become a gradient.

    Args:
        trl: Fields of TRL's `GRPOConfig` that it fixes.
        advantages: Makes them of rewards, shape (R,) or (R, C); None takes TRL's own, those of the group.
        loss: The mean loss of a pass, with its graph; None takes the one that `trl` names.
    """

    trl: Mapping[str, Any] = field(default_factory=dict)
    advantages: Callable[[Generation], Tensor] | None = None
    loss: Callable[[Pass], Tensor] | None = None


# TRL's losses, by its names.
OBJECTIVES: dict[str, Objective] = {
    name: Objective({"loss_type": name})
    for name in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
}
