"""The classes that bertviz's neuron-view tutorials import: those of transformers itself."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the object of this name in transformers."""
    if name.startswith("__"):
        raise AttributeError(name)
    import transformers

    return getattr(transformers, name)
