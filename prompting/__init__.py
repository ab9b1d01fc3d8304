"""ID prompts: frames and masks in, frames with numbered marks and a legend out; no torch."""

from grounding.core.colours import id_colour
from prompting.legend import Legend, Mark
from prompting.marker import IdMarker
from prompting.stream import IdStream

__all__ = ["IdMarker", "IdStream", "Legend", "Mark", "id_colour"]
