"""Raw attention: the weights of one layer, of one head or with its heads reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float

from attn_widget.attribution.reduce_heads import reduced_rows
from attn_widget.records import Capture, LayerAttention


def raw_rows(
    capture: Capture,
    layer: LayerAttention,
    rows: Sequence[int],
    reduce: str = "mean",
    head: int | None = None,
) -> Float[Any, "query key"]:
    """Return the chosen rows of one layer: of one head, or with its heads reduced; no residual."""
    everything = tuple(rows) == tuple(range(layer.n_queries))
    # One head is shown as it is, NaN included; a reduction over NaN would be meaningless.
    chosen = None if everything else rows
    return reduced_rows(capture, layer, reduce, head, chosen, allow_nan=head is not None)
