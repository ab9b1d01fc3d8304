"""What a writer of a format is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grounding.core import UserError
from lift3d.formats.result import read_labels


def test_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"3": "chair", "8": 5}')
    assert read_labels(path) == {3: "chair", 8: 5}
    assert read_labels(None) == {}
    for wrong in (
        "[1]", '{"a": "chair"}', '{"1": null}', "{", '{"1": true}', '{"0": "chair"}', '{"1": "a", "1": "b"}',
        '{"1": "a", "01": "b"}', f'{{"1": {2**31}}}', f'{{"1": {"9" * 5000}}}', f'{{"{"9" * 5000}": "a"}}', '{"1": -1}',
    ):  # fmt: skip
        path.write_text(wrong)
        with pytest.raises(UserError, match=r"labels\.json"):
            read_labels(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"labels\.json: it is a named pipe"):
        read_labels(path)
