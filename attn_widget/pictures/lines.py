"""Which lines of a head frame are drawn, and how much attention has no line.

js/src/views/shared/edges.js has the same rule in JavaScript. It uses only the frame, with its
rounded weights, so that the live page, a page without a kernel, a figure and the still picture of
one state draw the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.protocol import Frame, decoded

LIMITS: dict[str, int] = DRAWING["lines"]


@dataclass(frozen=True)
class Selection:
    """The part of a frame to draw: selected heads, pinned tokens, the smallest weight of a line.

    ``layer`` and ``head`` select the map that the caption of the model view describes.
    """

    heads: Sequence[int] = ()
    query: Sequence[int] = ()
    key: Sequence[int] = ()
    threshold: float = 0.0
    layer: int = 0
    head: int = 0


@dataclass(frozen=True)
class Focus:
    """The pinned rows or columns."""

    side: str  # "query" or "key"
    rows: list[int]


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a picture, weakest first."""

    lane: Int[np.ndarray, " line"]
    query: Int[np.ndarray, " line"]
    key: Int[np.ndarray, " line"]
    weight: Float[np.ndarray, " line"]
    per_row: int | None  # largest number of lines per query and lane; None: no limit
    pairs: int  # number of pairs, each of which could have a line
    total: float  # sum of the weights of all pairs, hidden keys included
    hidden: float  # part of the total on hidden keys
    rest: float  # part of the total on pairs without a line

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.weight)

    @property
    def left_out(self) -> float:
        """Return the share (0 to 1) of pairs without a line in the total without hidden keys."""
        # Rounded weights may sum to more than the total.
        return min(max(0.0, self.rest), self.total - self.hidden) / (self.total or 1.0)


def rows_of(axis: dict[str, Any], positions: Sequence[int]) -> list[int]:
    """Return the displayed rows that represent any of these token positions."""
    wanted = set(positions)
    return [i for i, group in enumerate(axis["positions"]) if wanted & set(group)]


def lanes_on(frame: Frame, heads: Sequence[int]) -> list[int]:
    """Return the lanes of the selected heads; the lane of a joint method is always drawn."""
    lanes = frame.fields["lanes"]
    return [i for i, lane in enumerate(lanes) if lane["head"] is None or lane["head"] in heads]


def focus_of(frame: Frame, selection: Selection) -> Focus | None:
    """Return the pinned queries, else the pinned keys; None if nothing is pinned."""
    for side, axis in (("query", "queries"), ("key", "keys")):
        rows = rows_of(frame.fields[axis], getattr(selection, side))
        if rows:
            return Focus(side, rows)
    return None


def per_row_limit(n_queries: int, n_keys: int, n_lanes: int, *, whole: bool) -> int | None:
    """Return the largest number of lines of a query per lane; None if there is no limit."""
    if whole and max(n_queries, n_keys) <= LIMITS["all_pairs_up_to"]:
        return None
    rows = min(n_queries, LIMITS["rows"]) * max(1, n_lanes)
    return max(1, min(LIMITS["most_per_row"], n_keys, LIMITS["most"] // rows))


def lines_of(frame: Frame, selection: Selection) -> Lines:
    """Return the lines of a head frame: of the pinned rows, else of all rows."""
    fields = frame.fields
    n_queries, n_keys = len(fields["queries"]["text"]), len(fields["keys"]["text"])
    lanes = lanes_on(frame, selection.heads)
    focus = focus_of(frame, selection)
    whole = "weights" in frame.arrays
    lane, query, key, weight = pairs_of(frame)
    wanted = np.isin(lane, lanes)
    limit = None if focus else per_row_limit(n_queries, n_keys, len(lanes), whole=whole)
    if focus:
        wanted &= np.isin(query if focus.side == "query" else key, focus.rows)
        others = n_keys if focus.side == "query" else n_queries
        pairs = len(lanes) * len(focus.rows) * others
    else:
        pairs = len(lanes) * n_queries * n_keys
    if focus and focus.side == "key":
        total, hidden = float(np.nansum(weight[wanted], dtype=np.float64)), 0.0
    else:
        rows = focus.rows if focus else list(range(n_queries))
        total, hidden = (row_total(frame, name, lanes, rows) for name in ("row_sum", "hidden_mass"))
    carried = float(np.nansum(weight[wanted], dtype=np.float64))
    if not whole and not (focus and focus.side == "key"):  # the frame holds only the strongest keys
        carried = total - hidden
    with np.errstate(invalid="ignore"):  # NaN has no line
        wanted &= (weight >= selection.threshold) & (weight > 0)
    if limit is not None:
        wanted &= _strongest(frame, limit)
    found = np.flatnonzero(wanted)
    found = found[np.argsort(weight[found], kind="stable")]
    # Sum the pairs without a line instead of subtracting the lines from the total, because the
    # rounding error of small weights is smaller.
    rest = carried - float(weight[found].sum(dtype=np.float64))
    lines = lane[found], query[found], key[found], weight[found]
    return Lines(*lines, limit, pairs, total, hidden, rest)


def in_viewport(lines: Lines, first: int, last: int) -> tuple[Int[np.ndarray, " drawn"], int]:
    """Return the strongest lines of queries ``first`` to ``last`` - 1, and how many are dropped."""
    inside = np.flatnonzero((lines.query >= first) & (lines.query < last))
    dropped = max(0, len(inside) - LIMITS["most"])
    return inside[dropped:], dropped


def line_style(weight: Float[np.ndarray, " line"], scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return opacity (0 to 1) and width (px) of lines; ``scale`` is the largest possible weight."""
    style, part = DRAWING["line"], np.clip(weight / scale, 0, 1)
    opacity = np.clip(part ** style["opacity_power"], style["least_opacity"], 1)
    return opacity, style["width"] + style["width_range"] * part


def lane_offsets(n_lanes: int) -> Float[np.ndarray, " lane"]:
    """Return the vertical offset of each drawn lane from the middle of its row, in px."""
    style = DRAWING["line"]
    gap = min(style["lane_gap"], style["lanes_room"] / max(1, n_lanes))
    return (np.arange(n_lanes) - (n_lanes - 1) / 2) * gap


def pairs_of(
    frame: Frame, name: str = "weights"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return lane, query, key and weight of every pair in the frame.

    ``name`` is the array of weights: ``weights``, or ``exact_weights`` if the frame has them.
    """
    if name in frame.arrays:
        weight = decoded(frame, name)
        weight = weight if weight.ndim == 3 else weight[None]
        lane, query, key = np.indices(weight.shape).reshape(3, -1)
        return lane, query, key, weight.ravel()
    weight = decoded(frame, "edges_weight")
    lane, query, _ = np.indices(weight.shape).reshape(3, -1)
    key = frame.arrays["edges_key"][0].ravel().astype(np.int64)
    return lane, query, key, weight.ravel()


def _strongest(frame: Frame, limit: int) -> Bool[np.ndarray, " pair"]:
    """Return which candidates are the strongest of their query and lane; ties: lower key."""
    weight = decoded(frame, "weights" if "weights" in frame.arrays else "edges_weight")
    weight = weight if weight.ndim == 3 else weight[None]
    order = np.argsort(-weight, axis=2, kind="stable")[..., :limit]
    kept = np.zeros(weight.shape, bool)
    np.put_along_axis(kept, order, True, axis=2)
    return kept.ravel()


def row_total(frame: Frame, name: str, lanes: Sequence[int], rows: Sequence[int]) -> float:
    """Return a total summed over lanes and queries; if missing, rows sum to 1 and hide nothing."""
    if name not in frame.arrays:
        return float(len(lanes) * len(rows)) if name == "row_sum" else 0.0
    totals = frame.arrays[name][0].astype(np.float64)
    return float(np.nansum(totals[np.ix_(list(lanes), list(rows))]))
