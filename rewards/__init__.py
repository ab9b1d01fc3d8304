"""Verifiable rewards: pure functions of (answer, truth, text), each in a declared range; no torch, no I/O."""

from rewards.base import REWARDS, Reward, reward
from rewards.format import think_answer_format
from rewards.spatial import id_match, tube_viou
from rewards.temporal import temporal_iou
from rewards.weighted import PRESETS, WeightedSum

__all__ = [
    "PRESETS",
    "REWARDS",
    "Reward",
    "WeightedSum",
    "id_match",
    "reward",
    "temporal_iou",
    "think_answer_format",
    "tube_viou",
]
