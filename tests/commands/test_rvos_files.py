"""`task=rvos` trains on files as their authors write them; answers are scored by the masks of their objects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import Masklets, UserErrors, rle, save_masklets, write_video
from grounding.training.config import register
from grounding.training.data import open_sources

SMALL = [
    *("task=rvos", "warmup.max_steps=0", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.max_steps=1", "trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]"),
    *("data.max_frames=4", "data.eval_samples=4"),
]
SIZE, FRAMES = (56, 84), 6
LEFT, RIGHT, TOP = (slice(0, 56), slice(0, 28)), (slice(0, 56), slice(56, 84)), (slice(0, 28), slice(0, 28))


def mask(*parts: tuple[slice, slice]) -> np.ndarray:
    pixels = np.zeros(SIZE, bool)
    for part in parts:
        pixels[part] = True
    return pixels


def video(folder: Path) -> Path:
    write_video(folder / "videos" / "v1.mp4", [np.zeros((*SIZE, 3), np.uint8)] * FRAMES, 10.0)
    return folder / "videos"


def masklets(tracks: dict[int, np.ndarray]) -> Masklets:
    encoded = {number: (rle.encode(pixels),) * FRAMES for number, pixels in tracks.items()}
    return Masklets(SIZE, 10.0, np.arange(FRAMES) / 10, encoded)


def mevis(folder: Path) -> list[str]:
    """Annotations 7 (left) and 9 (right), our 1 and 2; one sentence means both, one none of the two."""
    expressions = {"0": {"exp": "both", "obj_id": [0, 1], "anno_id": [9, 7]}, "1": {"exp": "it", "anno_id": [7]}}
    expressions["2"] = {"exp": "the bird", "obj_id": [], "anno_id": []}
    meta = {"videos": {"v1": {"frames": [f"{n:05}" for n in range(FRAMES)], "expressions": expressions}}}
    split = folder / "mevis" / "train"
    split.mkdir(parents=True)
    (split / "meta_expressions.json").write_text(json.dumps(meta))
    runs = {7: LEFT, 9: RIGHT}
    coded = {n: {"size": list(SIZE), "counts": rle.to_json(rle.encode(mask(part)))} for n, part in runs.items()}
    (split / "mask_dict.json").write_text(json.dumps({str(n): [one] * FRAMES for n, one in coded.items()}))
    return ["data=mevis", f"data.annotations={folder / 'mevis'}", "data.train_split=train", "data.eval_split=train"]


def refytvos(folder: Path, **changes: Any) -> list[str]:
    """Objects 1 (left) and 3 (right), a sentence each, in the folders of the official archive."""
    expressions = {"0": {"exp": "a bird", "obj_id": "1"}, "1": {"exp": "the other", "obj_id": "3"}, **changes}
    meta = folder / "refytvos" / "meta_expressions" / "train"
    meta.mkdir(parents=True)
    frames = [f"{5 * n:05}" for n in range(FRAMES)]
    value = {"videos": {"v1": {"frames": frames, "expressions": expressions}}}
    (meta / "meta_expressions.json").write_text(json.dumps(value))
    pngs = folder / "refytvos" / "train" / "Annotations" / "v1"
    pngs.mkdir(parents=True)
    picture = Image.fromarray(np.uint8(mask(LEFT) + 3 * mask(RIGHT)))
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    for name in frames:
        picture.save(pngs / f"{name}.png")
    return [
        "data=refytvos",
        f"data.annotations={folder / 'refytvos'}",
        "data.train_split=train",
        "data.eval_split=train",
    ]


def own(folder: Path, *rows: dict[str, Any]) -> list[str]:
    save_masklets(folder / "videos" / "m.masklets.json", masklets({2: mask(LEFT), 5: mask(RIGHT)}))
    both = {"id": "both", "query": "both", "object_ids": [2, 5]}
    one = {"id": "one", "query": "the left one", "object_id": 2}
    none = {"id": "none", "query": "the bird", "object_ids": []}
    files = {"video": "v1.mp4", "masklets": "m.masklets.json"}
    lines = [json.dumps({**files, **row}) + "\n" for row in rows or (both, one, none)]
    (folder / "own.jsonl").write_text("".join(lines))
    return ["data=jsonl", f"data.annotations={folder / 'own.jsonl'}"]


def configured(folder: Path, data: list[str], *options: str) -> Any:
    register()
    overrides = [*SMALL, *data, f"data.root={folder / 'videos'}", f"out={folder / 'run'}", *options]
    return OmegaConf.to_object(composed(overrides, ""))


def opened(folder: Path, data: list[str], *options: str) -> Any:
    from grounding.tasks.rvos import RVOS

    return open_sources(configured(folder, data, *options).data, RVOS, 0, 84 * 84).train


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [mevis, refytvos, own])
def test_a_run_on_files_in_the_official_form(dataset: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video(tmp_path)
    out = train(configured(tmp_path, dataset(tmp_path)))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["after"].keys() == {"J&F", "J", "F", "set_F1", "parse_rate", "count"}
    assert summary["ceilings"]["oracle_ids"]["J&F"] == 1.0
    said = capsys.readouterr().out
    ceiling = "ceiling, oracle ids: J&F 1.000, J 1.000, F 1.000, set_F1 1.000"
    assert -1 < said.find(ceiling) < said.find("before")


def test_the_ids_of_mevis_are_those_of_its_annotations_in_order(tmp_path: Path) -> None:
    video(tmp_path)
    source = opened(tmp_path, mevis(tmp_path))
    truths = [source.load(sample).sample.truth for sample in source.samples]
    assert [truth.object_ids for truth in truths] == [frozenset({1, 2}), frozenset({1}), frozenset()]
    left, right = rle.encode(mask(LEFT)), rle.encode(mask(RIGHT))
    assert [truth.region.frames[0] for truth in truths] == [(left, right), (left,), ()]


def test_a_trackers_ids_that_fit_the_true_masks_best_are_the_truth(tmp_path: Path) -> None:
    # The tracker found the upper half of the left object as 4, the right one as 8, and something else as 6.
    video(tmp_path)
    data = mevis(tmp_path)
    middle = (slice(0, 56), slice(35, 49))
    tracked = masklets({4: mask(TOP), 6: mask(middle), 8: mask(RIGHT)})
    save_masklets(tmp_path / "tracked" / "v1.masklets.json", tracked)
    source = opened(tmp_path, data, f"data.masklets={tmp_path / 'tracked'}")
    both, one, none = [source.load(sample) for sample in source.samples]
    assert [x.sample.truth.object_ids for x in (both, one, none)] == [frozenset({4, 8}), frozenset({4}), frozenset()]
    assert both.masklets.ids == [4, 6, 8]
    assert one.sample.truth.region.frames[0] == (rle.encode(mask(LEFT)),)


def test_masks_of_ones_own_may_be_named_as_well(tmp_path: Path) -> None:
    video(tmp_path)
    named = opened(tmp_path, mevis(tmp_path), f"data.masklets={tmp_path / 'mevis' / '.' / 'train'}")
    assert named.true_masks is None and named.samples[0].truth.object_ids == frozenset({1, 2})


@pytest.mark.slow
def test_the_ceiling_of_the_tracking_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Of "both" the tracker found the right object alone: J 1/2 on every frame. The boundary of the true region is
    # the columns 27 and 55, that of the found one column 55: precision 1, recall 1/2, F 2/3.
    # "it" was not found: J and F are 0; "the bird" is rightly none: 1. J (1/2 + 0 + 1) / 3, F (2/3 + 0 + 1) / 3.
    video(tmp_path)
    data = mevis(tmp_path)
    save_masklets(tmp_path / "tracked" / "v1.masklets.json", masklets({8: mask(RIGHT)}))
    train(configured(tmp_path, data, f"data.masklets={tmp_path / 'tracked'}", "trainer.dry_run=true"))
    said = " ".join(capsys.readouterr().out.split())
    found = re.search(r"ceiling, oracle ids: J&F ([\d.]+), J ([\d.]+), F ([\d.]+), set_F1 1.000 \(3 held-out", said)
    assert found is not None, said
    assert [float(one) for one in found.groups()] == pytest.approx([(1 / 2 + 5 / 9) / 2, 1 / 2, 5 / 9], abs=1e-3)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"object_ids": [2, 7]}, "object_id 7 is not in the masks; choose from 2, 5"),
        ({"object_ids": "2"}, '"object_ids" must be a list of whole numbers >= 1 (0 is the background), [] for none'),
        ({"object_ids": [2, "five"]}, '"object_ids" must be a list of whole numbers >= 1'),
        ({"object_ids": [0]}, '"object_ids" must be a list of whole numbers >= 1'),
        ({"object_ids": [2], "object_id": 2}, 'the truth must be either "object_id" or "object_ids", got object_i'),
        ({}, 'the truth must be either "object_id" or "object_ids", got none of them'),
        ({"object_ids": [2], "query": " "}, '"query" must be a text that is not empty'),
    ],
)
def test_a_mistaken_row_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    video(tmp_path)
    good = {"id": "good", "query": "it", "object_ids": [2]}
    with pytest.raises(UserErrors) as caught:
        opened(tmp_path, own(tmp_path, good, {"id": "bad", "query": "it", **row}))
    (line,) = caught.value.errors
    assert line.startswith(f"{tmp_path / 'own.jsonl'}, row 2 (bad): {message}") and "\n" not in line


def test_an_object_of_refytvos_that_no_png_has_is_named(tmp_path: Path) -> None:
    video(tmp_path)
    with pytest.raises(UserErrors, match=r"meta_expressions\.json, row 1 \(v1/2\): object 2 is in no mask; choose"):
        opened(tmp_path, refytvos(tmp_path, **{"2": {"exp": "the third", "obj_id": "2"}}))


@pytest.mark.parametrize(
    ("dataset", "gone", "message"),
    [
        (
            mevis,
            "mevis/train/mask_dict.json",
            r"no mask_dict.json beside .*; take a split with masks, train or valid_u",
        ),
        (refytvos, "refytvos/train/Annotations", r"no folder .*Annotations or .*Annotations; take a split with masks"),
    ],
)
def test_a_split_without_masks(dataset: Any, gone: str, message: str, tmp_path: Path) -> None:
    video(tmp_path)
    data = dataset(tmp_path)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(Exception, match=message):
        opened(tmp_path, data)


GIRLS = [
    ("the two girls in purple", [3, 5]),
    ("the girl in the blue shirt and the small child", [1, 7]),
    ("the backpacks", [2, 4]),
    ("the girl with the black backpack, and her backpack", [4, 5]),
    ("all school bags", [2, 4, 6]),
    ("the girl that waves", [3]),
]


@pytest.mark.slow
@pytest.mark.shared_data
def test_two_objects_a_query_on_real_video(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": f"girls_{place}", "video": "video.mp4", "masklets": "masks", "query": query, "object_ids": ids}
        for place, (query, ids) in enumerate(GIRLS)
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = ["data=jsonl", f"data.annotations={tmp_path / 'own.jsonl'}", "trainer.max_steps=5", "data.eval_samples=6"]
    config = configured(tmp_path, data)
    config.data.root = str(shared_data / "stvg" / "schoolgirls")
    out = train(config)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["steps"], summary["after"]["count"], summary["skipped"]) == (5, 6, 0)
    assert "ceiling, oracle ids: J&F 1.000" in capsys.readouterr().out
    assert (out / "contact_sheet.png").stat().st_size > 10_000 and (out / "showcase.mp4").is_file()
