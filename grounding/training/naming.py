"""Words for what the tiny policy sees: every visual token learns the colour, shape, ID and second that it shows.

The words are read with the model's own head, whose weights are the word embeddings too. A visual token comes to hold
the embeddings of its words, so that attending from a word of the query to the object, and copying the object's ID,
is little more than matching equal vectors; and the first and the last second of an object can be told from its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional

from grounding.core import LoadedSample
from grounding.policies.families import MERGED
from grounding.policies.policy import Policy, VideoPrompt
from grounding.tasks.task import normalise_query
from grounding.training.turns import SECONDS

TIME = 0.15  # share of the second among a visual token's words; with more, IDs were learnt late; our choice
TIME_ALONE = 1 / 3  # the same where no IDs are drawn: shape, colour and second are equal
LEAST = 0.25  # share of a visual token's pixels that must be of one object for it to be named; our choice


def naming_loss(
    policy: Policy,
    features: Sequence[torch.Tensor],
    prompts: Sequence[VideoPrompt],
    clips: Sequence[LoadedSample],
    *,
    marks: bool,
) -> torch.Tensor:
    """Mean cross-entropy between what visual tokens say and the words of the objects that they show.

    Args:
        policy: Whose head reads the features.
        features: Of each clip's video, shape (levels, visual tokens, width).
        prompts: The encoded clips.
        clips: The same with masks, and with questions that say what each object is called.
        marks: Whether their IDs are drawn, and so are among the words.
    """
    made = [targets_of(policy, prompt, clip, marks) for prompt, clip in zip(prompts, clips, strict=True)]
    targets = torch.cat(made).to(policy.model.device)
    named = targets.any(1)
    logits = policy.head(torch.cat([levels[0] for levels in features])[named])
    return functional.cross_entropy(logits.float(), targets[named])


def targets_of(policy: Policy, prompt: VideoPrompt, loaded: LoadedSample, marks: bool) -> torch.Tensor:
    """For each visual token the shares of the words of what it shows, float32, shape (N, vocabulary).

    Colour, shape and, if it is drawn, ID have equal shares of what the second leaves. A row is 0 where a token shows
    no object, or too little of one.
    """
    merge = policy.model.config.vision_config.spatial_merge_size
    time, height, width = prompt.grid[0].tolist()
    shown = objects_shown(loaded, (time, height // merge, width // merge))
    called = {
        object_id: _shares(policy, f" {name} {object_id}" if marks else f" {name}")
        for object_id, name in names(loaded).items()
    }
    share, rows = TIME if marks else TIME_ALONE, []
    for second, ids in zip(loaded.clip.pts[::MERGED].astype(int), shown, strict=True):
        now = _shares(policy, f" {SECONDS[second]}")
        words = {object_id: (1 - share) * what + share * now for object_id, what in called.items()}
        rows += [words.get(object_id, torch.zeros_like(now)) for object_id in ids.ravel().tolist()]
    return torch.stack(rows)


def _shares(policy: Policy, words: str) -> torch.Tensor:
    """Equal shares of the tokens of some words, shape (vocabulary,)."""
    tokens = torch.tensor(policy.tokenizer(words)["input_ids"])
    return torch.zeros(policy.model.config.text_config.vocab_size).index_fill(0, tokens, 1 / len(tokens))


def names(loaded: LoadedSample) -> Mapping[int, str]:
    """Shape and colour of each object that is asked for."""
    questions = loaded.sample.meta["questions"]
    plain = {one.about.id: normalise_query(one.query).removeprefix("the ") for one in questions}
    return {object_id: name.replace(" in ", " ") for object_id, name in plain.items()}


def objects_shown(loaded: LoadedSample, grid: tuple[int, int, int]) -> np.ndarray:
    """The object that each visual token shows most of, 0 for none, shape `grid` (time, rows, columns)."""
    masklets, (time, rows, columns) = loaded.masklets, grid
    ids = [0, *names(loaded)]
    seen = [masklets.masks_at(masklets.frame_at(float(at))) for at in loaded.clip.pts]
    nothing = np.zeros(masklets.size, bool)
    masks = np.array([[frame.get(object_id, nothing) for object_id in ids] for frame in seen], np.float32)
    height, width = masklets.size
    blocks = masks.reshape(time, MERGED, len(ids), rows, height // rows, columns, width // columns)
    shares = blocks.mean(axis=(1, 4, 6))
    shares[:, 0] = LEAST
    return np.array(ids)[shares.argmax(axis=1)]
