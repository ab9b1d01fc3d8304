"""Command lines of the form `key=value` that cannot be used: Hydra's and OmegaConf's complaints in one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grounding.core import UserError

# How lines begin that tell a user nothing, or (see +key) lead astray.
_NOISE = ("reference_type=", "object_type=", "To append to your config", "See http", "provider=")
_KEY = "full_key:"  # begins the line that names the option
_NO_GROUP = "Config group override must be a string"  # Hydra's bare ValueError about trainer=5


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
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{option_error(error)}; {hint}") from error
    except ValueError as error:
        if not str(error).startswith(_NO_GROUP):  # a UserError, or our own fault
            raise
        raise UserError(f"a group such as model or trainer takes a name, as in model=tiny: {error}; {hint}") from error


def option_error(error: Exception) -> str:
    """What an error and its cause say, in one line."""
    texts = [str(one) for one in (error, error.__cause__) if one is not None]
    lines = [line.strip() for text in texts for line in _lists_in_line(text).splitlines()]
    said = [line.rstrip(".") for line in lines if line and not line.startswith((_KEY, *_NOISE))]
    text = "; ".join(dict.fromkeys(said)) or type(error).__name__
    unsaid = [key for line in lines if line.startswith(_KEY) and (key := line.removeprefix(_KEY).strip()) not in text]
    return f"{unsaid[-1]}: {text}" if unsaid else text


def unknown_options(config: DictConfig, prefix: str = "") -> list[str]:
    """Names of what `+key=value` added and no configuration class has; Hydra itself lets it pass.

    Args:
        config: A structured configuration.
        prefix: Begins the names.
    """
    kind = OmegaConf.get_type(config)
    keys = [str(key) for key in config]
    known = {field.name for field in fields(kind)} if kind is not None and is_dataclass(kind) else set(keys)
    parts = [(f"{prefix}{key}", config[key]) for key in keys if key in known and OmegaConf.is_dict(config[key])]
    inner = [name for name, part in parts for name in unknown_options(part, f"{name}.")]
    return [f"{prefix}{key}" for key in keys if key not in known] + inner


def _lists_in_line(text: str) -> str:
    """Hydra lists one choice a line, indented by a tab; where it searched for them is left out."""
    return text.split("Config search path:")[0].replace(":\n\t", ": ").replace("\n\t", ", ")
