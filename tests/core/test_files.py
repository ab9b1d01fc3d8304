"""Files whole or not at all; paths that stay inside."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.core.files import check_free, inside, staged, whole_file, write_json, write_text


def test_a_whole_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    with whole_file(path) as temporary:
        assert temporary.parent == path.parent  # the same disk, so that moving it is one step
        assert temporary.suffix == ".txt"
        temporary.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"
    assert [p.name for p in path.parent.iterdir()] == ["c.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "c.txt"
    with pytest.raises(error), whole_file(path) as temporary:
        temporary.write_text("half")
        raise error("stop")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path, overwrite=True) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No space left on device; free some space"), whole_file(tmp_path / "c.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_without_being_told(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    write_text(path, "old")
    with pytest.raises(UserError, match="exists already; choose another name"):
        write_text(path, "new")
    assert path.read_text() == "old"
    write_text(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_places_that_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "c.txt", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="cannot write"):
            write_text(path, "y")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_text(tmp_path / "folder", "y", overwrite=True)
    assert (tmp_path / "folder").is_dir()


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Zoë", "values": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Zoë", "values": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


# Several outputs, and outputs that are there already


def test_several_outputs_appear_together(tmp_path: Path) -> None:
    with staged([tmp_path / "a.mp4", tmp_path / "b.json"], [tmp_path / "new" / "stills"]) as (video, legend, stills):
        video.write_text("v")
        legend.write_text("l")
        stills.mkdir()
        (stills / "0.png").touch()
        assert {video.suffix, legend.suffix} == {".mp4", ".json"}
        assert not (tmp_path / "a.mp4").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.json", "new"]
    assert [p.name for p in (tmp_path / "new" / "stills").iterdir()] == ["0.png"]


def test_none_of_several_outputs_appears_when_one_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), staged([tmp_path / "a"], [tmp_path / "b"]) as (file, folder):
        file.write_text("half")
        folder.mkdir()
        (folder / "x").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_none_appears_when_somebody_takes_the_place_of_one(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"b appeared in the meantime"),
        staged([tmp_path / "a", tmp_path / "b"]) as made,
    ):
        for path in made:
            path.write_text("ours")
        (tmp_path / "b").write_text("theirs")
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text() == "theirs"


def test_what_was_not_made_is_left_out(tmp_path: Path) -> None:
    with staged([tmp_path / "a", tmp_path / "b"]) as (one, _):
        one.touch()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_links_are_outputs_that_exist(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "hard").hardlink_to(tmp_path / "mine")
    for name in ("link", "dangling", "hard"):
        with pytest.raises(UserError, match="exists already"):
            write_text(tmp_path / name, "new")
        write_text(tmp_path / name, "new", overwrite=True)  # the link goes, what it led to stays
        assert (tmp_path / name).read_text() == "new" and not (tmp_path / name).is_symlink()
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "nowhere").exists()
    (tmp_path / "away").symlink_to("nowhere")
    with pytest.raises(UserError, match="exists already"), staged(folders=[tmp_path / "away"]):
        pass


def test_an_output_that_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "truth").write_text("mine")
    (tmp_path / "hard").hardlink_to(tmp_path / "truth")
    (tmp_path / "link").symlink_to("truth")
    for name in ("truth", "hard", "link"):
        for overwrite in (False, True):
            made = whole_file(tmp_path / name, overwrite=overwrite, inputs=[tmp_path / "truth"])
            with pytest.raises(UserError, match="is also an input"), made:
                raise AssertionError("must not get here")
    with pytest.raises(UserError, match="is also an input"):
        check_free(tmp_path / "truth", overwrite=True, inputs=[tmp_path / "gone", tmp_path / "truth"])
    check_free(tmp_path / "new", inputs=[tmp_path / "truth"])
    with pytest.raises(UserError, match="named for two outputs"), staged([tmp_path / "a", tmp_path / "a"]):
        pass
    assert (tmp_path / "truth").read_text() == "mine"


@pytest.mark.parametrize("name", ["a" * 300, "file/a", "\0", "\ud800"])
def test_places_that_cannot_be_looked_at(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    for folder in (False, True):
        with pytest.raises(UserError, match="cannot write"):
            check_free(tmp_path / name, folder=folder)


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="it is a pipe, a socket or a device"):
        write_text(tmp_path / "pipe", "x", overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x"
    with pytest.raises(UserError, match="appeared in the meantime"), whole_file(tmp_path / "b"):
        (tmp_path / "b").write_text("theirs")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_long_names_are_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"), whole_file(tmp_path / ("x" * 256)):
        raise AssertionError("must not get here")
    write_text(tmp_path / ("x" * 255), "y")
    write_text(tmp_path / ("ä" * 100 + ".json"), "y")
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(UserError, match="a name may have 255 bytes"), whole_file(tmp_path / "new" / ("x" * 256)):
        raise AssertionError("must not get here")
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_made_for_an_output_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    paths = [tmp_path / "old" / "a", tmp_path / "one" / "two" / "b", tmp_path / "one" / "c"]
    with pytest.raises(KeyboardInterrupt), staged(paths) as hidden:
        for path in hidden:
            path.write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(KeyboardInterrupt), staged(paths):
        (tmp_path / "one" / "theirs").touch()
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", "one", "theirs"]


def test_a_place_deeper_than_python_recurses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt), staged([Path("/".join("d" * 1100), "a.txt")]) as (hidden,):
        hidden.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(UserError, match=r"cannot write .*File name too long"):
        write_text(Path("/".join("d" * 2100), "a.txt"), "x")
    assert list(tmp_path.iterdir()) == []


# Paths


def test_inside(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert inside(tmp_path, "a/b.mp4") == root / "a" / "b.mp4"
    assert inside(tmp_path, "a/../b.mp4") == root / "b.mp4"
    assert inside(tmp_path, ".") == root


@pytest.mark.parametrize("relative", ["..", "../x", "a/../../x", "/etc/passwd", "a\0b", "../root2/x"])
def test_paths_that_leave_their_root(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root2").mkdir()  # its name begins with the root's
    with pytest.raises(UserError, match="path"):
        inside(root, relative)


def test_absolute_paths_are_refused_even_inside(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is absolute; give it relative to"):
        inside(tmp_path, str(tmp_path / "a"))


def test_links_that_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root)
    assert inside(root, "in/a") == root.resolve() / "a"
    with pytest.raises(UserError, match="leaves its root"):
        inside(root, "out/secret")


def test_links_in_a_circle_lead_nowhere_outside(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    try:  # Python before 3.13 refuses to resolve them
        assert inside(tmp_path, "a/x").is_relative_to(tmp_path.resolve())
    except UserError as error:
        assert "cannot be resolved" in str(error)


@given(st.text(max_size=30) | st.text("./\\a~", max_size=20))
def test_any_text_stays_inside_or_is_refused(tmp_path_factory: pytest.TempPathFactory, relative: str) -> None:
    root = tmp_path_factory.getbasetemp()
    try:
        path = inside(root, relative)
    except UserError:
        return
    assert path.is_relative_to(root.resolve())
