"""Encode numbers in few bytes for a page: square roots in a few bits, then deflated.

``js/src/static/numbers.js`` reads this format. Each part is deflated on its own, to a byte
boundary, so that parts can be made once, measured, left out, and joined to one stream in any order.
"""

from __future__ import annotations

import zlib

import numpy as np
from jaxtyping import Bool, Float

from attn_widget.errors import InputError

MISSING = 255
END = b"\x03\x00"  # an empty last block, which ends the joined stream


def code(
    values: Float[np.ndarray, "query key"], bits: int, *, causal: bool = False
) -> tuple[bytes, float]:
    """Return a matrix as one code per byte, and its scale.

    A code is ``round(top·√(value / scale))`` with ``top = 2^bits − 1``; ``bits`` is at most 7, so
    that `MISSING` can stand for NaN. Key by key, because the weights on one key are similar and
    deflate better than the row of a query. A causal matrix keeps only its triangle. The scale is
    1, or the largest value if that is above 1.

    Raises
    ------
    InputError
        If a value is infinite or below 0.
    """
    known = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    largest = float(known.max(initial=0.0))
    if not np.isfinite(largest) or float(known.min(initial=0.0)) < -1e-6:
        raise InputError(
            "values must be finite and at least 0, got infinity or a negative. Check the attention."
        )
    scale = largest if largest > 1.0 else 1.0
    codes = np.round(np.sqrt(np.clip(known, 0, None) / scale) * _top(bits)).astype(np.uint8)
    codes[np.isnan(values)] = MISSING
    return (codes.T[_triangle(*values.shape)] if causal else codes.T).tobytes(), scale


def error_of(value: float, bits: int) -> float:
    """Return the largest rounding error of a share: half a step on the square-root scale."""
    half = 0.5 / _top(bits)
    return 2 * half * value**0.5 + half**2


def sums(values: Float[np.ndarray, "query key"]) -> bytes:
    """Return each row's sum as float32, rounded to 1 part in 4096: equal sums deflate well."""
    bits = values.sum(axis=1).astype("<f4").view("<u4")
    return ((bits + 0x800) & 0xFFFFF000).astype("<u4").tobytes()


def deflated(data: bytes) -> bytes:
    """Return a part of a raw deflate stream that can be joined with other parts in any order."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_FILTERED)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def _top(bits: int) -> int:
    return 2**bits - 1


def _triangle(n_queries: int, n_keys: int) -> Bool[np.ndarray, "key query"]:
    """Return which pairs, by key and query, a causal matrix holds."""
    return np.tri(n_queries, n_keys, dtype=bool).T
