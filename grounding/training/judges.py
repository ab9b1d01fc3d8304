"""Stages that judge the training samples by replies about them: `reflect` and `difficulty`.

They ask the policy as it is at that stage, or a model behind a server. Replies are kept in a file and never asked for
twice, so that a stage that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grounding.core import Chosen, Source, UserError
from grounding.core.files import write_json
from grounding.core.reading import read_json
from grounding.curriculum import difficulty, reflected, reflection
from grounding.curriculum.backends import LocalBackend
from grounding.curriculum.replies import Backend
from grounding.curriculum.server import ServerBackend
from grounding.evaluation.difficulty import Examples, difficulty_picture
from grounding.jobs import runlog
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import Sampling
from grounding.training.config import Config
from grounding.training.data import annotations_of
from grounding.training.learning import Work, no_check

REPLIES = "replies.jsonl"  # in the run folder, unless the configuration names another file


@dataclass(frozen=True)
class Judge:
    """A part of a run that trains nothing: it says something about the training samples that later stages go by.

    Args:
        name: What `stages=` takes.
        report: The file in the run folder that is written last; while it is missing, the samples are not judged.
        look: Judges the samples by the policy as it is now, and writes the report into the run folder; the last
            argument shows how far it is. Only the first process does so. What it found before it was stopped should
            not be looked for again.
        samples: What was trained on before, the configuration and the run folder -> what later stages train on.
        check: Refuses what cannot be judged, before anything trains.
    """

    name: str
    report: str
    look: Callable[[Policy, Work, Path, runlog.Phase], None]
    samples: Callable[[Source, Config, Path], Source]
    check: Callable[[Work], None] = no_check


def check_times(work: Work) -> None:
    """Refuse a task whose answers say no time, or no more than one where truths would get several.

    Raises:
        UserError: If it is one.
    """
    task, needed = work.asking.task, {part for need in work.asking.task.needs for part in need}
    if not {"interval", "intervals"} & needed:
        raise UserError(f"the stage reflect asks when, and answers to task={task.name} say no time; leave it out")
    if work.config.reflection.action == "extend" and "intervals" not in needed:
        several = f"reflection.action=extend gives truths several time ranges, and task={task.name} takes one"
        raise UserError(f"{several}; take drop or downweight")


def look_outside(policy: Policy, work: Work, folder: Path, phase: runlog.Phase) -> None:
    """Ask whether sentences also hold where they are not annotated."""
    config = work.config
    backend = backend_of(policy, config)
    store = store_of(config, folder)
    agent = reflection.Agent(work.source, work.asking, backend, config.reflection, store, phase.at, work.on_broken)
    reflected.reflect(agent, folder, work.say)


def samples_reflected(source: Source, config: Config, folder: Path) -> Source:
    """The samples without those that are partial, or with those repaired or weighing less."""
    return reflected.reflected(source, config.reflection, folder)


def try_all(policy: Policy, work: Work, folder: Path, phase: runlog.Phase) -> None:
    """Have every sample answered several times, and write how well."""
    config = work.config
    backend, store = backend_of(policy, config), store_of(config, folder)
    agent = difficulty.Agent(work.source, work.asking, backend, config.difficulty, store, work.on_broken)
    examples = Examples(work.asking.task)
    found = examples.watch(phase.over(agent.tried()))
    report = difficulty.survey(agent, found, folder, annotations_of(config.data))
    difficulty_picture(examples, config.difficulty, folder / "difficulty.png", overwrite=True)
    write_json(folder / difficulty.REPORT, report, overwrite=True)
    work.say(f"{difficulty.summed_up(report)}; examples: {folder / 'difficulty.png'}")


def samples_tried(source: Source, config: Config, folder: Path) -> Source:
    """The samples of the buckets that are kept, each with its difficulty.

    Raises:
        UserError: If the estimates cannot be read, are not all there, or are of other samples, or none is kept.
    """
    file, report = folder / difficulty.ESTIMATES, folder / difficulty.REPORT
    estimates, said = difficulty.read_estimates(file), read_json(report, "report")
    if len(estimates) != said.get("samples"):
        lacks = f"{file} has {len(estimates)} lines, and {report} tells of {said.get('samples')}"
        raise UserError(f"{lacks}; remove both, and the difficulties are written again")
    return Chosen(source, difficulty.estimated(source.samples, estimates, config.difficulty.keep))


def backend_of(policy: Policy, config: Config) -> Backend:
    """Who is asked: the policy as it is, or the model behind a server."""
    agent, most = config.agent, config.model.max_new_tokens
    if agent.url:
        return ServerBackend(agent.url, agent.model, agent.temperature, agent.top_p, most, agent.batch)
    return LocalBackend(policy, Sampling(most, agent.temperature, agent.top_p), config.seed, agent.batch)


def store_of(config: Config, folder: Path) -> Path:
    """The file that keeps replies."""
    return Path(config.agent.store) if config.agent.store else folder / REPLIES


REFLECT = Judge("reflect", reflected.REPORT, look_outside, samples_reflected, check_times)
DIFFICULTY = Judge("difficulty", difficulty.REPORT, try_all, samples_tried)
