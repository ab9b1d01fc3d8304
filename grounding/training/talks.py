"""Talks: what a supervised step learns from. One video, and as many questions about it as fit, with their answers.

The video is read once for all of them (dense supervision).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from grounding.core import Clip, LoadedSample, ParseFailure, Sample, Source, UserError
from grounding.core.samples import normalise_query
from grounding.datasets.toy import ToySource
from grounding.policies.policy import Policy, VideoPrompt, pad_tokens
from grounding.tasks.asking import Asked, Asking, Moment, without_video
from grounding.training.examples import MOST_BROKEN


@dataclass(frozen=True)
class Turn:
    """One question about the video and its right answer.

    Args:
        prompt: The words of the user's turn.
        answer: The assistant's turn.
        ends: Whether it is scored that the assistant's turn ends there.
    """

    prompt: str
    answer: str
    ends: bool = True


def completion_tokens(policy: Policy, turns: Sequence[Turn]) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and further questions as one completion, and which answer (1, 2, ...) each token belongs to.

    Returns:
        Two int64 tensors, shape (C,); a question's tokens, and an end that is not scored, belong to 0.
    """
    tokenizer = policy.tokenizer
    tokens: list[int] = []
    owner: list[int] = []

    def say(new: list[int], answer: int) -> None:
        tokens.extend(new)
        owner.extend([answer] * len(new))

    for number, turn in enumerate(turns, start=1):
        if number > 1:
            say(tokenizer(policy.render_again(turn.prompt), add_special_tokens=False)["input_ids"], 0)
        say(tokenizer(turn.answer, add_special_tokens=False)["input_ids"], number)
        say([tokenizer.eos_token_id], number if turn.ends else 0)
    return torch.tensor(tokens), torch.tensor(owner)


def pad_answers(
    policy: Policy, rows: Sequence[tuple[torch.Tensor, torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `completion_tokens` made, padded on the right: tokens, their 0/1 mask and owners, int64, shape (B, C)."""
    tokens, mask = pad_tokens([tokens for tokens, _ in rows], policy.tokenizer.pad_token_id, side="right")
    return tokens, mask, pad_tokens([owner for _, owner in rows], 0, side="right")[0]


@dataclass(frozen=True, eq=False)
class Talk:
    """One row: a prompt with the video and the first question, then answers and further questions.

    Args:
        prompt: The model's inputs.
        tokens: What follows, int64, shape (C,).
        owner: The answer (1, 2, ...) that each token belongs to, 0 for none.
        ids: The samples that are asked about.
    """

    prompt: VideoPrompt
    tokens: torch.Tensor
    owner: torch.Tensor
    ids: Sequence[str]


@dataclass(frozen=True, eq=False)
class Talks:
    """All rows about a video.

    Args:
        rows: One, or more where its samples are shown different frames or do not fit into one.
        passed_over: The samples that could not be used and why.
    """

    rows: Sequence[Talk]
    passed_over: Sequence[tuple[Sample, str]] = ()


def by_video(source: Source, most: int, wrong: frozenset[str] = frozenset()) -> list[Sequence[int]]:
    """Indices of samples about the same video, at most so many together.

    Args:
        source: The samples.
        most: Questions about a video in a row.
        wrong: Ids of samples to leave out.
    """
    if isinstance(source, ToySource):  # a video each; to make all samples would take minutes
        return [(index,) for index in range(len(source.samples))]
    videos: dict[str, list[int]] = {}
    for index, sample in enumerate(source.samples):
        if sample.id not in wrong:
            videos.setdefault(sample.video, []).append(index)
    return [own[start : start + most] for own in videos.values() for start in range(0, len(own), most)]


def gold_text(asking: Asking, loaded: LoadedSample) -> str:
    """The answer that is taught: the row's `completion` as it is, or the truth with the row's `thinking`.

    Without either, the thinking is what `restated` gives, for an empty one would teach not to think.

    Raises:
        UserError: If the task cannot read the text, or cannot say the truth.
    """
    sample = loaded.sample
    text, thinking = (sample.meta.get(name) for name in ("completion", "thinking"))
    if not isinstance(text, str):
        known = thinking if isinstance(thinking, str) else restated(sample)
        text = asking.task.say(sample.truth, known)
    said = asking.task.read(text, loaded)
    if isinstance(said, ParseFailure):
        raise UserError(f"task {asking.task.name} cannot read its completion: {said.reason}; mend the completion")
    return text


def restated(sample: Sample) -> str:
    """The words of the query, then IDs and times as far as the truth has these: what is thought where nobody says."""
    truth = sample.truth
    seen = [normalise_query(sample.query), *map(str, sorted(truth.ids or ()))]
    return " ".join([*seen, *(f"{one.start:g} to {one.end:g}" for one in truth.segments or ())])


def check_given(source: Source, asking: Asking) -> dict[str, str]:
    """Why given completions cannot be read, by sample id; a video is only loaded to be sure of it."""
    if isinstance(source, ToySource):
        return {}
    wrong: dict[str, str] = {}
    for sample in source.samples:
        if isinstance(sample.meta.get("completion"), str) and _unreadable(asking, without_video(sample)):
            try:
                gold_text(asking, source.load(sample))
            except UserError as error:
                wrong[sample.id] = str(error)
    return wrong


def _unreadable(asking: Asking, loaded: LoadedSample) -> bool:
    return isinstance(asking.task.read(loaded.sample.meta["completion"], loaded), ParseFailure)


@dataclass(frozen=True)
class TalkMaker:
    """Makes the talks about a video; small enough to be sent to another process.

    Args:
        source: Where samples come from.
        videos: What `by_video` returned.
        policy: Whose processor encodes them; its weights are not needed.
        asking: What is shown and asked.
        skip_broken: Whether samples that cannot be used are left out; else the first stops the run.
    """

    source: Source
    videos: Sequence[Sequence[int]]
    policy: Policy
    asking: Asking
    skip_broken: bool = False

    def __call__(self, number: int, now: Moment | None = None) -> Talks:
        """The talks about a video, by its number; with `skip_broken`, about the next where nothing can be used.

        Raises:
            UserError: If a sample cannot be used; with `skip_broken`, if none of ten videos can.
        """
        broken: list[tuple[Sample, str]] = []
        for offset in range(MOST_BROKEN):
            if rows := self._rows(self.videos[(number + offset) % len(self.videos)], now, broken):
                return Talks(rows, tuple(broken))
        raise UserError(f"{MOST_BROKEN} videos in a row cannot be used; mend the data, the last: {broken[-1][1]}")

    def _rows(self, indices: Sequence[int], now: Moment | None, broken: list[tuple[Sample, str]]) -> list[Talk]:
        rows: list[_Row] = []
        for index in indices:
            sample = self.source.samples[index]
            try:
                asked = self.asking(self.source.load(sample), now)
                turn = Turn(self.asking.ask(asked.loaded.sample), gold_text(self.asking, asked.loaded))
                self._put(rows, asked, turn)
            except UserError as error:
                if not self.skip_broken:
                    raise UserError(f"sample {sample.id}: {error}") from error
                broken.append((sample, str(error)))
        return [Talk(row.prompt, *completion_tokens(self.policy, row.turns), row.ids) for row in rows]

    def _put(self, rows: list[_Row], asked: Asked, turn: Turn) -> None:
        """Add a question to the first row that shows the same and has room, or begin a row with it."""
        name = asked.loaded.sample.id
        for row in rows:
            if same_view(row.asked, row.turns[0].prompt, asked, turn.prompt) and self._fits(
                row.prompt, [*row.turns, turn]
            ):
                row.turns.append(turn)
                row.ids.append(name)
                return
        [prompt] = self.policy.encode([asked.turn])
        if not self._fits(prompt, [turn]):
            count = len(prompt.input_ids) + len(completion_tokens(self.policy, [turn])[0])
            raise UserError(
                f"prompt and completion have {count} tokens but the model takes {self.policy.context}; lower "
                "data.max_frames or max_pixels, or shorten the completion"
            )
        rows.append(_Row(asked, prompt, [turn], [name]))

    def _fits(self, prompt: VideoPrompt, turns: Sequence[Turn]) -> bool:
        return len(prompt.input_ids) + len(completion_tokens(self.policy, turns)[0]) <= self.policy.context


@dataclass(frozen=True, eq=False)
class _Row:
    """A talk that grows."""

    asked: Asked
    prompt: VideoPrompt
    turns: list[Turn]
    ids: list[str]


def same_view(one: Asked, its_words: str, other: Asked, other_words: str) -> bool:
    """Whether two turns are the same but for the words of the question: the very same clips and other texts."""
    a, b = (
        [part for part in asked.turn if not (isinstance(part, str) and part == words)]
        for asked, words in ((one, its_words), (other, other_words))
    )
    return len(a) == len(b) and all(map(_same_part, a, b))


def _same_part(one: str | Clip, other: str | Clip) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and one == other
    return np.array_equal(one.pts, other.pts) and np.array_equal(one.frames, other.frames)
