"""Who runs a model, and how far long work has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from attn_widget.records.capture import Capture


@dataclass(frozen=True)
class Progress:
    """How far long work has come; a progress callback may raise `Cancelled` to stop it."""

    what: str  # "flow", "compiling (once)", "running the model"
    done: int
    total: int  # 0: length unknown
    values: Any = None  # (query, key), filled row by row; rows still open hold the upper bound
    exact: Any = None  # (query,) True where the row is exact


@runtime_checkable
class Runner(Protocol):
    """What the widget, the head searches and the faithfulness tests need of a model."""

    name: str

    def run(self, text: Any, pair: str | None = None, **options: Any) -> Capture:
        """Run the model once on a text (or prepared inputs) and return its capture."""
