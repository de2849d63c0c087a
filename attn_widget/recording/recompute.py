"""Attention of any heads and rows from what was recorded: queries, keys and what was added to their product.

``softmax(cap(scaling · q kᵀ) + bias + mask)``, with ``cap(s) = c tanh(s / c)`` where the model caps its scores, and
with a sink's score as one more column that is dropped after the softmax. Done in blocks of rows, so no
n×n tensor exists beyond the rows that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

BLOCK_BYTES = 64 * 2**20
# A score this low is a mask: families write -1e4, the lowest finite number of their dtype, or -inf. Position
# biases stay far above (the steepest ALiBi slope reaches -5,000 only beyond 7,000 tokens, where it masks in effect).
MASKED_BELOW = -5000.0


def recompute(layer: Any, heads: Sequence[int] | None, rows: Sequence[int] | None) -> torch.Tensor:
    """Return the attention ``(head, query, key)`` of the chosen heads and rows of a layer.

    ``softmax(cap(scaling q kᵀ) + bias + mask)``

    Parameters
    ----------
    layer
        A `LayerAttention` that holds queries and keys.
    heads, rows
        Positions that exist; None means all of them.

    Returns
    -------
    Tensor
        Rows that sum to 1, or to less where the head has a sink.

    Notes
    -----
    Time ``head × row × key × channel``; memory ``head × row × key`` and one block.
    """
    # Slices, not index lists, for "all": indexing with a list would copy every query and key.
    chosen = slice(None) if heads is None else list(heads)
    groups = layer.n_heads // layer.k.shape[0]
    everything = range(layer.n_heads) if heads is None else heads
    wanted = torch.arange(layer.n_queries) if rows is None else torch.as_tensor(list(rows), dtype=torch.long)
    block = max(1, BLOCK_BYTES // max(1, len(everything) * layer.n_keys * 4))
    if rows is None and groups > 1:
        keys = layer.k.repeat_interleave(groups, 0)[chosen] if heads is None else layer.k[[h // groups for h in heads]]
        return _blocks(layer, chosen, layer.q[chosen], keys, wanted, block)
    if groups > 1 and heads is None:
        return _grouped_rows(layer, wanted, groups, block)
    keys = layer.k[chosen] if groups == 1 else layer.k[[h // groups for h in everything]]
    return _blocks(layer, chosen, layer.q[chosen], keys, wanted, block)


def softmax_rows(
    scores: torch.Tensor, mask: torch.Tensor | None, bias: Any, softcap: float | None, sinks: Any
) -> torch.Tensor:
    """Return the attention of raw scores; the softmax runs in float32, as the families do it."""
    dtype = scores.dtype
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores + additive(mask, scores.dtype)
    if sinks is not None:
        column = sinks.reshape(-1, 1, 1).to(scores.dtype).expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, column], dim=-1)
    exact = torch.softmax(scores, dim=-1, dtype=torch.promote_types(dtype, torch.float32)).to(dtype)
    return exact if sinks is None else exact[..., :-1]


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a mask as what is added to scores: 0 where allowed, the lowest finite number where not."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    zero = torch.zeros((), dtype=dtype, device=mask.device)
    return torch.where(mask, zero, torch.finfo(dtype).min)


def triangle(rows: torch.Tensor, n_keys: int, window: int | None = None) -> torch.Tensor:
    """Return ``(query, key)``: True where a causal model lets this row see that key."""
    keys = torch.arange(n_keys, device=rows.device)
    allowed = keys[None] <= rows[:, None]
    if window is not None:
        allowed &= keys[None] > rows[:, None] - window
    return allowed


def plain_weights(record: Any, rows: Any = slice(None)) -> torch.Tensor:
    """Return the attention ``(batch, head, row, key)`` of a whole record, by the plain formula."""
    groups = record.shape[1] // record.k.shape[1]
    k = record.k.repeat_interleave(groups, 1) if groups > 1 else record.k
    positions = torch.arange(record.shape[2], device=record.q.device)[rows]
    scores = (record.q[:, :, positions] @ k.transpose(-1, -2)) * record.scaling
    mask = record.mask
    if mask is None and record.causal:
        mask = triangle(positions, record.shape[3], record.window)[None, None]
    elif mask is not None and mask.shape[-2] > 1:
        mask = mask[..., positions, :]
    bias = record.bias
    if bias is not None and bias.shape[-2] > 1:
        bias = bias[..., positions, :]
    return softmax_rows(scores, mask, bias, record.softcap, record.sinks)


def family_differs(record: Any, eager: Any, module: Any, mask: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether the family's own rows are other than the plain formula gives, asked on the last row."""
    last = record.shape[2] - 1
    square = record.shape[2:]

    def part(term: Any) -> Any:
        fits = isinstance(term, torch.Tensor) and term.ndim >= 3 and tuple(term.shape[-2:]) == square
        return term[..., last:, :] if fits else term

    with torch.no_grad():
        options = {name: part(value) for name, value in kwargs.items()}
        weights = eager(module, record.q[:, :, last:], record.k, record.v, part(mask), **options)[1]
        if weights is None or weights.shape != (*record.shape[:2], 1, record.shape[3]):
            return False
        tolerance = 1e-5 if record.dtype == torch.float32 else 2e-2
        return not torch.allclose(weights, plain_weights(record, slice(last, None)), atol=tolerance, rtol=0)


def _blocks(
    layer: Any, chosen: Any, q: torch.Tensor, k: torch.Tensor, wanted: torch.Tensor, block: int
) -> torch.Tensor:
    """Return attention of heads that each have their own key, one block of rows after another."""
    wanted = wanted.to(q.device)
    out = []
    for rows in wanted.split(block):
        scores = (q[:, rows] @ k.transpose(-1, -2)) * layer.scaling
        out.append(softmax_rows(scores, *_extras(layer, chosen, rows)))
    return out[0] if len(out) == 1 else torch.cat(out, dim=1)


def _grouped_rows(layer: Any, wanted: torch.Tensor, groups: int, block: int) -> torch.Tensor:
    """Return attention of all heads without repeating shared keys: heads of a group become rows of one product."""
    wanted = wanted.to(layer.q.device)
    key_heads, n_keys = layer.k.shape[0], layer.n_keys
    out = []
    for rows in wanted.split(block):
        q = layer.q[:, rows].reshape(key_heads, groups * len(rows), -1)
        scores = (q @ layer.k.transpose(-1, -2)).reshape(layer.n_heads, len(rows), n_keys) * layer.scaling
        out.append(softmax_rows(scores, *_extras(layer, slice(None), rows)))
    return out[0] if len(out) == 1 else torch.cat(out, dim=1)


def _extras(layer: Any, chosen: Any, rows: torch.Tensor) -> tuple[Any, Any, Any, Any]:
    """Return mask, bias, softcap and sinks for these heads and rows."""
    mask = _part(layer.mask, chosen, rows)
    if mask is None and layer.causal:
        mask = triangle(rows, layer.n_keys, layer.window)
    sinks = None if layer.sinks is None else layer.sinks[chosen]
    return mask, _part(layer.bias, chosen, rows), layer.softcap, sinks


def _part(term: Any, chosen: Any, rows: torch.Tensor) -> Any:
    """Return the heads and rows of a term that broadcasts to ``(head, query, key)``."""
    if term is None:
        return None
    if term.shape[0] > 1:
        term = term[chosen]
    return term if term.shape[1] == 1 else term[:, rows.to(term.device)]
