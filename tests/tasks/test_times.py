from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks import vtg
from grounding.tasks.lists import MAX_ITEMS
from grounding.tasks.tags import MAX_BLOCK
from grounding.tasks.times import read_range, read_ranges


@pytest.mark.parametrize(
    ("block", "start", "end"),
    [
        ("12.5 to 17", 12.5, 17.0),
        ("5s to 10s", 5.0, 10.0),
        ("12-17", 12.0, 17.0),
        ("12 \u2013 17", 12.0, 17.0),
        ("from 3 to 7 seconds", 3.0, 7.0),
        ("between 3 and 7 sec.", 3.0, 7.0),
        ("From 3 s To 7 S", 3.0, 7.0),
        ("1:05 to 1:10.5", 65.0, 70.5),
        ("01:05-01:10", 65.0, 70.0),
        ("0:01:02 to 1:00:00", 62.0, 3600.0),
        ("90:30 to 100:00", 5430.0, 6000.0),  # minutes may go on where there are no hours
        ("59 to 1:00", 59.0, 60.0),
        ("[3.0, 7.0]", 3.0, 7.0),
        ("( 3 , 7 )", 3.0, 7.0),
        ("(3 to 7)", 3.0, 7.0),
        ("4 to 4", 4.0, 4.0),
    ],
)
def test_ranges(block, start, end):
    assert read_range(block) == Interval(start, end)


@pytest.mark.parametrize(
    "block",
    [
        "",
        "5",
        "5 to",
        "to 7",
        "3, 7",  # two moments without brackets
        "3 7",
        "-3 to 7",
        "3 to -7",
        ".5 to 7",
        "3. to 7",
        "3 to 7 to 9",
        "3 to 7 minutes",
        "3sto 7s",
        "1:5 to 2:5",  # seconds have two digits
        "1:005 to 2:00",
        "1:2:3:04 to 5",
        "nan to 7",
        "0 to inf",
        "0 to 1e3",
        "0 to 1" + "0" * 20,
        "\u0663 to \uff17",
        "3 to 7 x",
        "[3, 7",
        "3, 7]",
        "the event lasts from 3 to 7",
    ],
)
def test_outside_of_the_grammar(block):
    failure = read_range(block)
    assert isinstance(failure, ParseFailure) and failure.reason.startswith("expected a time range")


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("7 to 3", "reversed: '7 to 3'"),
        ("1:10 to 1:05", "reversed"),
        ("1:60 to 2:00", "up to 59"),
        ("1:60:00 to 2:00:00", "up to 59"),
        ("0:10 to 0:99", "up to 59"),
    ],
)
def test_wrong_times(block, reason):
    failure = read_range(block)
    assert isinstance(failure, ParseFailure) and reason in failure.reason


@pytest.mark.parametrize(
    ("block", "pairs"),
    [
        ("3 to 7", [(3, 7)]),
        ("[3, 7]", [(3, 7)]),
        ("3 to 7, 12 to 15.5", [(3, 7), (12, 15.5)]),
        ("3-7 12-15.5", [(3, 7), (12, 15.5)]),
        ("3-7 and 12-15", [(3, 7), (12, 15)]),
        ("3-7, and 12-15.", [(3, 7), (12, 15)]),
        ("from 3 to 7; between 12 and 15", [(3, 7), (12, 15)]),
        ("[(3, 7), (12, 15.5)]", [(3, 7), (12, 15.5)]),
        ("[[3,7],[12,15]]", [(3, 7), (12, 15)]),
        ("[3, 7], [12, 15]", [(3, 7), (12, 15)]),
        ("[0:03 to 0:07, 1:00 to 1:10]", [(3, 7), (60, 70)]),
        ("12-15 3-7", [(12, 15), (3, 7)]),  # in the order said
        ("[]", []),
        ("[ ]", []),
    ],
)
def test_lists(block, pairs):
    assert read_ranges(block) == tuple(Interval(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "block",
    [
        "",
        "3-7,",
        ", 3-7",
        "3-7 x",
        "3-7,, 8-9",
        "1-2, 4-3",
        "[[3,7],[8]]",
        "(3-7",
        "3-7 8-9]",
        "3-74-5",
        "()",
        "1-21234567-99",
    ],
)
def test_one_bad_range_makes_all_of_them_a_failure(block):
    assert isinstance(read_ranges(block), ParseFailure)


def test_a_list_ends_at_64_ranges():
    assert len(read_ranges(" ".join(["1-2"] * MAX_ITEMS))) == 64
    assert isinstance(read_ranges(" ".join(["1-2"] * (MAX_ITEMS + 1))), ParseFailure)


seconds = st.integers(0, 99_999_999).map(lambda n: n / 1000)  # what six digits and three decimals can say
pairs = st.tuples(seconds, seconds).map(lambda pair: (min(pair), max(pair)))


@given(pairs, st.sampled_from(["{:.3f} to {:.3f}", "[{:.3f}, {:.3f}]", "from {:.3f}s to {:.3f} seconds"]))
def test_seconds_are_read_back(pair, form):
    assert read_range(form.format(*pair)) == Interval(*pair)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_clocks_are_read_back(hours, minutes, second):
    end = 3600 * hours + 60 * minutes + second
    assert read_range(f"0 to {hours}:{minutes:02}:{second:02}") == Interval(0, end)


@given(st.lists(pairs, max_size=20))
def test_lists_are_read_back_in_all_their_forms(found):
    expected = tuple(Interval(*pair) for pair in found)
    assert read_ranges(str(found)) == expected  # as Python writes it
    if found:
        assert read_ranges(", ".join(f"{a:.3f} to {b:.3f}" for a, b in found)) == expected


# The task


def test_temporal_grounding():
    assert vtg.parse("<think>0 to 1?</think> <answer>\n3.40 to\t9.15 </answer>") == Answer(Interval(3.4, 9.15))
    many = vtg.parse_segments("<think>t</think><answer>1-2 4-5</answer>")
    assert many == Answer(intervals=(Interval(1, 2), Interval(4, 5)))
    assert isinstance(vtg.parse("<answer>1-2 4-5</answer>"), ParseFailure)  # one is asked for
    assert vtg.parse_segments("<answer>[]</answer>") == Answer(intervals=())


@pytest.mark.parametrize("read", [vtg.parse, vtg.parse_segments])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3 to 7", "no <answer>"),
        ("<think><answer>3 to 7</answer></think> somewhere", "no <answer>"),
        ("<think><answer>3 to 7</answer>", "no <answer>"),
        ("<answer>3 to 7</answer><answer>nowhere</answer>", "expected"),  # the last block, not the best
        ("<answer>I think 3 to 7</answer>", "expected"),
        (f"<answer>{'1' * (MAX_BLOCK + 1)}</answer>", f"longer than {MAX_BLOCK}"),
    ],
)
def test_failures_say_why(read, text, reason):
    failure = read(text)
    assert isinstance(failure, ParseFailure) and reason in failure.reason
