"""Find attention sinks: keys that take a large share of all heads' attention in any text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attn_widget.pictures.drawing import DRAWING
from attn_widget.records import LayerAttention, to_numpy

SHARE: float = DRAWING["sink_share"]  # of all attention
TIMES_UNIFORM = 2  # and this multiple of the share under uniform attention
ROWS = 64  # queries measured in each layer, evenly spaced


def sinks(layers: Sequence[LayerAttention], *, same_text: bool) -> tuple[int, ...]:
    """Return the key positions that take more than 30 % of the attention of a group of layers.

    The mean of A[l, h, q, k] over layers, heads and queries q ≠ k must be above `SHARE` and above
    `TIMES_UNIFORM` times the mean of 1 / (number of keys with weight in row q).

    Parameters
    ----------
    layers
        The layers of one group, all of the same size.
    same_text
        Queries and keys are the same tokens; a token's attention to itself is then left out.

    Notes
    -----
    Reads at most `ROWS` queries of each layer: time and memory grow with the number of keys.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> weights = np.tile([0.8, 0.1, 0.1, 0.0], (2, 1, 4, 1))
    >>> sinks(aw.from_arrays(weights, list("abcd")).layers, same_text=True)
    (0,)
    """
    first = layers[0]
    rows = np.unique(
        np.linspace(0, first.n_queries - 1, min(ROWS, first.n_queries)).round().astype(int)
    )
    counts = np.ones((len(rows), first.n_keys), bool)
    if same_text:
        counts[np.arange(len(rows)), rows] = False
    shares, uniform = np.zeros(first.n_keys), np.zeros(first.n_keys)
    for layer in layers:
        taken = np.nan_to_num(
            to_numpy(layer.weights_for(rows=rows.tolist())).mean(axis=0, dtype=np.float64)
        )
        has_weight = taken > 0
        shares += (taken * counts).sum(axis=0)
        uniform += (has_weight * counts / np.maximum(has_weight.sum(axis=1, keepdims=True), 1)).sum(
            axis=0
        )
    n = np.maximum(counts.sum(axis=0) * len(layers), 1)
    is_sink = (shares / n > SHARE) & (shares > TIMES_UNIFORM * uniform)
    return tuple(int(i) for i in np.flatnonzero(is_sink))
