"""Attention weights of chosen heads and rows, computed from recorded queries and keys.

``softmax(cap(scaling · q kᵀ) + bias + mask)``, with ``cap(s) = c tanh(s / c)`` where the model caps
its scores, and with the sink logit as one more column that is dropped after the softmax. Computed
in blocks of rows: no n×n tensor exists beyond the chosen rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int

BLOCK_BYTES = 64 * 2**20
BLOCK_ROWS = 512  # small enough that a block of a long text stays near the processor
# A score this low is a mask: families write -1e4, the lowest finite number of their dtype, or -inf.
# Position biases stay far above: the steepest ALiBi slope reaches -5,000 only beyond 7,000 tokens.
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
    if heads is not None:  # each with its own copy of its group's keys
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
        # No causal row of the block sees a key after its last row: those weights stay 0.
        n_keys = int(part.max()) + 1 if layer.causal and layer.mask is None else layer.n_keys
        n_keys = min(n_keys, layer.n_keys)
        grouped = q[:, part].reshape(len(k), groups * len(part), -1)
        scores = (grouped @ k[:, :n_keys].transpose(-1, -2)).reshape(
            len(q), len(part), n_keys
        ) * layer.scaling
        mask, bias, softcap, sinks = _extras(
            layer, slice(None) if heads is None else list(heads), part, n_keys
        )
        weights[:, start : start + block, :n_keys] = softmax_rows(
            scores, mask, bias, softcap, sinks
        )
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
    """Return an additive mask: 0 where allowed, the lowest finite number elsewhere."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    zero = torch.zeros((), dtype=dtype, device=mask.device)
    return torch.where(mask, zero, torch.finfo(dtype).min)


def triangle(rows: Int[torch.Tensor, " query"], n_keys: int) -> Bool[torch.Tensor, "query key"]:
    """Return the causal mask of some query rows: True where key ≤ query."""
    return torch.arange(n_keys, device=rows.device)[None] <= rows[:, None]


def allowed_keys(call: Any, device: torch.device) -> Bool[torch.Tensor, "batch head query key"]:
    """Return which keys each query of a call may see; batch and head are 1 where all are equal."""
    mask = call.mask
    if mask is None and call.causal:
        mask = triangle(torch.arange(call.shape[2], device=device), call.shape[3])
    if mask is None:
        mask = torch.ones(call.shape[2:], dtype=torch.bool, device=device)
    while mask.ndim < 4:
        mask = mask[None]
    allowed = mask if mask.dtype == torch.bool else mask > MASKED_BELOW
    return allowed.expand(-1, -1, *call.shape[2:])


def weights_of(call: Any) -> Float[torch.Tensor, "batch head query key"]:
    """Return the weights of an attention call: those that were kept, or computed again."""
    return call.weights if call.weights is not None else plain_weights(call)


def plain_weights(
    call: Any, rows: Any = slice(None)
) -> Float[torch.Tensor, "batch head query key"]:
    """Return the attention ``(batch, head, row, key)`` of a whole call, by the plain formula."""
    groups = call.shape[1] // call.k.shape[1]
    k = call.k.repeat_interleave(groups, 1) if groups > 1 else call.k
    positions = torch.arange(call.shape[2], device=call.q.device)[rows]
    scores = (call.q[:, :, positions] @ k.transpose(-1, -2)) * call.scaling
    mask = call.mask
    if mask is None and call.causal:
        mask = triangle(positions, call.shape[3])[None, None]
    elif mask is not None and mask.shape[-2] > 1:
        mask = mask[..., positions, :]
    bias = call.bias
    if bias is not None and bias.shape[-2] > 1:
        bias = bias[..., positions, :]
    return softmax_rows(scores, mask, bias, call.softcap, call.sinks)


def _extras(layer: Any, chosen: Any, rows: torch.Tensor, n_keys: int) -> tuple[Any, Any, Any, Any]:
    """Return mask, bias, softcap and sinks for these heads and rows, and the first keys."""
    mask = _part(layer.mask, chosen, rows, n_keys)
    if mask is None and layer.causal:
        mask = triangle(rows, n_keys)
    sinks = None if layer.sinks is None else layer.sinks[chosen]
    return mask, _part(layer.bias, chosen, rows, n_keys), layer.softcap, sinks


def _part(term: Any, chosen: Any, rows: torch.Tensor, n_keys: int) -> Any:
    """Return the heads, rows and first keys of a term that broadcasts to ``(head, query, key)``."""
    if term is None:
        return None
    if term.shape[0] > 1:
        term = term[chosen]
    if term.shape[1] > 1:
        term = term[:, rows.to(term.device)]
    return term if term.shape[2] == 1 else term[..., :n_keys]
