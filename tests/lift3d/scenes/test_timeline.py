"""Tests of pairing by time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lift3d.scenes.timeline import Timeline

SECONDS = st.floats(-1e6, 1e6)


def test_the_nearest_within_the_tolerance() -> None:
    timeline = Timeline([(2.0, "c"), (0.0, "a"), (1.0, "b")])
    assert list(timeline) == [(0.0, "a"), (1.0, "b"), (2.0, "c")]
    assert timeline.at(0.9, 0.1) == "b"
    assert timeline.at(0.89, 0.1) is None
    assert timeline.at(1.5, 0.5) == "b"  # as near as c: the earlier
    assert timeline.at(-0.1, 0.1) == "a"
    assert timeline.at(2.2, 0.1) is None


def test_decimal_fractions_count_as_written() -> None:
    assert Timeline([(0.3, "x")]).at(0.1 + 0.2 + 0.02, 0.02) == "x"  # 0.32000000000000006 in binary


def test_nothing_is_near_in_an_empty_one() -> None:
    assert Timeline[str]([]).at(0.0, 1e9) is None


@given(st.lists(SECONDS, min_size=1, max_size=30), SECONDS, st.floats(0, 1e6))
def test_no_entry_is_nearer_than_the_one_given(times: list[float], wanted: float, tolerance: float) -> None:
    found = Timeline((time, time) for time in times).at(wanted, tolerance)
    least = min(abs(time - wanted) for time in times)
    assert (found is None) == (least > tolerance + 1e-9)
    assert found is None or abs(found - wanted) == least
