"""Detectors: open-vocabulary, closed-set and concept models through transformers, or boxes that you have already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES,
)

from grounding.core import UserError
from grounding.tracking.interfaces import Detections, Detector
from grounding.tracking.loading import load_config, load_parts

CONCEPT_MODELS = ("sam3", "sam3_video")
DTYPE = "float32"  # a box in bfloat16 is off by pixels (8 bits for 1000 of them), and keyframes are few
OPEN_MODELS = ("grounding-dino", "mm-grounding-dino")


class _ModelDetector:
    """What the three kinds share: a model, its processor, and the least score of a detection."""

    frames: frozenset[int] | None = None  # any frame will do

    def __init__(self, model: Any, processor: Any, threshold: float) -> None:
        self.model, self.processor, self.threshold = model, processor, threshold

    def _inputs(self, **inputs: Any) -> Any:
        return self.processor(**inputs, return_tensors="pt").to(self.model.device, self.model.dtype)


class OpenVocabularyDetector(_ModelDetector):
    """Grounding DINO and MM-Grounding-DINO: finds what the prompt names.

    Args:
        model: An `AutoModelForZeroShotObjectDetection`.
        processor: Its processor.
        concepts: What to look for, such as ["person", "red car"].
        threshold: Least score, in [0, 1].
    """

    def __init__(self, model: Any, processor: Any, concepts: Sequence[str], threshold: float = 0.25) -> None:
        super().__init__(model, processor, threshold)
        self.concepts = list(concepts)

    @torch.inference_mode()
    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        """What is on a frame."""
        inputs = self._inputs(images=picture, text=[self.concepts])
        outputs = self.model(**inputs)
        (found,) = self.processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=self.threshold, target_sizes=[picture.shape[:2]]
        )
        texts = found["text_labels"][: len(found["boxes"])]  # where nothing is found, it gives one label all the same
        return _detections(found, [self._concept(text) for text in texts])

    def _concept(self, text: str) -> str:
        """The concept that a label stands for: the model names the words that it saw, maybe not all of them."""
        words = set(text.lower().split())
        shared = [len(words & set(concept.lower().split())) for concept in self.concepts]
        return self.concepts[int(np.argmax(shared))]


class ClosedSetDetector(_ModelDetector):
    """RT-DETR, D-FINE, RF-DETR and the like: finds the classes that it was trained for.

    Args:
        model: An `AutoModelForObjectDetection`.
        processor: Its image processor.
        classes: Names from `model.config.id2label`, in any case; none of them means all.
        threshold: Least score, in [0, 1].

    Raises:
        UserError: If the model does not know a class.
    """

    def __init__(self, model: Any, processor: Any, classes: Sequence[str] = (), threshold: float = 0.25) -> None:
        super().__init__(model, processor, threshold)
        self.names = {index: name.lower() for index, name in model.config.id2label.items()}
        unknown = [name for name in classes if name.lower() not in self.names.values()]
        if unknown:
            known = ", ".join(sorted(set(self.names.values())))
            raise UserError(f"the detector has no class {unknown[0]!r}; it knows {known[:400]}")
        self.wanted = {name.lower() for name in classes} or set(self.names.values())

    @torch.inference_mode()
    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        """What is on a frame."""
        outputs = self.model(**self._inputs(images=picture))
        (found,) = self.processor.post_process_object_detection(
            outputs, threshold=self.threshold, target_sizes=[picture.shape[:2]]
        )
        labels = [self.names[int(index)] for index in found["labels"]]
        detections = _detections(found, labels)
        return detections.take([row for row, label in enumerate(labels) if label in self.wanted])


class ConceptDetector(_ModelDetector):
    """SAM 3 with a concept prompt: finds what the prompt names, with masks.

    Args:
        model: A `Sam3Model`.
        processor: Its `Sam3Processor`.
        concepts: What to look for; each costs a run of the decoder, none of the image encoder.
        threshold: Least score, in [0, 1].
    """

    def __init__(self, model: Any, processor: Any, concepts: Sequence[str], threshold: float = 0.25) -> None:
        super().__init__(model, processor, threshold)
        self.concepts = list(concepts)

    @torch.inference_mode()
    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        """What is on a frame."""
        seen = self.model.get_vision_features(pixel_values=self._inputs(images=picture)["pixel_values"])
        found = [self._find(seen, concept, picture.shape[:2]) for concept in self.concepts]
        return Detections(
            np.concatenate([part.boxes for part in found]),
            np.concatenate([part.scores for part in found]),
            tuple(label for part in found for label in part.labels),
            np.concatenate([part.masks for part in found if part.masks is not None]),
        )

    def _find(self, seen: Any, concept: str, size: tuple[int, int]) -> Detections:
        words = self.processor(text=concept, return_tensors="pt").to(self.model.device)
        outputs = self.model(vision_embeds=seen, input_ids=words["input_ids"], attention_mask=words["attention_mask"])
        (found,) = self.processor.post_process_instance_segmentation(
            outputs, threshold=self.threshold, target_sizes=[size]
        )
        masks = found["masks"].bool().cpu().numpy().reshape(-1, *size)
        return _detections(found, [concept] * len(masks), masks)


def load_detector(name: str, prompt: str = "", *, threshold: float = 0.25, device: str = "auto") -> Detector:
    """Load a detector of whichever kind its configuration says.

    Args:
        name: A folder, or a name on the hub such as "IDEA-Research/grounding-dino-tiny".
        prompt: What to find, parted by commas or full stops: "person, red car".
        threshold: Least score, in [0, 1].
        device: As `grounding.tracking.loading.place`.

    Raises:
        UserError: If it is not there, of another kind, or does not know what the prompt names.
    """
    concepts = [part.strip() for part in prompt.replace(".", ",").split(",") if part.strip()]
    kind = load_config(name).model_type
    if kind in MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES:
        model_class = transformers.AutoModelForObjectDetection
        parts = load_parts(name, model_class, device, DTYPE, processor="AutoImageProcessor")
        return ClosedSetDetector(parts.model, parts.processor, concepts, threshold)
    if kind not in (*OPEN_MODELS, *CONCEPT_MODELS):
        raise UserError(
            f"detector {name} is a {kind!r} model; give one of {', '.join((*OPEN_MODELS, *CONCEPT_MODELS))} "
            "or a closed-set one such as rt_detr, d_fine, rf_detr"
        )
    if not concepts:
        raise UserError(f"detector {name} needs a prompt that names what to find, such as 'person'")
    if kind in CONCEPT_MODELS:
        parts = load_parts(name, transformers.Sam3Model, device, DTYPE, processor="Sam3Processor")
        return ConceptDetector(parts.model, parts.processor, concepts, threshold)
    parts = load_parts(name, transformers.AutoModelForZeroShotObjectDetection, device, DTYPE)
    return OpenVocabularyDetector(parts.model, parts.processor, concepts, threshold)


def _detections(found: dict[str, Any], labels: Sequence[str], masks: np.ndarray | None = None) -> Detections:
    boxes = found["boxes"].float().cpu().numpy().astype(np.float64).reshape(-1, 4)
    scores = found["scores"].float().cpu().numpy().astype(np.float64)
    return Detections(boxes, scores, tuple(labels), masks)
