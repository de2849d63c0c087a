"""Attention calls of a batch -> the `Capture` of one item: without padding, with tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.streams import key_stream, streams_of
from attn_widget.recording.inputs.model_call import ModelCall
from attn_widget.recording.inputs.tokens import positions
from attn_widget.recording.softmax import MASKED_BELOW, recompute, triangle
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.records import Capture, LayerAttention, Tokens, check_index
from attn_widget.records.tokens import select
from attn_widget.records.weights import row_tolerance

# Logits beyond this are not kept: a large vocabulary times a long text would outweigh the rest.
KEPT_LOGITS_BYTES = 64 * 2**20


def build_capture(
    calls: Sequence[AttentionCall],
    model_call: ModelCall,
    *,
    model_name: str = "",
    logits: Any = None,
    image: Any = None,
    missing: Sequence[str] = (),
) -> Capture:
    """Return the capture of one item from the attention calls of the batch."""
    streams = streams_of(calls)
    layers: list[LayerAttention] = []
    counts: dict[tuple[str, str], int] = {}
    keys_of: dict[str, str] = {}
    lengths: dict[str, tuple[int, Any]] = {}
    masks: dict[Any, Any] = {}
    for call, stream in zip(calls, streams, strict=True):
        square = call.shape[2] == call.shape[3]
        kind = "cross" if call.cross or not square else "self"
        real_q = model_call.unpadded_positions(stream, call.shape[2])
        real_k = real_q
        if kind == "cross":
            other = key_stream(call, stream, streams, calls)
            real_k = model_call.unpadded_positions(other, call.shape[3])
            keys_of.setdefault(stream, other)
            lengths.setdefault(other, (call.shape[3], real_k))
        lengths[stream] = (call.shape[2], real_q)
        layer = counts.get((stream, kind), 0)
        counts[stream, kind] = layer + 1
        layers.append(_layer(call, model_call, kind, stream, layer, real_q, real_k, masks))
    model_call.check_streams(lengths)
    tokens = {stream: _tokens(model_call, stream, n, real) for stream, (n, real) in lengths.items()}
    return Capture(
        layers=tuple(layers),
        streams=tokens,
        cross_streams=keys_of,
        model_name=model_name,
        dtype=str(calls[0].dtype).removeprefix("torch."),
        image=image,
        logits=_logits(logits, model_call.item, lengths),
        missing=tuple(missing),
        answers=isinstance(logits, torch.Tensor) and logits.ndim in (2, 3),
    )


def _layer(
    call: AttentionCall,
    model_call: ModelCall,
    kind: str,
    stream: str,
    layer: int,
    real_q: Any,
    real_k: Any,
    masks: dict[Any, Any],
) -> LayerAttention:
    """Return one call as the attention of one item, without its padding."""
    row = _row_of(call, model_call)

    def pick(tensor: Any, real: Any) -> Any:
        """Choose the item and the real positions of a (batch, head, token, channel) tensor."""
        if tensor is None:
            return None
        shared = tensor.shape[0] == 1
        chosen = tensor[0 if shared else row]
        if real is not None:
            return chosen[:, real]
        # A slice would keep the whole batch alive.
        return chosen if shared or tensor.requires_grad else chosen.clone()

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
        return chosen if term.shape[0] == 1 or term.requires_grad else chosen.clone()

    allowed, mask_bias, causal = None, None, call.causal
    if call.mask is not None:
        # Layers share one mask: it is read once, and kept once.
        place = (call.mask.data_ptr(), call.mask.shape, call.mask.stride(), id(real_q), id(real_k))
        if place not in masks:
            masks[place] = _split(crop(call.mask))
        allowed, mask_bias, causal = masks[place]
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
        kind=kind,
        stream=stream,
        layer=layer,
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


def _row_of(call: AttentionCall, model_call: ModelCall) -> int:
    """Return the row of the chosen item (and window) on the batch axis of a call."""
    rows = call.shape[0]
    batch, item = model_call.batch or rows, model_call.item
    if model_call.batch is None and rows > 1:
        remedy = "Choose an item of the batch that exists."
        item = check_index("item", item, rows, remedy, negative=False, where=call.name)
    if rows == 1 or rows % batch:
        return 0
    windows = rows // batch
    if windows == 1:
        return item
    remedy = "Choose a window that exists."
    window = check_index(
        "window", model_call.window, windows, remedy, negative=False, where=call.name
    )
    return item * windows + window


def _tokens(model_call: ModelCall, stream: str, n: int, real: Any) -> Tokens:
    """Return the tokens along a stream's axis, without padding."""
    found = model_call.tokens_of(stream, n)
    n_real = n if real is None else int(real.sum())
    if found is None:
        return positions(n_real)
    if len(found) == n and real is not None:
        return select(found, real.nonzero().flatten().tolist())
    if len(found) != n_real:
        where = f" in the {stream} stream" if stream else ""
        raise InputError(
            "tokens must be as many as the model saw positions, "
            f"got {len(found)} for {n_real}{where}. Give {n_real} tokens or leave them out."
        )
    return found


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


def _logits(logits: Any, item: int, lengths: Mapping[str, tuple[int, Any]]) -> Any:
    """Return the item's logits without padding, ``(query, class)`` or ``(class,)``, or None."""
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (2, 3):
        return None
    chosen = logits[min(item, len(logits) - 1)]
    if chosen.numel() * chosen.element_size() > KEPT_LOGITS_BYTES and not chosen.requires_grad:
        return None
    if len(logits) > 1 and not chosen.requires_grad:
        chosen = chosen.clone()  # a slice would keep the logits of the whole batch
    for n, real in reversed(list(lengths.values())):
        if real is not None and chosen.ndim == 2 and chosen.shape[0] == n:
            return chosen[real]
    return chosen
