"""Folders of weights: whole or absent, whatever goes wrong, and whichever library notices."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors import SafetensorError

from grounding.core import UserError
from grounding.policies.saving import partial_of, whole_folder, writing


def test_the_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model"
    with whole_folder(target) as partial:
        assert partial == partial_of(target) == tmp_path / "new" / ".model.partial"
        (partial / "part").mkdir()
        (partial / "part" / "weights").write_text("w")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    assert (target / "part" / "weights").read_text() == "w"


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    partial_of(tmp_path / "model").mkdir()
    (partial_of(tmp_path / "model") / "half").touch()
    with whole_folder(tmp_path / "model") as partial:
        (partial / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "whole"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(UserError, match="exists already"), whole_folder(tmp_path):
        raise AssertionError("must not get here")
    assert (tmp_path / "mine").read_text() == "keep"
    assert not partial_of(tmp_path).exists()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("torn"), "torn"),
        (SafetensorError("I/O error: full\nand more"), "I/O error: full"),
        (Exception("No space left on device (os error 28)"), "No space left on device"),  # of tokenizers
        (RuntimeError("[enforce fail at inline_container.cc:1] unexpected pos"), "[enforce fail"),
        (RuntimeError("basic_ios::clear: PytorchStreamWriter: file write failed"), "basic_ios"),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, error: Exception, why: str) -> None:
    for place in (whole_folder, writing):  # the first process, and one that joins it
        with pytest.raises(UserError) as caught, place(tmp_path / "model"):
            raise error
        assert str(caught.value).startswith(f"cannot write {tmp_path / 'model'}: {why}")
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("ours"), ValueError("ours"), KeyboardInterrupt("ours")])
def test_other_errors_stay_what_they_are_and_leave_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error), match="ours"), whole_folder(tmp_path / "model"):
        raise error
    assert list(tmp_path.iterdir()) == []
