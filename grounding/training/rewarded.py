"""Before anything trains: every chosen reward must score true answers, or it would teach nothing."""

from __future__ import annotations

from collections.abc import Iterable

from grounding.core import Answer, Source, UserError
from grounding.tasks.task import Said, Task
from grounding.training.config import Config, weights_of
from grounding.training.data import spread
from rewards import PRESETS, Meta, find

TRIED = 16  # samples, spread over all, that are asked before a reward is refused

Gold = tuple[Said, Answer, Meta]  # what a perfect text says, the truth, and what else is known


def check_rewards(config: Config, task: Task, source: Source, skip_broken: bool) -> None:
    """Refuse a reward that scores no true answer of the data; one whose weight is 0 is not asked.

    The first sample is enough where every reward scores it.

    Args:
        config: Names the rewards.
        task: What is asked.
        source: Training samples.
        skip_broken: Whether samples that cannot be loaded are passed over; else the first stops the run.

    Raises:
        UserError: Naming the rewards, and presets that fit.
    """
    unscored = {name for name, weight in weights_of(config.task).items() if weight}
    tried: list[Gold] = []
    for index in spread(len(source.samples), TRIED):
        try:
            tried.append(gold(config, task, source, index))
        except UserError:
            if not skip_broken:
                raise
            continue
        unscored -= {name for name in unscored if scores(name, tried[-1:])}
        if not unscored:
            return
    if not tried:
        return  # no sample can be used; training says so
    option = "task.weights" if unscored <= set(config.task.weights) else f"task.rewards={config.task.rewards}"
    fitting = [name for name, weights in PRESETS.items() if all(scores(one, tried) for one in weights)]
    raise UserError(
        f"{option}: {', '.join(sorted(unscored))} cannot score the answers of task={task.name} to "
        f"data={config.data.name}; presets that fit: {', '.join(fitting) or 'none'}"
    )


def gold(config: Config, task: Task, source: Source, index: int) -> Gold:
    """The perfect answer to a sample, as the rewards are shown it in training."""
    loaded = source.load(source.samples[index])
    truth = loaded.sample.truth
    text = task.say(truth, "so")
    meta = Meta(text, loaded.clip.duration, 0.0, len(text.split()), config.model.max_new_tokens)
    return task.read(text, loaded), truth, meta


def scores(name: str, tried: Iterable[Gold]) -> bool:
    """Whether a reward gives some of the answers a number."""
    reward = find(name)
    return any(reward(*one) is not None for one in tried)
