"""Vision features of a frozen tower, computed once a run: kept in memory, then on disk.

An entry is found by what the tower reads and by the tower itself. The final patches are hashed, which holds more than
the video's file: sampling, resizing and drawn IDs are all in them, so that no setting can be forgotten in the key.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from grounding.core import UserError
from grounding.core.files import whole_file
from grounding.policies import fingerprints
from grounding.policies.fingerprints import digest

Features = dict[str, torch.Tensor]

_log = logging.getLogger(__name__)

_ENTRY = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.\w{1,16}\.safetensors")  # what `whole_file` writes to before the rename
_STALE = 3600.0  # seconds after which an unfinished file is nobody's: its process was killed
_DIGEST = "sha256"  # the tensor of an entry that the others are checked against


class EmbeddingCache:
    """Features by content; the entries used longest ago go first, in memory as on disk.

    Several processes may share a folder: entries appear whole, and one that another process removed is a miss. A
    damaged entry is logged, removed and computed again. What cannot be written (a full disk, a folder that may not
    be written) stays in memory only, which is logged once.

    Args:
        fingerprint: What the features depend on besides the patches, see `fingerprint`.
        folder: Where entries are kept on disk, made when the first one is written; None keeps them in memory only.
        ram_bytes: Most bytes of features in memory.
        disk_bytes: Most bytes of the folder's entries.
        dtype: What floating-point features are kept in; float32 returns those of a float32 tower exactly.
    """

    def __init__(
        self,
        fingerprint: str,
        folder: Path | None = None,
        *,
        ram_bytes: int = 4 << 30,
        disk_bytes: int = 64 << 30,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        self.folder, self.ram_bytes, self.disk_bytes, self.dtype = folder, ram_bytes, disk_bytes, dtype
        self.counts: Counter[str] = Counter()  # of lookups: "ram", "disk", "encoded"; and of "damaged" entries
        self._seed = f"{fingerprint} {dtype}".encode()
        self._ram: OrderedDict[str, Features] = OrderedDict()
        self._ram_used = 0
        self._warned = False

    def key(self, patches: torch.Tensor, grid: torch.Tensor) -> str:
        """Name of the entry of a video: 64 hexadecimal digits.

        Args:
            patches: What the tower reads, shape (N, D), as the processor made them.
            grid: Patches in time, height and width, shape (1, 3).
        """
        return digest(self._seed, {"patches": patches, "grid": grid}).hex()

    def features(self, patches: torch.Tensor, grid: torch.Tensor, encode: Callable[[], Features]) -> Features:
        """The features of one video, encoded only where neither memory nor disk holds them.

        Hit or miss, the bits are the same: a fresh result is rounded to `dtype` too. Videos are encoded one by one,
        since the rounding inside a tower depends on what else is in the batch, and so would on what was cached.

        Args:
            patches: What the tower reads, shape (N, D).
            grid: Patches in time, height and width, shape (1, 3).
            encode: Runs the tower on this video; all that it returns is kept (Qwen3-VL's deepstack features too).

        Returns:
            Tensors on the CPU, floating-point ones in `dtype`; not to be changed in place.
        """
        key = self.key(patches, grid)
        found = self._ram.get(key)
        if found is not None:
            self._ram.move_to_end(key)
            self.counts["ram"] += 1
            return found
        found = self._read(key)
        if found is not None:
            self.counts["disk"] += 1
        else:
            self.counts["encoded"] += 1
            found = {name: self._kept(value) for name, value in encode().items()}
            self._write(key, found)
        self._remember(key, found)
        return found

    def _kept(self, value: torch.Tensor) -> torch.Tensor:
        kept = self.dtype if value.is_floating_point() else value.dtype
        return value.detach().to("cpu", kept, copy=True).contiguous()

    def _remember(self, key: str, features: Features) -> None:
        self._ram[key] = features
        self._ram_used += _size(features)
        while self._ram_used > self.ram_bytes:
            _, old = self._ram.popitem(last=False)
            self._ram_used -= _size(old)

    def _read(self, key: str) -> Features | None:
        if self.folder is None:
            return None
        path = self.folder / f"{key}.safetensors"
        try:
            features = load(path.read_bytes())  # not mapped: a file cut short under a mapping would end the process
            told = features.pop(_DIGEST)
            right = bytes(told.tolist()) == digest(key.encode(), features)
            damage = "" if right else "its content has changed"
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            damage = str(error) or type(error).__name__
        if damage:
            _log.warning("%s is damaged (%s); it is removed and its video encoded again", path, damage)
            self.counts["damaged"] += 1
            _remove(path)
            return None
        _touch(path)
        return features

    def _write(self, key: str, features: Features) -> None:
        if self.folder is None or _size(features) > self.disk_bytes:
            return
        told = torch.tensor(list(digest(key.encode(), features)), dtype=torch.uint8)
        try:
            with whole_file(self.folder / f"{key}.safetensors", overwrite=True) as temporary:
                save_file({**features, _DIGEST: told}, temporary)
        except (UserError, SafetensorError) as error:
            if not self._warned:
                _log.warning("vision features stay in memory only: %s", error)
            self._warned = True
        self._evict()

    def _evict(self) -> None:
        """Remove the entries used longest ago until the rest fits; each write looks, for others write here too."""
        entries = []
        for file in _scan(self.folder):
            stat = _stat(file)
            if stat is None:
                continue
            if _ENTRY.fullmatch(file.name):
                entries.append((stat.st_mtime_ns, stat.st_size, file.path))
            elif _UNFINISHED.fullmatch(file.name) and time.time() - stat.st_mtime > _STALE:
                _remove(Path(file.path))
        used = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if used <= self.disk_bytes:
                return
            _remove(Path(path))
            used -= size


def fingerprint(tower: torch.nn.Module, processor: Any) -> str:
    """The `fingerprints.fingerprint` of a vision tower and its video processor.

    Args:
        tower: The frozen tower.
        processor: The video processor that makes its patches.

    Raises:
        UserError: If a weight of the tower is to be trained: its features would be out of date after a step.
    """
    if any(parameter.requires_grad for parameter in tower.parameters()):
        raise UserError("vision features can be kept only of a frozen tower; set model.freeze_vision=true")
    return fingerprints.fingerprint(tower, processor)


def _size(features: Features) -> int:
    return sum(value.nbytes for value in features.values())


def _scan(folder: Path | None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as files:
            return list(files)
    except OSError:
        return []


def _stat(file: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return file.stat(follow_symlinks=False)
    except OSError:  # another process removed it
        return None


def _touch(path: Path) -> None:
    """Mark as used now; one that another process just removed, or that may not be changed, is left alone."""
    try:
        os.utime(path)
    except OSError:
        return


def _remove(path: Path) -> None:
    """Remove a file that another process may have removed already."""
    try:
        path.unlink(missing_ok=True)
    except OSError:  # not ours to remove
        return
