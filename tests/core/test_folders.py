"""new_folder: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.core.folders import new_folder


def test_it_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target, plain = tmp_path / "new" / "folder", tmp_path / "plain"
    plain.mkdir()
    with new_folder(target) as partial:
        assert partial.parent == target.parent and not target.exists()
        (partial / "a").write_text("x")
    assert [file.name for file in target.iterdir()] == ["a"]
    assert target.stat().st_mode == plain.stat().st_mode
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_it_ends_badly(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_folder(tmp_path / "folder") as partial:
        (partial / "a").write_text("x")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_a_full_one_and_a_file_are_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as partial:
        (partial / "a").touch()
    assert (tmp_path / "empty" / "a").exists()
    (tmp_path / "file").write_text("mine")
    for taken in ("empty", "file"):
        message = f"{taken} exists already; choose another folder or empty it first"
        with pytest.raises(UserError, match=message), new_folder(tmp_path / taken):
            raise AssertionError("must not get here")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with new_folder(Path()) as partial:
        (partial / "a").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "a"]
    monkeypatch.chdir(here)
    with pytest.raises(UserError, match=r"^\. exists already"), new_folder(Path()):
        pass


def test_a_place_that_cannot_hold_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"), new_folder(tmp_path / "file" / "folder"):
        raise AssertionError("must not get here")


def test_a_full_disk_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*No space left"), new_folder(tmp_path / "folder"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_who_fills_the_folder_meanwhile_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with pytest.raises(UserError, match="cannot write"), new_folder(target):
        target.mkdir()
        (target / "theirs").touch()
    assert [file.name for file in target.iterdir()] == ["theirs"]


def test_a_partial_folder_of_ones_own_is_emptied_first(tmp_path: Path) -> None:
    partial = tmp_path / "half"
    partial.mkdir()
    (partial / "old").touch()  # a killed process left it
    with new_folder(tmp_path / "folder", partial) as given:
        assert given == partial and not list(given.iterdir())
        (given / "new").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["new"]


def test_a_link_to_an_empty_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    with new_folder(tmp_path / "link") as partial:
        (partial / "a").touch()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk" / "a").exists()
    (tmp_path / "away").symlink_to("nowhere")
    with pytest.raises(UserError, match="exists already"), new_folder(tmp_path / "away"):
        raise AssertionError("must not get here")


def test_folders_made_for_it_go_with_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "one" / "two" / "folder") as partial:
        (partial / "a").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    for place in (tmp_path / ("x" * 256), tmp_path / "new" / ("x" * 256)):
        with pytest.raises(UserError, match="cannot write"), new_folder(place):
            raise AssertionError("must not get here")
    assert list(tmp_path.iterdir()) == []
