"""Seeds depend on their parts and on nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grounding.core.seeds import derived_seed, generator

parts = st.lists(st.integers() | st.text(max_size=5), max_size=4)


def test_the_definition() -> None:
    digest = hashlib.blake2b(b"0\x1fclip-7\x1fids", digest_size=8).hexdigest()
    assert derived_seed(0, "clip-7", "ids") == int(digest, 16) // 2


def test_the_same_in_another_process() -> None:
    code = "from grounding.core.seeds import derived_seed; print(derived_seed(3, 'a', 'crop'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"}
    )
    assert int(done.stdout) == derived_seed(3, "a", "crop")


def test_parts_are_not_run_together() -> None:
    seeds = {derived_seed(1, 23), derived_seed(12, 3), derived_seed(123), derived_seed(1, 2, 3), derived_seed(23, 1)}
    assert len(seeds) == 5


@given(parts)
def test_seeds_have_63_bits_and_no_memory(values: list) -> None:
    seed = derived_seed(*values)
    assert 0 <= seed < 1 << 63
    assert seed == derived_seed(*values)


def test_any_text_from_json_will_do() -> None:
    assert derived_seed("\ud800") != derived_seed("\ud801")  # lone surrogates are legal in JSON strings


def test_generators_agree_and_differ() -> None:
    a, b, c = (generator(0, name, "noise").random(100) for name in ("x", "x", "y"))
    np.testing.assert_array_equal(a, b)
    assert abs(np.corrcoef(a, c)[0, 1]) < 0.5
