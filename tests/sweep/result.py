"""What became of one model class."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OUTCOMES = (
    "exact", "exact, parts refused", "refused", "wrong", "unexplained", "no attention",
    "not built", "not run",
)  # fmt: skip


@dataclass
class Result:
    """What became of one model class."""

    family: str
    model: str
    outcome: str
    why: str = ""
    layers: int = 0
    error: float = 0.0
    peak: float = 1.0  # the largest weight of its flattest layer
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inputs: dict[str, list[int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
