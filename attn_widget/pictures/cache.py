"""Cache of computed numbers and frames, with one limit in bytes for all widgets of a process.

Running a cell 200 times makes 200 widgets, so a limit per widget would not bound the memory.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

LIMIT_BYTES = 256 * 2**20
CHEAP_S = 1.0  # results that took less time are dropped as soon as no page shows the widget

Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class Entry:
    """A cached value, its size, and the time it took to compute."""

    value: Any
    nbytes: int
    seconds: float


def shared_cache(limit_bytes: int) -> LRUCache:
    """Return a least-recently-used cache of `Entry` that always holds the two newest entries.

    An entry counts for at most half the limit, so the numbers on screen and their frame stay
    cached even if they are larger than the limit.
    """
    return LRUCache(limit_bytes, getsizeof=lambda entry: min(entry.nbytes, limit_bytes // 2))


_entries = shared_cache(LIMIT_BYTES)  # (owner, key) -> Entry
_lock = threading.RLock()


class PictureCache:
    """The part of the shared cache that belongs to one capture's pictures.

    Examples
    --------
    >>> cache = PictureCache()
    >>> cache.put(("layer", 3), "numbers", nbytes=80)
    >>> cache.get(("layer", 3)), cache.get(("layer", 4))
    ('numbers', None)
    """

    def __init__(self) -> None:
        self._owner = id(self)
        weakref.finalize(self, _drop, self._owner)

    def __contains__(self, key: Key) -> bool:
        """Return whether a value is cached under this key; does not count as a use."""
        return (self._owner, key) in _entries

    def get(self, key: Key) -> Any:
        """Return the value of a key, which becomes the most recently used; None if not cached."""
        with _lock:
            entry = _entries.get((self._owner, key))
            return None if entry is None else entry.value

    def put(self, key: Key, value: Any, nbytes: int, seconds: float = 0.0) -> None:
        """Cache a value of ``nbytes`` bytes that took ``seconds`` to compute."""
        with _lock:
            _entries[self._owner, key] = Entry(value, nbytes, seconds)

    def drop_cheap(self) -> None:
        """Drop the values that can be computed again within `CHEAP_S`."""
        _drop(self._owner, CHEAP_S)


def _drop(owner: int, below_s: float = float("inf")) -> None:
    """Drop the values of one owner that took less than ``below_s`` seconds."""
    with _lock:
        for key in list(_entries):
            if key[0] == owner and _entries[key].seconds < below_s:
                del _entries[key]
