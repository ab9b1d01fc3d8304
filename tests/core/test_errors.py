"""The exceptions for what a user can mend."""

from __future__ import annotations

import pickle

import pytest

from grounding.core import UserError, UserErrors


def test_a_user_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="give it"):
        raise UserError("no name; give it one")


def test_several_are_told_together() -> None:
    error = UserErrors(["row 1: no id", "row 9: no query"])
    assert error.errors == ["row 1: no id", "row 9: no query"]
    assert str(error) == "row 1: no id\nrow 9: no query"
    assert isinstance(error, UserError)


def test_several_survive_the_way_from_a_worker_process() -> None:
    again = pickle.loads(pickle.dumps(UserErrors(["row 1: no id", "row 9: no query"])))
    assert again.errors == ["row 1: no id", "row 9: no query"]
    assert str(again) == "row 1: no id\nrow 9: no query"
