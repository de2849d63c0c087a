"""Cache of intermediate results of a capture: bounded in bytes, freed with the capture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from attn_widget.records import Capture

BYTES_PER_CAPTURE = 256 * 2**20


class _Cache(LRUCache[Hashable, Any]):
    """The results of one capture; the least recently used are removed first."""

    def __init__(self) -> None:
        super().__init__(BYTES_PER_CAPTURE, getsizeof=_size)
        self.lock = threading.RLock()  # one result may be computed from another of the same capture


_lock = threading.Lock()
_caches: WeakKeyDictionary[Capture, _Cache] = WeakKeyDictionary()


def cached(
    capture: Capture, key: Hashable, make: Callable[[], Any], *, bytes_ahead: int = 0
) -> Any:
    """Return ``make()``, from the cache where it was made before.

    None where ``bytes_ahead``, the size that the caller expects, is larger than the cache.
    """
    if bytes_ahead > BYTES_PER_CAPTURE:
        return None
    with _lock:
        cache = _caches.setdefault(capture, _Cache())
    with cache.lock:
        value = cache.get(key)
        if value is None:
            value = make()
            with suppress(ValueError):  # larger than the whole cache: returned and not kept
                cache[key] = value
        return value


def _size(value: Any) -> int:
    """Return the bytes of an array, of a network, or of a tuple of them."""
    if isinstance(value, (tuple, list)):
        return sum(map(_size, value))
    return int(getattr(value, "nbytes", 0))
