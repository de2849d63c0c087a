"""PyTorch's `flex_attention`, recorded from its arguments.

It takes queries, keys, values, a function that changes each score, and one that says which keys a
query may see. Both functions are called for all positions at once. Where the first only adds a
number, that is a bias; else the weights are computed with the function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from attn_widget.recording.softmax import plain_weights
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.depth import depth_of
from attn_widget.recording.tracing.intervention import Intervention
from attn_widget.recording.tracing.recorder import Recorder

# The operation that `flex_attention` ends in; None in versions of torch without it.
OPERATION = getattr(torch.ops.higher_order, "flex_attention", None)


def flex(
    recorder: Recorder,
    intervention: Intervention,
    func: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """Run `flex_attention` and call its arguments."""
    q, k, v, change, blocks, scale = args[:6]
    change_buffers, mask_buffers = (*args[7:9], (), ())[:2]
    with recorder.paused():
        call = AttentionCall(
            name=recorder.name_of(),
            shape=(*q.shape[:3], k.shape[2]),
            dtype=q.dtype,
            cross=recorder.stack.is_cross(),
            depth=max(map(depth_of, (q, k, v))),
            lead=tuple(q.shape[:2]),
            unsure=not recorder.items.are_first(tuple(q.shape[:2])),
            q=q,
            k=k,
            v=v,
            scaling=float(scale),
        )
        call.mask = _seen(call, blocks[-1], mask_buffers)
        call.bias = _bias(call, change, change_buffers)
        if call.bias is None:
            call.family_rows = _rows_by(call, change, change_buffers)
        elif not call.bias.any():
            call.bias = None
        output = list(func(*args, **kwargs))
        if recorder.keep_graph:
            call.graph_weights = _weights(call)[0]
            output[0] = call.graph_weights[None] @ _repeated(call, v)
        elif recorder.keeps(call.shape, q.element_size()):
            call.weights = _weights(call)
        if intervention.applies_to(call):
            output[0] = intervention.replace(call, output[0], v)
    recorder.add(call, output[0])
    return tuple(output)


def _weights(call: AttentionCall) -> torch.Tensor:
    """Return the weights ``(batch, head, query, key)`` of a call."""
    if call.family_rows is None:
        return plain_weights(call)
    return call.family_rows(torch.arange(call.shape[2]))


def _everywhere(function: Callable[..., Any], first: tuple[Any, ...], places: Any) -> Any:
    """Return what a function of one position gives at all ``(batch, head, query, key)``."""
    n_first = len(first)
    several = function
    for axis in (3, 2, 1, 0):
        at = [0 if axis == i else None for i in range(4)]
        several = torch.vmap(several, in_dims=(*[0] * n_first, *at))
    return several(*first, *places)


def _with(function: Callable[..., Any], buffers: Any) -> Callable[..., Any]:
    """Return a function that is given its buffers after its own arguments."""
    return lambda *given: function(*given, *buffers)


def _places(call: AttentionCall, rows: torch.Tensor | None = None) -> list[torch.Tensor]:
    """Return the numbers of items, heads, queries and keys; of the queries some rows."""
    device = call.q.device
    places = [torch.arange(n, device=device) for n in call.shape]
    if rows is not None:
        places[2] = rows.to(device)
    return places


def _seen(call: AttentionCall, mask: Callable[..., Any], buffers: Any) -> torch.Tensor | None:
    """Return which keys each query may see, or None where it sees all."""
    seen = _everywhere(_with(mask, buffers), (), _places(call))
    seen = seen.expand(call.shape)
    return None if bool(seen.all()) else seen


def _bias(call: AttentionCall, change: Callable[..., Any], buffers: Any) -> torch.Tensor | None:
    """Return what the function adds to every score; None where it does more than add."""
    places, changed = _places(call), []
    for score in (0.0, 1.0, -7.5):
        scores = torch.full(call.shape, score, device=call.q.device)
        changed.append(_everywhere(_with(change, buffers), (scores,), places) - score)
    first = changed[0]
    same = all(torch.allclose(first, other, atol=1e-5, equal_nan=True) for other in changed[1:])
    return first if same else None


def _rows_by(call: AttentionCall, change: Callable[..., Any], buffers: Any) -> Callable[..., Any]:
    """Return the function ``rows -> weights`` that changes the scores as the model does."""

    def weights(rows: torch.Tensor) -> torch.Tensor:
        k = _repeated(call, call.k)
        scores = (call.q[:, :, rows] @ k.transpose(-1, -2)).float() * (call.scaling or 1.0)
        scores = _everywhere(_with(change, buffers), (scores,), _places(call, rows))
        if call.mask is not None:
            scores = scores.masked_fill(~call.mask[:, :, rows], -torch.inf)
        return scores.softmax(-1).nan_to_num(0.0).to(call.dtype)

    return weights


def _repeated(call: AttentionCall, tensor: torch.Tensor) -> torch.Tensor:
    """Return keys or values with one head for every head of the queries."""
    return tensor.repeat_interleave(call.shape[1] // tensor.shape[1], 1)
