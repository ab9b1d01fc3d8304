"""The one exception for mistakes a user can mend; commands print it as one line and exit with 2."""

from __future__ import annotations


class UserError(ValueError):
    """Something given to tubelet is wrong: the message says what was expected, what came, where, and how to mend it."""


class UserErrors(UserError):
    """Several mistakes found together, so that they can be mended together.

    Args:
        errors: The single messages, in the order they were found.
    """

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("\n".join(errors))

    def __reduce__(self) -> tuple[type[UserErrors], tuple[list[str]]]:
        return UserErrors, (self.errors,)  # the default would give the joined message back as the list
