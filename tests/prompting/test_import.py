from __future__ import annotations

import subprocess
import sys


def test_importing_draws_in_no_torch() -> None:
    code = "import sys, prompting; print({'torch', 'transformers', 'scipy', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names() -> None:
    import prompting

    assert prompting.__all__ == ["IdMarker", "IdStream", "Legend", "Mark", "id_colour"]
    assert all(hasattr(prompting, name) for name in prompting.__all__)
