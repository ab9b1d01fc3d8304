"""What was drawn where: the record that goes with marked frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Mark:
    """One object's mark on one frame, or why it has none.

    Args:
        object_id: >= 1.
        colour: RGB of the mark, 0 to 255: what tells it from others.
        box: xyxy in whole pixels of the drawn frame, half-open; None if nothing was drawn.
        reason: Why nothing was drawn; None if it was.
    """

    object_id: int
    colour: tuple[int, int, int]
    box: tuple[int, int, int, int] | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{"object_id", "colour", "box"}` or `{"object_id", "colour", "reason"}`."""
        what: dict[str, Any] = {"reason": self.reason} if self.box is None else {"box": list(self.box)}
        return {"object_id": self.object_id, "colour": list(self.colour), **what}


@dataclass(frozen=True)
class Legend:
    """The marks of a clip.

    Args:
        frames: For each drawn frame one mark an object, in the order of drawing (ascending id).
    """

    frames: tuple[tuple[Mark, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """`{"schema_version": 1, "frames": [[mark, ...], ...]}`, ready for a JSON file."""
        frames = [[mark.to_json() for mark in marks] for marks in self.frames]
        return {"schema_version": SCHEMA_VERSION, "frames": frames}
