"""Masks that exist already, in the formats that others write: read as masklets, and written again."""

from grounding.masks.formats import read_masklets, write_masklets

__all__ = ["read_masklets", "write_masklets"]
