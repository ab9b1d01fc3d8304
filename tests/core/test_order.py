"""Names that hold numbers, in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grounding.core.order import natural


def test_natural_order_by_hand() -> None:
    names = ["frame10", "frame9", "frame9b", "a", "10", "9"]
    assert sorted(names, key=natural) == ["a", "frame9", "frame9b", "frame10", "9", "10"]


@given(st.lists(st.integers(0, 10**9), min_size=1, unique=True), st.text("ab-_.", max_size=3))
def test_numbers_in_names_sort_as_numbers(values: list[int], prefix: str) -> None:
    assert sorted((f"{prefix}{value}" for value in values), key=natural) == [f"{prefix}{v}" for v in sorted(values)]


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural)) == sorted(names)


def test_padding_makes_no_difference() -> None:
    assert natural("frame0012.color") == natural("frame12.color") == natural("frame00012.color")
    assert len({natural(name) for name in ("frame12", "frame1.2", "frame-12", "12")}) == 4
