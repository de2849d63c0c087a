"""Attention, rollout and flow of any transformer, live in a notebook.

>>> import attn_widget as aw
>>> import numpy as np
>>> aw.rollout(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]))
array([[0.875, 0.125],
       [0.25 , 0.75 ]])

Names load on first use: importing the package imports neither torch nor anywidget.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The module of each public name. The keys are the public API; `__all__` is made from them.
_MODULES = {
    "Ablation": "heads.ablation",
    "AttentionWidget": "widget.widget",
    "AttnWidgetError": "errors",
    "Attribution": "records",
    "Cancelled": "errors",
    "Capture": "records",
    "Comparison": "widget.comparison",
    "HeadScores": "records",
    "HeadSearch": "heads.search_result",
    "HeadTable": "heads.head_table",
    "InputError": "errors",
    "LayerAttention": "records",
    "MethodError": "errors",
    "ModelRunner": "recording.model_runner",
    "NoAttentionError": "errors",
    "Prediction": "records",
    "Progress": "records",
    "Runner": "records",
    "Step": "records",
    "Tokens": "records",
    "ablate": "heads.ablation",
    "ablation_scan": "heads.ablation",
    "attribute": "attribution.methods",
    "capture": "recording.capture",
    "compare": "api",
    "explore": "api",
    "faithfulness": "truth.faithfulness",
    "flow": "attribution.flow",
    "from_arrays": "recording.from_arrays",
    "head_metrics": "heads.metrics",
    "implied_weights": "recording.tracing.kernelised",
    "induction_scores": "heads.induction",
    "plot_heads": "api",
    "rollout": "attribution.rollout",
    "search_heads": "heads.search",
    "to_networkx": "attribution.networkx_graph",
}

__all__ = sorted(_MODULES)

if TYPE_CHECKING:  # the same names for type checkers and editors
    from attn_widget.api import compare as compare
    from attn_widget.api import explore as explore
    from attn_widget.api import plot_heads as plot_heads
    from attn_widget.attribution.flow import flow as flow
    from attn_widget.attribution.methods import attribute as attribute
    from attn_widget.attribution.networkx_graph import to_networkx as to_networkx
    from attn_widget.attribution.rollout import rollout as rollout
    from attn_widget.errors import AttnWidgetError as AttnWidgetError
    from attn_widget.errors import Cancelled as Cancelled
    from attn_widget.errors import InputError as InputError
    from attn_widget.errors import MethodError as MethodError
    from attn_widget.errors import NoAttentionError as NoAttentionError
    from attn_widget.heads.ablation import Ablation as Ablation
    from attn_widget.heads.ablation import ablate as ablate
    from attn_widget.heads.ablation import ablation_scan as ablation_scan
    from attn_widget.heads.head_table import HeadTable as HeadTable
    from attn_widget.heads.induction import induction_scores as induction_scores
    from attn_widget.heads.metrics import head_metrics as head_metrics
    from attn_widget.heads.search import search_heads as search_heads
    from attn_widget.heads.search_result import HeadSearch as HeadSearch
    from attn_widget.recording.capture import capture as capture
    from attn_widget.recording.from_arrays import from_arrays as from_arrays
    from attn_widget.recording.model_runner import ModelRunner as ModelRunner
    from attn_widget.recording.tracing.kernelised import implied_weights as implied_weights
    from attn_widget.records import Attribution as Attribution
    from attn_widget.records import Capture as Capture
    from attn_widget.records import HeadScores as HeadScores
    from attn_widget.records import LayerAttention as LayerAttention
    from attn_widget.records import Prediction as Prediction
    from attn_widget.records import Progress as Progress
    from attn_widget.records import Runner as Runner
    from attn_widget.records import Step as Step
    from attn_widget.records import Tokens as Tokens
    from attn_widget.truth.faithfulness import faithfulness as faithfulness
    from attn_widget.widget.comparison import Comparison as Comparison
    from attn_widget.widget.widget import AttentionWidget as AttentionWidget


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(
            f"module 'attn_widget' has no attribute {name!r}. Public names: {', '.join(__all__)}."
        )
    value = getattr(importlib.import_module(f"attn_widget.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
