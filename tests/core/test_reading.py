"""Whole files: regular ones only, within the limits, and JSON that names each key once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.core.files import write_json
from grounding.core.reading import (
    file_version,
    is_file,
    is_folder,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    regular_file,
)


def test_a_version_changes_with_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    first = file_version(path)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert file_version(path) == first  # it is not read
    os.utime(path, ns=(1, 2))
    assert file_version(path) != first
    path.write_text("three")
    os.utime(path, ns=(1, 1))
    assert file_version(path) != first


def test_the_version_of_a_folder_is_that_of_what_is_in_it(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).touch()
    first = file_version(tmp_path)
    assert file_version(str(tmp_path)) == first
    (tmp_path / "a").write_text("more")
    changed = file_version(tmp_path)
    (tmp_path / "c").touch()
    assert len({first, changed, file_version(tmp_path)}) == 3


def test_what_is_not_there_has_no_version(tmp_path: Path) -> None:
    for path in (tmp_path / "none", "a\0b"):
        with pytest.raises(UserError, match="cannot read"):
            file_version(path)


def test_read_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, None, "\u00e9"]})
    assert read_json(tmp_path / "a.json", "notes") == {"a": [1, None, "\u00e9"]}
    assert read_json(str(tmp_path / "a.json")) == {"a": [1, None, "\u00e9"]}
    with pytest.raises(UserError, match=r"cannot read notes .*none\.json: No such file"):
        read_json(tmp_path / "none.json", "notes")


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"1" * 5_000, b'{"a": 1} x'])
def test_what_is_no_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(UserError, match=r"notes .*a\.json is not JSON") as caught:
        read_json(tmp_path / "a.json", "notes")
    assert "\n" not in str(caught.value)


def test_a_key_twice_is_refused_wherever_it_stands() -> None:
    assert parse_json('{"a": {"b": 1}, "c": {"b": 2}}', "x") == {"a": {"b": 1}, "c": {"b": 2}}
    for text in ('{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]', '{"a": 1, "\\u0061": 2}'):
        with pytest.raises(UserError, match=r"^x: the key 'a' stands twice in one object"):
            parse_json(text, "x")


def test_it_says_where_json_ends_to_be_json() -> None:
    with pytest.raises(UserError, match=r"^x is not JSON: .* \(column 8\); mend it there"):
        parse_json('{"a": 1?', "x")
    with pytest.raises(UserError, match=r"^x is not JSON: .* \(line 2, column 6\); mend it there"):
        parse_json('{\n"a": ?\n}', "x")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_are_numbers_or_refused(constant: str) -> None:
    assert str(parse_json(f'{{"a": [{constant}]}}', "x")["a"][0]) == str(float(constant))
    with pytest.raises(UserError, match=f"^x: {constant} is no JSON number; give a finite one"):
        parse_json(f'{{"a": [{constant}]}}', "x", finite=True)


def test_bytes_are_utf_8() -> None:
    assert parse_json('\ufeff"gr\u00f6\u00dfe"'.encode(), "x") == "gr\u00f6\u00dfe"
    for encoding in ("utf-16", "utf-32-be", "latin-1"):
        with pytest.raises(UserError, match=r"^x is not UTF-8|^x is not JSON"):
            parse_json('"gr\u00f6\u00dfe"'.encode(encoding), "x")


def test_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\n")
    assert read_text(tmp_path / "a.txt") == "one\n"
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8 \(byte 3\)"):
        read_text(tmp_path / "a.txt")


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    kinds = {
        "pipe": "a named pipe",
        "link": "a named pipe",
        "socket": "a socket",
        ".": "a folder",
        "/dev/zero": "a device",
    }
    for name, kind in kinds.items():
        for read in (regular_file, read_bytes, read_text, read_json):
            with pytest.raises(UserError, match=rf"cannot read notes .*: it is {kind}; give the path of a file"):
                read(tmp_path / name, "notes")


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to("a")
    assert regular_file(tmp_path / "link") == tmp_path / "link"
    assert read_text(tmp_path / "link") == "x"


@pytest.mark.parametrize("name", ["none", "x" * 300, "a\0b", "\ud800"])
def test_names_that_lead_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot read"):
        regular_file(tmp_path / name)


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**31 + 1)  # no block of the disk
    with pytest.raises(UserError, match=r"large needs 2,147,483,649 bytes, more than the limit"):
        read_bytes(tmp_path / "large")


def test_finding_the_key_that_stands_twice_takes_no_time() -> None:
    """With a loop in a loop 200,000 keys would take minutes."""
    keys = ", ".join(f'"{n}": 0' for n in [*range(200_000), 199_999])
    with pytest.raises(UserError, match="the key '199999' stands twice"):
        parse_json("{" + keys + "}", "x")


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name, file, folder in (("a", True, False), ("link", True, False), ("", False, True), ("pipe", False, False)):
        assert (is_file(tmp_path / name), is_folder(tmp_path / name)) == (file, folder), name
    for name in ("none", "x" * 300, "." * 1000, "a\0b", "a/b", "\ud800"):
        assert not is_file(tmp_path / name) and not is_folder(tmp_path / name)
