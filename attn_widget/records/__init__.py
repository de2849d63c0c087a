"""The values that pass between packages: `Tokens`, `Capture`, `Attribution` and others.

Frozen values, the rules for them (indices, weights), and the protocols of a runner. Arrays are
NumPy or torch; these modules import neither torch nor a user interface. Axis order is always
``(layer, head, query, key)``; queries and keys are ``(head, token, channel)``.
"""

from attn_widget.records.arrays import to_numpy
from attn_widget.records.capture import Capture, Step
from attn_widget.records.deprecation import renamed_arguments
from attn_widget.records.indices import check_index, check_indices
from attn_widget.records.layers import LayerAttention, most_heads
from attn_widget.records.progress import Progress, Report
from attn_widget.records.protocols import ABLATE_MODES, Runner
from attn_widget.records.results import Attribution, HeadScores, Prediction
from attn_widget.records.tokens import Tokens

__all__ = [
    "ABLATE_MODES",
    "Attribution",
    "Capture",
    "HeadScores",
    "LayerAttention",
    "Prediction",
    "Progress",
    "Report",
    "Runner",
    "Step",
    "Tokens",
    "check_index",
    "check_indices",
    "most_heads",
    "renamed_arguments",
    "to_numpy",
]
