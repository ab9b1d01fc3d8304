"""A user's turn as OpenAI-compatible servers take it: texts, and the frames of its clips as JPEG pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from grounding.core import Clip, UserTurn

QUALITY = 90  # of a JPEG, of 100; our choice


def content_of(turn: UserTurn) -> list[dict[str, Any]]:
    """The `content` of a chat message; before each frame of a video its time is said, such as `1.50 s`."""
    return [piece for part in turn for piece in ([_text(part)] if isinstance(part, str) else _frames(part))]


def _frames(clip: Clip) -> Iterator[dict[str, Any]]:
    for frame, time in zip(clip.frames, clip.pts, strict=True):
        if len(clip) > 1:  # a still is at no time
            yield _text(f"{time:.2f} s")
        yield {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_jpeg(frame)}"}}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _jpeg(frame: np.ndarray) -> str:
    """The picture, RGB, uint8, shape (H, W, 3), in base64."""
    _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return base64.b64encode(data.tobytes()).decode("ascii")
