"""The heads of a layer reduced to one matrix, in blocks of rows and cached with the capture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import device
from jaxtyping import Float

from attn_widget.attribution.cache import cached
from attn_widget.attribution.validation import ISOLATED, namespace, widened
from attn_widget.records import Capture, LayerAttention
from attn_widget.records.weights import check_weights

BLOCK_BYTES = 64 * 2**20  # of per-head weights held at once while reducing heads


def reduce_heads(
    weights: Float[Any, "*head query key"], reduce: str = "mean", head: int | None = None
) -> Float[Any, "query key"]:
    """Return attention with its heads reduced to one matrix; ``(query, key)`` stays as it is.

    ``max`` and ``min`` are rescaled to the row sums of the mean, so that a row still sums to 1 less
    its attention sink.
    """
    xp = namespace(weights)
    if weights.ndim == 2:
        return widened(weights)
    if head is not None:
        return widened(weights[head])
    weights = widened(weights)
    mean = xp.mean(weights, axis=0)
    if reduce in ("mean", ISOLATED):
        return mean
    extreme = xp.max(weights, axis=0) if reduce == "max" else xp.min(weights, axis=0)
    sums = xp.sum(extreme, axis=-1, keepdims=True)
    # Heads that share no key have a minimum of zeros: such a row stays zeros instead of NaN.
    return extreme * (
        xp.sum(mean, axis=-1, keepdims=True) / xp.where(sums > 0, sums, xp.ones_like(sums))
    )


def reduced_rows(
    capture: Capture,
    layer: LayerAttention,
    reduce: str,
    head: int | None,
    rows: Sequence[int] | None = None,
    allow_nan: bool = False,
) -> Float[Any, "query key"]:
    """Return head-reduced rows of a layer, cached while all layers fit in the capture's cache."""
    whole = cached(
        capture,
        ("reduced", capture.layers.index(layer), reduce, head, allow_nan),
        lambda: layer_rows(layer, reduce, head, allow_nan=allow_nan),
        bytes_ahead=4 * layer.n_queries * layer.n_keys * len(capture.layers),
    )
    if whole is None:
        return layer_rows(layer, reduce, head, rows, allow_nan)
    return whole if rows is None else whole[list(rows)]


def layer_rows(
    layer: LayerAttention,
    reduce: str,
    head: int | None,
    rows: Sequence[int] | None = None,
    allow_nan: bool = False,
) -> Float[Any, "query key"]:
    """Return head-reduced attention of one layer, read in blocks of rows to limit the memory."""
    wanted = range(layer.n_queries) if rows is None else rows
    heads = None if head is None else [head]
    block = max(1, BLOCK_BYTES // (4 * layer.n_keys * (layer.n_heads if head is None else 1)))
    if layer.weights is not None and rows is None:
        block = len(wanted)  # kept weights need no copy
    out: Any = None
    for start in range(0, len(wanted), block):
        chosen = list(wanted[start : start + block])
        weights = layer.weights_for(
            heads, None if len(chosen) == layer.n_queries and rows is None else chosen
        )
        where = f"{layer.name} (layer {layer.layer})"
        check_weights(weights, where, tolerance=layer.row_tolerance, allow_nan=allow_nan)
        part = reduce_heads(weights, reduce, None if head is None else 0)
        if len(chosen) == len(wanted):
            return part
        if out is None:
            # Filled block by block: joining blocks would hold a long text's matrix twice.
            shape = (len(wanted), layer.n_keys)
            out = namespace(part).empty(shape, dtype=part.dtype, device=device(part))
        out[start : start + len(chosen)] = part
    return out
