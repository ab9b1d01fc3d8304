"""The `sam2` package as a tracker (an extra), streaming, and without a trace in Hydra's global state.

Its predictor wants a whole video up front. Here every object has a state of the same form without the video, and the
features of the current frame are put where the predictor looks for them. Written against sam2 1.1.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib import resources, util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grounding.core import UserError
from grounding.core.reading import regular_file
from grounding.tracking.loading import place
from grounding.tracking.streaming import StreamingTracker

PREDICTOR = "sam2.sam2_video_predictor.SAM2VideoPredictor"
INSTALL = "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENDLESS = 1 << 40  # how many frames the predictor believes there are; a stream does not say

# What sam2's own builder sets for video; its filling of holes needs a CUDA extension and is left out.
MASK_DECODER = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


class Sam2PackageTracker(StreamingTracker):
    """A `Tracker` on top of a `SAM2VideoPredictor`.

    Args:
        predictor: In evaluation mode, on its device.
        dtype: Precision to compute in (autocast); weights stay as they are.
    """

    def __init__(self, predictor: Any, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(keep=max(predictor.num_maskmem, predictor.max_obj_ptrs_in_encoder))
        self.predictor, self.dtype = predictor, dtype
        self._shared: dict[int, Any] = {}

    def _encode(self, picture: np.ndarray) -> torch.Tensor:
        device, side = self.predictor.device, self.predictor.image_size
        image = torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].float() / 255
        image = torch.nn.functional.interpolate(image, (side, side), mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
        image = (image - mean) / std
        with self._precision():
            encoded = self.predictor.forward_image(image)
        self._shared = {self.frame: (image, encoded)}
        return encoded["backbone_fpn"][-1][0]

    def _begin(self, box: np.ndarray, mask: np.ndarray | None) -> tuple[Any, torch.Tensor]:
        state = self._new_state()
        with self._precision():
            if mask is None:
                _, _, logits = self.predictor.add_new_points_or_box(state, self.frame, 1, box=box.astype(np.float32))
            else:
                _, _, logits = self.predictor.add_new_mask(state, self.frame, 1, mask)
            self.predictor.propagate_in_video_preflight(state)  # makes the memory of this frame while it is here
        return state, logits

    def _step(self, state: Any) -> torch.Tensor:
        state["cached_features"] = self._shared
        memories = state["output_dict_per_obj"][0]
        with self._precision():
            memory, logits = self.predictor._run_single_frame_inference(
                inference_state=state,
                output_dict=memories,
                frame_idx=self.frame,
                batch_size=1,
                is_init_cond_frame=False,
                point_inputs=None,
                mask_inputs=None,
                reverse=self.reverse,
                run_mem_encoder=True,
            )
        memories["non_cond_frame_outputs"][self.frame] = memory
        self._forget_past(memories, of_no_use=("pred_masks",))
        state["cached_features"] = {}
        return logits

    def _precision(self) -> Any:
        device = self.predictor.device.type
        return torch.autocast(device, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def _new_state(self) -> dict[str, Any]:
        """What `SAM2VideoPredictor.init_state` makes, without a video."""
        device = self.predictor.device
        return {
            "images": {},
            "num_frames": ENDLESS,
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": False,
            "video_height": self.size[0],
            "video_width": self.size[1],
            "device": device,
            "storage_device": device,
            "point_inputs_per_obj": {},
            "mask_inputs_per_obj": {},
            "cached_features": self._shared,
            "constants": {},
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
            "output_dict_per_obj": {},
            "temp_output_dict_per_obj": {},
            "frames_tracked_per_obj": {},
        }


def load_sam2(checkpoint: str | Path, config: str, device: str = "auto", dtype: str = "auto") -> Sam2PackageTracker:
    """Load a checkpoint of the `sam2` package.

    Args:
        checkpoint: A `.pt` file; read as weights only, so that it cannot run code.
        config: Its yaml: a file, or a name inside the package such as "configs/sam2.1/sam2.1_hiera_l.yaml".
        device: As `grounding.tracking.loading.place`.
        dtype: As there.

    Raises:
        UserError: If the package, the yaml or the checkpoint is missing, or they do not fit together.
    """
    where, precision = place(device, dtype)
    model = build_predictor(config)
    regular_file(checkpoint, "checkpoint")
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        model.load_state_dict(weights["model"])
    except OSError as error:
        raise UserError(f"cannot read checkpoint {checkpoint}: {error.strerror or error}") from error
    except Exception as error:  # unpickling anything may raise anything; all say the same to a user
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"checkpoint {checkpoint} does not fit {config}: {first[:200]}") from error
    return Sam2PackageTracker(model.to(where).eval(), precision)


def build_predictor(config: str) -> Any:
    """A `SAM2VideoPredictor` with random weights from its yaml, as sam2's own builder makes it.

    Raises:
        UserError: If the package or the yaml is missing, or the yaml names anything but sam2's own modules.
    """
    _import_quietly()
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = Path(config) if Path(config).is_file() else Path(str(resources.files("sam2"))) / config
    try:
        loaded: Any = OmegaConf.load(path)
        model = loaded["model"]
    except (OSError, KeyError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"cannot read sam2 configuration {config}: {str(error).splitlines()[0][:200]}") from error
    model = OmegaConf.merge(
        model,
        {
            "_target_": PREDICTOR,
            "sam_mask_decoder_extra_args": MASK_DECODER,
            "binarize_mask_from_pts_for_mem_enc": True,
        },
    )
    _refuse_foreign(OmegaConf.to_container(model, resolve=True), config)
    return instantiate(model).eval()


def _import_quietly() -> None:
    """Import `sam2`, which initialises Hydra for the whole process unless it believes that somebody has."""
    if util.find_spec("sam2") is None:
        raise UserError(f"the sam2 package is not installed: {INSTALL}; or use a SAM 2 of transformers")
    from hydra.core.global_hydra import GlobalHydra

    state = GlobalHydra.instance()
    held = state.hydra
    state.hydra = held or object()  # type: ignore[assignment]  # only asked whether it is None
    try:
        import sam2  # noqa: F401
    finally:
        state.hydra = held


def _refuse_foreign(node: Any, config: str) -> None:
    """A yaml's `_target_` is called with what the yaml says: let it be a network of sam2 and nothing else."""
    from hydra.utils import get_class

    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _refuse_foreign(value, config)
    if not isinstance(node, dict) or "_target_" not in node:
        return
    target = str(node["_target_"])
    try:
        found = get_class(target) if target.startswith("sam2.") else object
    except (ValueError, ImportError) as error:
        raise UserError(f"sam2 configuration {config} names {target}, which is no class of sam2") from error
    if not (issubclass(found, torch.nn.Module) and found.__module__.startswith("sam2.")):
        raise UserError(f"sam2 configuration {config} names {target}; only networks of sam2 itself are built")
