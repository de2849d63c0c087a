"""Captures whose layers have several parts, or different numbers of heads, with known weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attn_widget.records import Capture, LayerAttention, Tokens

WINDOWS, TOKENS = 4, 5


def peaked(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return attention of this shape whose rows have few large weights."""
    return rng.dirichlet(np.full(shape[-1], 0.4), shape[:-1])


def weights(seed: int = 5, layers: int = 3, heads: int = 2) -> np.ndarray:
    """Return peaked attention, (layer, window, head, query, key)."""
    return peaked(np.random.default_rng(seed), layers, WINDOWS, heads, TOKENS, TOKENS)


def windows(seed: int = 5, **fields) -> Capture:
    """Return 3 layers of 4 windows of 5 tokens, each window with tokens of its own."""
    given = weights(seed)
    layers = tuple(
        LayerAttention(
            f"layers.{i}", "self", "vision", i, 2, TOKENS, TOKENS, given[i, part],
            part=part, n_parts=WINDOWS,
        )
        for i in range(3)
        for part in range(WINDOWS)
    )  # fmt: skip
    streams = {
        "vision" if part == 0 else f"vision part {part + 1}": Tokens(
            tuple(f"{part}.{i}" for i in range(TOKENS))
        )
        for part in range(WINDOWS)
    }
    return Capture(layers, streams, model_name="toy", part_words={"vision": "window"}, **fields)


def uneven(heads: tuple[int, ...] = (4, 2, 3)) -> Capture:
    """Return layers that have these numbers of heads, over 3 tokens."""
    rng = np.random.default_rng(9)
    layers = tuple(
        LayerAttention(f"layers.{i}", "self", "", i, n, 3, 3, peaked(rng, n, 3, 3))
        for i, n in enumerate(heads)
    )
    return Capture(layers, {"": Tokens(("a", "b", "c"))}, model_name="toy")


def without(capture: Capture, **fields) -> Capture:
    """Return the capture with other fields."""
    return replace(capture, **fields)
