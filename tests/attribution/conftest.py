"""Captures whose streams and axes all differ in length."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widget.records import Capture, LayerAttention, Tokens
from tests.conftest import softmax_rows

ENCODER, DECODER = 4, 3  # tokens


def layer_of(
    weights: np.ndarray, layer: int, kind: str = "self", stream: str = "", **more: object
) -> LayerAttention:
    """Return a recorded layer that holds these weights."""
    heads, queries, keys = weights.shape
    name = f"{stream or 'model'}.{layer}.{kind}"
    return LayerAttention(name, kind, stream, layer, heads, queries, keys, weights=weights, **more)


@pytest.fixture
def translator() -> Capture:
    """Encoder: 2 layers, 4 tokens; decoder: 2 layers, 3 tokens, with cross-attention; 2 heads."""
    rng = np.random.default_rng(2)
    encoder = [
        layer_of(softmax_rows(rng, 2, ENCODER, ENCODER), i, "self", "encoder") for i in range(2)
    ]
    decoder = []
    for i in range(2):
        own = softmax_rows(rng, 2, DECODER, DECODER, causal=True)
        decoder.append(layer_of(own, i, "self", "decoder", causal=True))
        decoder.append(layer_of(softmax_rows(rng, 2, DECODER, ENCODER), i, "cross", "decoder"))
    streams = {"encoder": Tokens(tuple("wxyz")), "decoder": Tokens(tuple("abc"))}
    return Capture((*encoder, *decoder), streams, {"decoder": "encoder"})


@pytest.fixture
def causal_attention() -> np.ndarray:
    """Decoder attention, (4 layers, 3 heads, 5 queries, 5 keys)."""
    return softmax_rows(np.random.default_rng(3), 4, 3, 5, 5, causal=True)
