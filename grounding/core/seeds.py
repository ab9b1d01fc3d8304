"""Seeds that depend on what they are for, not on order, worker or resume."""

from __future__ import annotations

import hashlib

import numpy as np


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from (seed, sample id, purpose, ...): the same parts give the same seed on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """A NumPy generator seeded by `derived_seed(*parts)`."""
    return np.random.default_rng(derived_seed(*parts))
