"""Remembers what was worked out for a capture, as long as the capture lives and the bytes are few."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

BYTES_PER_CAPTURE = 256 * 2**20

_lock = threading.Lock()
_of_capture: WeakKeyDictionary[Any, _Memory] = WeakKeyDictionary()


class _Memory:
    """The values of one capture, oldest use first."""

    def __init__(self) -> None:
        self.values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.lock = threading.RLock()  # values are made from other values of the same capture


def remembered(
    capture: Any, key: Hashable, make: Callable[[], Any], *, bytes_ahead: int = 0
) -> Any:
    """Return ``make()``, from memory when it was made before; None when ``bytes_ahead`` says it would not fit."""
    if bytes_ahead > BYTES_PER_CAPTURE:
        return None
    with _lock:
        memory = _of_capture.setdefault(capture, _Memory())
    with memory.lock:
        if key in memory.values:
            memory.values.move_to_end(key)
            return memory.values[key][0]
        value = make()
        memory.values[key] = (value, _size(value))
        while (
            len(memory.values) > 1
            and sum(size for _, size in memory.values.values()) > BYTES_PER_CAPTURE
        ):
            memory.values.popitem(last=False)
        return value


def _size(value: Any) -> int:
    """Return the bytes of an array, of a network, or of a tuple of them."""
    if isinstance(value, (tuple, list)):
        return sum(map(_size, value))
    return int(getattr(value, "nbytes", 0))
