"""Lines that name many things."""

from __future__ import annotations

from lift3d.wording import amount, by_reason, grouped, listed


def test_things_with_one_reason_share_a_line() -> None:
    reasons = {"3": "there is no pose", "4": "no masks", "5": "there is no pose"}
    assert by_reason(reasons, "frame") == ["there is no pose: frames 3, 5", "no masks: frame 4"]
    assert by_reason({}, "frame") == []


def test_a_line_holds_ten_names() -> None:
    assert listed([str(n) for n in range(10)], "object") == "objects 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed([str(n) for n in range(12)], "object") == "objects 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... and 2 more"


def test_reasons_that_differ_in_a_number_or_a_file_are_alike() -> None:
    reasons = {f"{k}": f"cannot read /a b/rgb/{k}.png: No such file" for k in (1, 2)} | {"3": "cannot read it"}
    assert by_reason(reasons, "frame") == [
        "cannot read /a b/rgb/1.png: No such file (and the like): frames 1, 2",
        "cannot read it: frame 3",
    ]


def test_a_name_may_have_several_reasons() -> None:
    assert grouped([("1", "a"), ("1", "b"), ("2", "a")], "frame") == ["a: frames 1, 2", "b: frame 1"]


def test_one_thing_has_no_plural() -> None:
    assert [amount(count, "object") for count in (0, 1, 2)] == ["0 objects", "1 object", "2 objects"]
