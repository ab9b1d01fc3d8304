"""Byte patches, normalised later, are what the processor makes."""

from __future__ import annotations

import pytest
import torch
from transformers import Glm4vVideoProcessor, Qwen2VLVideoProcessor, Qwen3VLVideoProcessor
from transformers.video_utils import VideoMetadata

from grounding.policies.pixels import BYTES, normalize_patches

PROCESSORS = [
    Qwen2VLVideoProcessor(cap_pixels_per_frame=False),
    Qwen3VLVideoProcessor(cap_pixels_per_frame=False),
    Glm4vVideoProcessor(),
]


def patches(processor: object, **options: bool) -> torch.Tensor:
    """Of seven frames (so the last is doubled), resized to the processor's liking."""
    frames = torch.randint(0, 256, (7, 3, 90, 130), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    metadata = [VideoMetadata(total_num_frames=7, fps=2.0, frames_indices=list(range(7)))]
    options = {"do_sample_frames": False, **options}
    return processor(videos=[frames], video_metadata=metadata, return_tensors="pt", **options)["pixel_values_videos"]  # type: ignore[operator]


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda p: type(p).__name__)
def test_bytes_normalised_later_are_the_processors_own_floats(processor: object) -> None:
    kept, whole = patches(processor, **BYTES), patches(processor)
    assert kept.dtype == torch.uint8 and kept.shape == whole.shape
    assert kept.nbytes * 4 == whole.nbytes
    assert torch.equal(normalize_patches(kept, processor), whole)
    assert not torch.equal(normalize_patches(kept.flip(0), processor), whole)


def test_each_channel_has_its_own_mean_and_spread() -> None:
    processor = Qwen2VLVideoProcessor(
        image_mean=[0.0, 0.5, 1.0], image_std=[1.0, 0.5, 0.25], rescale_factor=1 / 256, cap_pixels_per_frame=False
    )
    row = torch.tensor([[0, 128, 0, 128, 0, 128]], dtype=torch.uint8)  # two values of each of three channels
    # 128/256 = 0.5: (0.5 - 0)/1, (0.5 - 0.5)/0.5, (0.5 - 1)/0.25; and for 0: 0, -1, -4
    assert normalize_patches(row, processor).tolist() == [[0.0, 0.5, -1.0, 0.0, -4.0, -2.0]]
    assert row.tolist() == [[0, 128, 0, 128, 0, 128]]


def test_floats_are_taken_as_they_are() -> None:
    floats = torch.ones(2, 6)
    assert normalize_patches(floats, PROCESSORS[0]) is floats
