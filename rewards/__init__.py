"""Verifiable rewards: pure functions of (answer, truth, meta), each in a declared range; no torch, no I/O."""

from rewards.answer import (
    answer_accuracy,
    choice_f1,
    choice_jaccard,
    choice_match,
    choice_soft,
    exact_match,
    mean_relative_accuracy,
    progress_direction,
    progress_nearness,
    relative_accuracy,
    rouge,
    rouge_l,
)
from rewards.base import REWARDS, Meta, Reward, compare, reward
from rewards.batched import interval_ious, tube_vious
from rewards.evidence import CitingAnswer, Evidence, evidence_format, evidence_iou
from rewards.files import find
from rewards.format import box_format, glue_format, planned_think_format, think_answer_format, time_caption_format
from rewards.presets import PRESETS
from rewards.segments import best_segment_iou, segments_f1, segments_in_order, segments_iou
from rewards.shaping import length_bonus, overlong, repetition
from rewards.spatial import box_giou, box_iou, id_match, id_set_f1, point_in_mask, tube_viou
from rewards.temporal import boundary_iou, shaped_iou, temporal_iop, temporal_iou, temporal_recall, time_proximity
from rewards.weighted import WeightedSum

__all__ = [
    "CitingAnswer",
    "Evidence",
    "Meta",
    "PRESETS",
    "REWARDS",
    "Reward",
    "WeightedSum",
    "answer_accuracy",
    "best_segment_iou",
    "boundary_iou",
    "box_format",
    "box_giou",
    "box_iou",
    "choice_f1",
    "choice_jaccard",
    "choice_match",
    "choice_soft",
    "compare",
    "evidence_format",
    "evidence_iou",
    "exact_match",
    "find",
    "glue_format",
    "id_match",
    "id_set_f1",
    "interval_ious",
    "length_bonus",
    "mean_relative_accuracy",
    "overlong",
    "planned_think_format",
    "point_in_mask",
    "progress_direction",
    "progress_nearness",
    "relative_accuracy",
    "repetition",
    "reward",
    "rouge",
    "rouge_l",
    "segments_f1",
    "segments_in_order",
    "segments_iou",
    "shaped_iou",
    "temporal_iop",
    "temporal_iou",
    "temporal_recall",
    "think_answer_format",
    "time_caption_format",
    "time_proximity",
    "tube_viou",
    "tube_vious",
]
