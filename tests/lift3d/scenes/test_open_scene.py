"""Tests of `open_scene` and of the table of layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scenes import LAYOUTS, load, open_scene


def test_there_are_eleven_layouts_with_one_name_each() -> None:
    tables = {"scannet", "sens", "scannetpp", "tum", "replica", "record3d", "arkitscenes", "transforms", "colmap"}
    assert set(LAYOUTS) == tables | {"7scenes", "folder"} and len(LAYOUTS) == 11
    assert all(layout.name == name and layout.looks_like for name, layout in LAYOUTS.items())


def test_only_layouts_seen_on_real_files_say_so() -> None:
    assert [name for name, layout in LAYOUTS.items() if layout.checked_on] == ["tum", "7scenes", "scannet"]


def test_an_unknown_folder_is_told_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fits no known layout; expected one of: folder: scene\.json") as error:
        open_scene(tmp_path)
    assert all(f"{name}: {layout.looks_like}" in str(error.value) for name, layout in LAYOUTS.items())


def test_no_folder_and_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no folder; give the folder .*an \.r3d must be unzipped first"):
        open_scene(tmp_path / "scene.r3d")
    with pytest.raises(UserError, match="unknown layout 'scanet'; choose one of folder, "):
        open_scene(tmp_path, "scanet")


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_layout_named_on_an_empty_folder_is_a_user_error(tmp_path: Path, layout: str) -> None:
    with pytest.raises(UserError):
        open_scene(tmp_path, layout)


def test_two_layouts_in_one_folder_are_a_doubt_and_can_be_named(scannet_folder: Path, truth: Any) -> None:
    spec = {"intrinsics": truth.intrinsics.tolist(), "up": [0, -1, 0]}
    (scannet_folder / "scene.json").write_text(json.dumps(spec))
    scene = open_scene(scannet_folder)
    assert scene.layout == "folder"
    assert scene.problems == ("read as folder; it could also be scannet: name one with --layout",)
    named = open_scene(scannet_folder, "scannet")
    assert (named.layout, named.problems, named.up) == ("scannet", (), (0, 0, 1))


def test_loading_opens_no_image_whole(scannet_folder: Path) -> None:
    for path in (scannet_folder / "depth").iterdir():
        path.write_bytes(path.read_bytes()[:100])  # the header alone
    assert len(load(scannet_folder).views) == 6


def test_readers_can_be_called_again(scannet_folder: Path) -> None:
    view = open_scene(scannet_folder).views[0]
    first = view.read_depth()
    first[:] = 0  # what a caller does to it is his
    assert view.read_depth().any()
    np.testing.assert_array_equal(view.read_colour(), view.read_colour())
