"""SAM 2 and SAM 3 through transformers, streaming: `Sam2VideoModel` and `Sam3TrackerVideoModel`.

Each object has an inference session of its own, and all share the features of the current frame. So objects can join
and leave at any frame without touching the others (one session for all would run all objects again on a frame on
which one joins, and cannot forget any), and a frame is still encoded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import Sam2VideoModel, Sam3TrackerVideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceCache

from grounding.core import UserError
from grounding.tracking.loading import load_config, load_parts
from grounding.tracking.streaming import StreamingTracker

MODELS = {
    "sam2_video": (Sam2VideoModel, "Sam2VideoProcessor"),
    "sam3_video": (Sam3TrackerVideoModel, "Sam3TrackerVideoProcessor"),
    "sam3_tracker_video": (Sam3TrackerVideoModel, "Sam3TrackerVideoProcessor"),
}


class TransformersTracker(StreamingTracker):
    """A `Tracker` on top of a SAM 2 or SAM 3 video model.

    Args:
        model: In evaluation mode, on its device, in its precision.
        processor: Its processor.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(keep=max(model.config.num_maskmem, model.config.max_object_pointers_in_encoder))
        self.model, self.processor = model, processor
        self._cache = Sam2VideoInferenceCache(model.device, model.device)

    def _encode(self, picture: np.ndarray) -> torch.Tensor:
        pixels = self.processor(images=picture, return_tensors="pt").pixel_values[0]
        pixels = pixels.to(self.model.device, self.model.dtype)
        outputs = self.model.get_image_features(pixels[None], return_dict=True)
        features, positions = outputs.fpn_hidden_states, outputs.fpn_position_encoding
        self._pixels = pixels
        self._cache.clear_all()
        self._cache.cache_vision_features(self.frame, {"vision_feats": features, "vision_pos_embeds": positions})
        height, width = self.model.backbone_feature_sizes[-1]
        return features[-1][:, 0].reshape(height, width, -1).permute(2, 0, 1)

    def _begin(self, box: np.ndarray, mask: np.ndarray | None) -> tuple[Any, torch.Tensor]:
        session = self.processor.init_video_session(inference_device=self.model.device, dtype=self.model.dtype)
        session.cache = self._cache
        prompt = {"input_boxes": [[box.tolist()]]} if mask is None else {"input_masks": [mask]}
        self.processor.add_inputs_to_inference_session(
            session, frame_idx=self.frame, obj_ids=[1], original_size=self.size, **prompt
        )
        return session, self._step(session)

    def _step(self, state: Any) -> torch.Tensor:
        output = self.model(inference_session=state, frame=self._pixels, frame_idx=self.frame, reverse=self.reverse)
        state.processed_frames.clear()
        for frames in state.frames_tracked_per_obj.values():
            frames.clear()
        (memories,) = state.output_dict_per_obj.values()
        self._forget_past(memories, of_no_use=("high_res_masks", "pred_masks"))
        return output.pred_masks


def load_tracker(name: str, device: str = "auto", dtype: str = "auto") -> TransformersTracker:
    """Load a SAM 2 or SAM 3 video model.

    Args:
        name: A folder, or a name on the hub such as "facebook/sam2.1-hiera-small" or "facebook/sam3".
        device: As `grounding.tracking.loading.place`.
        dtype: As there.

    Raises:
        UserError: If it is not there, of another kind, or the device or precision is not available.
    """
    kind = load_config(name).model_type
    if kind not in MODELS:
        raise UserError(f"tracker {name} is a {kind!r} model; give one of {', '.join(sorted(MODELS))}")
    model_class, processor = MODELS[kind]
    return TransformersTracker(*load_parts(name, model_class, device, dtype, processor))
