"""The sam2 package (skipped where it is not installed; CI has it): its own masks, bounded memory, Hydra left alone."""

from __future__ import annotations

import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.tracking import TrackingOptions, track_video

torch = pytest.importorskip("torch")
from grounding.tracking import sam2_package  # noqa: E402

needs_sam2 = pytest.mark.skipif(util.find_spec("sam2") is None, reason="the sam2 package is not installed")
BOX = np.array([10.0, 8, 40, 40])  # what `follow` follows

ROPE = "_target_: sam2.modeling.sam.transformer.RoPEAttention, rope_theta: 10000.0, feat_sizes: [4, 4], "
ROPE += "embedding_dim: 128, num_heads: 1, downsample_rate: 1, dropout: 0.1"
SINE = "_target_: sam2.modeling.position_encoding.PositionEmbeddingSine, normalize: true, scale: null, temperature: 1e4"
YAML = f"""
model:
  _target_: sam2.modeling.sam2_base.SAM2Base
  image_encoder:
    _target_: sam2.modeling.backbones.image_encoder.ImageEncoder
    scalp: 1
    trunk:
      _target_: sam2.modeling.backbones.hieradet.Hiera
      embed_dim: 8
      num_heads: 1
      stages: [1, 1, 2, 1]
      global_att_blocks: [3]
      window_pos_embed_bkg_spatial_size: [4, 4]
      window_spec: [4, 4, 4, 4]
    neck:
      _target_: sam2.modeling.backbones.image_encoder.FpnNeck
      position_encoding: {{{SINE}, num_pos_feats: 128}}
      d_model: 128
      backbone_channel_list: [64, 32, 16, 8]
      fpn_top_down_levels: [2, 3]
      fpn_interp_model: nearest
  memory_attention:
    _target_: sam2.modeling.memory_attention.MemoryAttention
    d_model: 128
    pos_enc_at_input: true
    num_layers: 1
    layer:
      _target_: sam2.modeling.memory_attention.MemoryAttentionLayer
      activation: relu
      dim_feedforward: 32
      dropout: 0.1
      d_model: 128
      pos_enc_at_attn: false
      pos_enc_at_cross_attn_keys: true
      pos_enc_at_cross_attn_queries: false
      self_attention: {{{ROPE}}}
      cross_attention: {{{ROPE}, rope_k_repeat: true, kv_in_dim: 64}}
  memory_encoder:
    _target_: sam2.modeling.memory_encoder.MemoryEncoder
    in_dim: 128
    out_dim: 64
    position_encoding: {{{SINE}, num_pos_feats: 64}}
    mask_downsampler:
      _target_: sam2.modeling.memory_encoder.MaskDownSampler
      embed_dim: 128
      kernel_size: 3
      stride: 2
      padding: 1
    fuser:
      _target_: sam2.modeling.memory_encoder.Fuser
      num_layers: 1
      layer: {{_target_: sam2.modeling.memory_encoder.CXBlock, dim: 128, layer_scale_init_value: 1e-6}}
  num_maskmem: 7
  image_size: 64
  sigmoid_scale_for_mem_enc: 20.0
  sigmoid_bias_for_mem_enc: -10.0
  use_mask_input_as_output_without_sam: true
  directly_add_no_mem_embed: true
  no_obj_embed_spatial: true
  use_high_res_features_in_sam: true
  multimask_output_in_sam: true
  iou_prediction_use_sigmoid: true
  use_obj_ptrs_in_encoder: true
  add_tpos_enc_to_obj_ptrs: true
  proj_tpos_enc_in_obj_ptrs: true
  use_signed_tpos_enc_to_obj_ptrs: true
  only_obj_ptrs_in_the_past_for_eval: true
  pred_obj_scores: true
  pred_obj_scores_mlp: true
  fixed_no_obj_ptr: true
  multimask_output_for_tracking: true
  use_multimask_token_for_obj_ptr: true
  multimask_min_pt_num: 0
  multimask_max_pt_num: 1
  use_mlp_for_obj_ptr_proj: true
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkpoint and its yaml; the model always believes that its object is in sight."""
    folder = tmp_path_factory.mktemp("sam2")
    config = folder / "tiny.yaml"
    config.write_text(YAML)
    torch.manual_seed(0)
    model = sam2_package.build_predictor(str(config))
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10
    torch.save({"model": model.state_dict()}, folder / "tiny.pt")
    return folder / "tiny.pt", str(config)


@pytest.fixture
def tracker(files):
    return sam2_package.load_sam2(*files, device="cpu")


def reference(tracker, pictures, *, reverse: bool) -> list[np.ndarray]:
    """The same by the predictor's own loop over a whole video, which forgets nothing."""
    predictor = tracker.predictor
    images = {}
    for frame, picture in enumerate(pictures):
        tracker.show(frame, picture)
        tracker.embedding(np.ones(picture.shape[:2], bool))  # encodes
        images[frame] = tracker._shared[frame][0][0]
    state = {**tracker._new_state(), "images": images, "num_frames": len(pictures), "cached_features": {}}
    first = len(pictures) - 1 if reverse else 0
    predictor.add_new_points_or_box(state, first, 1, box=BOX.astype(np.float32))
    found = predictor.propagate_in_video(state, start_frame_idx=first, reverse=reverse)
    return [(masks[0, 0] > 0).numpy() for _, _, masks in found]


@needs_sam2
@pytest.mark.parametrize("reverse", [False, True])
def test_masks_are_those_of_its_own_loop(tracker, noise, follow, reverse: bool) -> None:
    """24 frames are more than the model remembers (16 pointers, 6 memories)."""
    pictures = noise(24)
    theirs = reference(tracker, pictures, reverse=reverse)
    ours = follow(tracker, pictures, reverse=reverse)
    assert len(ours) == len(theirs) == 24
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert any(mask.any() and not mask.all() for mask in ours)


@needs_sam2
def test_who_joins_does_not_touch_the_others(tracker, noise, follow) -> None:
    pictures = noise(8)
    alone = follow(tracker, pictures)
    tracker.reset()
    assert all(np.array_equal(a, b) for a, b in zip(alone, follow(tracker, pictures, joins=3), strict=True))


@needs_sam2
def test_a_frame_is_encoded_once(tracker, noise, follow) -> None:
    ran: list[int] = []
    tracker.predictor.image_encoder.register_forward_hook(lambda *_: ran.append(1))
    follow(tracker, noise(6), joins=2)
    assert len(ran) == tracker.passes == 6


@needs_sam2
def test_a_state_does_not_grow(tracker, noise, state_sizes) -> None:
    sizes = state_sizes(tracker, noise(50))
    assert sizes[10] < sizes[20] == sizes[35] == sizes[49]


@needs_sam2
def test_bfloat16_and_masks_as_prompts(files, noise) -> None:
    tracker = sam2_package.load_sam2(*files, device="cpu", dtype="bfloat16")
    mask = np.zeros((48, 80), bool)
    mask[12:36, 20:60] = True
    first, second = noise(2)
    tracker.show(0, first)
    found = tracker.start(1, BOX, mask)
    assert found[16:32, 28:52].all() and not found[:6].any() and not found[42:].any()
    tracker.show(1, second)
    assert tracker.follow([1])[0].shape == (48, 80)


@needs_sam2
def test_end_to_end(tracker, film, boxes) -> None:
    path = film([{"red": (4 + t, 4, 34 + t, 34)} for t in range(8)])
    masklets, report = track_video(path, boxes, tracker, TrackingOptions(smallest=1, duplicate_iou=1, containment=1))
    assert report.forward_passes == report.frames == 8
    assert masklets.ids and masklets.size == (64, 96)


@needs_sam2
def test_hydra_is_left_as_it_was(files) -> None:
    """Before and inside a Hydra program; sam2's own import would have initialised it for good."""
    code = f"""
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from grounding.tracking.sam2_package import build_predictor
build_predictor({files[1]!r})
assert not GlobalHydra.instance().is_initialized()
with initialize_config_dir({str(files[0].parent)!r}, version_base="1.3"):
    held = GlobalHydra.instance().hydra
    build_predictor({files[1]!r})
    assert GlobalHydra.instance().hydra is held
    print(compose("tiny").model.image_size)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "64\n", done.stderr


@needs_sam2
@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "sam2.utils.misc.os.system",
        "subprocess.Popen",
        "sam2.nothing.There",
        "sam2.modeling.sam2_base.torch.nn.Linear",
    ],
)
def test_a_yaml_builds_networks_of_sam2_only(tmp_path: Path, target: str) -> None:
    config = tmp_path / "evil.yaml"
    config.write_text(YAML.replace("sam2.modeling.backbones.hieradet.Hiera", target))
    with pytest.raises(UserError, match=r"evil\.yaml names"):
        sam2_package.build_predictor(str(config))


@needs_sam2
@pytest.mark.parametrize("name", ["sam2_hiera_t.yaml", "configs/sam2.1/sam2.1_hiera_t.yaml"])
def test_names_inside_the_package(name: str) -> None:
    assert sam2_package.build_predictor(name).image_size == 1024


@needs_sam2
def test_mistakes(files, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read sam2 configuration none\.yaml"):
        sam2_package.load_sam2(files[0], "none.yaml", "cpu")
    with pytest.raises(UserError, match="cannot read checkpoint"):
        sam2_package.load_sam2(tmp_path / "none.pt", files[1], "cpu")
    other = tmp_path / "other.pt"
    torch.save({"model": {"weight": torch.zeros(3)}}, other)
    with pytest.raises(UserError, match="does not fit"):
        sam2_package.load_sam2(other, files[1], "cpu")
    other.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="does not fit"):
        sam2_package.load_sam2(other, files[1], "cpu")


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam2_package.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="sam2 package is not installed: SAM2_BUILD_CUDA=0 pip install"):
        sam2_package.load_sam2(tmp_path / "a.pt", "a.yaml", "cpu")
