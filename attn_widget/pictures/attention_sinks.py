"""Which keys are sinks: places that most heads leave their attention at, whatever the text says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attn_widget.records import LayerAttention, to_numpy

SHARE = 0.3  # of all attention
TIMES_EVEN = 2  # and so many times what even attention over the keys in sight would give
ROWS = 64  # queries that are looked at in each layer, spread evenly


def sinks(layers: Sequence[LayerAttention], *, same_text: bool) -> tuple[int, ...]:
    """Return the key positions that take more than 30 % of the attention of a group of layers.

    The mean of A[l, h, q, k] over layers, heads and queries q ≠ k must be above `SHARE` and above `TIMES_EVEN`
    times the mean of 1 / (keys that q sees).

    Parameters
    ----------
    layers
        The layers of one group, all of the same size.
    same_text
        Queries and keys are the same tokens, so that a token's share of itself does not count.

    Notes
    -----
    Looks at `ROWS` queries of each layer at most: time and memory grow with the number of keys.
    """
    first = layers[0]
    rows = np.unique(
        np.linspace(0, first.n_queries - 1, min(ROWS, first.n_queries)).round().astype(int)
    )
    counts = np.ones((len(rows), first.n_keys), bool)
    if same_text:
        counts[np.arange(len(rows)), rows] = False
    shares, even = np.zeros(first.n_keys), np.zeros(first.n_keys)
    for layer in layers:
        taken = np.nan_to_num(
            to_numpy(layer.weights_for(rows=rows.tolist())).mean(axis=0, dtype=np.float64)
        )
        sees = taken > 0
        shares += (taken * counts).sum(axis=0)
        even += (sees * counts / np.maximum(sees.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    n = np.maximum(counts.sum(axis=0) * len(layers), 1)
    is_sink = (shares / n > SHARE) & (shares > TIMES_EVEN * even)
    return tuple(int(i) for i in np.flatnonzero(is_sink))
