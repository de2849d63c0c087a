"""The names that bertviz's neuron-view tutorials import, straight from transformers: no model need be a copy."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return what transformers calls this."""
    if name.startswith("__"):
        raise AttributeError(name)
    import transformers

    return getattr(transformers, name)
