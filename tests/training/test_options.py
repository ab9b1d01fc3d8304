"""What people mistype on a command line, and the one line they read."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, ValidationError

from grounding.core import UserError
from grounding.training.options import clear_option_errors, option_error, unknown_options


@dataclass
class Inner:
    size: int = 1
    weights: dict[str, float] = field(default_factory=dict)


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    seed: int = 0


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_error_and_cause_stand_in_one_line_without_noise() -> None:
    cause = ConfigKeyError("Key 'sead' not in 'Outer'\n    full_key: sead\n    object_type=Outer")
    error = caused(
        ConfigCompositionException("Could not override 'sead'.\nTo append to your config use +sead=1"), cause
    )
    assert option_error(error) == "Could not override 'sead'; Key 'sead' not in 'Outer'"


def test_choices_are_listed_and_the_search_path_is_not() -> None:
    found = "Could not find 'model/x'\n\nAvailable options in 'model':\n\ta\n\tb\n"
    text = found + "Config search path:\n\tprovider=hydra, path=p"
    assert option_error(MissingConfigException(text)) == "Could not find 'model/x'; Available options in 'model': a, b"


def test_what_error_and_cause_both_say_is_said_once() -> None:
    assert option_error(caused(HydraException("same"), ValueError("same"))) == "same"


def test_an_error_without_words_gives_its_name() -> None:
    assert option_error(HydraException("")) == "HydraException"


def test_an_option_that_only_the_key_names_comes_first() -> None:
    assert option_error(ValidationError("not a number\n    full_key: a.b\n    object_type=X")) == "a.b: not a number"
    assert option_error(ConfigKeyError("Key 'b' not in 'Inner'\n    full_key: b")) == "Key 'b' not in 'Inner'"
    assert option_error(ValidationError("not a group\n    full_key: \n")) == "not a group"


def test_a_group_that_is_no_name_is_a_mistake_of_the_user() -> None:
    said = "Config group override must be a string or a list. Got int"
    one_line = pytest.raises(UserError, match=r"^a group such as .* takes a name, .*Got int; look there$")
    with one_line, clear_option_errors("look there"):
        raise ValueError(said)


def test_errors_of_options_become_user_errors_with_the_hint() -> None:
    with pytest.raises(UserError, match=r"^a\.b: not a number; look there$"), clear_option_errors("look there"):
        raise ValidationError("not a number\n    full_key: a.b")


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("ours"), UserError("theirs")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, clear_option_errors("look there"):
        raise error
    assert caught.value is error


def test_a_real_merge_error_is_one_line() -> None:
    with pytest.raises(UserError) as caught, clear_option_errors("look there"):
        OmegaConf.merge(OmegaConf.structured(Outer), {"inner": {"size": "wide"}})
    assert "wide" in str(caught.value) and "inner.size" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_added_options_are_found_at_every_depth_but_not_in_plain_dictionaries() -> None:
    config = OmegaConf.structured(Outer)
    OmegaConf.set_struct(config, False)
    assert unknown_options(config) == []
    OmegaConf.update(config, "inner.weights.iou", 2.0, force_add=True)
    assert unknown_options(config) == []
    OmegaConf.update(config, "sead", 1, force_add=True)
    OmegaConf.update(config, "inner.sise", 1, force_add=True)
    assert unknown_options(config) == ["sead", "inner.sise"]
