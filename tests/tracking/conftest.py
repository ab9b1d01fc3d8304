"""A world of coloured rectangles, a tracker and a detector that know colours, and ways to try real trackers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import write_video
from grounding.tracking import Detections, Detector

FPS = 10.0
HEIGHT, WIDTH = 64, 96
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 30),
    "blue": (40, 40, 220),
    "yellow": (230, 220, 30),
}
NAMES = list(COLOURS)
GROUNDS = [(100, 100, 100), (10, 10, 10)]
TABLE = np.array([*COLOURS.values(), *GROUNDS], dtype=np.int16)
BOX, OTHER = np.array([10.0, 8, 40, 40]), np.array([45.0, 5, 75, 30])  # for trackers of what has no colours

Scene = dict[str, tuple[int, int, int, int]]  # colour: x1, y1, x2, y2


def picture(scene: Scene, ground: int = 0) -> np.ndarray:
    frame = np.full((HEIGHT, WIDTH, 3), GROUNDS[ground], dtype=np.uint8)
    for name, (x1, y1, x2, y2) in scene.items():
        frame[y1:y2, x1:x2] = COLOURS[name]
    return frame


def nearest(frame: np.ndarray) -> np.ndarray:
    """For each pixel the row of TABLE that it resembles most; videos are not exact."""
    return np.abs(frame[:, :, None].astype(np.int16) - TABLE).sum(axis=-1).argmin(axis=-1)


@dataclass
class ColourTracker:
    """Follows colours: those that make up at least a quarter of what it is started on, its ground left aside."""

    passes: int = 0
    starts: int = 0
    followed: list[tuple[int, int]] = field(default_factory=list)  # key, frame
    shown: list[tuple[int, bool]] = field(default_factory=list)
    colours: dict[int, list[int]] = field(default_factory=dict)
    most: int = 0

    def reset(self) -> None:
        self.colours = {}

    def show(self, frame: int, picture: np.ndarray, *, reverse: bool = False) -> None:
        self.frame, self.pixels = frame, nearest(picture)
        self.shown.append((frame, reverse))
        self.passes += 1

    def start(self, key: int, box: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        if mask is None:
            x1, y1, x2, y2 = box.astype(int)
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[y1:y2, x1:x2] = True
        inside = np.bincount(self.pixels[mask], minlength=len(TABLE))[: len(NAMES)]
        self.colours[key] = np.flatnonzero((inside > 0) & (inside * 4 >= inside.sum())).tolist()
        self.starts += 1
        self.most = max(self.most, len(self.colours))
        return np.isin(self.pixels, self.colours[key])

    def follow(self, keys: Sequence[int]) -> list[np.ndarray]:
        self.followed += [(key, self.frame) for key in keys]
        return [np.isin(self.pixels, self.colours[key]) for key in keys]

    def embedding(self, mask: np.ndarray) -> np.ndarray:
        """Share of each colour under the mask, at length 1: 1 for the same colour, 0 for another."""
        shares = np.bincount(self.pixels[mask], minlength=len(TABLE))[: len(NAMES)].astype(float)
        return shares / max(float(np.linalg.norm(shares)), 1e-9)

    def drop(self, key: int) -> None:
        del self.colours[key]


@dataclass
class ColourDetector:
    """Finds each colour of at least 16 pixels from the frame given in `since` on; `extra` adds boxes on a frame."""

    since: dict[str, int] = field(default_factory=dict)
    extra: dict[int, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    frames: frozenset[int] | None = None
    asked: list[int] = field(default_factory=list)

    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        self.asked.append(frame)
        pixels = nearest(picture)
        boxes: list[tuple[float, ...]] = []
        for index, name in enumerate(NAMES):
            rows, columns = np.nonzero(pixels == index)
            if len(rows) >= 16 and frame >= self.since.get(name, 0):
                boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        boxes += self.extra.get(frame, [])
        scores = 0.9 - 0.1 * np.arange(len(boxes))
        return Detections(np.array(boxes, float).reshape(-1, 4), scores, ("thing",) * len(boxes))


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """`film(scenes, grounds)` writes a video, at 10 frames a second if nothing else is said."""

    def write(scenes: Sequence[Scene], grounds: Sequence[int] = (), fps: float = FPS) -> Path:
        path = tmp_path / "film.mp4"
        grounds = grounds or [0] * len(scenes)
        write_video(path, (picture(s, g) for s, g in zip(scenes, grounds, strict=True)), fps, overwrite=True)
        return path

    return write


@pytest.fixture
def tracker() -> ColourTracker:
    return ColourTracker()


@pytest.fixture
def detector() -> Callable[..., ColourDetector]:
    return ColourDetector


@pytest.fixture
def noise() -> Callable[[int], list[np.ndarray]]:
    """`noise(n)` gives n pictures that differ a little from each other."""

    def make(count: int) -> list[np.ndarray]:
        random = np.random.default_rng(0)
        base = random.integers(40, 200, (48, 80, 3))
        return [(base + random.integers(-20, 20, base.shape)).astype(np.uint8) for _ in range(count)]

    return make


@pytest.fixture
def follow() -> Callable[..., list[np.ndarray]]:
    """Masks of the object in BOX over all pictures; another one, in OTHER, joins on frame `joins`."""

    def run(tracker: Any, pictures: list[np.ndarray], *, reverse: bool = False, joins: int | None = None) -> Any:
        order = list(enumerate(pictures))[:: -1 if reverse else 1]
        masks = []
        for at, (frame, picture) in enumerate(order):
            tracker.show(frame, picture, reverse=reverse)
            masks.append(tracker.follow([1])[0] if at else tracker.start(1, BOX))
            if joins is not None and frame > joins:
                tracker.follow([2])
            if frame == joins:
                tracker.start(2, OTHER)
        return masks

    return run


@pytest.fixture
def boxes() -> Detector:
    """Two boxes on the first keyframe, a third from frame 5 on."""

    class Fixed:
        frames = None

        def detect(self, frame: int, picture: np.ndarray) -> Detections:
            boxes = np.array([BOX, OTHER, [5, 40, 30, 47]])[: 2 if frame < 5 else 3]
            return Detections(boxes, np.linspace(0.9, 0.7, len(boxes)), ("thing",) * len(boxes))

    return Fixed()


@pytest.fixture
def state_bytes() -> Callable[[Any], int]:
    """Bytes of all tensors that hang on an object."""
    torch = pytest.importorskip("torch")

    def count(root: Any) -> int:
        seen: set[int] = set()
        total, stack = 0, [root]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, torch.Tensor):
                total += value.numel() * value.element_size()
            elif isinstance(value, dict):
                stack += value.values()
            elif isinstance(value, (list, tuple)):
                stack += value
            elif hasattr(value, "__dict__") and not isinstance(value, torch.nn.Module):
                stack += vars(value).values()
        return total

    return count


@pytest.fixture
def state_sizes(state_bytes: Callable[[Any], int]) -> Callable[..., list[int]]:
    """Bytes of a tracker's states after each picture, one object followed."""

    def count(tracker: Any, pictures: list[np.ndarray]) -> list[int]:
        sizes = []
        for at, picture in enumerate(pictures):
            tracker.show(at, picture)
            tracker.follow([1]) if at else tracker.start(1, BOX)
            sizes.append(state_bytes(tracker._states))
        return sizes

    return count


@pytest.fixture(scope="session")
def sam3_folder(tmp_path_factory: pytest.TempPathFactory, sam_memory: dict[str, Any]) -> Path:
    """A tiny random SAM 3 as it is published, detector and tracker in one; it believes that its object is in sight."""
    torch = pytest.importorskip("torch")
    import transformers as hf

    side, hidden = 56, sam_memory["memory_encoder_hidden_size"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    thin = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    wide = {**thin, "hidden_size": hidden}  # all that looks at the neck's features
    vit = {"num_hidden_layers": 2, "image_size": side, "patch_size": 14, "window_size": 2, "global_attn_indexes": [1]}
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": {"model_type": "sam3_vit_model", "pretrain_image_size": 28, **vit, **thin},
        "fpn_hidden_size": hidden,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }
    text = {"vocab_size": len(words), "eos_token_id": len(words) - 1, "bos_token_id": len(words) - 2, **thin}
    detector = hf.Sam3Config(
        vision_config=vision,
        text_config={"num_hidden_layers": 1, "max_position_embeddings": 32, "projection_dim": 16, **text},
        geometry_encoder_config={"num_layers": 1, **wide},
        detr_encoder_config={"num_layers": 1, **wide},
        detr_decoder_config={"num_layers": 1, "num_queries": 6, **wide},
        mask_decoder_config={"hidden_size": hidden, "num_attention_heads": 2},
    )
    prompts = {"hidden_size": hidden, "image_size": side, "patch_size": 14, "mask_input_channels": 4}
    follower = hf.Sam3TrackerVideoConfig(
        vision_config=vision, prompt_encoder_config=prompts, image_size=side, **sam_memory
    )
    torch.manual_seed(0)
    model = hf.Sam3VideoModel(hf.Sam3VideoConfig(detector_config=detector.to_dict(), tracker_config=follower.to_dict()))
    model.tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias.data += 10
    size = {"height": side, "width": side}
    images = hf.Sam3ImageProcessor(size=size, mask_size={"height": 16, "width": 16})
    tokenizer = hf.CLIPTokenizer(vocab={word: at for at, word in enumerate(words)}, merges=[])
    folder = tmp_path_factory.mktemp("sam3")
    model.save_pretrained(folder)
    hf.Sam3VideoProcessor(images, hf.Sam2VideoVideoProcessor(size=size), tokenizer, target_size=side).save_pretrained(
        folder
    )
    return folder
