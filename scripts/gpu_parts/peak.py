"""How much of a card's arithmetic a piece of work uses (model FLOPs utilisation, MFU), and how much of its memory."""

from __future__ import annotations

PEAKS = {"H100": 989e12, "H200": 989e12}  # FLOP/s of dense products in bfloat16, as NVIDIA states them for SXM cards
OTHERS = ("PCIe", "NVL", "MIG")  # of the same chips, but slower


def peak_flops(card: str | None) -> float | None:
    """FLOP/s of a card in bfloat16 by its name; None for one that is not known."""
    if card is None or any(other in card for other in OTHERS):
        return None
    return next((peak for name, peak in PEAKS.items() if name in card.split()), None)


def mfu(flops: float, seconds: float, card: str | None) -> float | None:
    """Share of a card's arithmetic that useful work takes; None for an unknown card.

    Useful are the FLOPs that a group needs: of P prompt tokens read once, G completions of C tokens, and every frame
    encoded once. A side that does more, such as reading the prompt for every completion, has no higher share for it.

        forward, text    2 N (P + G C)  +  4 h L (P^2 / 2 + G C (P + C / 2))  +  2 h V G C
        forward, tower   patches (2 M + 4 h' S)
        log-probs and update   4 text + 3 tower

    N and M are the numbers in the matrices of the text layers and, a patch, of the tower; h and h' their widths; L text
    layers; V words; S the patches that a patch sees, summed over the tower's layers. One pass has no gradient (1) and
    one has (3: a backward pass costs two forward passes); the tower's features serve both passes.
    `benchmarks.floor.score_and_update_flops` computes it.

    Args:
        flops: Useful FLOPs.
        seconds: That they took.
        card: Its name.
    """
    peak = peak_flops(card)
    return None if peak is None else flops / (seconds * peak)
