"""The steps of `scripts/ground3d.py` made of models that are loaded once for all queries."""

from __future__ import annotations

from math import isfinite

from transformers.utils.logging import disable_progress_bar

from grounding.commands.evaluate import model_config
from grounding.core import UserErrors
from grounding.core.checks import plain, unknown
from grounding.core.limits import Limits
from grounding.datasets.rooms import SIZE as ROOM
from grounding.ground3d.follow import TrackedMasks
from grounding.ground3d.policies import Asker, PolicySteps
from grounding.ground3d.steps import Steps
from grounding.policies.policy import load_policy
from grounding.tasks.table import TASKS
from grounding.tasks.task import Task
from grounding.tracking.loading import place
from grounding.tracking.models import TrackerName
from grounding.training.config import MOST, SAVED, Config
from grounding.training.data import RoomsConfig


def load_steps(
    model: str, box_model: str | None, tracker: TrackerName, *, answers: int, patience: float, seed: int
) -> Steps:
    """Load the policies and the tracker.

    Args:
        model: Folder or hub name of a policy that knows task vtg, and box where there is no `box_model`.
        box_model: The same of one that knows task box.
        tracker: Which tracker, and where all models are put.
        answers: As `PolicySteps`.
        patience: As `TrackedMasks`.
        seed: As `PolicySteps`.

    Raises:
        UserError: If one cannot be loaded, or is of another kind.
    """
    disable_progress_bar()
    when = load_asker(model, TASKS["vtg"], tracker.device)
    where = when if box_model is None else load_asker(box_model, TASKS["box"], tracker.device)
    steps = PolicySteps(when, where, answers, seed)
    return Steps(steps.snippets, steps.box, TrackedMasks(tracker.load_tracker(), patience))


def load_asker(path: str, task: Task, device: str) -> Asker:
    """A policy, shown things as its run showed them: `tubelet.yaml` in its folder says how.

    Args:
        path: Folder or hub name.
        task: What it will be asked.
        device: As `grounding.tracking.loading.place`.

    Raises:
        UserError: If it cannot be loaded.
        UserErrors: With everything in its configuration that cannot work.
    """
    config = model_config(path)
    if errors := _errors(config, task):
        raise UserErrors([f"{path}, {SAVED}: {error}" for error in errors])
    model, data = config.model, config.data
    where, _ = place(device, "auto")
    policy = load_policy(path, dtype=model.dtype, attention=model.attention, positions=model.positions)
    policy.model.to(where).eval()
    pixels = getattr(data, "max_pixels", None) or policy.frame_pixels
    size = ROOM if isinstance(data, RoomsConfig) else None  # what it learnt on; a scan's pictures have another shape
    return Asker(policy, model.prompt, model.max_new_tokens, data.fps, data.max_frames, pixels, size)


def _errors(config: Config, task: Task) -> list[str]:
    model, data = config.model, config.data
    pixels = getattr(data, "max_pixels", None) or 1
    rules = [
        ("data.fps", data.fps, isfinite(data.fps) and data.fps > 0, "a number > 0"),
        ("data.max_frames", data.max_frames, 1 <= data.max_frames <= Limits().frames, f"1 to {Limits().frames}"),
        ("data.max_pixels", pixels, pixels >= 1, "1 or more"),
        (
            "model.max_new_tokens",
            model.max_new_tokens,
            1 <= model.max_new_tokens <= MOST["model.max_new_tokens"],
            f"1 to {MOST['model.max_new_tokens']}",
        ),
    ]
    errors = [f"{name} must be {rule}, got {plain(value)}" for name, value, right, rule in rules if not right]
    return errors if model.prompt in task.prompts else [*errors, unknown("model.prompt", model.prompt, task.prompts)]
