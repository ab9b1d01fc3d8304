"""Spatial-temporal grounding in video: data, tasks, policies, training and evaluation."""

__version__ = "0.1.0"
