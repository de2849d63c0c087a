"""What is this model looking at? Attention, rollout and flow of any transformer, live in a notebook.

>>> import attn_widget as aw
>>> import numpy as np
>>> aw.rollout(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]))
array([[0.875, 0.125],
       [0.25 , 0.75 ]])

The names below load on first use: importing the package brings in neither torch nor anywidget.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. The keys are the public API; `__all__` is made from them.
_HOME = {
    "AttentionWidget": "widget.widget",
    "AttnWidgetError": "errors",
    "Attribution": "records",
    "Cancelled": "errors",
    "Capture": "records",
    "InputError": "errors",
    "LayerAttention": "records",
    "MethodError": "errors",
    "ModelRunner": "recording.runner",
    "NoAttentionError": "errors",
    "Progress": "records",
    "Runner": "records",
    "Tokens": "records",
    "attribute": "attribution.methods",
    "capture": "recording.routes",
    "explore": "api",
    "flow": "attribution.flow",
    "from_arrays": "recording.arrays",
    "rollout": "attribution.rollout",
}

__all__ = sorted(_HOME)  # noqa: PLE0605

if TYPE_CHECKING:
    from attn_widget.api import explore
    from attn_widget.attribution.flow import flow
    from attn_widget.attribution.methods import attribute
    from attn_widget.attribution.rollout import rollout
    from attn_widget.errors import AttnWidgetError, Cancelled, InputError, MethodError, NoAttentionError
    from attn_widget.records import Attribution, Capture, LayerAttention, Progress, Runner, Tokens
    from attn_widget.recording.arrays import from_arrays
    from attn_widget.recording.routes import capture
    from attn_widget.recording.runner import ModelRunner
    from attn_widget.widget.widget import AttentionWidget


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'attn_widget' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    value = getattr(importlib.import_module(f"attn_widget.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
