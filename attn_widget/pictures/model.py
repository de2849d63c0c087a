"""The frame of the model view: every layer × head as a small map, pooled here so that the page holds no n×n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.pictures.axes import Axis, merge
from attn_widget.pictures.frame import max_pool
from attn_widget.pictures.protocol import Frame, Spec, common, sqrt8

TILE_CELLS = 48  # a thumbnail is at most 64 px wide: more cells than this cannot be seen
SMALL_TILE_CELLS = 24
MANY_TILES = 400


@dataclass(frozen=True, eq=False)
class Tile:
    """One thumbnail: a layer's head, or a layer of a method that joins heads."""

    layer: int
    head: int | None
    cells: Float[np.ndarray, "cell_query cell_key"]
    saturation: float | None = None
    exact: bool = True


def factors(queries: Axis, keys: Axis, n_tiles: int) -> tuple[int, int]:
    """Return over how many displayed queries and keys one cell of a thumbnail is the maximum."""
    cells = TILE_CELLS if n_tiles <= MANY_TILES else SMALL_TILE_CELLS
    return max(1, -(-len(queries) // cells)), max(1, -(-len(keys) // cells))


def shrink(
    values: Float[np.ndarray, "lane query key"], queries: Axis, keys: Axis, pool: tuple[int, int]
) -> Float[np.ndarray, "lane cell_query cell_key"]:
    """Return each lane as a thumbnail: hidden and merged as displayed, then the largest value of each block."""
    shown = merge(values, queries, keys)
    return np.stack([max_pool(lane, *pool) for lane in shown])


def model_frame(
    spec: Spec, tiles: Sequence[Tile], queries: Axis, keys: Axis, pool: tuple[int, int], *, unit: str, causal: bool,
    n_layers: int | None = None,
) -> Frame:  # fmt: skip
    """Return the frame of the model view: all thumbnails in one array, layer by layer.

    ``n_layers`` is how many there will be, where these are the first of them.
    """
    fields = common(spec, queries, keys, unit=unit, causal=causal, layer_label="all layers") | {
        "pool": list(pool),
        "n_layers": n_layers or len({t.layer for t in tiles}),
        "tiles": [
            {"layer": t.layer, "head": t.head, "saturation": t.saturation, "exact": int(t.exact)}
            for t in tiles
        ],
    }
    return Frame(fields, {"tiles": sqrt8(np.stack([t.cells for t in tiles]))})
