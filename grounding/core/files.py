"""Outputs that appear whole or not at all, and paths that stay inside their root."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grounding.core.errors import UserError
from grounding.core.reading import is_folder

LONGEST_NAME = 255  # bytes, of a file or folder; more than any file system in use takes
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


class _Output(NamedTuple):
    path: Path  # as it was given, for messages
    place: Path  # absolute
    hidden: Path  # beside it, until the block ends
    folder: bool


@contextlib.contextmanager
def staged(
    files: Iterable[str | Path] = (),
    folders: Iterable[str | Path] = (),
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Iterator[list[Path]]:
    """Give a hidden name beside each path; what is made there appears when the block ends well, all of it or nothing.

    A name under which nothing was made is left out. The hidden names are in the order of files, then folders.

    Args:
        files: Where files belong.
        folders: Where folders belong: nothing is there, or an empty folder.
        overwrite: Whether a file (or a link, itself) that is there already is replaced. Otherwise nothing is, not even
            what appears there while the block works.
        inputs: What the command reads: an output that is one of these is refused, also with `overwrite`.

    Raises:
        UserError: If an output exists, is an input, is named twice or cannot be written, before the block and at its
            end; or the disk is full.
    """
    outputs = [*(_output(path, False) for path in files), *(_output(path, True) for path in folders)]
    done: list[Path] = []
    read = [Path(path) for path in inputs]
    with contextlib.ExitStack() as parents:
        try:
            for number, output in enumerate(outputs):
                if any(output.place == other.place for other in outputs[:number]):
                    raise UserError(f"{output.path} is named for two outputs; give each its own")
                with writing(output.path):
                    check_free(output.path, overwrite=overwrite, folder=output.folder, inputs=read)
                    parents.enter_context(parent_of(output.place))
            with writing(outputs[0].path):
                yield [output.hidden for output in outputs]
            for output in outputs:
                with writing(output.path):
                    if os.path.lexists(output.hidden):
                        _put(output, overwrite)
                        done.append(output.place)
        except BaseException:
            if not overwrite:  # what was there before is gone otherwise, and the new is better than nothing
                _remove(done)
            raise
        finally:
            _remove([output.hidden for output in outputs])


@contextlib.contextmanager
def whole_file(path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> Iterator[Path]:
    """Give an empty temporary file beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Raises:
        UserError: As `staged`.
    """
    path = Path(path)
    with staged([path], overwrite=overwrite, inputs=inputs) as (temporary,):
        with writing(path):
            temporary.touch(exist_ok=False)
        yield temporary
        temporary.chmod(0o644)


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any, *, overwrite: bool = False) -> None:
    """Write a JSON file whole or not at all; NaN is refused, for JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", overwrite=overwrite)


def check_free(
    path: str | Path, *, overwrite: bool = False, folder: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse an output before the work for it, if it exists already and may not or cannot be replaced.

    Links count as they are, also those that lead nowhere; a folder may be a link to an empty folder.

    Args:
        path: The output.
        overwrite: Whether a file that is there may be replaced.
        folder: Whether the output is a folder.
        inputs: What the command reads: none of these is ever replaced.

    Raises:
        UserError: If it exists and is not free, or the place cannot be looked at.
    """
    path = Path(path)
    with writing(path):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            _check_names(path)
            return
        except ValueError as error:  # a NUL byte, or a character that the file system cannot hold
            raise UserError(f"cannot write {path}: {error}") from error
        for source in map(Path, inputs):
            if _same(path, source):
                raise UserError(f"the output {path} is also an input ({source}); choose another output")
        if folder:
            if not path.is_dir() or any(path.iterdir()):
                raise UserError(f"{path} exists already; choose another folder or empty it first")
        elif stat.S_ISDIR(mode):
            raise UserError(f"cannot write {path}: it is a folder; give the name of a file")
        elif not overwrite:
            raise UserError(f"{path} exists already; choose another name or remove it first")
        elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise UserError(f"cannot write {path}: it is a pipe, a socket or a device; give the name of a file")


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, resolved, refused when it would leave `root`.

    Raises:
        UserError: If the path is absolute or climbs out of the root, also through a link.
    """
    try:
        path = (root / relative).resolve()
        leaves = Path(relative).is_absolute() or not path.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL byte
        raise UserError(f"path {relative!r} cannot be resolved: {error}; give a path inside {root}") from error
    if Path(relative).is_absolute() and path.is_relative_to(root.resolve()):
        raise UserError(f"path {relative!r} is absolute; give it relative to {root}")
    if leaves:
        raise UserError(f"path {relative!r} leaves its root {root}; give a path inside it")
    return path


def _output(given: str | Path, folder: bool) -> _Output:
    path = Path(given)
    try:
        # A link to a folder stands for the folder, a link to a file for itself: it is replaced, not written through.
        place = path.resolve() if folder and path.is_dir() else path.absolute()
    except (OSError, RuntimeError, ValueError) as error:  # the current folder is gone, links in a circle, a NUL byte
        raise UserError(f"cannot write {given}: {getattr(error, 'strerror', None) or error}") from error
    # Named before it is made: a Ctrl-C right after the making finds it, too.
    hidden = place.parent / f".{place.stem[:64]}.{secrets.token_hex(4)}{place.suffix[:32]}"
    return _Output(path, place, hidden, folder)


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Name the output in what goes wrong when the block writes it.

    Raises:
        UserError: In place of an `OSError`, such as that of a full disk.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"cannot write {path}: {why}; free some space or choose another place") from error
    except UnicodeEncodeError as error:
        raise UserError(f"cannot write {path}: {error}") from error


@contextlib.contextmanager
def parent_of(place: Path) -> Iterator[None]:
    """Make the folders that a path lies in; those that were not there go again, as far as empty, if the block fails.

    Raises:
        OSError: If one cannot be made.
    """
    missing = list(itertools.takewhile(lambda folder: not is_folder(folder), place.parents))
    try:
        for folder in reversed(missing):  # one by one, for mkdir(parents=True) is recursive
            folder.mkdir(exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _check_names(path: Path) -> None:
    """Refuse names that are too long; the file system does so only where their folder exists already."""
    for name in path.parts:
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise UserError(f"cannot write {path}: a name may have {LONGEST_NAME} bytes; choose a shorter one")


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one of them does not exist
        return one.samefile(other)
    return False


def _put(output: _Output, overwrite: bool) -> None:
    """Move what was made to its place, in one step."""
    if overwrite or output.folder:  # a folder replaces nothing but an empty folder
        output.hidden.replace(output.place)
        return
    try:
        try:
            os.link(output.hidden, output.place, follow_symlinks=False)  # unlike a move, refuses to replace
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            output.place.touch(exist_ok=False)  # this file system has no hard links
            output.hidden.replace(output.place)
    except FileExistsError as error:
        raise UserError(f"{output.path} appeared in the meantime and was left as it is; choose another name") from error


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if is_folder(path) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
