"""Options of a run: composed of a command line, or read from a file; what cannot be used is one clear line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path

import hydra
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.reading import read_text

LONGEST_NAME = 200  # characters of an option's name; Hydra looks for a file of that name
LONGEST_FILE = 100_000  # characters of a saved configuration; ours have a thousand
DEEPEST = 20  # levels of it; ours have three
LONGEST_LINE = 500  # characters of what Hydra or OmegaConf say

# How lines begin that tell a user nothing, or (see +key) lead astray.
_NOISE = ("reference_type=", "object_type=", "To append to your config", "See http", "provider=")
_KEY = "full_key:"  # begins the line that names the option
_NO_LIST = "is not a ListConfig, list or tuple"  # OmegaConf's words for stages=grpo
_NO_GROUP = "Config group override must be a string"  # Hydra's bare ValueError about trainer=5


def composed(overrides: Sequence[str], hint: str) -> DictConfig:
    """The configuration that `key=value` and `group=choice` amount to, every option in it a known one.

    Hydra composes, and nothing else: of its own settings, which name folders to write to, files to read and code to
    run, none can be given.

    Args:
        overrides: As they stand on the command line; `grounding.training.config.register` was called before.
        hint: Ends every message; where all options are listed.

    Raises:
        UserError: Naming the option that cannot be used.
    """
    for one in overrides:
        if len(name := one.partition("=")[0]) > LONGEST_NAME:
            raise UserError(f"there is no option {shown(name)}..., a name of {len(name)} characters; {hint}")
    with clear_option_errors(hint):
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            if override.key_or_group == "task.name":  # the name of another task would not bring its options
                raise UserError(f"{shown(override.input_line)} is no way to choose a task; give task=NAME; {hint}")
            places = (override.key_or_group, override.package or "")
            if any(re.split(r"[./]", place)[0] == "hydra" for place in places):
                raise UserError(f"{shown(override.input_line)} sets up Hydra itself, which a run does not use; {hint}")
        with hydra.initialize(version_base="1.3", config_path=None):
            config = hydra.compose("config", overrides=list(overrides))
        unknown = unknown_options(config)
    if unknown:
        raise UserError(f"there is no option {', '.join(unknown)}; {hint}")
    return config


def read_options(file: Path) -> DictConfig:
    """A configuration that a run wrote down. It holds plain values: what stands for something else is refused, for it
    could take in secrets of this machine (`${...}`) or fill its memory (aliases).

    Raises:
        UserError: If the file cannot be read, or is no such configuration.
    """
    text = read_text(file, "configuration")
    if len(text) > LONGEST_FILE:
        raise UserError(f"configuration {file} has {len(text):,} characters; that of a run has a thousand or so")
    try:
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                raise UserError(f"configuration {file} nests too deeply or holds an alias; that of a run does neither")
            if "${" in getattr(event, "value", ""):  # as it is read: YAML may write `$` as an escape
                raise UserError(
                    f"configuration {file} holds '${{', and that of a run holds values only; replace it by a value"
                )
            if isinstance(event, yaml.ScalarEvent) and depth == 0:
                raise UserError(f"configuration {file} must be a mapping from option to value, got one value")
        options = OmegaConf.create(text)
    except UserError:
        raise
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:  # ValueError: a number of 5,000 digits
        raise UserError(f"cannot read the configuration {file}: {_in_line(str(error))}") from error
    if not isinstance(options, DictConfig):
        raise UserError(f"configuration {file} must be a mapping from option to value, got a {type(options).__name__}")
    return options


@contextmanager
def clear_option_errors(hint: str) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise about an option into a `UserError` of one line.

    Args:
        hint: Ends the line; where all options are listed.

    Raises:
        UserError: Naming the option.
    """
    try:
        yield
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(f"an option nests too deeply; {hint}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{option_error(error)}; {hint}") from error
    except (ValueError, yaml.YAMLError, OSError) as error:
        what = "a group such as model or trainer takes a name, as in model=tiny: "
        raise UserError(f"{what if str(error).startswith(_NO_GROUP) else ''}{_in_line(str(error))}; {hint}") from error


def option_error(error: Exception) -> str:
    """What an error and its cause say, in one line that is not too long."""
    texts = [str(one) for one in (error, error.__cause__) if one is not None]
    lines = [line.strip() for text in texts for line in _lists_in_line(text).splitlines()]
    said = [line.rstrip(".") for line in lines if line and not line.startswith((_KEY, *_NOISE))]
    said = [line.replace(_NO_LIST, "is no list; write it as [A] or [A,B]") for line in said]
    text = "; ".join(dict.fromkeys(said)) or type(error).__name__
    unsaid = [key for line in lines if line.startswith(_KEY) and (key := line.removeprefix(_KEY).strip()) not in text]
    return _in_line(f"{unsaid[-1]}: {text}" if unsaid else text)


def unknown_options(config: DictConfig, prefix: str = "") -> list[str]:
    """Names of what `+key=value` added and no configuration class has; Hydra itself lets it pass.

    Args:
        config: A structured configuration.
        prefix: Begins the names.
    """
    kind = OmegaConf.get_type(config)
    keys = [str(key) for key in config]
    known = {field.name for field in fields(kind)} if kind is not None and is_dataclass(kind) else set(keys)
    known -= {"defaults"}  # Hydra's own, gone from what it composed
    parts = [(f"{prefix}{key}", config[key]) for key in keys if key in known and OmegaConf.is_dict(config[key])]
    inner = [name for name, part in parts for name in unknown_options(part, f"{name}.")]
    return [f"{prefix}{key}" for key in keys if key not in known] + inner


def _in_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."


def _lists_in_line(text: str) -> str:
    """Hydra lists one choice a line, indented by a tab; where it searched for them is left out."""
    return text.split("Config search path:")[0].replace(":\n\t", ": ").replace("\n\t", ", ")
