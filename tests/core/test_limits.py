"""Limits: what passes, what is refused, and how they are raised."""

from __future__ import annotations

import pytest

from grounding.core import UserError
from grounding.core.limits import Limits, check_bytes, check_frames, check_pixels


def test_at_the_limit_and_above_it() -> None:
    check_pixels((8192, 8192), "a.png")
    with pytest.raises(
        UserError, match=r"^a\.png is 8192 x 8193 = 67,117,056 pixels, more than the limit of 67,108,864; "
    ):
        check_pixels((8193, 8192), "a.png")
    check_frames(1_000_000, "a.mp4")
    with pytest.raises(UserError, match=r"a\.mp4 has 1,000,001 frames.* set TUBELET_MAX_FRAMES"):
        check_frames(1_000_001, "a.mp4")
    check_bytes(2**31, "a.npy")
    with pytest.raises(UserError, match=r"a\.npy needs 2,147,483,649 bytes.* set TUBELET_MAX_BYTES"):
        check_bytes(2**31 + 1, "a.npy")


def test_a_picture_has_pixels() -> None:
    for size in ((0, 5), (5, 0), (-1, -1)):
        with pytest.raises(UserError, match="expected at least 1 x 1"):
            check_pixels(size, "a.png")


def test_an_environment_variable_sets_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUBELET_MAX_PIXELS", "100")
    assert Limits.from_environment() == Limits(pixels=100)
    check_pixels((10, 10), "a.png")
    with pytest.raises(UserError, match="more than the limit of 100"):
        check_pixels((10, 11), "a.png")


@pytest.mark.parametrize("text", ["", "0", "-1", "1e9", "many", "9" * 19, "\u0663"])
def test_a_variable_that_is_no_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TUBELET_MAX_BYTES", text)
    with pytest.raises(UserError, match="TUBELET_MAX_BYTES must be a whole number of 1 or more"):
        Limits.from_environment()
