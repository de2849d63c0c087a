"""What was computed lately, kept within one limit for all widgets: a cell run 200 times makes 200 of them."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict

from attn_widget.frames.frame import Numbers

LIMIT_BYTES = 256 * 2**20
CHEAP_S = 1.0  # what took less is dropped as soon as no page shows it: it is there again before anybody waits

_kept: OrderedDict[tuple[int, tuple], tuple[Numbers, float]] = OrderedDict()  # (owner, key): oldest first
_lock = threading.RLock()


class Remembered:
    """One widget's part of the memory that all share; the newest entry of all is never dropped."""

    def __init__(self) -> None:
        self._owner = id(self)
        weakref.finalize(self, _forget, self._owner)

    def __contains__(self, key: tuple) -> bool:
        """Return whether the numbers of a key are there."""
        return (self._owner, key) in _kept

    def get(self, key: tuple) -> Numbers | None:
        """Return the numbers of a key, which then count as used last; None where they are not there."""
        with _lock:
            if (self._owner, key) not in _kept:
                return None
            _kept.move_to_end((self._owner, key))
            return _kept[self._owner, key][0]

    def put(self, key: tuple, numbers: Numbers, seconds: float = 0.0) -> None:
        """Keep numbers that took so long, and drop what was not used for longest while all together are too large."""
        with _lock:
            _kept[self._owner, key] = numbers, seconds
            _kept.move_to_end((self._owner, key))
            total = sum(_size(numbers) for numbers, _ in _kept.values())
            while total > LIMIT_BYTES and len(_kept) > 1:
                total -= _size(_kept.popitem(last=False)[1][0])

    def forget_cheap(self) -> None:
        """Drop what is computed again in a moment: no page shows the widget."""
        _forget(self._owner, CHEAP_S)


def _forget(owner: int, below_s: float = float("inf")) -> None:
    """Drop all that one widget kept and that took less than so many seconds."""
    with _lock:
        for key in [key for key, (_, seconds) in _kept.items() if key[0] == owner and seconds < below_s]:
            del _kept[key]


def _size(numbers: Numbers) -> int:
    """Return the bytes of the matrices."""
    arrays = (numbers.values, numbers.upper, numbers.lower, numbers.saturated)
    return sum(array.nbytes for array in arrays if array is not None)
