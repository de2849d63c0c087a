"""Format numbers for captions and pictures, rounding halves up, as js/src/format.js does."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float, digits: int) -> str:
    """Return a number with this many decimals and the sign U+2212 for minus.

    Examples
    --------
    >>> fixed(-0.125, 2), fixed(-0.001, 2), fixed(float("nan"), 2)
    ('−0.13', '0.00', 'not a number')
    """
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    exact = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    text = f"{exact:f}"
    return text.lstrip("-") if exact == 0 else text.replace("-", "−")


def percent(share: float, digits: int = 1) -> str:
    """Return a share between 0 and 1 as a percentage."""
    return f"{fixed(100 * share, digits)} %"


def count(n: int) -> str:
    """Return an integer with commas between thousands."""
    return f"{n:,}"


def many(n: int, thing: str) -> str:
    """Return a count with its noun: ``1 head``, ``1,200 heads``."""
    return f"{count(n)} {thing}{'' if n == 1 else 's'}"


def brief(value: float) -> str:
    """Return a label of a scale, with three significant digits."""
    return f"{value:.3g}".replace("-", "−")


def power(value: float) -> str:
    """Return a small number as ``3.5 × 10⁻⁷``."""
    if not value:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits} × 10{str(int(exponent)).translate(_RAISED)}"
