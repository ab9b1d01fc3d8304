"""Fixtures for all tests."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Tests run side by side: threads of their own would only wait for each other. Commands that they start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests use no network; TRL's own trainer, to which ours is compared, would tell its makers of every run.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# A shell's background job ignores Ctrl-C and so would the commands that tests start and stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("tubelet", deadline=None)  # a busy machine is no failure
settings.load_profile("tubelet")


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("TUBELET_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set TUBELET_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def sam_memory() -> dict[str, Any]:
    """What tiny trackers of transformers, SAM 2 and SAM 3, have in common, but for the size of pictures."""
    hidden = 128  # the models' own code fixes 64 memory channels, of which this must be a multiple
    return {
        "mask_decoder_config": {
            "hidden_size": hidden,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        "memory_attention_hidden_size": hidden,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 32,
        "memory_encoder_hidden_size": hidden,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": hidden,
        "memory_fuser_embed_dim": hidden,
        "memory_fuser_intermediate_dim": 32,
        "memory_attention_rope_feat_sizes": [4, 4],
    }


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory, sam_memory: dict[str, Any]) -> Path:
    """A tiny random SAM 2 of transformers, saved; it always believes that its object is in sight."""
    torch = pytest.importorskip("torch")
    import transformers as hf

    side, hidden = 64, sam_memory["memory_encoder_hidden_size"]
    hiera = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [side, side],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": hiera,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": hidden,
    }
    decoder = hf.Sam2VideoMaskDecoderConfig(**sam_memory["mask_decoder_config"])
    memory = {**sam_memory, "mask_decoder_config": decoder}
    prompts = {"hidden_size": hidden, "image_size": side, "mask_input_channels": 4}
    torch.manual_seed(0)
    model = hf.Sam2VideoModel(
        hf.Sam2VideoConfig(vision_config=vision, prompt_encoder_config=prompts, image_size=side, **memory)
    )
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data += 10
    size = {"height": side, "width": side}
    images = hf.Sam2ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    folder = tmp_path_factory.mktemp("sam2")
    model.save_pretrained(folder)
    hf.Sam2VideoProcessor(images, hf.Sam2VideoVideoProcessor(size=size), target_size=side).save_pretrained(folder)
    return folder


def write_hcstvg(root: Path, **splits: list[str]) -> None:
    """HC-STVG as its authors lay it out, and masks; object 4 is asked for, on frames 2 to 4 of 10 at 10 a second."""
    import numpy as np

    from grounding.core import Masklets, rle, save_masklets, write_video

    masks = np.zeros((2, 32, 48), bool)
    masks[0, 4:14, 4:14] = masks[1, 20:30, 30:40] = True
    asked, other = (rle.encode(mask) for mask in masks)
    masklets = Masklets((32, 48), 10.0, np.arange(10) / 10, {4: (asked,) * 10, 6: (other,) * 10})
    row = {"bbox": [[4, 4, 10, 10]] * 3, "st_frame": 3, "st_time": 0.2, "ed_time": 0.5, "img_num": 10}
    row |= {"English": "The man runs.", "img_size": [32, 48]}
    for split, names in splits.items():
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "annotations" / f"{split}_v2.json").write_text(json.dumps({f"{name}.mp4": row for name in names}))
        for name in names:
            write_video(root / "videos" / "part1" / f"{name}.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
            save_masklets(root / "masks" / f"{name}.masklets.json", masklets)


@pytest.fixture(scope="session")
def hcstvg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits train (a, b, c) and val (d, e); of the split part the second video, gone, is not there."""
    root = tmp_path_factory.mktemp("hcstvg")
    write_hcstvg(root, train=["a", "b", "c"], val=["d", "e"], part=["f", "gone"])
    (root / "videos" / "part1" / "gone.mp4").unlink()
    return root


BOARDS = {
    # objectId: label, columns and rows of the depth image
    0: ("board", (20, 40), (30, 50)),
    1: ("chair", (60, 70), (60, 70)),
    2: (" Chair", (90, 100), (60, 70)),
    3: ("speck", (120, 127), (60, 67)),  # 49 pixels
    4: ("lost", (0, 0), (0, 0)),  # no vertices
    5: ("<answer>", (120, 130), (90, 100)),
}


def write_boards(folder: Path, shown: str = "VVhhhVhhhhVV") -> Path:
    """A ScanNet folder: boards on a wall 2 m before a camera that stands still, a vertex on each pixel.

    Frames are named 0, 10, 20, ...: thirds of a second. In those with "h" something 1 m away hides all, in those with
    "V" nothing does. Depth is 160 x 120, colour twice that; the colour of frame k is 20 * k.
    """
    import numpy as np
    from PIL import Image

    for name in ("depth", "color", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True)
    (folder / "intrinsic" / "intrinsic_depth.txt").write_text("100 0 80 0\n0 100 60 0\n0 0 1 0\n0 0 0 1\n")
    for frame, view in enumerate(shown):
        name = str(10 * frame)
        depth = np.full((120, 160), 2000 if view == "V" else 1000, np.uint16)
        Image.fromarray(depth).save(folder / "depth" / f"{name}.png")
        Image.new("RGB", (320, 240), (20 * frame,) * 3).save(folder / "color" / f"{name}.jpg")
        (folder / "pose" / f"{name}.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    owners = np.full((120, 160), 1000)  # the wall that the boards hang on is of no object
    for number, (_, columns, rows) in BOARDS.items():
        owners[slice(*rows), slice(*columns)] = number
    vertices = [f"{(u - 80) * 0.02:.4f} {(v - 60) * 0.02:.4f} 2" for v in range(120) for u in range(160)]
    segments = owners.ravel().tolist()
    header = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}", *(f"property float {a}" for a in "xyz")]
    groups = [{"objectId": number, "label": board[0], "segments": [number]} for number, board in BOARDS.items()]
    for ending, text in {
        "_vh_clean_2.ply": "\n".join([*header, "end_header", *vertices]) + "\n",
        "_vh_clean_2.0.010000.segs.json": json.dumps({"segIndices": segments}),
        ".aggregation.json": json.dumps({"segGroups": groups}),
    }.items():
        (folder / f"{folder.name}{ending}").write_text(text)
    return folder


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """The scene of `write_boards`."""
    return write_boards(tmp_path / "scene0000_00")
