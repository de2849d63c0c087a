"""Recompute one row of one head in stages, from the recorded query and keys to its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attn_widget.errors import MethodError
from attn_widget.pictures.neuron import Stages
from attn_widget.records import LayerAttention, to_numpy

SLACK_FLOAT32 = 1e-5
SLACK_HALF = 2e-2  # bfloat16 and float16 models round every score


def stages_of(layer: LayerAttention, head: int, query: int) -> Stages:
    """Return each stage of ``softmax(cap(scaling · q·k) + bias + mask)`` of one row, in float64.

    Raises
    ------
    MethodError
        If the layer's scores are not a product of queries and keys, or these were not recorded.
    """
    if layer.q is None or layer.k is None or layer.scaling is None:
        raise MethodError(
            "layer must have recorded queries and keys for the neuron view, "
            f"got none at {layer.name}. "
            "Choose a layer that has them, or the matrix view."
        )
    q = to_numpy(layer.q[head, query]).astype(np.float64)
    k = to_numpy(layer.k[head * len(layer.k) // layer.n_heads]).astype(np.float64)
    dot = k @ q
    scaled = dot * layer.scaling
    total = scaled if layer.softcap is None else layer.softcap * np.tanh(scaled / layer.softcap)
    softcapped = None if layer.softcap is None else total
    bias = None if layer.bias is None else _row(layer.bias, head, query).astype(np.float64)
    allowed = _allowed(layer, head, query)
    mask = None if allowed is None else np.where(allowed, 0.0, -np.inf)
    for added in (bias, mask):
        total = total if added is None else total + added
    sink = None if layer.sinks is None else float(to_numpy(layer.sinks)[head])
    measured = to_numpy(layer.weights_for([head], [query]))[0, 0].astype(np.float64)
    return Stages(
        q=q,
        k=k,
        dot=dot,
        scaled=scaled,
        softmax=_softmax(total, sink),
        measured=measured,
        scaling=float(layer.scaling),
        softcapped=softcapped,
        bias=bias,
        mask=mask,
        softcap=layer.softcap,
        bias_kind=layer.bias_kind,
        sink=sink,
        tolerance=SLACK_FLOAT32 if layer.row_tolerance <= 1e-3 else SLACK_HALF,
    )


def _softmax(scores: Float[np.ndarray, " key"], sink: float | None) -> Float[np.ndarray, " key"]:
    """Return the shares of the keys; a sink logit takes its share and is not part of the result.

    A row whose keys are all masked is zeros.
    """
    top = max(float(scores.max()), -np.inf if sink is None else sink)
    if not np.isfinite(top):
        return np.zeros_like(scores)
    e = np.exp(scores - top)
    return e / (e.sum() + (0.0 if sink is None else np.exp(sink - top)))


def _allowed(layer: LayerAttention, head: int, query: int) -> Bool[np.ndarray, " key"] | None:
    """Return a mask of the keys that this row may attend to; None if all."""
    if layer.mask is not None:
        return _row(layer.mask, head, query).astype(bool)
    if not layer.causal:
        return None
    keys = np.arange(layer.n_keys)
    return keys <= query


def _row(term: Any, head: int, query: int) -> np.ndarray:
    """Return one row of a term that broadcasts to ``(head, query, key)``."""
    return to_numpy(term[head if term.shape[0] > 1 else 0, query if term.shape[1] > 1 else 0])
