"""The tags around the thinking and the answer in a model's text."""

from __future__ import annotations

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
