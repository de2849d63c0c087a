"""How far long work has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far long work has come; a progress callback may raise `Cancelled` to stop it."""

    what: str  # "flow", "running the model" …
    done: int
    total: int  # 0: length unknown
    values: Any = None  # (query, key), filled row by row; rows still open hold the upper bound
    exact: Any = None  # (query,) True where the row is exact


# A callback for long work.
Report = Callable[[Progress], None]
