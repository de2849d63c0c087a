"""The frame of the model view: every layer and head as a small map.

Maps are pooled in Python, so that the page never holds an n×n matrix per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.pictures.axes import Axis, merge
from attn_widget.pictures.frame import all_of, max_pool
from attn_widget.pictures.protocol import Frame, Spec, common, sqrt8

TILE_CELLS = 48  # a thumbnail is at most 64 px wide: more cells cannot be distinguished
SMALL_TILE_CELLS = 24
MANY_TILES = 400


@dataclass(frozen=True, eq=False)
class Tile:
    """One thumbnail: one head of a layer, or one layer of a joint method."""

    layer: int
    head: int | None
    cells: Float[np.ndarray, "cell_query cell_key"]
    unit: str = "share"
    causal: bool = False
    saturation: float | None = None
    divided_by: str | None = None  # the baseline
    hidden: float = 0.0  # share of the whole map that goes to hidden keys


def factors(queries: Axis, keys: Axis, n_tiles: int) -> tuple[int, int]:
    """Return how many displayed queries and keys one cell of a thumbnail covers."""
    cells = TILE_CELLS if n_tiles <= MANY_TILES else SMALL_TILE_CELLS
    return pool_to(queries, keys, cells)


def pool_to(queries: Axis, keys: Axis, cells: int) -> tuple[int, int]:
    """Return the pooling factors that leave at most ``cells`` cells along either axis."""
    return max(1, -(-len(queries) // cells)), max(1, -(-len(keys) // cells))


def thumbnail(
    values: Float[np.ndarray, "query key"], queries: Axis, keys: Axis, pool: tuple[int, int]
) -> tuple[Float[np.ndarray, "cell_query cell_key"], float]:
    """Return a thumbnail, and the share of the attention of its queries on hidden keys.

    Tokens are hidden and merged as displayed; each cell is the largest value of its block.
    """
    shown = merge(values[None], queries, keys)
    total = float(np.nansum(merge(values.sum(axis=1)[None, :, None], queries, all_of(1))))
    hidden = max(0.0, 1 - float(np.nansum(shown)) / total) if total and keys.hidden else 0.0
    return max_pool(shown[0], *pool), hidden


def model_frame(
    spec: Spec,
    tiles: Sequence[Tile],
    queries: Axis,
    keys: Axis,
    pool: tuple[int, int],
    n_layers: int | None = None,
) -> Frame:
    """Return the frame of the model view: all thumbnails in one array, layer by layer.

    ``n_layers`` is the number of layers of the finished frame, if ``tiles`` holds only the first.
    """
    layers = [tile.layer for tile in tiles]
    unit, causal = tiles[-1].unit, all(tile.causal for tile in tiles)
    fields = common(spec, queries, keys, unit=unit, causal=causal, layer_label="all layers") | {
        "pool": list(pool),
        "divided_by": tiles[-1].divided_by,
        "n_layers": n_layers or len(set(layers)),
        "tiles": [
            {
                "layer": t.layer,
                "head": t.head,
                "saturation": t.saturation,
                "hidden": t.hidden,
            }
            for t in tiles
        ],
    }
    return Frame(fields, {"tiles": sqrt8(np.stack([t.cells for t in tiles]))})
