"""A package that is not installed: one line that says how to get it."""

from __future__ import annotations

import sys

import pytest

from grounding.cli import imports
from grounding.core import UserError
from grounding.core.extras import needs


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hydra", None)  # makes `import hydra` fail
    said = r"^hydra is not installed; get it with: pip install 'tubelet\[train\]'$"
    with pytest.raises(UserError, match=said), needs("train"):
        import hydra.conf  # noqa: F401


def test_what_is_there_is_imported() -> None:
    with needs("train"):
        import json
    assert json.loads("1") == 1


def test_a_missing_file_of_our_own_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needs("train"):
        import grounding.no_such_room  # noqa: F401


def test_before_run_a_script_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hydra", None)
    with pytest.raises(SystemExit) as caught, imports("train"):
        import hydra  # noqa: F401
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: hydra is not installed; get it with: pip install 'tubelet[train]'\n"
