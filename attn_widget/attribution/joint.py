"""Heads reduced, residual mixed in: the layer graph that rollout and flow share.

A `Graph` is a list of steps from the input up. Each step lets the tokens of one stream read from the
tokens of the same stream (self-attention) or of another (cross-attention):

    state[queries] <- residual · state[queries] + (1 − residual) · weights @ state[keys]

so that an encoder, a decoder and an encoder–decoder are the same thing, and nothing larger than one
layer's attention needs to be in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import device
from jaxtyping import Float

from attn_widget.attribution.cache import remembered
from attn_widget.attribution.validation import (
    as_layers,
    check_index,
    check_reduce,
    check_residual,
    check_weights,
    namespace,
    tolerance_of,
    widened,
)
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Capture, LayerAttention, to_numpy

BLOCK_BYTES = 64 * 2**20  # of per-head weights held at once while reducing heads


@dataclass(frozen=True)
class Step:
    """One attention sub-layer: who asks, who answers, and the head-reduced weights of chosen rows."""

    queries: slice
    keys: slice
    weights: Callable[[Sequence[int] | None], Any]  # rows -> (query, key)
    name: str


@dataclass(frozen=True)
class Graph:
    """The steps from the input up, over ``n`` positions of which some ask and some answer."""

    steps: tuple[Step, ...]
    n: int
    rows: slice  # positions whose rows are wanted
    columns: slice  # positions at the input that answer
    residual: float

    @property
    def n_queries(self) -> int:
        """Return how many rows there are."""
        return self.rows.stop - self.rows.start


def reduce_heads(
    weights: Float[Any, "*head query key"], reduce: str = "mean", head: int | None = None
) -> Float[Any, "query key"]:
    """Return attention with its heads reduced to one matrix; ``(query, key)`` input passes unchanged.

    ``max`` and ``min`` are rescaled to the row sums of the mean, so that a row still sums to 1 less its sink.
    """
    xp = namespace(weights)
    if weights.ndim == 2:
        return widened(weights)
    if head is not None:
        return widened(weights[head])
    weights = widened(weights)
    mean = xp.mean(weights, axis=0)
    if reduce in ("mean", "isolated"):
        return mean
    extreme = xp.max(weights, axis=0) if reduce == "max" else xp.min(weights, axis=0)
    sums = xp.sum(extreme, axis=-1, keepdims=True)
    # Heads that share no key leave an empty minimum: such a row stays zero rather than NaN.
    return extreme * (
        xp.sum(mean, axis=-1, keepdims=True) / xp.where(sums > 0, sums, xp.ones_like(sums))
    )


def layer_rows(
    layer: LayerAttention,
    reduce: str,
    head: int | None,
    rows: Sequence[int] | None = None,
    missing: bool = False,
) -> Float[Any, "query key"]:
    """Return head-reduced attention of one recorded layer, read in blocks of rows so that memory stays small."""
    wanted = range(layer.n_queries) if rows is None else rows
    heads = None if head is None else [head]
    block = max(1, BLOCK_BYTES // (4 * layer.n_keys * (layer.n_heads if head is None else 1)))
    if layer.weights is not None and rows is None:
        block = len(wanted)  # kept weights are read where they lie
    out: Any = None
    for start in range(0, len(wanted), block):
        chosen = list(wanted[start : start + block])
        weights = layer.weights_for(
            heads, None if len(chosen) == layer.n_queries and rows is None else chosen
        )
        where = f"{layer.name} (layer {layer.layer})"
        check_weights(weights, layer.row_tolerance, where, missing)
        part = reduce_heads(weights, reduce, None if head is None else 0)
        if len(chosen) == len(wanted):
            return part
        if (
            out is None
        ):  # filled block by block: joining blocks would hold a long text's matrix twice
            out = namespace(part).empty(
                (len(wanted), layer.n_keys), dtype=part.dtype, device=device(part)
            )
        out[start : start + len(chosen)] = part
    return out


def graph_of_arrays(
    attention: Any,
    *,
    layer: int | None = None,
    start_layer: int = 0,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
) -> Graph:
    """Return the layer graph of attention arrays; rectangular ones are cross-attention to fixed keys."""
    check_residual(residual)
    check_reduce(reduce, head)
    tolerance = tolerance_of(attention)
    layers = as_layers(attention)
    top = check_index("layer", layer, len(layers))
    start = check_start(start_layer, top, len(layers))
    if head is not None:
        head = check_index("head", head, min(w.shape[0] if w.ndim == 3 else 1 for w in layers))
    for i in range(start, top + 1):
        check_weights(layers[i], tolerance, f"layer {i}")
    n_queries, n_keys = layers[0].shape[-2:]
    columns = slice(0, n_keys)
    rows = columns if n_queries == n_keys else slice(n_keys, n_keys + n_queries)

    def weights(i: int, chosen: Sequence[int] | None) -> Any:
        matrix = layers[i] if chosen is None else layers[i][..., list(chosen), :]
        return reduce_heads(matrix, reduce, _head_at(head, reduce, i == top))

    steps = tuple(
        Step(rows, columns, partial(weights, i), f"layer {i}") for i in range(start, top + 1)
    )
    return Graph(steps, rows.stop, rows, columns, float(residual))


def graph_of_capture(
    capture: Capture,
    attention: str | None = None,
    *,
    layer: int | None = None,
    start_layer: int = 0,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
) -> Graph:
    """Return the layer graph that ends at one layer of one group of a capture.

    A stream that asks another by cross-attention brings the other stream's layers along: its rows are
    then shared between its own tokens (group of its self-attention) and the other's (group ``cross``).
    """
    check_residual(residual)
    check_reduce(reduce, head)
    group = capture.group(attention)
    top = check_index("layer", layer, len(group))
    start = check_start(start_layer, top, len(group))
    reason = not_chainable(capture, attention)
    if reason:
        raise MethodError(reason)
    if head is not None:
        head = check_index("head", head, min(one.n_heads for one in group))
    first = group[0]
    stream = first.stream
    other = capture.cross_streams.get(stream) if _crosses(capture, stream) else None
    n_own = first.n_queries
    n_other = next(one.n_keys for one in _crosses(capture, stream)) if other is not None else 0
    place = {other: slice(0, n_other), stream: slice(n_other, n_other + n_own)}

    steps = []
    for one in layers_between(capture, group, start, top, stream, other):
        queries = place[one.stream]
        keys = place[other] if one.kind == "cross" else queries
        at_top = one is group[top]
        of_group = head if one in group else None
        kept_head = _head_at(of_group, reduce, at_top)
        steps.append(
            Step(queries, keys, partial(reduced_rows, capture, one, reduce, kept_head), one.name)
        )
    columns = place[other] if first.kind == "cross" else place[stream]
    return Graph(tuple(steps), n_other + n_own, place[stream], columns, float(residual))


def joint_layer(
    capture: Capture,
    attention: str | None = None,
    layer: int | None = None,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
) -> Float[np.ndarray, "query key"]:
    """Return the joint matrix of one layer: ``residual·I + (1 − residual)·reduce_heads(attention)``.

    Rows sum to 1 (less what went to a sink). Rectangular attention has no diagonal: there the heads'
    reduction is returned times ``1 − residual``.
    """
    check_residual(residual)
    check_reduce(reduce, head)
    group = capture.group(attention)
    one = group[check_index("layer", layer, len(group))]
    matrix = (1 - residual) * to_numpy(reduced_rows(capture, one, reduce, head))
    return (
        matrix + residual * np.eye(len(matrix), dtype=matrix.dtype)
        if one.kind == "self"
        else matrix
    )


def not_chainable(capture: Capture, attention: str | None) -> str:
    """Return why layers of a group cannot be followed one after another; empty when they can."""
    group = capture.group(attention)
    if group[0].kind == "cross":
        own = [one for one in capture.layers if one.stream == group[0].stream]
        other = [
            one
            for one in capture.layers
            if one.stream == capture.cross_streams.get(group[0].stream)
        ]
        shapes = {one.n_queries for one in own} | {one.n_keys for one in own if one.kind == "self"}
        behind = {one.n_keys for one in own if one.kind == "cross"}
        behind |= {n for one in other for n in (one.n_queries, one.n_keys)}
    else:
        shapes, behind = {n for one in group for n in (one.n_queries, one.n_keys)}, {0}
    if len(shapes) == 1 and len(behind) == 1:
        return ""
    sizes = ", ".join(f"{one.n_queries}×{one.n_keys} at {one.name}" for one in group[:3])
    return (
        f"attention must have as many keys as queries in every layer to be followed down, got {sizes}. "
        'Use method="raw", which needs one layer alone.'
    )


def check_start(start_layer: int, top: int, n: int) -> int:
    """Return the start layer, which must not lie above the target layer."""
    start = check_index("start_layer", start_layer, n)
    if start > top:
        raise InputError(
            f"start_layer must not be above layer {top}, got {start}. Start at or below the target layer."
        )
    return start


def _head_at(head: int | None, reduce: str, at_top: bool) -> int | None:
    """Return the head to keep at a layer: everywhere when isolated, else at the top only (paper, appendix A.1)."""
    return head if at_top or reduce == "isolated" else None


def _crosses(capture: Capture, stream: str) -> list[LayerAttention]:
    """Return the cross-attention layers in which a stream asks."""
    return [one for one in capture.layers if one.stream == stream and one.kind == "cross"]


def layers_between(
    capture: Capture,
    group: Sequence[LayerAttention],
    start: int,
    top: int,
    stream: str,
    other: str | None,
) -> list[LayerAttention]:
    """Return the layers that take part, in running order, from the start layer to the target layer.

    A start above 0 lies after the other stream has ended: its columns are then that stream's outputs.
    """
    wanted = [
        one
        for one in capture.layers
        if one.stream == stream or (start == 0 and one.stream == other)
    ]
    last = next(i for i, one in enumerate(wanted) if one is group[top])
    first = (
        0 if start == 0 else 1 + next(i for i, one in enumerate(wanted) if one is group[start - 1])
    )
    if start and group[start].kind == "self":
        first = next(i for i, one in enumerate(wanted) if one is group[start])
    return wanted[first : last + 1]


def reduced_rows(
    capture: Capture,
    layer: LayerAttention,
    reduce: str,
    head: int | None,
    rows: Sequence[int] | None = None,
    missing: bool = False,
) -> Float[Any, "query key"]:
    """Return head-reduced rows of a layer, remembered with its capture while all layers are small enough."""
    whole = remembered(
        capture,
        ("reduced", capture.layers.index(layer), reduce, head, missing),
        lambda: layer_rows(layer, reduce, head, missing=missing),
        bytes_ahead=4 * layer.n_queries * layer.n_keys * len(capture.layers),
    )
    if whole is None:
        return layer_rows(layer, reduce, head, rows, missing)
    return whole if rows is None else whole[list(rows)]
