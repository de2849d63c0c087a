"""The rule for every index of the package: a whole number of 0 to n − 1."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from attn_widget.errors import InputError

EXISTS = "Choose one that exists."


def check_index(
    name: str, value: Any, n: int, remedy: str = EXISTS, *, negative: bool = True, where: str = ""
) -> int:
    """Return an index as an int of 0 to n − 1, or refuse it.

    Parameters
    ----------
    name
        The argument that the index was given as; the error begins with it.
    value
        An int, or anything that stands for one (NumPy and torch integers).
    n
        How many there are to choose from.
    remedy
        The sentence that ends the error.
    negative
        Whether −1 is the last one, as in a list.
    where
        The place that the error names, such as ``"layer 3"``.

    Raises
    ------
    InputError
        If the value is no whole number, or out of range.

    Examples
    --------
    >>> check_index("layer", -1, 12)
    11
    >>> check_index("layer", 12, 12)
    Traceback (most recent call last):
        ...
    attn_widget.errors.InputError: layer must be 0 to 11, got 12. Choose one that exists.
    """
    place = f" at {where}" if where else ""
    try:
        index = operator.index(value)
    except TypeError:
        raise InputError(
            f"{name} must be a whole number, got {value!r}{place}. Give an index of 0 to {n - 1}."
        ) from None
    if not (-n if negative else 0) <= index < n:
        raise InputError(f"{name} must be 0 to {n - 1}, got {index}{place}. {remedy}")
    return index % n


def check_indices(
    name: str,
    values: Iterable[Any],
    n: int,
    remedy: str = EXISTS,
    *,
    negative: bool = True,
    where: str = "",
) -> list[int]:
    """Return several indices as ints of 0 to n − 1, in their order; arguments as in `check_index`.

    Examples
    --------
    >>> check_indices("heads", [0, -1], 8)
    [0, 7]
    """
    return [check_index(name, value, n, remedy, negative=negative, where=where) for value in values]
