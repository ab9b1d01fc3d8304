"""Rewards for how much is written; each is small beside the answer's own."""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from rewards.answer import answer_accuracy, words
from rewards.base import Meta, reward

BONUS, BONUS_TOKENS, BONUS_ACCURACY = 0.2, (320, 512), 0.1  # Video-R1's, which PRIMO R1 took over
SOFT_SHARE = 0.2  # DAPO: the last 4,096 of 20,480 tokens
GRAM = 3


@reward(range=(0.0, BONUS))
def length_bonus(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """0.2 if the answer's accuracy exceeds 0.1 and the text has 320 to 512 tokens, else 0 (Video-R1, PRIMO R1).

    Theirs is given only where more than one completion of the group qualifies; a pure function cannot see that.

    Returns:
        0 or 0.2, None where the truth has no options, words or number. Needs the number of tokens.
    """
    accuracy = answer_accuracy(answer, truth, meta)
    if accuracy is None:
        return None
    return BONUS if accuracy > BONUS_ACCURACY and BONUS_TOKENS[0] <= meta.need("tokens") <= BONUS_TOKENS[1] else 0.0


@reward(range=(-1.0, 0.0))
def overlong(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """DAPO's soft overlong punishment: 0 up to L - C tokens, then down to -1 at L tokens and more.

    Ours: C is a fifth of the limit L, as in DAPO's setting.

    Returns:
        [-1, 0], never None. Needs the number of tokens and its limit.
    """
    limit = meta.need("max_tokens")
    soft = SOFT_SHARE * limit
    return -min(1.0, max(0.0, (meta.need("tokens") - limit + soft) / soft))


@reward(range=(-1.0, 0.0))
def repetition(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Minus the share of the text's word triples that came before (Yeo et al., 2025; as in open-r1 and TRL).

    Returns:
        [-1, 0], never None; 0 for fewer than three words.
    """
    said = words(meta.text)
    grams = len(said) - GRAM + 1
    return len(set(zip(*(said[start:] for start in range(GRAM)), strict=False))) / grams - 1 if grams > 0 else 0.0
