"""One entry of an attention call -> the `LayerAttention` of one item, without its padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.softmax import MASKED_BELOW, recompute, triangle
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.records import LayerAttention
from attn_widget.records.weights import row_tolerance


@dataclass(frozen=True)
class Place:
    """Where a call stands in the model, and which of its positions are no padding."""

    kind: str
    stream: str
    layer: int
    part: int
    n_parts: int
    real_q: Any
    real_k: Any


def layer_record(
    call: AttentionCall, row: int, place: Place, masks: dict[Any, Any]
) -> LayerAttention:
    """Return one entry of a call as the attention of one item, without its padding."""
    real_q, real_k = place.real_q, place.real_k
    # The parts of a layer are slices of one tensor; an item is copied, so that the others go.
    keeps_all = place.n_parts > 1

    def pick(tensor: Any, real: Any) -> Any:
        """Choose the item and the real positions of a (batch, head, token, channel) tensor."""
        if tensor is None:
            return None
        shared = tensor.shape[0] == 1
        chosen = tensor[0 if shared else row]
        if real is not None:
            return chosen[:, real]
        # A slice would keep the whole batch alive.
        return chosen if shared or keeps_all or tensor.requires_grad else chosen.clone()

    def crop(term: Any) -> Any:
        """Choose the item and the real rows and columns of a mask, bias or weights."""
        if term is None:
            return None
        while term.ndim < 4:
            term = term[None]
        chosen = term[row if term.shape[0] > 1 else 0]
        if real_q is not None and chosen.shape[-2] > 1:
            chosen = chosen[:, real_q]
        if real_k is not None:
            chosen = chosen[..., real_k]
        kept = term.shape[0] == 1 or keeps_all or term.requires_grad
        return chosen if kept else chosen.clone()

    allowed, mask_bias, causal = None, None, call.causal
    if call.mask is not None:
        # Layers share one mask: it is read once, and kept once.
        mask = call.mask
        own = row if mask.ndim > 3 and mask.shape[0] > 1 else 0
        key = (mask.data_ptr(), mask.shape, mask.stride(), own, id(real_q), id(real_k))
        if key not in masks:
            masks[key] = _split(crop(mask))
        allowed, mask_bias, causal = masks[key]
    bias = crop(call.bias)
    if mask_bias is not None:
        bias = mask_bias if bias is None else bias + mask_bias
    weights = call.graph_weights if call.graph_weights is not None else crop(call.weights)
    q, k = pick(call.q, real_q), pick(call.k, real_k)
    redo = (
        recompute
        if call.family_rows is None
        else _family_recompute(call.family_rows, row, real_q, real_k)
    )
    heads = call.shape[1]
    return LayerAttention(
        name=call.name,
        kind=place.kind,
        stream=place.stream,
        layer=place.layer,
        part=place.part,
        n_parts=place.n_parts,
        head_calls=call.head_calls,
        n_heads=heads,
        n_queries=call.shape[2] if real_q is None else int(real_q.sum()),
        n_keys=call.shape[3] if real_k is None else int(real_k.sum()),
        weights=weights,
        q=q,
        k=k,
        v=pick(call.v, real_k),
        scaling=call.scaling,
        mask=allowed,
        causal=causal,
        bias=bias,
        bias_kind=(call.bias_kind or "position") if bias is not None else None,
        softcap=call.softcap,
        sinks=None if call.sinks is None else call.sinks.reshape(-1),
        output_projection=_projection(call, heads),
        recompute=redo if q is not None and k is not None and not call.altered else None,
        row_tolerance=row_tolerance(call.dtype),
    )


def _split(mask: torch.Tensor) -> tuple[Any, Any, bool]:
    """Return a mask as (allowed or None, what it adds there or None, whether it is causal)."""
    bias = None
    if mask.dtype != torch.bool:
        allowed = mask > MASKED_BELOW
        added = mask.masked_fill(~allowed, 0.0)
        bias = added if bool(added.any()) else None
    else:
        allowed = mask
    if bool(allowed.all()):
        return None, bias, False
    n_queries, n_keys = allowed.shape[-2:]
    if n_queries == n_keys and allowed.shape[0] == 1:
        plain = triangle(torch.arange(n_queries, device=allowed.device), n_keys)
        if bool((allowed[0] == plain).all()):
            return None, bias, True
    return allowed, bias, False


def _projection(call: AttentionCall, heads: int) -> Any:
    """Return the output projection as ``(head, channel, model channel)``."""
    if call.output_projection is None or call.output_projection.shape[0] % heads:
        return None
    return call.output_projection.reshape(heads, -1, call.output_projection.shape[1])


def _family_recompute(
    rows_of: Callable[..., Any], row: int, real_q: Any, real_k: Any
) -> Callable[..., Any]:
    """Return a recompute function that uses the family's code instead of the plain formula."""

    def again(layer: Any, heads: Sequence[int] | None, rows: Sequence[int] | None) -> Any:
        positions = list(range(layer.n_queries)) if rows is None else list(rows)
        if real_q is not None:
            places = real_q.nonzero().flatten().tolist()
            positions = [places[p] for p in positions]
        weights = rows_of(torch.as_tensor(positions))[row]
        weights = weights if real_k is None else weights[..., real_k]
        return weights if heads is None else weights[list(heads)]

    return again
