"""What is computed from captures: attributions, numbers per head, and predictions of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records.arrays import to_numpy


@dataclass(frozen=True, eq=False)
class Attribution:
    """One method's values: how much each query takes from each key, and how far to trust it.

    ``np.asarray(attribution)`` is ``values``.

    Parameters
    ----------
    method
        Name of the method.
    values
        ``(query, key)``: only the rows in ``rows``.
    rows
        The query positions that ``values`` holds.
    layer, start_layer, attention
        The top layer, the first layer, and the group of the capture.
    unit
        ``"share"``: rows sum to 1; ``"flow"``: attention capacity; ``"ratio"``: times the baseline;
        ``"score"``: change of an output; ``"norm"``: length of the vector that is passed on.
    lower, upper
        ``(query, key)``: never above the value, never below it.
    saturated
        ``(query, key)`` bool: the value equals its bound, so it does not depend on this query.
    saturation
        Share of pairs at the bound.
    sink_mass
        ``(query,)``: share that went to no key.
    other_mass
        ``(query,)``: share that went to tokens of the other stream, where two take part.
    residual, reduce, normalise
        How the joint matrices and the rows were made.
    baseline
        What the values were divided by; None: not divided.
    """

    method: str
    values: Any
    rows: tuple[int, ...]
    layer: int
    start_layer: int = 0
    attention: str = "self"
    unit: str = "share"
    lower: Any = None
    upper: Any = None
    saturated: Any = None
    saturation: float | None = None
    sink_mass: Any = None
    other_mass: Any = None
    residual: float | None = None
    reduce: str | None = None
    normalise: bool = False
    baseline: str | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(to_numpy(self.values), dtype=dtype)


@dataclass(frozen=True, eq=False)
class HeadScores:
    """One number per layer and head: the result of a head metric or a search.

    Parameters
    ----------
    name
        "entropy", "previous token" …: the text of menus and columns.
    values
        ``(layer, head)``; NaN where a layer has no such head or nothing could be measured.
    attention
        Group of the capture.
    unit
        "share", "tokens", "bits" …
    """

    name: str
    values: np.ndarray
    attention: str = "self"
    unit: str = "share"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(self.values, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model predicts at one position: the next token, a class, or a number of its output.

    Parameters
    ----------
    kind
        ``"token"``, ``"class"`` or ``"score"``.
    logits
        ``(class,)`` NumPy float32; None for a score.
    label_of
        Id of a class or token -> its text.
    position
        The position of the logits; None for a class or a score.
    loss
        Mean of −ln p over the text's own tokens, in nats; None: not computed.
    score
        The value of the function ``output``.
    asked
        The token or class that ``output`` names.
    """

    kind: str
    logits: Any = None
    label_of: Callable[[int], str] = field(default=str, repr=False)
    position: int | None = None
    loss: float | None = None
    score: float | None = None
    asked: int | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """Return the distribution over tokens or classes, ``(class,)``, which sums to 1."""
        if self.logits is None:
            raise InputError(
                "probabilities must be of tokens or classes, got a score. Omit the function output."
            )
        powers = np.exp(self.logits.astype(np.float64) - self.logits.max())
        return powers / powers.sum()

    def top(self, n: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the n most likely tokens or classes with their probabilities, in that order."""
        shares = self.probabilities
        first = np.argsort(-shares, kind="stable")[:n]
        return tuple((self.label_of(int(i)), float(shares[i])) for i in first)
