"""A part of a matrix that was too large to send whole: only what is on screen, as fine as the screen shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

from attn_widget.errors import InputError
from attn_widget.pictures.axes import Axis, merge
from attn_widget.pictures.frame import Numbers, max_pool
from attn_widget.pictures.protocol import MAX_MESSAGE_BYTES, Frame, Spec, sqrt8


@dataclass(frozen=True)
class Region:
    """Displayed queries and keys ``start`` to ``stop``, and over how many of each one cell is the maximum."""

    queries: tuple[int, int]
    keys: tuple[int, int]
    pool: int

    @classmethod
    def parse(cls, data: dict[str, Any], n_queries: int, n_keys: int) -> Region:
        """Return the region that a request asks for.

        Raises
        ------
        InputError
            If a bound lies outside the axis, ``pool`` is no whole number above 0, or a reply would be too large.
        """
        pool = data.get("pool")
        if type(pool) is not int or pool < 1:
            raise InputError(
                f"pool must be a whole number from 1, got {pool!r}. Ask again with one."
            )
        cells = 1
        for name, n in (("rows", n_queries), ("columns", n_keys)):
            bounds = data.get(name)
            whole = (
                isinstance(bounds, list)
                and len(bounds) == 2
                and all(type(i) is int for i in bounds)
            )
            if not whole or not 0 <= bounds[0] < bounds[1] <= n:
                raise InputError(
                    f"{name} must be [start, stop] within 0 to {n}, got {bounds!r}. Ask for less."
                )
            cells *= -(-(bounds[1] - bounds[0]) // pool)
        if cells > MAX_MESSAGE_BYTES:
            most = MAX_MESSAGE_BYTES
            raise InputError(
                f"pool must leave at most {most} cells, got {cells} at pool {pool}. Ask for fewer."
            )
        return cls(tuple(data["rows"]), tuple(data["columns"]), pool)


def region_frame(spec: Spec, numbers: Numbers, queries: Axis, keys: Axis, region: Region) -> Frame:
    """Return the cells of a region.

    ``numbers`` holds only the token positions that the region's rows and columns stand for, in their order.
    """
    q, k = _part(queries, region.queries), _part(keys, region.keys)
    shown = merge(numbers.values[:1], q, k)[0]
    fields = {
        "view": spec.view,
        "capture_id": spec.capture_id,
        "spec": asdict(spec),
        "pool": region.pool,
        "rows": list(region.queries),
        "columns": list(region.keys),
    }
    return Frame(fields, {"weights": sqrt8(max_pool(shown, region.pool, region.pool))})


def members(axis: Axis, bounds: tuple[int, int]) -> Sequence[int]:
    """Return the token positions that the displayed rows ``start`` to ``stop`` stand for, in order."""
    return [i for group in axis.positions[slice(*bounds)] for i in group]


def _part(axis: Axis, bounds: tuple[int, int]) -> Axis:
    """Return a part of an axis as one of its own, whose positions count what `members` keeps."""
    groups = axis.positions[slice(*bounds)]
    ends = list(accumulate(map(len, groups), initial=0))
    positions = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    n = len(groups)
    return Axis(("",) * n, positions, (False,) * n, (0,) * n, n_tokens=ends[-1])
