"""Gradient-weighted attention: the attention that raises an output, in one layer or through all.

Both methods need the gradient of one score (a class, a next token) with respect to the attention of
every layer, which `runner.gradients` records. Only attention that raises the score counts.

References
----------
Chefer, Gur and Wolf 2021 (ICCV), "Generic Attention-model Explainability for Interpreting Bi-Modal
and Encoder-Decoder Transformers", section 3, equations 5 to 11. https://arxiv.org/abs/2103.15679
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attn_widget.records import LayerAttention, to_numpy


def gradient_rows(
    layer: LayerAttention, rows: Sequence[int] | None = None, head: int | None = None
) -> Float[np.ndarray, "query key"]:
    """Return ``mean over heads of (gradient ⊙ attention)⁺`` of one layer, or that of one head."""
    heads = None if head is None else [head]
    attention = to_numpy(layer.weights_for(heads, rows))
    gradient = to_numpy(layer.gradient)
    gradient = gradient if head is None else gradient[[head]]
    gradient = gradient if rows is None else gradient[:, list(rows)]
    return np.maximum(gradient * attention, 0).mean(0)


def relevance_maps(
    layers: Sequence[LayerAttention], stream: str, other: str | None
) -> tuple[Float[np.ndarray, "query query"], Float[np.ndarray, "query key"] | None]:
    """Return the relevance of a stream's own tokens and of the other stream's, at every token.

    Self-attention: ``R += Ā · R`` for all maps of the stream. Cross-attention: ``R_cross +=
    normalised(R_own)ᵀ · Ā · normalised(R_other)``. Maps of a stream to itself start as identity.
    """
    sizes = {layer.stream: layer.n_queries for layer in layers}
    if other is not None:
        for layer in layers:
            if layer.kind == "cross":
                sizes.setdefault(other, layer.n_keys)
    own = {name: np.eye(n) for name, n in sizes.items()}
    cross = None
    if other is not None and other in sizes:
        cross = np.zeros((sizes[stream], sizes[other]))
    for layer in layers:
        step = gradient_rows(layer)
        if layer.kind == "cross" and other is not None and cross is not None:
            cross = cross + spread(own[stream]).T @ step @ spread(own[other])
            continue
        own[layer.stream] = own[layer.stream] + step @ own[layer.stream]
        if cross is not None and layer.stream == stream:
            cross = cross + step @ cross
    return own[stream], cross


def spread(relevance: Float[np.ndarray, "token token"]) -> Float[np.ndarray, "token token"]:
    """Return a map with its identity part kept and the rest of each row divided by its sum."""
    mixed = relevance - np.eye(len(relevance))
    sums = mixed.sum(-1, keepdims=True)
    return mixed / np.where(sums > 0, sums, 1) + np.eye(len(relevance))
