"""Attention calls with their queries on axes (item, head), whatever axes the model had."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch

from attn_widget.recording.softmax import weights_of
from attn_widget.recording.tracing.attention_call import AttentionCall, Axis, n_heads_of
from attn_widget.recording.tracing.axis_probe import heads_last
from attn_widget.records.layers import HeadCall

TERMS = ("q", "k", "v", "weights")
POSITIONS = ("query_positions", "key_positions")


def arranged(call: AttentionCall) -> AttentionCall | None:
    """Return a call with the axes ``(position entry, head, …)``; None where they are not known.

    Position entries are items of the batch, windows, pictures or frames.
    """
    if call.axes is None:
        # Of three and more leading axes nothing says which hold heads.
        return None if call.unsure and len(call.lead) > 2 else call
    n_heads = n_heads_of(call.axes)
    n_entries = math.prod(call.lead) // n_heads
    if (n_entries, n_heads) == call.shape[:2] and not _crosses(call.axes):
        return call
    return dataclasses.replace(
        call,
        shape=(n_entries, n_heads, *call.shape[2:]),
        **{name: _moved(getattr(call, name), call) for name in TERMS},
        **{name: _moved_positions(getattr(call, name), call) for name in POSITIONS},
        reached=tuple(_moved_flags(flags, call) for flags in call.reached),
        mask=_moved_term(call.mask, call),
        bias=_moved_term(call.bias, call),
        sinks=None,
        head_calls=(),
        graph_weights=_graph(call, n_entries, n_heads),
        altered=call.altered or call.sinks is not None,
    )


def _crosses(axes: Sequence[Axis]) -> bool:
    """Return whether an axis of heads stands before an axis of positions."""
    order = [axis.holds_heads for axis in axes if axis.size > 1]
    return order != sorted(order)


def _moved(tensor: Any, call: AttentionCall) -> Any:
    """Return a tensor of all leading axes with its positions first and its heads after them."""
    if tensor is None or call.axes is None:
        return None
    if tensor.shape[:2] != call.shape[:2]:  # fewer heads of keys
        groups = call.shape[1] // tensor.shape[1]
        tensor = tensor.repeat_interleave(groups, 1)
    return heads_last(tensor.reshape(*call.lead, *tensor.shape[-2:]), call.axes)


def _moved_positions(positions: Any, call: AttentionCall) -> Any:
    """Return the positions of tokens in the new axes."""
    return None if positions is None else _moved(positions[..., None], call)[..., 0]


def _moved_flags(flags: Any, call: AttentionCall) -> Any:
    """Return one flag for each entry and head in the new axes."""
    return None if flags is None else _moved(flags[..., None, None], call)[..., 0, 0]


def _moved_term(term: Any, call: AttentionCall) -> Any:
    """Return a mask or bias in the new axes; one that all entries share stays one."""
    if term is None:
        return None
    while term.ndim < 4:
        term = term[None]
    if term.shape[0] == term.shape[1] == 1:
        return term
    return _moved(term.expand(*call.shape[:2], *term.shape[-2:]), call)


def _graph(call: AttentionCall, n_entries: int, n_heads: int) -> Any:
    """Return weights with a graph, which hold one entry only, where the new axes hold one too."""
    if call.graph_weights is None:
        return None
    return call.graph_weights if n_entries == 1 and call.shape[1] == n_heads else None


def merged_heads(calls: Sequence[AttentionCall]) -> AttentionCall:
    """Return calls that hold one or more heads of a layer each as one call of all its heads."""
    first = calls[0]
    n_heads = sum(call.shape[1] for call in calls)
    same = ("scaling", "softcap", "causal", "altered")
    plain = (
        all(getattr(call, name) == getattr(first, name) for call in calls for name in same)
        and all(c.q is not None and c.q.shape[1:] == first.q.shape[1:] for c in calls)
        and all(c.k.shape[1:] == first.k.shape[1:] for c in calls)
        and all(c.sinks is None and c.family_rows is None for c in calls)
        and all(_equal(c.mask, first.mask) and _equal(c.bias, first.bias) for c in calls)
    )
    weights = [call.weights for call in calls]
    if any(w is None for w in weights):
        weights = [] if plain else [weights_of(c) for c in calls]
    values = [call.v for call in calls]
    joined = all(v is not None and v.shape == values[0].shape for v in values)
    return dataclasses.replace(
        first,
        name=_common(call.name for call in calls),
        shape=(first.shape[0], n_heads, *first.shape[2:]),
        q=torch.cat([c.q for c in calls], 1) if plain else None,
        k=torch.cat([c.k for c in calls], 1) if plain else None,
        v=torch.cat(values, 1) if joined else None,
        weights=torch.cat(weights, 1) if weights else None,
        mask=first.mask if plain else None,
        bias=first.bias if plain else None,
        sinks=None,
        family_rows=None,
        altered=not plain or first.altered,
        output_projection=None,
        siblings=None,
        head_calls=tuple(head for call in calls for head in call.head_calls),
    )


def shared_weights(calls: Sequence[AttentionCall]) -> AttentionCall | None:
    """Return one call where all have the same queries and keys, and mix several values."""
    first = calls[0]
    if first.q is None or first.k is None:
        return None
    for call in calls[1:]:
        if not (_equal(call.q, first.q) and _equal(call.k, first.k) and call.shape == first.shape):
            return None
        if call.scaling != first.scaling or not _equal(call.mask, first.mask):
            return None
    values = [call.v for call in calls]
    whole = all(v is not None and v.shape[:3] == values[0].shape[:3] for v in values)
    v = torch.cat(values, -1) if whole else None
    return dataclasses.replace(first, v=v, output_projection=None, head_calls=heads_in_all(calls))


def heads_in_all(calls: Sequence[AttentionCall]) -> tuple[tuple[HeadCall, ...], ...]:
    """Return the calls that compute each head, where every call computes a part of all heads."""
    known = [call.head_calls for call in calls]
    return tuple(tuple(c for heads in same for c in heads) for same in zip(*known, strict=False))


def _equal(a: Any, b: Any) -> bool:
    """Return whether two terms are both omitted or hold the same numbers."""
    if a is None or b is None:
        return a is b
    same = a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()
    return same or (a.shape == b.shape and torch.equal(a, b))


def _common(names: Any) -> str:
    """Return the path of the module that holds all of these."""
    split = [name.split(".") for name in names]
    kept = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        kept.append(parts[0])
    return ".".join(kept)
