"""What an experiment is: the choices of a paper, as options of the command line.

Each is one file, whose first lines cite the paper and say what of it is confirmed and what is our default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grounding.core import UserError


@dataclass(frozen=True)
class Experiment:
    """The choices of a paper; what the command line says comes after them and wins.

    Args:
        name: What `experiment=` takes.
        options: For every model, as `key=value` or `group=choice`.
        models: Further ones by the choice of `model`, which is the first of them unless the command line names one.
    """

    name: str
    options: tuple[str, ...]
    models: Mapping[str, tuple[str, ...]]

    def before(self, overrides: Sequence[str]) -> list[str]:
        """The experiment's options and then those of the command line, each key once.

        Raises:
            UserError: If the command line names a model that the experiment has no numbers for.
        """
        said = [one.partition("=") for one in overrides]
        named = [value for key, _, value in said if key == "model"]
        model = named[-1] if named else next(iter(self.models))
        if model not in self.models:
            known = ", ".join(self.models)
            raise UserError(f"experiment={self.name} has numbers for model={known}, got model={model}; choose one")
        keys = {key for key, _, _ in said}
        own = [*self.options, f"model={model}", *self.models[model]]
        return [*(one for one in own if one.partition("=")[0] not in keys), *overrides]


def expanded(overrides: Sequence[str], known: Mapping[str, Experiment]) -> list[str]:
    """A command line with the options of the experiment that it names, if it names one, put before its own.

    Raises:
        UserError: If the experiment is not known, or two are named.
    """
    names = [one.partition("=")[2] for one in overrides if one.partition("=")[0] == "experiment"]
    if not names:
        return list(overrides)
    if len(names) > 1 or names[0] not in known:
        got = " and ".join(map(repr, names))
        raise UserError(f"experiment must be one of {', '.join(known)}, got {got}; leave it out for none")
    return known[names[0]].before(overrides)
