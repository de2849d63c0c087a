"""Means over any number of texts in bounded memory, with bootstrap intervals."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.heads.measures import Measured

SAMPLES = 200  # bootstrap samples
LEVEL = 0.95
NAMED = 1000  # skipped texts that are named; more are only counted

Array = Float[np.ndarray, "measure layer head"]


class RunningMeans:
    """Adds texts in any order, and resamples them at the same time.

    Each text is drawn Poisson(1) times into each bootstrap sample. For many texts that is drawing
    with replacement, and no text is kept in memory (Hanley and MacGibbon 2006; Chamandy et al.
    2012, "Estimating Uncertainty for Massive Data Streams"). The number of draws depends on the
    text's number only, so neither the order nor the number of workers changes the intervals.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.n_texts = 0
        self.n_matched = 0  # texts in which there was something to measure
        self.n_pairs = 0
        self.hidden = 0
        self.offsets: Counter[int] = Counter()
        self.n_skipped = 0
        self.skipped: list[tuple[int, str]] = []
        zeros = np.zeros((0, 0, 0))  # of no text: given their shape by the first one
        self._sums, self._counts = zeros, zeros
        self._sampled_sums = self._sampled_counts = zeros  # (sample, measure, layer, head)
        self._only: Measured | None = None  # the text, while only one was measured

    def skip(self, index: int, reason: str) -> None:
        """Count a text that could not be run."""
        self.n_skipped += 1
        if len(self.skipped) < NAMED:
            self.skipped.append((index, reason))

    def add(self, index: int, one: Measured) -> None:
        """Add one text.

        Raises
        ------
        InputError
            If it has another number of layers or heads than the texts before.
        """
        shape = one.sums.shape
        if not self.n_texts:
            self._sums, self._counts = np.zeros(shape), np.zeros(shape)
            self._sampled_sums, self._sampled_counts = np.zeros((2, SAMPLES, *shape))
        if shape != self._sums.shape:
            raise InputError(
                f"texts must be of one model, got {shape[1:]} layers and heads at text {index} "
                f"after {self._sums.shape[1:]}. Search each model by itself."
            )
        self.n_texts += 1
        if not one.counts.any():
            return
        self.n_matched += 1
        self._only = one if self.n_matched == 1 else None
        self.n_pairs += one.n_pairs
        self.hidden += one.hidden
        self.offsets.update(one.offsets)
        self._sums += one.sums
        self._counts += one.counts
        times = np.random.default_rng([self.seed, index]).poisson(1.0, SAMPLES).astype(float)
        drawn = times > 0
        weights = times[drawn, None, None, None]
        self._sampled_sums[drawn] += weights * one.sums
        self._sampled_counts[drawn] += weights * one.counts

    def means(self) -> Array:
        """Return the mean of every measure; NaN where nothing could be measured."""
        return _ratio(self._sums, self._counts)

    def interval(self) -> tuple[Array, Array]:
        """Return both ends of every mean's bootstrap interval; NaN where unknown.

        Texts are resampled; the pairs of the text where only one was measured.
        """
        sums, counts = self._sampled_sums, self._sampled_counts
        ends = np.full((2, *self._sums.shape), np.nan)
        if self._only is not None:
            parts = self._only.parts
            if parts is None or len(parts) < 2:
                return ends[0], ends[1]
            times = np.random.default_rng([self.seed]).multinomial(
                len(parts), [1 / len(parts)] * len(parts), SAMPLES
            )
            sums = np.tensordot(times.astype(float), parts, 1)
            counts = np.broadcast_to(self._counts, sums.shape)
        means = _ratio(sums, counts)
        known = (counts > 0).any(0)
        tail = (1 - LEVEL) / 2
        ends[:, known] = np.nanquantile(means[:, known], [tail, 1 - tail], axis=0)
        return ends[0], ends[1]

    def by_position(self) -> tuple[int, float] | None:
        """Return the most frequent distance key − query, and its share of the queries."""
        if not self.n_pairs:
            return None
        offset, found = max(self.offsets.items(), key=lambda pair: (pair[1], -abs(pair[0])))
        return offset, found / self.n_pairs


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return sums over counts; NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
