"""What was computed lately, kept within one limit for all widgets: a cell run 200 times makes 200 of them."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

LIMIT_BYTES = 256 * 2**20
ALWAYS = 2  # the newest stay however large they are: the numbers of what is looked at, and the frame made of them
CHEAP_S = 1.0  # what took less is dropped as soon as no page shows it: it is there again before anybody waits


@dataclass(frozen=True)
class Entry:
    """What was computed, how large it is, and how long it took."""

    value: Any
    nbytes: int
    seconds: float


_kept: OrderedDict[tuple[int, tuple], Entry] = OrderedDict()  # (owner, key): oldest first
_lock = threading.RLock()


class Remembered:
    """One widget's part of the memory that all share; the newest entries of all are never dropped."""

    def __init__(self) -> None:
        self._owner = id(self)
        weakref.finalize(self, _forget, self._owner)

    def __contains__(self, key: tuple) -> bool:
        """Return whether something is kept under a key."""
        return (self._owner, key) in _kept

    def get(self, key: tuple) -> Any:
        """Return what was kept under a key, which then counts as used last; None where it is not there."""
        with _lock:
            if (self._owner, key) not in _kept:
                return None
            _kept.move_to_end((self._owner, key))
            return _kept[self._owner, key].value

    def put(self, key: tuple, value: Any, nbytes: int, seconds: float = 0.0) -> None:
        """Keep what took so long, and drop what was not used for longest while all together are too large."""
        with _lock:
            _kept[self._owner, key] = Entry(value, nbytes, seconds)
            _kept.move_to_end((self._owner, key))
            total = sum(entry.nbytes for entry in _kept.values())
            while total > LIMIT_BYTES and len(_kept) > ALWAYS:
                total -= _kept.popitem(last=False)[1].nbytes

    def forget_cheap(self) -> None:
        """Drop what is computed again in a moment: no page shows the widget."""
        _forget(self._owner, CHEAP_S)


def _forget(owner: int, below_s: float = float("inf")) -> None:
    """Drop all that one widget kept and that took less than so many seconds."""
    with _lock:
        for key in [
            key for key, kept in _kept.items() if key[0] == owner and kept.seconds < below_s
        ]:
            del _kept[key]
