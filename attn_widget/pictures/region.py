"""A part of a matrix that was too large to send whole, in the resolution of the screen."""

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
    """Displayed rows and columns ``start`` to ``stop``; a cell is the maximum of pool × pool."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    pool: int

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Region:
        """Return the region of a request.

        Raises
        ------
        InputError
            If ``rows`` or ``columns`` is not a pair of integers, or ``pool`` is not an integer
            of at least 1.
        """
        pool = data.get("pool")
        if type(pool) is not int or pool < 1:
            raise InputError(f"pool must be an integer of at least 1, got {pool!r}. Send one.")
        return cls(_bounds("rows", data.get("rows")), _bounds("columns", data.get("columns")), pool)

    def check(self, n_rows: int, n_columns: int) -> None:
        """Refuse a region outside the matrix, or with more cells than fit one message."""
        cells = 1
        for name, n in (("rows", n_rows), ("columns", n_columns)):
            start, stop = getattr(self, name)
            if not 0 <= start < stop <= n:
                raise InputError(
                    f"{name} must be [start, stop] within 0 to {n}, got {[start, stop]}. "
                    "Send a part of the axis."
                )
            cells *= -(-(stop - start) // self.pool)
        if cells > MAX_MESSAGE_BYTES:
            raise InputError(
                f"pool must leave at most {MAX_MESSAGE_BYTES} cells, got {cells} at pool "
                f"{self.pool}. Choose a larger pool or a smaller region."
            )


def region_frame(spec: Spec, numbers: Numbers, queries: Axis, keys: Axis, region: Region) -> Frame:
    """Return the cells of a region.

    ``numbers`` holds only the token positions of the region's rows and columns, in their order.
    """
    q, k = _part(queries, region.rows), _part(keys, region.columns)
    shown = merge(numbers.values[:1], q, k)[0]
    fields = {
        "view": spec.view,
        "capture_id": spec.capture_id,
        "spec": asdict(spec),
        "pool": region.pool,
        "rows": list(region.rows),
        "columns": list(region.columns),
    }
    return Frame(fields, {"weights": sqrt8(max_pool(shown, region.pool, region.pool))})


def members(axis: Axis, bounds: tuple[int, int]) -> Sequence[int]:
    """Return the token positions of the displayed rows ``start`` to ``stop``, in order."""
    return [i for group in axis.positions[slice(*bounds)] for i in group]


def _part(axis: Axis, bounds: tuple[int, int]) -> Axis:
    """Return a part of an axis as an axis whose positions index the result of `members`."""
    groups = axis.positions[slice(*bounds)]
    ends = list(accumulate(map(len, groups), initial=0))
    positions = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    n = len(groups)
    return Axis(("",) * n, positions, (False,) * n, (0,) * n, n_tokens=ends[-1])


def _bounds(name: str, value: Any) -> tuple[int, int]:
    """Return ``[start, stop]`` of a request as a pair of integers."""
    if not isinstance(value, list) or [type(i) for i in value] != [int, int]:
        raise InputError(f"{name} must be [start, stop], got {value!r}. Send two integers.")
    return value[0], value[1]
