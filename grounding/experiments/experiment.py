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
        options: In every case, as `key=value` or `group=choice`.
        by: Further ones by what is chosen in a group, such as `model` or `task`: group -> choice -> options. The first
            choice is taken unless the command line names another.
    """

    name: str
    options: tuple[str, ...]
    by: Mapping[str, Mapping[str, tuple[str, ...]]]

    def before(self, overrides: Sequence[str]) -> list[str]:
        """The experiment's options and then those of the command line, each key once.

        Raises:
            UserError: If the command line chooses what the experiment has no numbers for.
        """
        said = dict(one.partition("=")[::2] for one in overrides)
        own = list(self.options)
        for group, choices in self.by.items():
            chosen = said.get(group, next(iter(choices)))
            if chosen not in choices:
                known = ", ".join(choices)
                has = f"experiment={self.name} has numbers for {group}={known}"
                raise UserError(f"{has}, got {group}={chosen}; choose one")
            own += [f"{group}={chosen}", *choices[chosen]]
        return [*(one for one in own if one.partition("=")[0] not in said), *overrides]


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
