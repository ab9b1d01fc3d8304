"""From a sample to what a policy reads: frames with IDs drawn at load time, and the encoded prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from grounding.core import Clip, LoadedSample, Source
from grounding.policies.policy import Policy, VideoPrompt
from grounding.tasks import stvg
from prompting import IdMarker


@dataclass(frozen=True, eq=False)
class Example:
    """A sample that is ready for the policy.

    Args:
        loaded: The sample with its truth and masklets.
        marked: Its sampled frames with IDs drawn.
        prompt: The model's inputs.
    """

    loaded: LoadedSample
    marked: Clip
    prompt: VideoPrompt


def make_examples(loaded: Sequence[LoadedSample], policy: Policy, marker: IdMarker, prompt_kind: str) -> list[Example]:
    """Draw the IDs and encode the prompts of some samples."""
    marked = [marker.annotate_clip(one.clip, one.masklets)[0] for one in loaded]
    texts = [stvg.prompt(one.sample.query, prompt_kind) for one in loaded]
    prompts = policy.encode(marked, texts)
    return [Example(*parts) for parts in zip(loaded, marked, prompts, strict=True)]


class Collator:
    """Turns dataset rows into trainer inputs; a video asked for G times is read, drawn and encoded once.

    Args:
        source: Where samples come from.
        policy: Whose processor encodes them.
        marker: Draws the IDs.
        prompt_kind: Kind of task prompt.
        keep: How many examples stay in memory for the next passes over the same prompts.
    """

    def __init__(self, source: Source, policy: Policy, marker: IdMarker, prompt_kind: str, keep: int) -> None:
        self.source, self.policy, self.marker, self.prompt_kind, self.keep = source, policy, marker, prompt_kind, keep
        self._kept: OrderedDict[int, Example] = OrderedDict()

    def __call__(self, rows: Sequence[dict[str, int]]) -> list[dict[str, object]]:
        """Inputs of the trainer, one a row; rows of one index share their example."""
        wanted = list(dict.fromkeys(row["index"] for row in rows))
        missing = [index for index in wanted if index not in self._kept]
        if missing:
            loaded = [self.source.load(self.source.samples[index]) for index in missing]
            made = make_examples(loaded, self.policy, self.marker, self.prompt_kind)
            self._kept.update(zip(missing, made, strict=True))
        for index in wanted:
            self._kept.move_to_end(index)
        found = {index: self._kept[index] for index in wanted}
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        return [
            {"prompt": found[row["index"]].loaded.sample.query, "example": found[row["index"]], "group": row["index"]}
            for row in rows
        ]
