"""Attention of any heads and rows from what was recorded: queries, keys and what was added to their product.

``softmax(cap(scaling · q kᵀ) + bias + mask)``, with ``cap(s) = c tanh(s / c)`` where the model caps its scores, and
with a sink's score as one more column that is dropped after the softmax. Done in blocks of rows, so no
n×n tensor exists beyond the rows that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int

BLOCK_BYTES = 64 * 2**20
BLOCK_ROWS = 512  # small enough that a block of a long text stays near the processor
# A score this low is a mask: families write -1e4, the lowest finite number of their dtype, or -inf. Position
# biases stay far above (the steepest ALiBi slope reaches -5,000 only beyond 7,000 tokens, where it masks in effect).
MASKED_BELOW = -5000.0


def recompute(
    layer: Any, heads: Sequence[int] | None, rows: Sequence[int] | None
) -> Float[torch.Tensor, "head query key"]:
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
    groups = layer.n_heads // layer.k.shape[0]
    q, k = layer.q, layer.k
    if heads is not None:  # heads of one group need not come together: each brings its own keys
        q, k, groups = q[list(heads)], k[[head // groups for head in heads]], 1
    wanted = (
        torch.arange(layer.n_queries)
        if rows is None
        else torch.as_tensor(list(rows), dtype=torch.long)
    )
    wanted = wanted.to(q.device)
    weights = q.new_zeros(len(q), len(wanted), layer.n_keys)
    block = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, len(q) * layer.n_keys * 4)))
    for start in range(0, len(wanted), block):
        part = wanted[start : start + block]
        # A causal row sees nothing behind the block's last row: what is not computed stays 0.
        seen = int(part.max()) + 1 if layer.causal and layer.mask is None else layer.n_keys
        seen = min(seen, layer.n_keys)
        grouped = q[:, part].reshape(len(k), groups * len(part), -1)
        scores = (grouped @ k[:, :seen].transpose(-1, -2)).reshape(
            len(q), len(part), seen
        ) * layer.scaling
        mask, bias, softcap, sinks = _extras(
            layer, slice(None) if heads is None else list(heads), part, seen
        )
        weights[:, start : start + block, :seen] = softmax_rows(scores, mask, bias, softcap, sinks)
    return weights


def softmax_rows(
    scores: Float[torch.Tensor, "*batch head query key"],
    mask: torch.Tensor | None,
    bias: Any,
    softcap: float | None,
    sinks: Any,
) -> Float[torch.Tensor, "*batch head query key"]:
    """Return the attention of raw scores; the softmax runs in float32, as the families do it."""
    dtype = scores.dtype
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(dtype).min)
    elif mask is not None:
        scores = scores + mask.to(dtype)
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


def triangle(
    rows: Int[torch.Tensor, " query"], n_keys: int, window: int | None = None
) -> Bool[torch.Tensor, "query key"]:
    """Return ``(query, key)``: True where a causal model lets this row see that key."""
    keys = torch.arange(n_keys, device=rows.device)
    allowed = keys[None] <= rows[:, None]
    if window is not None:
        allowed &= keys[None] > rows[:, None] - window
    return allowed


def plain_weights(
    record: Any, rows: Any = slice(None)
) -> Float[torch.Tensor, "batch head query key"]:
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


def _extras(layer: Any, chosen: Any, rows: torch.Tensor, seen: int) -> tuple[Any, Any, Any, Any]:
    """Return mask, bias, softcap and sinks for these heads and rows, and the first keys."""
    mask = _part(layer.mask, chosen, rows, seen)
    if mask is None and layer.causal:
        mask = triangle(rows, seen, layer.window)
    sinks = None if layer.sinks is None else layer.sinks[chosen]
    return mask, _part(layer.bias, chosen, rows, seen), layer.softcap, sinks


def _part(term: Any, chosen: Any, rows: torch.Tensor, seen: int) -> Any:
    """Return the heads, rows and first keys of a term that broadcasts to ``(head, query, key)``."""
    if term is None:
        return None
    if term.shape[0] > 1:
        term = term[chosen]
    if term.shape[1] > 1:
        term = term[:, rows.to(term.device)]
    return term if term.shape[2] == 1 else term[..., :seen]
