"""Fixtures whose axes differ in length, so that a transposed or swapped axis is detected."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from jaxtyping import install_import_hook

# Every test checks the shapes in signatures, except where jaxtyping is too old for it: before 0.3
# it rejects `Any` arrays, and the last version for Python 3.10 breaks numba's kernels.
if sys.version_info >= (3, 11) and int(version("jaxtyping").split(".")[1]) >= 3:
    install_import_hook("attn_widget", "typecheck.checked")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest

from attn_widget.records import Capture, LayerAttention, Tokens

LAYERS, HEADS, TOKENS, KEYS = 3, 2, 5, 7


def softmax_rows(rng: np.random.Generator, *shape: int, causal: bool = False) -> np.ndarray:
    """Return peaked attention of this shape, each row summing to 1."""
    scores = rng.normal(size=shape) * 2
    if causal:
        scores = np.where(np.tri(*shape[-2:], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def capture_of(
    attention: np.ndarray, tokens: Tokens, key_tokens: Tokens | None = None, kind: str = "self"
) -> Capture:
    """Return a capture that contains only these weights."""
    layers = tuple(
        LayerAttention(
            name=f"layers.{i}", kind=kind, stream="", layer=i,
            n_heads=a.shape[0], n_queries=a.shape[1], n_keys=a.shape[2], weights=a,
        )
        for i, a in enumerate(attention)
    )  # fmt: skip
    if key_tokens is None:
        return Capture(layers, {"": tokens}, model_name="toy")
    return Capture(layers, {"": tokens, "keys": key_tokens}, {"": "keys"}, model_name="toy")


@pytest.fixture
def attention() -> np.ndarray:
    """Encoder attention, (3 layers, 2 heads, 5 queries, 5 keys)."""
    return softmax_rows(np.random.default_rng(0), LAYERS, HEADS, TOKENS, TOKENS)


@pytest.fixture
def tokens() -> Tokens:
    """Five tokens: two special ones, and one word of two tokens."""
    return Tokens(
        text=("[CLS]", "key", "s", "turn", "[SEP]"),
        special=(True, False, False, False, True),
        words=(None, 0, 0, 1, None),
        spans=(None, (0, 3), (3, 4), (5, 9), None),
        source=("keys turn",),
    )


@pytest.fixture
def capture(attention: np.ndarray, tokens: Tokens) -> Capture:
    """A capture of `attention` without a model."""
    return capture_of(attention, tokens)


@pytest.fixture
def cross_capture() -> Capture:
    """Rectangular cross-attention: 3 layers, 2 heads, 5 queries, 7 keys."""
    weights = softmax_rows(np.random.default_rng(1), LAYERS, HEADS, TOKENS, KEYS)
    return capture_of(weights, Tokens(tuple("abcde")), Tokens(tuple("ABCDEFG")), kind="cross")
