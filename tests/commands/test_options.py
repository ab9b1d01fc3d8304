"""What people mistype on a command line, and the one line they read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, ValidationError
from yaml import YAMLError

from grounding.commands.options import clear_option_errors, composed, option_error, read_options, unknown_options
from grounding.core import UserError
from grounding.training.config import register


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


@pytest.mark.parametrize(
    "error",
    [ValueError("too many digits\n"), OSError("name too long"), YAMLError("no YAML"), RecursionError()],
)
def test_what_their_parsers_raise_besides_is_one_line_too(error: Exception) -> None:
    with pytest.raises(UserError, match=r"; look there$") as caught, clear_option_errors("look there"):
        raise error
    assert "\n" not in str(caught.value)


def test_a_long_complaint_is_cut() -> None:
    assert len(option_error(HydraException("[" * 10_000))) < 600


@pytest.mark.parametrize("error", [AttributeError("ours"), KeyError("ours"), UserError("theirs")])
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


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register()


def test_options_and_groups_are_composed() -> None:
    config = composed(["seed=5", "model=qwen2_5_vl", "task.weights={id_match: 2}", "out='a b'"], "")
    assert (config.seed, config.trainer.max_steps, config.out) == (5, 1000, "a b")
    assert dict(config.task.weights) == {"id_match": 2.0}


@pytest.mark.parametrize("override", ["stages=warmup", "trainer.report_to=wandb", "stages=3"])
def test_a_list_that_is_none_is_told_how_to_be_written(override: str) -> None:
    with pytest.raises(UserError, match=r"is no list; write it as \[A\] or \[A,B\]; hint$"):
        composed([override], "hint")


CODE = "{_target_: os.mkdir, path: made}"


@pytest.mark.parametrize(
    "override",
    [
        "hydra.run.dir=made",
        "hydra.sweep.dir=made",
        "hydra.output_subdir=made",
        "hydra.job.chdir=true",
        "hydra.job.env_set={LD_PRELOAD: x}",
        "hydra.mode=MULTIRUN",
        "hydra.searchpath=[file:///tmp]",
        f"hydra.launcher={CODE}",
        f"+hydra.callbacks.mine={CODE}",
        f"++hydra.job_logging.handlers.mine={CODE}",
        f"hydra={{launcher: {CODE}}}",
        "~hydra.mode",
        "hydra/launcher=basic",
        "override hydra/launcher=basic",
        "+hydra/../../x=y",
        "+task@hydra.run=stvg",
    ],
)
def test_nothing_sets_up_hydra_itself(override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        composed([override, "seed=1"], "look there")
    assert str(caught.value).endswith("; look there")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize(
    "override",
    [
        ".".join(["a"] * 1000) + "=1",
        "trainer" + ".x" * 1000 + "=1",
        "+" + "x" * 300 + "=1",
        "seed=" + "[" * 1000 + "]" * 1000,
        "task.weights=" + "{a: " * 1000 + "1" + "}" * 1000,
        "seed=" + "1" * 5000,
        "out=a\udcff",
        "seed=${nowhere}",
        "seed=${seed}",
        "out=${hydra:runtime.cwd}",
        "+defaults=[x]",
        f"+task._target_={CODE}",
        "+trainer.stepps=1",
        "trainer=../../../etc/passwd",
        "trainer=5",
        "=",
        "",
    ],
)
def test_what_cannot_be_an_option_is_one_line(override: str) -> None:
    with pytest.raises(UserError) as caught, clear_option_errors("look there"):
        OmegaConf.to_object(composed([override], "look there"))
    assert str(caught.value).endswith("; look there")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


def test_a_saved_configuration_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a:\n  lr: 1e-06\nb: [1, x]\n")
    assert OmegaConf.to_container(read_options(file)) == {"a": {"lr": 1e-6}, "b": [1, "x"]}


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out: ${oc.env:HOME}", "holds values only"),
        ('out: "\\x24{oc.env:HOME}"', "holds values only"),  # an escape that YAML reads as $
        ('out: "$\\\n  {oc.env:HOME}"', "holds values only"),  # two lines that YAML joins
        ("${oc.env:HOME}: 1", "holds values only"),
        ("5", "must be a mapping"),
        (BOMB, "alias"),
        ("a: " + "[" * 5000, "too deeply"),
        ("a: " + "1" * 5000, "digits"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: !!python/object/apply:os.mkdir [made]", "tag"),
        ("a: [", "cannot read"),
        ("? [a]\n: 1", "cannot read"),
        ("null: 1", "cannot read"),
        ("x" * 200_000, "characters"),
        ("[1, 2]", "must be a mapping"),
        ("\0", "cannot read"),
    ],
)
def test_a_saved_configuration_holds_plain_values(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        read_options(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
