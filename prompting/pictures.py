"""Frames and masks as people have them: checked at the door, and given back as they came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from grounding.core import UserError
from grounding.core.masklets import check_id

Picture = TypeVar("Picture")  # a numpy array or a PIL image


class Detections(Protocol):
    """What is used of `supervision.Detections`."""

    mask: Any
    tracker_id: Any


UNSURE = -1  # the id that trackers give a detection before they follow it

Masks = Mapping[int, np.ndarray] | Sequence[np.ndarray] | np.ndarray | Detections


def pixels_of(frame: Any) -> np.ndarray:
    """A copy of the frame that may be drawn on: RGB, uint8, shape (H, W, 3).

    Raises:
        UserError: If it is something else; the message says how to convert it.
    """
    mode = getattr(frame, "mode", None)  # PIL's; importing it would make `import prompting` slower
    if isinstance(mode, str) and mode != "RGB":
        raise UserError(f"a PIL image must be RGB to be drawn on, got mode {mode}; use image.convert('RGB')")
    pixels = np.array(frame)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        hint = {2: "; repeat a grey one three times: np.repeat(frame[..., None], 3, axis=2)"}.get(pixels.ndim, "")
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            hint = "; leave out the fourth channel: frame[..., :3]"
        raise UserError(
            f"a frame must be uint8 RGB of shape (height, width, 3), got {pixels.dtype} {pixels.shape}{hint}"
        )
    return pixels


def like(frame: Any, pixels: np.ndarray) -> Any:
    """The pixels as the type of the frame."""
    if isinstance(frame, np.ndarray):
        return pixels
    from PIL import Image

    return Image.fromarray(pixels)


def masks_of(masks: Masks, ids: Sequence[int] | np.ndarray | None, room: tuple[int, int]) -> dict[int, np.ndarray]:
    """Bool masks (h, w) by id.

    Args:
        masks: A mapping from id to mask; masks in a row, with `ids`; or `supervision.Detections` with masks and
            tracker ids, of which -1 means "not sure yet" and is left out.
        ids: The id of each mask in a row, or of each detection in place of its tracker id; None for a mapping.
        room: (height, width) of the frame that they belong to.

    Raises:
        UserError: If an id is below 1 or comes twice, or a mask is no bool array of two dimensions, or has width and
            height of the frame exchanged.
    """
    found: dict[int, np.ndarray] = {}
    for object_id, mask in _pairs(masks, ids):
        _check(object_id, mask, found, room)
        found[int(object_id)] = mask
    return found


def _pairs(masks: Any, ids: Any) -> Iterable[tuple[Any, Any]]:
    if hasattr(masks, "tracker_id"):
        return _detected(masks, ids)
    if isinstance(masks, Mapping):
        if ids is not None:
            raise UserError("ids go with masks in a row; a mapping from id to mask has them already")
        return masks.items()
    if ids is None:
        flat = getattr(masks, "ndim", 0) == 2
        hint = "; of an id map make {i: map == i for i in numpy.unique(map) if i}" if flat else ""
        raise UserError(f"masks in a row need ids, one a mask; or give a mapping from id to mask{hint}")
    return _row(masks, ids)


def _row(masks: Any, ids: Any) -> Iterable[tuple[Any, Any]]:
    if len(ids) != len(masks):
        raise UserError(f"there must be one id a mask, got {len(ids)} ids and {len(masks)} masks")
    return zip(ids, masks, strict=True)


def _check(object_id: Any, mask: Any, found: Mapping[int, np.ndarray], room: tuple[int, int]) -> None:
    check_id(object_id)
    if int(object_id) in found:
        raise UserError(f"object {object_id} comes twice; give every object an id of its own, or join its masks")
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != bool:
        what = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        hint = "; numbers become bools with mask > 0" if isinstance(mask, np.ndarray) and mask.ndim == 2 else ""
        raise UserError(f"the mask of object {object_id} must be bool (height, width), got {what}{hint}")
    if mask.shape == room[::-1] != room:
        raise UserError(f"the mask of object {object_id} is {mask.shape} on a frame of {room}: transpose it (mask.T)")


def _detected(detections: Any, ids: Any) -> Iterable[tuple[Any, Any]]:
    if len(detections) == 0:
        return ()
    trackers = detections.tracker_id
    if detections.mask is None:
        raise UserError("detections must have a mask to be drawn as ids, got none; use a model that gives masks")
    if trackers is None and ids is None:
        raise UserError("detections must have a tracker_id to be drawn as ids, got none; track them first")
    if ids is None and 0 in trackers:
        raise UserError("object ids must be 1 or more, but a tracker_id is 0; give ids=detections.tracker_id + 1")
    pairs = _row(np.asarray(detections.mask), trackers if ids is None else ids)
    return pairs if trackers is None else (pair for pair, its in zip(pairs, trackers, strict=True) if its != UNSURE)
