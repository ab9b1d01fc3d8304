"""SAM 2 through transformers, a tiny random one: the same masks as its own sessions give, in bounded memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.tracking import TrackingOptions, track_video

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from grounding.tracking.detectors import load_detector  # noqa: E402
from grounding.tracking.trackers import TransformersTracker, load_tracker  # noqa: E402

BOX = np.array([10.0, 8, 40, 40])  # what `follow` follows


@pytest.fixture(scope="module")
def tracker(sam2_folder: Path) -> TransformersTracker:
    return load_tracker(str(sam2_folder), "cpu")


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    if "tracker" in request.fixturenames:
        request.getfixturevalue("tracker").reset()


def reference(tracker, pictures, *, reverse: bool = False) -> list[np.ndarray]:
    """The same by a session of transformers that holds the whole video, and forgets nothing."""
    processor, model = tracker.processor, tracker.model
    pixels = [processor(images=picture, return_tensors="pt").pixel_values[0] for picture in pictures]
    session = processor.init_video_session()
    for frame, pixel in enumerate(pixels):
        session.add_new_frame(pixel, frame)
    session.video_height, session.video_width = pictures[0].shape[:2]
    first = len(pictures) - 1 if reverse else 0
    processor.add_inputs_to_inference_session(session, frame_idx=first, obj_ids=1, input_boxes=[[BOX.tolist()]])
    outputs = model.propagate_in_video_iterator(session, start_frame_idx=first, reverse=reverse)
    sizes = [pictures[0].shape[:2]]
    return [processor.post_process_masks([out.pred_masks], sizes)[0][0, 0].numpy() for out in outputs]


@pytest.mark.parametrize("reverse", [False, True])
def test_masks_are_those_of_a_whole_session(tracker, noise, follow, reverse: bool) -> None:
    """24 frames are more than the model remembers (16 pointers, 6 memories): forgetting the rest changes nothing."""
    pictures = noise(24)
    ours, theirs = follow(tracker, pictures, reverse=reverse), reference(tracker, pictures, reverse=reverse)
    assert len(ours) == len(theirs) == 24
    assert all(a.shape == (48, 80) and a.dtype == bool for a in ours)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert len({mask.tobytes() for mask in ours}) > 12 and all(mask.any() and not mask.all() for mask in ours)


def test_who_joins_does_not_touch_the_others(tracker, noise, follow) -> None:
    pictures = noise(8)
    alone = follow(tracker, pictures)
    tracker.reset()
    together = follow(tracker, pictures, joins=3)
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_frame_is_encoded_once_and_only_if_needed(tracker, noise, follow) -> None:
    ran: list[int] = []
    hook = tracker.model.vision_encoder.register_forward_hook(lambda *_: ran.append(1))
    before = tracker.passes
    follow(tracker, noise(6), joins=2)
    tracker.embedding(np.ones((48, 80), bool))
    tracker.show(9, noise(1)[0])  # nobody looks at it
    tracker.follow([])
    hook.remove()
    assert len(ran) == tracker.passes - before == 6


def test_a_state_does_not_grow(tracker, noise, state_sizes) -> None:
    sizes = state_sizes(tracker, noise(60))
    assert sizes[10] < sizes[20] == sizes[40] == sizes[59]  # full after 16 frames


def test_dropping_frees(tracker, noise, follow, state_bytes) -> None:
    follow(tracker, noise(3), joins=1)
    both = state_bytes(tracker._states)
    tracker.drop(2)
    assert 0 < state_bytes(tracker._states) < both
    with pytest.raises(KeyError):
        tracker.follow([2])


def test_starting_from_a_mask_gives_about_that_mask(tracker, noise) -> None:
    mask = np.zeros((48, 80), bool)
    mask[12:36, 20:60] = True  # 24 x 40; the model sees it at 16 x 16 and back, so the border moves by a cell of 3 x 5
    tracker.show(0, noise(1)[0])
    found = tracker.start(1, BOX, mask)
    assert not (found & ~np.pad(mask, 0)).sum() > 0.3 * mask.sum()
    assert found[16:32, 28:52].all() and not found[:6].any() and not found[42:].any()


def test_embedding(tracker, noise) -> None:
    tracker.show(0, noise(1)[0])
    left, right = np.zeros((2, 48, 80), bool)
    left[:, :40], right[:, 40:] = True, True
    a, b = tracker.embedding(left), tracker.embedding(right)
    assert a.shape == b.shape == (128,)
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-5)
    assert float(a @ b) < 0.9999
    assert not tracker.embedding(np.zeros((48, 80), bool)).any()


def test_pooling_weighs_cells_by_their_share() -> None:
    """2 x 2 cells of 2 x 2 pixels. Three pixels of cell 0 (feature 4, 0) and one of cell 1 (0, 12): (12, 12) / 4."""
    from grounding.tracking.streaming import pooled

    features = torch.zeros(2, 2, 2)
    features[0, 0, 0], features[1, 0, 1] = 4.0, 12.0
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[0, 1] = mask[1, 0] = mask[0, 2] = True
    assert pooled(features, mask) == pytest.approx([0.5**0.5, 0.5**0.5])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(sam2_folder: Path, noise, follow, dtype: str) -> None:
    tracker = load_tracker(str(sam2_folder), "cpu", dtype)
    masks = follow(tracker, noise(4), joins=1)
    assert tracker.model.dtype == getattr(torch, dtype)
    assert all(mask.shape == (48, 80) and mask.any() for mask in masks)
    assert np.isfinite(tracker.embedding(masks[0])).all()


def test_end_to_end(tracker, film, boxes) -> None:
    """Random weights draw any mask, so only what must hold for all is asked: counts, ids, sizes."""
    path = film([{"red": (4 + t, 4, 34 + t, 34)} for t in range(12)])
    masklets, report = track_video(path, boxes, tracker, TrackingOptions(smallest=1, duplicate_iou=1, containment=1))
    assert report.forward_passes == report.frames == 12
    assert report.backward_passes <= 12
    assert masklets.ids == list(range(1, len(masklets.ids) + 1)) and masklets.ids
    assert masklets.size == (64, 96) and len(masklets.pts) == 12
    assert all(mask.shape == (64, 96) for mask in masklets.masks_at(6).values())
    assert tracker._states == {}


@pytest.fixture(scope="module")
def sam3_tracker(sam3_folder: Path) -> TransformersTracker:
    return load_tracker(str(sam3_folder), "cpu")


@pytest.mark.parametrize("reverse", [False, True])
def test_sam3_gives_its_own_masks_too(sam3_tracker, noise, follow, reverse: bool) -> None:
    sam3_tracker.reset()
    pictures = noise(18)
    ours = follow(sam3_tracker, pictures, reverse=reverse)
    theirs = reference(sam3_tracker, pictures, reverse=reverse)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert any(mask.any() for mask in ours)


def test_one_checkpoint_of_sam3_finds_and_follows(sam3_folder: Path, sam3_tracker, film) -> None:
    """It is one model of transformers, with a neck for each task; every weight of our two comes from there."""
    import transformers as hf

    detector = load_detector(str(sam3_folder), "person, dog", threshold=0.0, device="cpu")
    whole = hf.Sam3VideoModel.from_pretrained(sam3_folder).state_dict()
    assert all(torch.equal(w, whole[f"detector_model.{name}"]) for name, w in detector.model.state_dict().items())
    for name, weight in sam3_tracker.model.state_dict().items():
        part = "detector_model." if name.startswith("vision_encoder.backbone.") else "tracker_model."
        assert torch.equal(weight, whole[(part + name).replace("tracker_model.vision_encoder.neck", "tracker_neck")])
    path = film([{"red": (4 + t, 4, 34 + t, 34)} for t in range(8)])
    options = TrackingOptions(smallest=1, duplicate_iou=1, containment=1)
    masklets, report = track_video(path, detector, sam3_tracker, options)
    assert masklets.ids and report.forward_passes == report.frames == 8


def test_weights_of_another_shape_are_refused(sam2_folder: Path, tmp_path: Path) -> None:
    for file in sam2_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name, weight in weights.items() if weight.ndim == 2)
    save_file({**weights, name: torch.zeros(3, 5)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="cannot load model") as caught:
        load_tracker(str(tmp_path), "cpu")
    assert "\n" not in str(caught.value)


def test_not_a_tracker(tmp_path: Path) -> None:
    import transformers as hf

    hf.DetrConfig(use_timm_backbone=False, backbone_config={"model_type": "resnet"}).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="is a 'detr' model; give one of sam2_video"):
        load_tracker(str(tmp_path))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot load model") as caught:
        load_tracker(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("device", "dtype", "said"),
    [("gpu", "auto", "device must be"), ("cuda:99", "auto", "is not there"), ("cpu", "int8", "dtype must be")],
)
def test_device_and_precision(sam2_folder: Path, device: str, dtype: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_tracker(str(sam2_folder), device, dtype)


def test_workers_go_round_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    from grounding.tracking.loading import turn

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [turn("auto", n) for n in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert turn("cuda:1", 0) == "cuda:1" and turn("cpu", 1) == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert turn("auto", 1) == "auto"


@pytest.mark.parametrize("part", ["missing", "nan"])
def test_weights_that_are_missing_or_not_numbers_are_refused_by_name(
    sam2_folder: Path, tmp_path: Path, part: str
) -> None:
    shutil.copytree(sam2_folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name in sorted(weights) if name.endswith("proj_out.weight"))
    if part == "missing":
        del weights[name]
    else:
        weights[name].view(-1)[0] = float("nan")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks the weights" if part == "missing" else "not finite") as caught:
        load_tracker(str(tmp_path), "cpu")
    assert name.rpartition(".")[0].rpartition(".")[2] in str(caught.value)
    assert "\n" not in str(caught.value)
