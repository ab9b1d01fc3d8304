"""`attention`: the kernels of a packed row against a dense mask, forward and backward, and how often they compile.

On a GPU the kernels are FlexAttention's with their masks of blocks. On a CPU they are SDPA's: a try there shows that
the part works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from gpu_parts.parts import Place, Tell
from torch._dynamo.utils import counters
from torch.nn.functional import scaled_dot_product_attention

from grounding.core.seeds import generator
from grounding.policies.shared_attention import Packed

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Found = dict[str, dict[str, float]]
LAYER = 0  # the layer that is called, as the last one or as another


@dataclass(frozen=True)
class Case:
    """A packed row and its heads.

    Args:
        prompts: Tokens of each prompt.
        completions: Tokens of each completion, by prompt.
        heads: Query heads, key heads, and numbers of a head.
    """

    prompts: Sequence[int]
    completions: Sequence[Sequence[int]]
    heads: tuple[int, int, int]

    @property
    def length(self) -> int:
        """Tokens of the row."""
        return sum(self.prompts) + sum(map(sum, self.completions))


OF_3B, OF_TOY = (16, 2, 128), (4, 4, 32)
RAGGED = Case([1093, 700], [[128] * 8, [97, 30, 128, 64, 5, 128, 77, 1]], OF_3B)
CASES = {
    "bfloat16": [Case([1093], [[128] * 8], OF_3B), RAGGED, Case([325], [[256] * 8], OF_3B)],
    "float32": [Case([90] * 8, [[48] * 8] * 8, OF_TOY), RAGGED],  # the toy run is in float32
}
SMALL = {name: [Case([40], [[8] * 2], (4, 2, 16)), Case([30, 17], [[5, 3], [7]], (4, 4, 16))] for name in CASES}


def attention(place: Place, tell: Tell) -> None:
    """Largest differences from double precision, of the kernels and of the dense mask; kernels compiled."""
    said: list[str] = []
    for name, cases in (SMALL if place.tiny else CASES).items():
        found = differences(cases, getattr(torch, name), place.device)
        said += [
            f"{name}, {what}: kernel {kernel:.1e}, dense mask {dense:.1e}" for what, (kernel, dense) in found.items()
        ]
        tell(**{name: found}, result="; ".join(said))
    compiled = graphs_compiled(2 if place.tiny else 12, place.device)
    said.append("{graphs} graphs compiled for {rows} rows (limit {limit})".format(**compiled))
    tell(compiled=compiled, result="; ".join(said))


def differences(cases: Sequence[Case], dtype: torch.dtype, device: str) -> dict[str, tuple[float, float]]:
    """Of the kernels and of the dense mask, the largest over all cases, in the last layer and in another.

    Those of results are absolute, of queries, keys and values of standard deviation 1; those of gradients are relative
    to the largest number of their tensor.
    """
    every = [case_differences(case, last, dtype, device) for case, last in product(cases, (None, LAYER))]
    names = ("result", "gradient")
    return {name: (max(one[name][0] for one in every), max(one[name][1] for one in every)) for name in names}


def case_differences(case: Case, last: int | None, dtype: torch.dtype, device: str) -> dict[str, tuple[float, float]]:
    """The same for one row in one layer."""
    packed, every = Packed(case.prompts, case.completions, last), torch.arange(case.length, device=device)
    querying = every if last is None else packed.predicting(every[None])[0]
    row, mask = random_row(case, querying, dtype, device), dense_mask(case, device)[querying]

    def kernel(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return packed.attend(LAYER, query, key, value, query.shape[-1] ** -0.5)

    def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
        return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)

    exact = both_ways(dense, [x.double() for x in row])
    found = [_from(exact, both_ways(attend, row)) for attend in (kernel, dense)]
    return {name: (found[0][name], found[1][name]) for name in found[0]}


def both_ways(attend: Attend, row: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The result and the gradients of query, key and value, in double precision.

    Args:
        attend: Attention.
        row: Query, key, value, and the gradient of the result.
    """
    given = [x.detach().requires_grad_() for x in row[:3]]
    out = attend(*given)
    return [x.detach().double() for x in (out, *torch.autograd.grad(out, given, row[3]))]


def dense_mask(case: Case, device: str) -> torch.Tensor:
    """Who sees whom, bool, shape (L, L): a prompt itself, a completion its prompt and itself, no one what follows."""
    mask = torch.zeros(case.length, case.length, dtype=torch.bool, device=device)
    begin, at = 0, sum(case.prompts)
    for prompt, rows in zip(case.prompts, case.completions, strict=True):
        own = slice(begin, begin + prompt)
        mask[own, own] = True
        for size in rows:
            mask[at : at + size, own] = mask[at : at + size, at : at + size] = True
            at += size
        begin += prompt
    return mask.tril_()


def random_row(case: Case, querying: torch.Tensor, dtype: torch.dtype, device: str) -> list[torch.Tensor]:
    """Query, key, value and the gradient of the result, each of shape (1, tokens, heads, size)."""
    heads, key_heads, size = case.heads
    counts = [(len(querying), heads), (case.length, key_heads), (case.length, key_heads), (len(querying), heads)]
    made = torch.Generator(device).manual_seed(0)
    return [torch.randn(1, *count, size, generator=made, device=device).to(dtype) for count in counts]


def graphs_compiled(rows: int, device: str) -> dict[str, int]:
    """How many graphs a training compiles for so many rows, no two alike; beyond the limit a call is an error.

    As in a step, each row is attended to without gradient and with it, in the last layer and in another.
    """
    torch._dynamo.reset()
    counters.clear()
    for case, last in product(varied(rows), (None, LAYER)):
        packed, every = Packed(case.prompts, case.completions, last), torch.arange(case.length, device=device)
        querying = every if last is None else packed.predicting(every[None])[0]
        row = random_row(case, querying, torch.bfloat16, device)

        def attend(*row: torch.Tensor, by: Packed = packed) -> torch.Tensor:
            return by.attend(LAYER, *row, 1.0)

        with torch.no_grad():
            attend(*row[:3])
        both_ways(attend, row)
    return {
        "graphs": counters["stats"]["unique_graphs"],
        "rows": rows,
        "limit": torch._dynamo.config.recompile_limit,
    }


def varied(count: int) -> Iterator[Case]:
    """Rows of 1 to 3 prompts with 8 completions each, no two alike."""
    drawn = generator("gpu_check", "attention")
    for _ in range(count):
        prompts = drawn.integers(100, 1500, drawn.integers(1, 4)).tolist()
        yield Case(prompts, [drawn.integers(1, 200, 8).tolist() for _ in prompts], OF_3B)


def _from(exact: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> dict[str, float]:
    result, *gradients = ((a - b).abs().max() for a, b in zip(found, exact, strict=True))
    relative = [float(largest / true.abs().max()) for largest, true in zip(gradients, exact[1:], strict=True)]
    return {"result": float(result), "gradient": max(relative)}
