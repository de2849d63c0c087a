"""Value-weighted attention: the length of the vector that each key contributes to a query.

References
----------
Kobayashi, Kuribayashi, Yokoi and Inui 2020 (EMNLP), "Attention is Not Only a Weight: Analyzing
Transformers with Vector Norms", section 3, equation 5. https://aclanthology.org/2020.emnlp-main.574
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attn_widget.records import LayerAttention, to_numpy


def value_rows(
    layer: LayerAttention, rows: Sequence[int] | None = None, head: int | None = None
) -> Float[np.ndarray, "query key"]:
    """Return ``‖Σ_h attention_h · v_h · output projection_h‖`` per query and key, or of one head.

    The sum over heads uses the dot products of their vectors, ``head² · query · key``
    multiplications, so that no vector per pair is held in memory.
    """
    heads = range(layer.n_heads) if head is None else [head]
    attention = to_numpy(layer.weights_for(list(heads), rows)).astype(np.float64)
    vectors = np.stack([_contribution(layer, h) for h in heads])  # (head, key, model channel)
    products = np.einsum("akc,bkc->abk", vectors, vectors)
    squares = np.zeros(attention.shape[1:])
    for a in range(len(vectors)):
        for b in range(len(vectors)):
            squares += attention[a] * attention[b] * products[a, b]
    return np.sqrt(np.maximum(squares, 0))


def _contribution(layer: LayerAttention, head: int) -> Float[np.ndarray, "key channel"]:
    """Return the vector that each key contributes through one head at a weight of 1."""
    values = to_numpy(layer.v[head * len(layer.v) // layer.n_heads]).astype(np.float64)
    return values @ to_numpy(layer.output_projection[head]).astype(np.float64)
