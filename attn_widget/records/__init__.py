"""The nouns that travel through the house: Tokens, Capture, Attribution, HeadScores, Prediction, Runner and so on.

Frozen values without behaviour beyond looking at themselves. Arrays are NumPy or torch; these modules
import neither torch nor a user interface. Axis order is always ``(layer, head, query, key)``;
queries and keys are ``(head, token, channel)``.
"""

from attn_widget.records.arrays import to_numpy
from attn_widget.records.capture import Capture, Step
from attn_widget.records.indices import check_index, check_indices
from attn_widget.records.layers import LayerAttention, most_heads
from attn_widget.records.results import Attribution, HeadScores, Prediction
from attn_widget.records.tokens import Tokens
from attn_widget.records.work import Progress, Runner

__all__ = [
    "Attribution",
    "Capture",
    "HeadScores",
    "LayerAttention",
    "Prediction",
    "Progress",
    "Runner",
    "Step",
    "Tokens",
    "check_index",
    "check_indices",
    "most_heads",
    "to_numpy",
]
