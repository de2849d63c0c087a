"""Means over any number of texts in bounded memory, and how far they can be trusted."""

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


class Tally:
    """Adds texts up, in any order, and resamples them as it goes.

    Each text is drawn Poisson(1) times into each bootstrap sample: for many texts that is drawing with replacement,
    and no text need be kept (Hanley and MacGibbon 2006; Chamandy et al. 2012, "Estimating Uncertainty for Massive
    Data Streams"). How often depends on the text's number only, so neither order nor workers change it.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.n_texts = 0
        self.n_matched = 0  # texts with at least one pair
        self.n_pairs = 0
        self.hidden = 0
        self.offsets: Counter[int] = Counter()
        self.n_skipped = 0
        self.skipped: list[tuple[int, str]] = []
        self._sums: Array | None = None
        self._counts: Array | None = None
        self._resampled: tuple[np.ndarray, np.ndarray] | None = (
            None  # (sample, measure, layer, head) each
        )
        self._only: Measured | None = None  # while there is one text that counts

    def skip(self, index: int, reason: str) -> None:
        """Count a text that could not be run."""
        self.n_skipped += 1
        if len(self.skipped) < NAMED:
            self.skipped.append((index, reason))

    def add(self, index: int, one: Measured) -> None:
        """Add one text."""
        if self._sums is None:
            self._sums, self._counts = np.zeros_like(one.sums), np.zeros_like(one.counts)
            self._resampled = tuple(np.zeros((SAMPLES, *one.sums.shape)) for _ in range(2))
        if one.sums.shape != self._sums.shape:
            raise InputError(
                f"texts must be of one model, got {one.sums.shape[1:]} layers and heads at text {index} after "
                f"{self._sums.shape[1:]}. Search each model by itself."
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
        for total, part in zip(self._resampled, (one.sums, one.counts), strict=True):
            drawn = times > 0
            total[drawn] += times[drawn, None, None, None] * part

    def means(self) -> Array:
        """Return the mean of every measure; NaN where nothing could be measured."""
        return _ratio(self._sums, self._counts)

    def interval(self) -> tuple[Array, Array]:
        """Return the bootstrap interval of every mean: over texts, or over the pairs of one text; NaN where unknown."""
        sums, counts = self._resampled
        if self._only is not None:
            parts = self._only.parts
            if parts is None or len(parts) < 2:
                return np.full_like(self._sums, np.nan), np.full_like(self._sums, np.nan)
            times = np.random.default_rng([self.seed]).multinomial(
                len(parts), [1 / len(parts)] * len(parts), SAMPLES
            )
            sums = np.tensordot(times.astype(float), parts, 1)
            counts = np.broadcast_to(self._counts, sums.shape)
        means = _ratio(sums, counts)
        out = np.full((2, *self._sums.shape), np.nan)
        known = (counts > 0).any(0)
        tail = (1 - LEVEL) / 2
        out[:, known] = np.nanquantile(means[:, known], [tail, 1 - tail], axis=0)
        return out[0], out[1]

    def by_position(self) -> tuple[int, float] | None:
        """Return the fixed distance that answers most queries, and the share of queries it answers."""
        if not self.n_pairs:
            return None
        offset, answered = max(self.offsets.items(), key=lambda pair: (pair[1], -abs(pair[0])))
        return offset, answered / self.n_pairs


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return sums over counts; NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
