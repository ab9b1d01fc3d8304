"""From a video to `Masklets`: detections at keyframes, followed by a video segmenter in one pass."""

from grounding.tracking.interfaces import Detections, Detector, Tracker
from grounding.tracking.one_pass import Report, track_video
from grounding.tracking.options import TrackingOptions

__all__ = ["Detections", "Detector", "Report", "Tracker", "TrackingOptions", "track_video"]
