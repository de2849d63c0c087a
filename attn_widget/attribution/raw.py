"""Raw attention: what one layer did, of one head or with its heads reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float

from attn_widget.attribution.joint import reduced_rows
from attn_widget.records import Capture, LayerAttention


def raw_rows(
    capture: Capture,
    layer: LayerAttention,
    rows: Sequence[int],
    reduce: str = "mean",
    head: int | None = None,
) -> Float[Any, "query key"]:
    """Return one layer's attention at the chosen rows: of one head, or with its heads reduced; no residual."""
    everything = tuple(rows) == tuple(range(layer.n_queries))
    # One head is shown as it is, with what a broken kernel made of it; nothing joined could be trusted.
    return reduced_rows(
        capture, layer, reduce, head, None if everything else rows, missing=head is not None
    )
