"""What is computed from captures: a method's answer, numbers per head, what a model predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records.arrays import to_numpy


@dataclass(frozen=True, eq=False)
class Attribution:
    """One method's answer: how much each query takes from each key, and how far to trust it.

    ``np.asarray(attribution)`` is ``values``.
    """

    method: str
    values: Any  # (query, key): only the rows in `rows`
    rows: tuple[int, ...]  # the query positions that `values` holds
    layer: int
    start_layer: int = 0
    attention: str = "self"  # which group
    unit: str = (
        "share"  # "share": rows sum to 1; "flow": attention capacity; "ratio": times the baseline;
    )
    # "score": change of the score asked for; "norm": length of the vector that is sent
    lower: Any = None  # (query, key) never above the value
    upper: Any = None  # (query, key) never below the value
    saturated: Any = (
        None  # (query, key) bool: the value equals its bound and so says nothing of this query
    )
    saturation: float | None = None  # share of pairs at the bound
    sink_mass: Any = None  # (query,) share that went to no key
    other_mass: Any = (
        None  # (query,) share that went to the other stream's tokens, where two streams take part
    )
    residual: float | None = None
    reduce: str | None = None
    normalise: bool = False
    baseline: str | None = None  # what values were divided by; None when they were not

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(to_numpy(self.values), dtype=dtype)


@dataclass(frozen=True, eq=False)
class HeadScores:
    """One number per layer and head: what a head metric or a relation search measured."""

    name: str  # "entropy", "previous token" …: what stands in menus and above columns
    values: (
        np.ndarray
    )  # (layer, head); NaN where a layer has no such head or nothing could be measured
    attention: str = "self"  # which group of the capture
    unit: str = "share"  # "share", "tokens", "bits" …

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(self.values, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model answers at one place: the token that comes next, a class, or one number of its output."""

    kind: str  # "token", "class" or "score"
    logits: Any = None  # (class,) NumPy float32; None for a score
    label_of: Callable[[int], str] = field(
        default=str, repr=False
    )  # what a class or token is called
    position: int | None = None  # the position whose logits these are; None for a class or a score
    loss: float | None = (
        None  # mean of −ln p over the text's own tokens, each from those before it; None: not asked
    )
    score: float | None = None  # the value of the function that was asked for
    asked: int | None = None  # the token or class that was asked for

    @property
    def probabilities(self) -> np.ndarray:
        """Return the distribution over tokens or classes, ``(class,)``, which sums to 1."""
        if self.logits is None:
            raise InputError(
                "probabilities must be of tokens or classes, got a score. Ask without a function."
            )
        powers = np.exp(self.logits.astype(np.float64) - self.logits.max())
        return powers / powers.sum()

    def top(self, n: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the n most likely tokens or classes, each with its probability, most likely first."""
        shares = self.probabilities
        first = np.argsort(-shares, kind="stable")[:n]
        return tuple((self.label_of(int(i)), float(shares[i])) for i in first)
