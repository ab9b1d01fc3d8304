"""What was drawn where: the record that goes with marked frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Mark:
    """One object's mark on one frame, or why it has none.

    Args:
        object_id: >= 1.
        colour: RGB of the mark, 0 to 255.
        box: Of the number, or where the style has none, of what is drawn: xyxy in whole pixels of the drawn frame,
            half-open; None if nothing was drawn.
        visible: Whether the number can be read at the model's resolution.
        leader: (x, y) on the object, to which a line leads from its mark beside it; None if the mark is on it.
        reason: Why nothing was drawn; None if it was.
    """

    object_id: int
    colour: tuple[int, int, int]
    box: Box | None = None
    visible: bool = False
    leader: tuple[int, int] | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{"object_id", "colour", "visible"}` and either `"box"`, perhaps with `"leader"`, or `"reason"`."""
        value: dict[str, Any] = {"object_id": self.object_id, "colour": list(self.colour), "visible": self.visible}
        if self.box is None:
            return {**value, "reason": self.reason}
        return {**value, "box": list(self.box), **({"leader": list(self.leader)} if self.leader else {})}


@dataclass(frozen=True)
class Legend:
    """The marks of a clip.

    Args:
        frames: For each drawn frame one mark an object, ascending by id.
    """

    frames: tuple[tuple[Mark, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """`{"schema_version": 1, "frames": [[mark, ...], ...]}`, ready for a JSON file."""
        frames = [[mark.to_json() for mark in marks] for marks in self.frames]
        return {"schema_version": SCHEMA_VERSION, "frames": frames}
