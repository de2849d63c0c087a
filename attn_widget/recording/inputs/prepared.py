"""`Prepared`: the inputs of a model, and what `capture` should know of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Prepared:
    """Model inputs, and what `capture` should know of them."""

    inputs: Any
    options: dict[str, Any] = field(default_factory=dict)
