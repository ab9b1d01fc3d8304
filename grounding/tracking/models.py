"""Which tracker and which detector to use, by name; small enough to send to a worker process, which loads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.core import UserError
from grounding.core.extras import needs
from grounding.tracking.interfaces import Detector, Tracker
from grounding.tracking.own_boxes import load_boxes


@dataclass(frozen=True)
class TrackerName:
    """The tracker of a run.

    Args:
        tracker: Folder or name on the hub of a SAM 2 or SAM 3; or a checkpoint *.pt of the sam2 package.
        sam2_config: For a checkpoint of the sam2 package: its yaml, a file or a name inside the package.
        device: auto (a GPU if there is one; one a worker, in turn), cpu, cuda, cuda:1, ...
        dtype: Precision of the tracker: auto (bfloat16 on a GPU, else float32), float32, float16, bfloat16.
    """

    tracker: str = "facebook/sam2.1-hiera-small"
    sam2_config: str = "configs/sam2.1/sam2.1_hiera_s.yaml"
    device: str = "auto"
    dtype: str = "auto"

    def load_tracker(self, worker: int = 0) -> Tracker:
        """Load it; torch is imported only here.

        Args:
            worker: Number of the process from 0; several share out the GPUs.

        Raises:
            UserError: If it is missing or of another kind, or torch is not installed.
        """
        with needs("tracking"):
            from grounding.tracking.loading import turn

        device = turn(self.device, worker)
        if self.tracker.endswith(".pt"):
            from grounding.tracking.sam2_package import load_sam2

            return load_sam2(Path(self.tracker), self.sam2_config, device, self.dtype)
        from grounding.tracking.trackers import load_tracker

        return load_tracker(self.tracker, device, self.dtype)


@dataclass(frozen=True)
class ModelNames(TrackerName):
    """The models of a run that finds its objects itself.

    Args:
        prompt: What to find, parted by commas: "person, red car". A closed-set detector without one finds all it knows.
        boxes: A JSON file of your own boxes instead of a detector.
        detector: Folder or name on the hub of a Grounding DINO, MM-Grounding-DINO, SAM 3 or closed-set detector.
        threshold: Least score of a detection, in [0, 1].

    Raises:
        UserError: If boxes and prompt are given both, or the threshold is out of range.
    """

    prompt: str = ""
    boxes: Path | None = None
    detector: str = "IDEA-Research/grounding-dino-tiny"
    threshold: float = 0.25

    def __post_init__(self) -> None:
        if self.boxes is not None and self.prompt:
            raise UserError("give a prompt for a detector or a file of boxes, not both")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"threshold must be in [0, 1], got {self.threshold}")

    def load(self, worker: int = 0) -> tuple[Detector, Tracker]:
        """Load detector and tracker; arguments and errors as `load_tracker`."""
        own = None if self.boxes is None else load_boxes(self.boxes)  # quick to fail
        with needs("tracking"):
            from grounding.tracking.detectors import load_detector
            from grounding.tracking.loading import turn

        device = turn(self.device, worker)
        detector = own or load_detector(self.detector, self.prompt, threshold=self.threshold, device=device)
        return detector, self.load_tracker(worker)
