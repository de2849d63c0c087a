"""Make the frames of head, matrix and text views, and measure what they omit, for the caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attn_widget.pictures.axes import Axis, merge, merge_flags
from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.protocol import MAX_MESSAGE_BYTES, Frame, Spec, common, plain, sqrt8

# Keys kept per row and lane if the whole matrix is too large to send: as many as have lines.
TOP_K: int = DRAWING["lines"]["most_per_row"]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The matrices of one frame, before tokens are hidden or merged.

    ``values`` is ``(lane, query, key)``: a lane per head, or one lane for a method that joins
    heads.
    """

    values: Float[np.ndarray, "lane query key"]
    lanes: tuple[int | None, ...]  # head numbers; None for a joined lane
    unit: str = "share"
    layer_label: str = ""
    causal: bool = False
    upper: Float[np.ndarray, "query key"] | None = None
    lower: Float[np.ndarray, "query key"] | None = None
    saturated: Bool[np.ndarray, "query key"] | None = None
    saturation: float | None = None
    exact: Bool[np.ndarray, " query"] | None = None
    divided_by: str | None = None


def head_frame(spec: Spec, numbers: Numbers, queries: Axis, keys: Axis) -> Frame:
    """Return the frame of the head view: whole lanes, or only the strongest keys if too large."""
    shown = merge(numbers.values, queries, keys)
    whole = shown.size <= MAX_MESSAGE_BYTES
    arrays = {"weights": sqrt8(shown)} if whole else strongest_keys(shown, TOP_K)
    arrays |= _totals(numbers, shown, queries) | _trust(numbers, queries, keys)
    return Frame(_fields(spec, numbers, queries, keys), arrays)


def matrix_frame(spec: Spec, numbers: Numbers, queries: Axis, keys: Axis) -> Frame:
    """Return the frame of the matrix view: one matrix, max-pooled where it is too large to send."""
    shown = merge(numbers.values[:1], queries, keys)[0]
    pool = 1
    while -(-shown.shape[0] // pool) * -(-shown.shape[1] // pool) > MAX_MESSAGE_BYTES:
        pool += 1
    arrays = {"weights": sqrt8(max_pool(shown, pool, pool))}
    arrays |= _totals(numbers, shown[None], queries)
    if pool == 1:
        arrays |= _trust(numbers, queries, keys)
    fields = _fields(spec, numbers, queries, keys)
    fields["lanes"] = fields["lanes"][:1]
    return Frame(fields | {"pool": pool}, arrays)


def row_frame(
    spec: Spec, numbers: Numbers, queries: Axis, keys: Axis, *, side: str, index: int
) -> Frame:
    """Return one displayed row (``side="query"``) or column (``"key"``) of all lanes as float32.

    ``numbers`` holds only the token positions of that displayed row along ``side`` (see `cut`), and
    all of them along the other axis.
    """
    cut_axis, other = (1, 2) if side == "query" else (2, 1)
    one = _one_row(numbers.values.shape[cut_axis])
    q, k = (one, keys) if side == "query" else (queries, one)
    line = (lambda a: a[:, 0, :]) if side == "query" else (lambda a: a[:, :, 0])
    arrays = {"values": plain(line(merge(numbers.values, q, k)).astype(np.float32))}
    for name in ("upper", "lower"):
        bound = getattr(numbers, name)
        if bound is not None:
            arrays[name] = plain(line(merge(bound[None], q, k))[0].astype(np.float32))
    if numbers.saturated is not None:
        arrays["saturated"] = plain(
            line(merge_flags(numbers.saturated, q, k)[None])[0].astype(np.uint8)
        )
    total = numbers.values.sum(axis=other)  # over all tokens, hidden ones included
    total = total.mean(axis=1) if side == "query" else total.sum(axis=1)
    fields = {
        "spec": asdict(spec),
        "side": side,
        "index": index,
        "unit": numbers.unit,
        "lanes": _lanes(spec, numbers),
        "sum": [float(t) if np.isfinite(t) else None for t in total],  # JSON has no NaN
    }
    return Frame(fields, arrays)


def exact(frame: Frame, numbers: Numbers, queries: Axis, keys: Axis) -> Frame:
    """Return a frame that also holds its exact weights, for pictures that print them.

    The rounded weights still decide which lines are drawn, as in the page. A frame that holds only
    the strongest keys, or pooled cells, is returned unchanged.
    """
    if "weights" not in frame.arrays or frame.fields.get("pool", 1) > 1:
        return frame
    shown = merge(numbers.values[: len(frame.fields["lanes"])], queries, keys).astype(np.float32)
    weights = shown if frame.arrays["weights"][0].ndim == 3 else shown[0]
    return replace(frame, arrays=dict(frame.arrays) | {"exact_weights": plain(weights)})


def cut(numbers: Numbers, side: str, members: Sequence[int]) -> Numbers:
    """Return the numbers of only these token positions along ``side`` ("query" or "key")."""
    chosen = list(members)

    def cut_array(array: np.ndarray | None) -> Any:
        if array is None:
            return None
        return array[..., chosen, :] if side == "query" else array[..., chosen]

    return replace(
        numbers,
        values=cut_array(numbers.values),
        upper=cut_array(numbers.upper),
        lower=cut_array(numbers.lower),
        saturated=cut_array(numbers.saturated),
        exact=None,
    )


def max_pool(
    matrix: Float[np.ndarray, "query key"], query_pool: int, key_pool: int
) -> Float[np.ndarray, "pooled_query pooled_key"]:
    """Return the largest value of each ``query_pool × key_pool`` block; edge blocks may be smaller.

    The maximum, not the mean, because a mean would hide a single large weight.
    """
    # Rows first: this reads the matrix once, in order, and the second step is then small.
    return _block_max(_block_max(matrix, query_pool).T, key_pool).T


def _block_max(matrix: np.ndarray, pool: int) -> np.ndarray:
    """Return the largest of each ``pool`` neighbouring rows; the last block may hold fewer."""
    if pool == 1:
        return matrix
    whole = len(matrix) // pool * pool
    blocks = matrix[:whole].reshape(-1, pool, matrix.shape[1]).max(axis=1)
    return (
        blocks
        if whole == len(matrix)
        else np.vstack([blocks, matrix[whole:].max(axis=0, keepdims=True)])
    )


def strongest_keys(shown: Float[np.ndarray, "lane query key"], k: int) -> dict[str, Any]:
    """Return the arrays of the ``k`` strongest keys of each row, strongest first."""
    k = min(k, shown.shape[2])
    left = shown.copy()
    keys = np.empty((*shown.shape[:2], k), np.uint16 if shown.shape[2] < 2**16 else np.uint32)
    for i in range(k):  # k passes of argmax are several times faster than one partial sort
        best = left.argmax(axis=2)[..., None]
        keys[..., i] = best[..., 0]
        np.put_along_axis(left, best, -1, axis=2)
    return {
        "edges_key": plain(keys),
        "edges_weight": sqrt8(np.take_along_axis(shown, keys.astype(np.int64), axis=2)),
    }


def _totals(numbers: Numbers, shown: np.ndarray, queries: Axis) -> dict[str, Any]:
    """Return the sum of each row over all keys, and over the hidden keys."""
    total = merge(numbers.values[: len(shown)].sum(axis=2, keepdims=True), queries, all_of(1))[
        :, :, 0
    ]
    hidden = np.clip(total - shown.sum(axis=2), 0, None)
    return {
        "row_sum": plain(total.astype(np.float32)),
        "hidden_mass": plain(hidden.astype(np.float32)),
    }


def _trust(numbers: Numbers, queries: Axis, keys: Axis) -> dict[str, Any]:
    """Return the arrays that describe how reliable the values of a joint method are."""
    arrays: dict[str, Any] = {}
    if numbers.upper is not None:
        arrays["upper"] = sqrt8(merge(numbers.upper[None], queries, keys)[0])
    if numbers.saturated is not None:
        arrays["saturated"] = plain(merge_flags(numbers.saturated, queries, keys).astype(np.uint8))
    if numbers.exact is not None:
        exact = [all(numbers.exact[p] for p in group) for group in queries.positions]
        arrays["exact"] = plain(np.array(exact, np.uint8))
    return arrays


def _fields(spec: Spec, numbers: Numbers, queries: Axis, keys: Axis) -> dict[str, Any]:
    fields = common(
        spec,
        queries,
        keys,
        unit=numbers.unit,
        causal=numbers.causal,
        layer_label=numbers.layer_label,
    )
    return fields | {
        "lanes": _lanes(spec, numbers),
        "saturation": numbers.saturation,
        "divided_by": numbers.divided_by,
    }


def _lanes(spec: Spec, numbers: Numbers) -> list[dict[str, Any]]:
    return [{"head": h, "name": spec.method if h is None else f"head {h}"} for h in numbers.lanes]


def _one_row(n: int) -> Axis:
    """Return an axis that merges all its n positions into one displayed row."""
    return Axis(("",), (tuple(range(n)),), (False,), (0,), -1)


def all_of(n: int) -> Axis:
    """Return an axis of n positions, one row each."""
    return Axis(("",) * n, tuple((i,) for i in range(n)), (False,) * n, (0,) * n, n)
