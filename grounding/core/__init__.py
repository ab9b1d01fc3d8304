"""The vocabulary of tubelet: intervals, tubes, clips, masklets, samples, answers; no torch."""

from grounding.core.clip import Clip, UserTurn
from grounding.core.errors import UserError, UserErrors
from grounding.core.intervals import Interval
from grounding.core.masklets import Masklets, load_masklets, save_masklets
from grounding.core.regions import Region
from grounding.core.samples import Answer, Chosen, LoadedSample, Mask, OnBroken, ParseFailure, Sample, Source
from grounding.core.tubes import Tube
from grounding.core.video import read_clip
from grounding.core.video_write import write_video

__all__ = [
    "Answer",
    "Chosen",
    "Clip",
    "Interval",
    "LoadedSample",
    "Mask",
    "Masklets",
    "OnBroken",
    "ParseFailure",
    "Region",
    "Sample",
    "Source",
    "Tube",
    "UserError",
    "UserErrors",
    "UserTurn",
    "load_masklets",
    "read_clip",
    "save_masklets",
    "write_video",
]
