"""Files whole or not at all; paths that stay inside."""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.core.files import inside, read_json, whole_file, write_json, write_text


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
    with pytest.raises(UserError, match="leaves its root"):
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


def test_read_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, None, "\u00e9"]})
    assert read_json(tmp_path / "a.json", "notes") == {"a": [1, None, "\u00e9"]}
    with pytest.raises(UserError, match=r"cannot read notes .*none\.json: No such file"):
        read_json(tmp_path / "none.json", "notes")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(UserError, match=r"notes .*a\.json is not JSON") as caught:
        read_json(tmp_path / "a.json", "notes")
    assert "\n" not in str(caught.value)
