"""Tests of grounding.masks.formats: which reader and writer a path gets; each has tests of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from grounding.core import Masklets, UserError, rle, save_masklets
from grounding.core.video import probe
from grounding.masks import read_masklets, write_masklets

PIXEL = {"size": [4, 6], "counts": [2, 1, 21]}
IMAGES = [{"id": t, "height": 4, "width": 6} for t in range(3)]
BOX = {"tid": 0, "bbox": {"xmin": 0, "ymin": 2, "xmax": 1, "ymax": 3}}
JSON: dict[str, Any] = {
    "sav": {"masklet": [[PIXEL]] * 3, "masklet_id": [0]},
    "vidor": {"trajectories": [[BOX]] * 3, "height": 4, "width": 6},
    "coco": {
        "images": IMAGES,
        "annotations": [{"image_id": t, "track_id": 1, "segmentation": PIXEL} for t in range(3)],
    },
    "coco_vid": {
        "videos": [{"id": 1, "name": "cat"}],
        "images": [{**image, "video_id": 1, "frame_id": image["id"]} for image in IMAGES],
        "annotations": [{"image_id": t, "instance_id": 1, "bbox": [0, 2, 1, 1]} for t in range(3)],
    },
    "youtube_vis": {
        "videos": [{"id": 1, "file_names": ["cat/0.jpg"] * 3, "height": 4, "width": 6}],
        "annotations": [{"id": 1, "video_id": 1, "segmentations": [PIXEL] * 3}],
    },
    "youtube_vis_with_images": {
        "images": IMAGES,
        "videos": [{"id": 1, "file_names": ["cat/0.jpg"] * 3, "height": 4, "width": 6}],
        "annotations": [{"id": 1, "video_id": 1, "segmentations": [PIXEL] * 3}],
    },
    "own": {
        "schema_version": 1,
        "size": [4, 6],
        "fps": 10.0,
        "pts": [0.0, 0.1, 0.2],
        "tracks": {"1": [[2, 1, 21]] * 3},
    },
}


@pytest.mark.parametrize("kind", JSON)
def test_json_is_told_apart_by_its_keys(tmp_path: Path, kind: str, video) -> None:
    (tmp_path / "a.JSON").write_text(json.dumps(JSON[kind]))
    masklets = read_masklets(tmp_path / "a.JSON", video())
    assert masklets.ids == [1]
    np.testing.assert_array_equal(masklets.boxes(1), [[0, 2, 1, 3]] * 3)


def everywhere(video, **tracks: list[str]) -> Masklets:
    """Objects as pictures of `#` and `.`, the same in all frames."""
    info = video()
    masks = {
        int(name[1:]): rle.encode(np.array([[c == "#" for c in row] for row in rows])) for name, rows in tracks.items()
    }
    return Masklets(info.size, info.fps, info.pts, {i: (None, mask, mask) for i, mask in masks.items()})


@pytest.mark.parametrize("name", ["a.masklets.json", "a.json", "a.txt", "a.npz", "folder", "a.MASKLETS.JSON"])
def test_every_format_reads_back_what_it_wrote(tmp_path: Path, name: str, video) -> None:
    masklets = everywhere(
        video, _2=["##....", "##....", "......", "......"], _40=["......", "......", "...###", "...###"]
    )
    write_masklets(tmp_path / "new" / name, masklets)
    again = read_masklets(tmp_path / "new" / name, video())
    assert again.tracks == masklets.tracks
    assert (again.size, again.fps) == (masklets.size, masklets.fps)
    with pytest.raises(UserError, match="exists already"):
        write_masklets(tmp_path / "new" / name, masklets)
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("name", ["a.masklets.json", "a.json", "a.npz"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=arrays(bool, (3, 2, 4, 6)))
def test_masks_survive_in_every_lossless_format(tmp_path: Path, name: str, video, layers: np.ndarray) -> None:
    info = video()
    tracks = {n + 1: tuple(rle.encode(m) if m.any() else None for m in layers[:, n]) for n in range(2)}
    masklets = Masklets(info.size, info.fps, info.pts, tracks)
    write_masklets(tmp_path / name, masklets, overwrite=True)
    again = read_masklets(tmp_path / name, info)
    seen = {i: track for i, track in tracks.items() if any(track)}
    assert {i: track for i, track in again.tracks.items() if any(track)} == seen


def test_in_id_maps_the_larger_id_is_on_top_and_ids_above_255_need_grey(tmp_path: Path, video) -> None:
    masklets = everywhere(
        video, _2=["###...", "###...", "......", "......"], _3=["..##..", "......", "......", "......"]
    )
    write_masklets(tmp_path / "small", masklets)
    with Image.open(tmp_path / "small" / "00001.png") as picture:
        assert picture.mode == "P"
        assert np.asarray(picture)[:2].tolist() == [[2, 2, 3, 3, 0, 0], [2, 2, 2, 0, 0, 0]]
    large = everywhere(video, _700=["##....", "......", "......", "......"])
    write_masklets(tmp_path / "large", large)
    assert read_masklets(tmp_path / "large", video()).tracks == large.tracks
    with pytest.raises(UserError, match="an id map holds ids up to 65535, got 70000"):
        write_masklets(tmp_path / "huge", everywhere(video, _70000=["#....."] * 4))
    assert not (tmp_path / "huge").exists()


def test_overwriting_is_only_done_when_told_and_never_a_folder(tmp_path: Path, video) -> None:
    masklets = everywhere(video, _2=["#....."] * 4)
    for name in ("a.txt", "a.json", "a.npz", "a.masklets.json"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(UserError, match="exists already"):
            write_masklets(tmp_path / name, masklets)
        assert (tmp_path / name).read_text() == "mine"
        write_masklets(tmp_path / name, masklets, overwrite=True)
        assert read_masklets(tmp_path / name, video()).ids == [2]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(UserError, match="exists already"):
        write_masklets(tmp_path / "folder", masklets, overwrite=True)


@pytest.mark.parametrize("name", ["a.mp4", "a.pkl", "a.npy"])
def test_unknown_formats_are_refused_both_ways(tmp_path: Path, name: str, video) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UserError, match=r"in no known format; give a folder of id maps"):
        read_masklets(tmp_path / name, video())
    with pytest.raises(UserError, match=r"cannot write masks as .*; end the name in \.masklets\.json"):
        write_masklets(tmp_path / name, everywhere(video, _1=["#....."] * 4), overwrite=True)


@pytest.mark.parametrize("value", [{}, [], 3, None, {"annotations": []}, {"images": [], "categories": []}])
def test_json_of_no_known_format(tmp_path: Path, value: Any, video) -> None:
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"a\.json are JSON of no known format; give"):
        read_masklets(tmp_path / "a.json", video())


def test_missing_masks(tmp_path: Path, video) -> None:
    for name in ("none.json", "a" * 300, "no\0name"):
        with pytest.raises(UserError, match="is neither a file nor a folder; give a folder of id maps"):
            read_masklets(tmp_path / name, video())


@pytest.mark.parametrize("name", ["a.json", "a.masklets.json", "a.txt", "a.npz", "mask_dict.json", "folder/0.png"])
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path, name: str, video) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / name)
    for frame in (1, 2):
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "folder" / f"{frame}.png")
    with pytest.raises(UserError, match=r"it is a named pipe|is neither a file nor a folder"):
        read_masklets((tmp_path / name).parent if name == "folder/0.png" else tmp_path / name, video())


def test_paths_may_be_strings(tmp_path: Path, video) -> None:
    masklets = everywhere(video, _2=["#....."] * 4)
    for name in ("a.masklets.json", "a.json", "a.txt", "a.npz", "folder"):
        write_masklets(f"{tmp_path}/{name}", masklets)
        assert read_masklets(f"{tmp_path}/{name}", video()).ids == [2]


@pytest.mark.parametrize("text", ['"annotations": []', '"images": [{"id": 1, "id": 2}]'])
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, video) -> None:
    (tmp_path / "a.json").write_text(f'{{"images": [], "annotations": [], {text}}}')
    with pytest.raises(UserError, match=r"a\.json: the key '.*' stands twice in one object"):
        read_masklets(tmp_path / "a.json", video())


@pytest.mark.parametrize("kind", [kind for kind in JSON if kind != "own"])
def test_masks_of_another_video_name_the_file(tmp_path: Path, kind: str, video) -> None:
    (tmp_path / "a.json").write_text(json.dumps(JSON[kind]))
    for other, message in ((video(frames=4), "the video has 4"), (video(size=(6, 4)), "the video is 4 x 6")):
        with pytest.raises(UserError, match=rf"a\.json: .*{message}"):
            read_masklets(tmp_path / "a.json", other)


def test_own_masklets_of_another_video(tmp_path: Path, video) -> None:
    save_masklets(tmp_path / "a.masklets.json", everywhere(video, _1=["#....."] * 4))
    for other, message in (
        (video(frames=4), "3 frames, the video has 4"),
        (video(size=(6, 4)), "6 x 4 pixels, the video is 4 x 6"),
        (video(fps=4.0), "10 frames a second, the video has 4"),
        (video(fps=6.0), r"frame 2 at 0\.2 s, the video shows it at 0\.333333 s"),  # half a frame: 1 / 12
    ):
        with pytest.raises(UserError, match=rf"masklets .*a\.masklets\.json: {message}"):
            read_masklets(tmp_path / "a.masklets.json", other)


def test_a_folder_of_id_maps_of_another_size(tmp_path: Path, video) -> None:
    write_masklets(tmp_path / "maps", everywhere(video, _1=["#....."] * 4))
    with pytest.raises(UserError, match=r"00000\.png is 6 x 4 pixels, expected 4 x 6"):
        read_masklets(tmp_path / "maps", video(size=(6, 4)))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda i: st.lists(i, max_size=4) | st.dictionaries(st.text(max_size=5), i, max_size=3)
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@pytest.mark.parametrize("kind", JSON)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_in_json_is_read_or_refused_by_file(
    tmp_path: Path, kind: str, video, data: st.DataObject
) -> None:
    value = json.loads(json.dumps(JSON[kind]))
    container, key = data.draw(st.sampled_from(places(value)))
    container[key] = data.draw(anything)
    (tmp_path / "a.json").write_text(json.dumps(value))
    try:
        masklets = read_masklets(tmp_path / "a.json", video())
    except UserError as error:
        assert "a.json" in str(error) and "\n" not in str(error)
    else:
        assert masklets.size == (4, 6) and len(masklets.pts) == 3
        for i in masklets.ids:
            masklets.boxes(i)


@pytest.mark.shared_data
def test_real_masks_survive_every_lossless_format(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    info = probe(root / "video.mp4")
    masklets = read_masklets(root / "masks", info)
    for name in ("a.masklets.json", "a.json", "a.npz", "folder"):
        write_masklets(tmp_path / name, masklets)
        assert read_masklets(tmp_path / name, info).tracks == masklets.tracks
