"""The real detector classes, tiny and random: what comes out, what is kept, what is said about mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.tracking.interfaces import Detections

torch = pytest.importorskip("torch")
hf = pytest.importorskip("transformers")

from grounding.tracking.detectors import (  # noqa: E402
    ClosedSetDetector,
    ConceptDetector,
    OpenVocabularyDetector,
    load_detector,
)

CLASSES = {0: "person", 1: "dog", 2: "Car"}
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 80, 3)).astype(np.uint8)
SIZE = {"height": 64, "width": 64}
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
DETR = {
    "encoder_in_channels": [8, 8, 8],
    "encoder_hidden_dim": 16,
    "d_model": 16,
    "decoder_in_channels": [16, 16, 16],
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 10,
    "num_denoising": 0,
    "id2label": CLASSES,
}


def rt_detr() -> tuple[Any, Any]:
    backbone = {
        "model_type": "rt_detr_resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 8, 8, 8],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage2", "stage3", "stage4"],
        "layer_type": "basic",
    }
    model = hf.RTDetrForObjectDetection(hf.RTDetrConfig(backbone_config=backbone, **DETR))
    return model, hf.RTDetrImageProcessor(size=SIZE)


def d_fine() -> tuple[Any, Any]:
    stages = {f"stage_{name}_channels": [8, 8, 8, 8] for name in ("in", "mid", "out")}
    backbone = {
        "model_type": "hgnet_v2",
        "hidden_sizes": [8, 8, 8, 8],
        "stem_channels": [3, 8, 8],
        **stages,
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_downsample": [False, True, True, True],
        "stage_light_block": [False, False, True, True],
        "stage_kernel_size": [3, 3, 5, 5],
        "stage_numb_of_layers": [1, 1, 1, 1],
        "out_features": ["stage2", "stage3", "stage4"],
    }
    config = hf.DFineConfig(backbone_config=backbone, decoder_n_points=[2, 2, 2], lqe_hidden_dim=8, **DETR)
    return hf.DFineForObjectDetection(config), hf.RTDetrImageProcessor(size=SIZE)


def rf_detr() -> tuple[Any, Any]:
    backbone = {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 64,
        "patch_size": 16,
        "num_windows": 2,
        "out_indices": [1, 2],
    }
    config = hf.RfDetrConfig(
        backbone_config=backbone,
        d_model=16,
        decoder_ffn_dim=16,
        decoder_layers=1,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        num_queries=8,
        group_detr=1,
        decoder_n_points=2,
        id2label=CLASSES,
    )
    return hf.RfDetrForObjectDetection(config), hf.RfDetrImageProcessor(size=SIZE)


def grounding_dino(kind: str = "GroundingDino") -> tuple[Any, Any]:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "person", "red", "car"]
    text = {"model_type": "bert", "vocab_size": 200, "num_hidden_layers": 1, **SMALL}
    backbone = {
        "model_type": "swin",
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": 2,
        "image_size": 64,
        "out_features": ["stage2", "stage3", "stage4"],
    }
    config = getattr(hf, f"{kind}Config")(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=8,
        disable_custom_kernels=True,
    )
    images = hf.GroundingDinoImageProcessor(size={"height": 128, "width": 128})
    tokenizer = hf.BertTokenizer(vocab={word: at for at, word in enumerate(words)})
    return getattr(hf, f"{kind}ForObjectDetection")(config), hf.GroundingDinoProcessor(images, tokenizer)


def built(make: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, processor = make()
    return model.eval(), processor


def check(found: Detections, labels: set[str]) -> None:
    assert found.boxes.shape == (len(found), 4) and len(found) > 0
    assert np.isfinite(found.boxes).all() and (found.boxes[:, 2:] >= found.boxes[:, :2]).all()
    assert found.boxes[:, [0, 2]].max() > 64  # pixels of the picture (80 wide), not of the model (64) or shares of 1
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert set(found.labels) <= labels


@pytest.mark.parametrize("make", [rt_detr, d_fine, rf_detr])
def test_closed_set(make: Callable[[], tuple[Any, Any]]) -> None:
    model, processor = built(make)
    everything = ClosedSetDetector(model, processor, [], threshold=0.0)
    found = everything.detect(0, PICTURE)
    check(found, {"person", "dog", "car"})
    wanted = found.labels[0]
    some = ClosedSetDetector(model, processor, [wanted.upper()], threshold=0.0).detect(0, PICTURE)
    rows = [row for row, label in enumerate(found.labels) if label == wanted]
    assert set(some.labels) == {wanted} and np.allclose(some.boxes, found.boxes[rows])
    cut = float(np.median(found.scores))
    better = ClosedSetDetector(model, processor, [], threshold=cut).detect(0, PICTURE)
    assert len(better) == (found.scores > cut).sum() and (better.scores > cut).all()
    assert len(ClosedSetDetector(model, processor, [], threshold=1.0).detect(0, PICTURE)) == 0
    assert everything.frames is None


@pytest.mark.parametrize("kind", ["GroundingDino", "MMGroundingDino"])
def test_open_vocabulary(kind: str) -> None:
    model, processor = built(lambda: grounding_dino(kind))
    found = OpenVocabularyDetector(model, processor, ["person", "red car"], threshold=0.0).detect(0, PICTURE)
    check(found, {"person", "red car"})
    none = OpenVocabularyDetector(model, processor, ["person"], threshold=1.0).detect(0, PICTURE)
    assert len(none) == 0 and none.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("person", "person"), ("red", "red car"), ("car red", "red car"), ("", "person"), ("person red car", "red car")],
)
def test_words_become_concepts(said: str, meant: str) -> None:
    assert OpenVocabularyDetector(None, None, ["person", "red car"])._concept(said) == meant


def test_concepts_of_sam3(sam3_folder: Path) -> None:
    detector = load_detector(str(sam3_folder), "person, dog", threshold=0.0, device="cpu")
    assert isinstance(detector, ConceptDetector)
    model, processor, ran = detector.model, detector.processor, []
    model.vision_encoder.register_forward_hook(lambda *_: ran.append(1))
    found = detector.detect(0, PICTURE)
    assert len(ran) == 1  # the picture is encoded once for both
    assert found.labels == ("person",) * 6 + ("dog",) * 6  # six queries each
    assert found.boxes.shape == (12, 4) and found.boxes.max() > 1
    assert found.masks is not None and found.masks.shape == (12, 48, 80) and found.masks.dtype == bool
    none = ConceptDetector(model, processor, ["person"], threshold=1.0).detect(0, PICTURE)
    assert len(none) == 0 and none.masks is not None and none.masks.shape == (0, 48, 80)


def test_unknown_class() -> None:
    model, processor = built(rt_detr)
    with pytest.raises(UserError, match=r"no class 'cat'; it knows car, dog, person"):
        ClosedSetDetector(model, processor, ["dog", "cat"])


def saved(make: Callable[[], tuple[Any, Any]], folder: Path) -> str:
    for part in built(make):
        part.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("make", "kind"), [(rt_detr, ClosedSetDetector), (grounding_dino, OpenVocabularyDetector)])
def test_loading_by_configuration(tmp_path: Path, make: Callable[[], tuple[Any, Any]], kind: type) -> None:
    name = saved(make, tmp_path)
    detector = load_detector(name, "person", threshold=0.0, device="cpu")
    assert type(detector) is kind
    assert set(detector.detect(0, PICTURE).labels) <= {"person"}


def test_a_prompt_of_several(tmp_path: Path) -> None:
    detector = load_detector(saved(grounding_dino, tmp_path), " person, red car. ", device="cpu")
    assert isinstance(detector, OpenVocabularyDetector) and detector.concepts == ["person", "red car"]


def test_open_vocabulary_needs_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a prompt"):
        load_detector(saved(grounding_dino, tmp_path), " , ", device="cpu")


def test_not_a_detector(sam2_folder: Path) -> None:
    with pytest.raises(UserError, match="is a 'sam2_video' model; give one of grounding-dino"):
        load_detector(str(sam2_folder), "person")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot load model") as caught:
        load_detector(str(tmp_path), "person")
    assert "\n" not in str(caught.value)


def test_weights_that_may_run_code_are_refused(tmp_path: Path) -> None:
    name = saved(rt_detr, tmp_path)
    weights = built(rt_detr)[0].state_dict()
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot load model"):
        load_detector(name, "person", device="cpu")
