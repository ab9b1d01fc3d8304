from __future__ import annotations

import dataclasses
import json

import pytest

from prompting import Legend, Mark


def test_json_of_drawn_and_missing_marks() -> None:
    drawn = Mark(3, (1, 2, 3), box=(4, 5, 6, 7))
    missing = Mark(8, (9, 9, 9), reason="not seen in this frame")
    led = Mark(9, (0, 0, 0), box=(0, 0, 2, 3), visible=True, leader=(7, 8))
    value = Legend(((drawn, missing), (led,), ())).to_json()
    assert value == {
        "schema_version": 1,
        "frames": [
            [
                {"object_id": 3, "colour": [1, 2, 3], "visible": False, "box": [4, 5, 6, 7]},
                {"object_id": 8, "colour": [9, 9, 9], "visible": False, "reason": "not seen in this frame"},
            ],
            [{"object_id": 9, "colour": [0, 0, 0], "visible": True, "box": [0, 0, 2, 3], "leader": [7, 8]}],
            [],
        ],
    }
    assert json.loads(json.dumps(value)) == value


def test_marks_are_values() -> None:
    assert Mark(1, (1, 2, 3), box=(0, 0, 2, 2)) == Mark(1, (1, 2, 3), box=(0, 0, 2, 2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Mark(1, (1, 2, 3)).object_id = 2  # type: ignore[misc]
