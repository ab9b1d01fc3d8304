"""Other libraries' notices about their own future versions are no errors of ours."""

from __future__ import annotations

import warnings

import pytest


@pytest.fixture(autouse=True)
def no_foreign_warnings() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
