"""The shade of each token of the text view, as `shades` in js/src/views/text/words.js has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.pictures.lines import Focus, Selection, focus_of, lanes_on, pairs_of, row_total
from attn_widget.pictures.protocol import Frame


@dataclass(frozen=True, eq=False)
class Shade:
    """Weights of the pinned queries on each key, or of each query on the pinned keys.

    They are summed over the pinned rows and averaged over the selected heads.
    """

    side: str  # of the pinned tokens: "query" or "key"
    rows: list[int]  # the pinned rows
    values: Float[np.ndarray, " row"]
    axis: dict[str, Any]  # of the tokens that are shaded
    largest: float  # of the tokens that are not special
    n_lanes: int
    total: float  # summed over lanes: attention of the pinned queries to all keys
    apart: float  # part of the total on hidden keys, else on special tokens


def shade_of(frame: Frame, selection: Selection, name: str = "weights") -> Shade | None:
    """Return the shade of the pinned queries, else of the pinned keys; None if nothing is pinned.

    ``name`` is the array of weights, as in `pairs_of`.
    """
    focus, lanes = focus_of(frame, selection), lanes_on(frame, selection.heads)
    if focus is None or not lanes:
        return None
    fields = frame.fields
    axis = fields["keys" if focus.side == "query" else "queries"]
    values = _means(pairs_of(frame, name), focus, lanes, len(axis["text"]))
    special = np.array(axis["special"], bool)
    largest = float(np.nanmax(values, where=~special, initial=0.0))
    total, hidden = (
        row_total(frame, name, lanes, focus.rows) for name in ("row_sum", "hidden_mass")
    )
    if fields["keys"].get("hidden"):
        apart = hidden
    else:
        apart = float(np.nansum(values[special])) * len(lanes) if focus.side == "query" else 0.0
    return Shade(focus.side, focus.rows, values, axis, largest, len(lanes), total, apart)


def _means(
    pairs: tuple[np.ndarray, ...], focus: Focus, lanes: list[int], n: int
) -> Float[np.ndarray, " row"]:
    lane, query, key, weight = pairs
    own, other = (query, key) if focus.side == "query" else (key, query)
    wanted = np.isin(lane, lanes) & np.isin(own, focus.rows)
    return np.bincount(other[wanted], weight[wanted], minlength=n) / len(lanes)
