"""The leak probe of a run that masks, before and after its last stage: whether it learns to say what is not hidden."""

from __future__ import annotations

from dataclasses import asdict

from grounding.commands.outcome import Tools
from grounding.core.files import write_json
from grounding.core.samples import normalise_query
from grounding.curriculum.masking import Masking
from grounding.evaluation.bootstrap import shown
from grounding.evaluation.leak import Leak, leak
from grounding.policies.policy import Policy
from grounding.training.data import spread

PROBED = 256  # held-out samples, spread over all
MOST = 0.03  # that a figure may be higher where frames are hidden; more is told


def probe_leak(policy: Policy, tools: Tools, when: str) -> None:
    """Ask strange questions about masked videos and write `leak_<when>.json`; only of a run that masks, and once."""
    file = tools.folder / f"leak_{when}.json"
    masking = next((one for one in tools.asking.changes if isinstance(one, Masking)), None)
    if masking is None or file.exists():
        return
    config, source = tools.config, tools.sources.held_out
    samples = [source.samples[index] for index in spread(len(source.samples), PROBED)]
    if len({normalise_query(one.query) for one in samples}) < 2:
        tools.log.say(f"no leak probe {when} training: all held-out samples ask the same")
        return
    found = leak(
        policy,
        source,
        samples,
        tools.asking,
        masking,
        config.seed,
        max_new_tokens=config.model.max_new_tokens,
        batch=config.trainer.eval_batch,
        on_broken=tools.skipped.on_broken(source),
    )
    write_json(file, asdict(found))
    tools.log.table(f"leak probe {when} training: another sample's question", *leak_table(found))
    if high := [name for name, one in found.more.items() if one.value > MOST]:
        told = f"the mask tells more than {MOST:g} of {', '.join(high)}"
        tools.log.say(f"{told}; raise curriculum.mask.margin, or lower curriculum.mask.r0")


def leak_table(found: Leak) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every figure with all frames shown, with frames hidden, and the difference."""
    rows = [
        [name, f"{found.shown[name]:.3f}", f"{found.masked[name]:.3f}", shown(one.value, one, signed=True)]
        for name, one in found.more.items()
    ]
    return ["metric", "shown", "masked", "more"], rows
