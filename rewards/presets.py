"""The papers' rewards as weights of ours, in one table.

Where a paper states no weights, or another form of a part, the line says so: that is our default then.

What our docstrings call by a short name only:

    DAPO          "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", arXiv 2503.14476
    MUSEG         "Reinforcing Video Temporal Understanding via Timestamp-Aware Multi-Segment Grounding", 2505.20715
    Open-o3-Video "Open-o3 Video: Grounded Video Reasoning with Explicit Spatio-Temporal Evidence", 2510.20579
    TempSamp-R1   "Effective Temporal Sampling with Reinforcement Fine-Tuning for Video LLMs", 2509.18056
    Time-R1       "Post-Training Large Vision Language Model for Temporal Video Grounding" (TimeZero), 2503.13377
    VideoChat-R1  "Enhancing Spatio-Temporal Perception via Reinforcement Fine-Tuning", 2504.06958
    VSI-Bench     "Thinking in Space: How Multimodal Large Language Models See, Remember, and Recall Spaces", 2412.14171
    Yeo et al.    "Demystifying Long Chain-of-Thought Reasoning in LLMs", 2502.03373
"""

from __future__ import annotations

from collections.abc import Mapping

FORM = "think_answer_format"

PRESETS: dict[str, Mapping[str, float]] = {
    # Our default, in [0, 3.5]: adds the metric that is reported; form weighs less, for it is learnt first.
    "tubelet": {"temporal_iou": 1.0, "id_match": 1.0, "tube_viou": 1.0, FORM: 0.5},
    # The default of vtg, in [0, 2]: as `timezero` for one time range, and it scores several ranges or none, too.
    "when": {"segments_iou": 1.0, FORM: 1.0},
    # The default of progress, in [0, 2]: PRIMO R1's term with the plain form and no bonus for length.
    "progress": {"progress_nearness": 1.0, FORM: 1.0},
    # The default of rvos, ours, in [0, 1.5]: the F1 of the named objects; form weighs less, for it is learnt first.
    "objects": {"id_set_f1": 1.0, FORM: 0.5},
    # The default of gqa, in [0, 3]: as `videochat_r1_gqa` for letters, and it scores free words, too.
    "grounded": {"answer_accuracy": 1.0, "segments_iou": 1.0, "glue_format": 1.0},
    # The default of qa, in [0, 2]: options, a number or words, by the truth.
    "what": {"answer_accuracy": 1.0, FORM: 1.0},
    # When, which, form; equal weights, in [0, 3].
    "stvg_r1": {"temporal_iou": 1.0, "id_match": 1.0, FORM: 1.0},
    # The paper's IoU with both factors; its first code has the plain IoU, which is `timezero`.
    "time_r1": {"boundary_iou": 1.0, FORM: 1.0},
    "timezero": {"temporal_iou": 1.0, FORM: 1.0},
    "tvg_r1": {"temporal_iou": 0.9, FORM: 0.1},
    "temporal_r1": {"temporal_iou": 0.9, FORM: 0.1},
    # No rewards of VideoTG-R1 are public: those of its authors' earlier VideoChat-R1, our default. Its repaired truths
    # have several time ranges, so the IoU is that of all of them; of one range it is the same.
    "videotg_r1": {"segments_iou": 1.0, FORM: 1.0},
    "videochat_r1": {"temporal_iou": 1.0, FORM: 1.0},
    "videochat_r1_gqa": {"choice_match": 1.0, "segments_iou": 1.0, "glue_format": 1.0},
    # Theirs is the mean box IoU on the true frames, which an interval of the whole video gets in full; ours counts all.
    "videochat_r1_tracking": {"tube_viou": 1.0, FORM: 1.0},
    # The shaped advantage of gold answers is its own matter; that the form weighs 1 is our default.
    "tempsamp_r1": {"shaped_iou": 1.0, FORM: 1.0},
    # Its code's plain sum. Of times cited for a true range, where it asks that they lie within, ours takes the middle.
    "open_o3_video": {
        **{"answer_accuracy": 1.0, "temporal_iou": 1.0, "box_iou": 1.0},
        **{"time_proximity": 1.0, "evidence_iou": 1.0, "evidence_format": 1.0},
    },
    # Global and local matching and form; its form also asks for the cited times in the thinking, ours does not.
    "museg": {"segments_f1": 1.0, "segments_in_order": 1.0, FORM: 1.0},
    # Weights are not public; the plain sum is our default. One line for each of its three questions. The IoU scores
    # 'none', too, with which our model may answer: 1 where nothing fits, else 0. Of one range it is the temporal IoU.
    "scene_r1": {"segments_iou": 1.0, FORM: 1.0},
    "scene_r1_box": {"box_iou": 1.0, "box_format": 1.0},
    "scene_r1_qa": {"exact_match": 1.0, FORM: 1.0},
    # Its released run leaves the form out.
    "seed_bench_r1": {"choice_match": 1.0},
    "longvila_r1": {"answer_accuracy": 0.9, FORM: 0.1},
    "video_r1": {"answer_accuracy": 1.0, FORM: 1.0, "length_bonus": 1.0},
    "primo_r1": {"progress_nearness": 1.0, "planned_think_format": 1.0, "length_bonus": 1.0},
    "primo_r1_qa": {"answer_accuracy": 1.0, "planned_think_format": 1.0, "length_bonus": 1.0},
    # Not public: PRIMO R1's term and the direction, weights ours.
    "sole_r1": {"progress_nearness": 1.0, "progress_direction": 0.5, FORM: 0.5},
    "tw_grpo": {"choice_soft": 1.0, FORM: 1.0},
    # From a digest: right or wrong, for distances MRA (a truth has one of the two), and a form of at most 0.5.
    "veripo": {"choice_match": 1.0, "mean_relative_accuracy": 1.0, FORM: 0.5},
    # It scores free answers with a model, RewardBert; ROUGE stands for it, and the weights are our default.
    "videohallu": {"rouge": 1.0, FORM: 1.0},
    # Its gain is in the loss; which reward it takes is not published in full. IoU beside the answer on NExT-GQA.
    "deepvideo_r1": {"choice_match": 1.0},
    "deepvideo_r1_gqa": {"choice_match": 1.0, "segments_iou": 1.0},
    # Streaming: the last turn's answer alone.
    "vst": {"answer_accuracy": 1.0},
    # The score of its form is not public; ours weighs 1.
    "video_thinker": {"choice_match": 1.0, "time_caption_format": 1.0},
}
