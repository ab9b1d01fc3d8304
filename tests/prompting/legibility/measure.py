"""How many of the marks on a scene are read rightly, and how many as another id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import supervision as sv

from grounding.core import Clip, Masklets
from legibility.network import Network
from legibility.reading import UNREAD, crop, read
from legibility.scenes import Scene, shrunk
from prompting import IdMarker

MODEL_SIZES = ((196, 364), (154, 280))  # (height, width)
RANGES = (range(1, 10), range(10, 30))

Boxes = list[dict[int, np.ndarray]]  # for each frame, for each id that was drawn its xyxy
Draw = Callable[[Clip, Masklets], tuple[Clip, Boxes]]


@dataclass(frozen=True)
class Views:
    """Every time an object was seen: which id it has, and which was read.

    Args:
        drawn: Ids, shape (n,).
        found: What was read, shape (n,); UNREAD for marks that are not read and for objects without a mark.
        crops: What the reader saw, for people; uint8 (n, ROWS, COLUMNS, 3), black where there was no mark.
    """

    drawn: np.ndarray
    found: np.ndarray
    crops: np.ndarray

    @property
    def right(self) -> float:
        """Share read as the id that was drawn."""
        return float((self.found == self.drawn).mean())

    @property
    def wrong(self) -> float:
        """Share read as any other number from 1 to 99, whether in the clip or not."""
        return float(((self.found != self.drawn) & (self.found != UNREAD)).mean())


def views(
    draw: Draw, scene: Scene, size: tuple[int, int], ids: range, network: Network, *, native: bool, turns: int = 3
) -> Views:
    """Draw a scene several times with different ids, bring it to the model's size, and read every object seen.

    An object is seen if it has a pixel at the model's size; one without a mark is an object not read.

    Args:
        draw: Draws, and says where.
        scene: What to draw on.
        size: The model's (height, width).
        ids: To choose from.
        network: The reader.
        native: Whether to draw at 1280x720 and shrink then, as for a file, or at the model's size.
        turns: How many times.
    """
    rng = np.random.default_rng(len(ids) + size[0])
    seen = scene.areas(size) >= 1
    drawn, crops = [], []
    clip = scene.clip if native else scene.resized(size)
    scale = np.tile(size, 2)[::-1] / np.tile(clip.frames.shape[1:3], 2)[::-1]
    blank = np.zeros_like(crop(clip.frames[0], np.array([0, 0, 9, 9]), rng))
    for _ in range(turns):
        chosen = rng.choice(np.array(ids), len(scene.masklets.ids), replace=False).tolist()
        marked, boxes = draw(clip, scene.numbered(chosen))
        frames = shrunk(marked.frames, size) if native else marked.frames
        for t, n in np.argwhere(seen):
            box = boxes[t].get(chosen[n])
            drawn.append(chosen[n])
            crops.append(blank if box is None else crop(frames[t], box * scale, rng))
    return Views(np.array(drawn), read(network, np.stack(crops)), np.stack(crops))


def marker(style: str, size: tuple[int, int]) -> Draw:
    """Ours, told the size at which the model will look."""

    def draw(clip: Clip, masklets: Masklets) -> tuple[Clip, Boxes]:
        marked, legend = IdMarker(style, model_pixels=size[0] * size[1]).annotate_clip(clip, masklets)
        boxes = [{m.object_id: np.array(m.box, float) for m in marks if m.box is not None} for marks in legend.frames]
        return marked, boxes

    return draw


def supervision_labels(clip: Clip, masklets: Masklets) -> tuple[Clip, Boxes]:
    """`supervision.LabelAnnotator` as it comes, the id as its text; boxes are those of the text itself."""
    label = sv.LabelAnnotator()
    bare = sv.LabelAnnotator(color=sv.Color.BLACK, text_color=sv.Color.WHITE)
    frames, boxes = clip.frames.copy(), []
    scale = np.tile([clip.frames.shape[2] / masklets.size[1], clip.frames.shape[1] / masklets.size[0]], 2)
    for frame, time in zip(frames, clip.pts, strict=True):
        t = masklets.frame_at(time)
        found = {i: masklets.boxes(i)[t] * scale for i in masklets.ids if not np.isnan(masklets.boxes(i)[t]).any()}
        ids = np.array(list(found), int)
        if len(ids):
            detections = sv.Detections(np.array(list(found.values())), class_id=ids)
            frame[:] = label.annotate(frame.copy(), detections, [str(i) for i in ids])
        texts = {i: _text_box(bare, frame.shape, xyxy, i) for i, xyxy in found.items()}
        boxes.append({i: box for i, box in texts.items() if box is not None})
    return clip.with_frames(frames), boxes


def _text_box(bare: sv.LabelAnnotator, shape: tuple[int, ...], xyxy: np.ndarray, object_id: int) -> np.ndarray | None:
    """Where the text of one label comes to lie: drawn alone, white on black."""
    alone = sv.Detections(xyxy[None], class_id=np.array([object_id]))
    ink = bare.annotate(np.zeros(shape, np.uint8), alone, [str(object_id)]).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float) if len(rows) else None
