"""Value-weighted attention: how long the vector is that a token really sends, not only how much it is looked at.

References
----------
Kobayashi, Kuribayashi, Yokoi and Inui 2020 (EMNLP), "Attention is Not Only a Weight: Analyzing Transformers
with Vector Norms", section 3, equation 5. https://aclanthology.org/2020.emnlp-main.574
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attn_widget.records import LayerAttention, to_numpy


def value_rows(
    layer: LayerAttention, rows: Sequence[int] | None = None, head: int | None = None
) -> Float[np.ndarray, "query key"]:
    """Return ``‖Σ_h attention_h · v_h · output projection_h‖`` for each query and key, or of one head.

    The sum over heads is taken through the products of their vectors, ``head² · query · key`` multiplications,
    so that no vector per pair is ever held.
    """
    heads = range(layer.n_heads) if head is None else [head]
    attention = to_numpy(layer.weights_for(list(heads), rows)).astype(np.float64)
    sent = np.stack([_sent(layer, h) for h in heads])  # (head, key, model channel)
    products = np.einsum("akc,bkc->abk", sent, sent)
    squares = np.zeros(attention.shape[1:])
    for a in range(len(sent)):
        for b in range(len(sent)):
            squares += attention[a] * attention[b] * products[a, b]
    return np.sqrt(np.maximum(squares, 0))


def _sent(layer: LayerAttention, head: int) -> Float[np.ndarray, "key channel"]:
    """Return what every key would send if it were looked at alone, by one head."""
    values = to_numpy(layer.v[head * len(layer.v) // layer.n_heads]).astype(np.float64)
    return values @ to_numpy(layer.output_projection[head]).astype(np.float64)
