"""The layer graph that rollout and flow share: heads reduced, residual mixed in.

A `Graph` is a list of attention sub-layers from the input up. In each, the tokens of one stream
read from the tokens of the same stream (self-attention) or of another (cross-attention):

    state[queries] <- residual · state[queries] + (1 − residual) · weights @ state[keys]

so encoder, decoder and encoder–decoder have one representation, and nothing larger than one layer's
attention needs to be in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from attn_widget.attribution.reduce_heads import reduce_heads, reduced_rows
from attn_widget.attribution.validation import (
    ISOLATED,
    as_layers,
    check_layers,
    check_reduce,
    check_residual,
)
from attn_widget.errors import MethodError
from attn_widget.records import Capture, LayerAttention, check_index
from attn_widget.records.weights import check_weights, row_tolerance


@dataclass(frozen=True)
class SubLayer:
    """One attention sub-layer: query positions, key positions, head-reduced weights."""

    queries: slice
    keys: slice
    weights: Callable[[Sequence[int] | None], Any]  # rows -> (query, key)
    name: str


@dataclass(frozen=True)
class Graph:
    """The sub-layers from the input up, over ``n`` positions of one stream or of two."""

    sublayers: tuple[SubLayer, ...]
    n: int
    rows: slice  # positions of the queries
    columns: slice  # positions of the keys, at the input
    residual: float

    @property
    def n_queries(self) -> int:
        """Return how many rows there are."""
        return self.rows.stop - self.rows.start


def graph_of_arrays(
    attention: Any,
    *,
    layer: int | None = None,
    start_layer: int = 0,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
) -> Graph:
    """Return the layer graph of attention arrays.

    Rectangular ones are cross-attention to keys that stay the same in all layers.
    """
    check_residual(residual)
    check_reduce(reduce, head)
    layers = as_layers(attention)
    first = attention if hasattr(attention, "dtype") else attention[0]
    tolerance = row_tolerance(
        getattr(first, "dtype", "float64")
    )  # of the precision before widening
    top, start = check_layers(layer, start_layer, len(layers))
    if head is not None:
        head = check_index("head", head, min(w.shape[0] if w.ndim == 3 else 1 for w in layers))
    for i in range(start, top + 1):
        check_weights(layers[i], f"layer {i}", tolerance=tolerance)
    n_queries, n_keys = layers[0].shape[-2:]
    columns = slice(0, n_keys)
    rows = columns if n_queries == n_keys else slice(n_keys, n_keys + n_queries)

    def weights(i: int, chosen: Sequence[int] | None) -> Any:
        matrix = layers[i] if chosen is None else layers[i][..., list(chosen), :]
        return reduce_heads(matrix, reduce, _head_at(head, reduce, i == top))

    sublayers = tuple(
        SubLayer(rows, columns, partial(weights, i), f"layer {i}") for i in range(start, top + 1)
    )
    return Graph(sublayers, rows.stop, rows, columns, float(residual))


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

    A stream with cross-attention to another includes the other stream's layers: its rows are then
    shared between its own tokens (group of its self-attention) and the other's (group ``cross``).
    """
    check_residual(residual)
    check_reduce(reduce, head)
    group = capture.group(attention)
    top, start = check_layers(layer, start_layer, len(group))
    reason = not_chainable(capture, attention)
    if reason:
        raise MethodError(reason)
    if head is not None:
        head = check_index("head", head, min(one.n_heads for one in group))
    first = group[0]
    stream = first.stream
    other = other_stream(capture, stream)
    n_other = next((one.n_keys for one in capture.chosen_layers if _is_cross(one, stream)), 0)
    own = slice(n_other, n_other + first.n_queries)
    position = {stream: own} if other is None else {other: slice(0, n_other), stream: own}

    sublayers = []
    for one in layers_between(capture, group, start, top):
        queries = position[one.stream]
        keys = slice(0, n_other) if one.kind == "cross" else queries
        kept_head = _head_at(head if one in group else None, reduce, one is group[top])
        weights = partial(reduced_rows, capture, one, reduce, kept_head)
        sublayers.append(SubLayer(queries, keys, weights, one.name))
    columns = slice(0, n_other) if first.kind == "cross" else own
    return Graph(tuple(sublayers), own.stop, own, columns, float(residual))


def other_stream(capture: Capture, stream: str) -> str | None:
    """Return the stream whose tokens are the keys of a stream's cross-attention, if it has any."""
    crosses = any(_is_cross(one, stream) for one in capture.chosen_layers)
    return capture.cross_streams.get(stream) if crosses else None


def _is_cross(layer: LayerAttention, stream: str) -> bool:
    """Return whether a layer is cross-attention with queries of a stream."""
    return layer.kind == "cross" and layer.stream == stream


def not_chainable(capture: Capture, attention: str | None) -> str:
    """Return why layers of a group cannot be followed one after another; empty when they can."""
    group = capture.group(attention)
    if reason := _not_joint(capture, group[0].stream):
        return reason
    if group[0].kind == "cross":
        other_stream = capture.cross_streams.get(group[0].stream)
        own = [one for one in capture.chosen_layers if one.stream == group[0].stream]
        other = [one for one in capture.chosen_layers if one.stream == other_stream]
        sizes = {one.n_queries for one in own} | {one.n_keys for one in own if one.kind == "self"}
        other_sizes = {one.n_keys for one in own if one.kind == "cross"}
        other_sizes |= {n for one in other for n in (one.n_queries, one.n_keys)}
    else:
        sizes, other_sizes = {n for one in group for n in (one.n_queries, one.n_keys)}, {0}
    if len(sizes) == 1 and len(other_sizes) == 1:
        return ""
    shapes = ", ".join(f"{one.n_queries}×{one.n_keys} at {one.name}" for one in group[:3])
    return (
        "attention must have as many keys as queries in every layer to be followed down, got "
        f'{shapes}. Use method="raw", which needs one layer alone.'
    )


def _not_joint(capture: Capture, stream: str) -> str:
    """Return why layers cannot be joined: of this stream, or of the one whose outputs it reads."""
    streams = (stream, other_stream(capture, stream))
    for name, group in capture.groups.items():
        if name in capture.not_joint and group[0].stream in streams:
            return (
                f"attention must have layers that can be joined, got {name!r}: "
                f'{capture.not_joint[name].rstrip(".")}. Use method="raw", which needs one layer '
                "alone."
            )
    return ""


def layers_between(
    capture: Capture, group: Sequence[LayerAttention], start: int, top: int
) -> list[LayerAttention]:
    """Return the layers that take part, in running order, from the start layer to the target layer.

    With a start above 0 the other stream has ended: the columns are then that stream's outputs.
    """
    stream = group[0].stream
    streams = {stream} if start else {stream, other_stream(capture, stream)}
    wanted = [one for one in capture.chosen_layers if one.stream in streams]

    def place(layer: LayerAttention) -> int:
        return next(i for i, one in enumerate(wanted) if one is layer)

    first = 0
    if start:
        # Of cross-attention, the self-attention below it takes part too.
        self_attention = group[start].kind == "self"
        first = place(group[start]) if self_attention else place(group[start - 1]) + 1
    return wanted[first : place(group[top]) + 1]


def _head_at(head: int | None, reduce: str, at_top: bool) -> int | None:
    """Return the head of a layer: everywhere when isolated, else at the top only (appendix A.1)."""
    return head if at_top or reduce == ISOLATED else None
