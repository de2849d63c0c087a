"""The numbers of a picture, from the attribution engine or from the cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attn_widget.attribution.methods import METHODS, attribute
from attn_widget.pictures.attention_sinks import sinks
from attn_widget.pictures.axes import Axis, pair
from attn_widget.pictures.cache import PictureCache
from attn_widget.pictures.frame import Numbers, cut
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.rules import VIEW_RULES, numbers_key
from attn_widget.records import Attribution, Capture, LayerAttention, Progress, to_numpy


@dataclass(frozen=True, eq=False)
class PartialNumbers:
    """The state of a computation that is not finished; rows still open hold their upper bound."""

    progress: Progress
    numbers: Numbers | None  # None while no row is known


OnPartial = Callable[[PartialNumbers], None]


class CaptureNumbers:
    """The numbers and axes of all pictures of one capture, cached between requests.

    Safe to use from several threads.

    Parameters
    ----------
    capture
        The recorded attention.
    """

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._cache = PictureCache()
        self._parts = {capture.part: capture}  # the capture at each part that was shown
        self._sinks: dict[tuple[str, int], tuple[int, ...]] = {}
        self._lock = threading.RLock()  # a cell and the request thread may run at the same time

    def at(self, spec: Spec) -> Capture:
        """Return the capture at the part of a spec; the same object every time."""
        with self._lock:  # what is computed is cached with the object
            if spec.part not in self._parts:
                self._parts[spec.part] = self.capture.at_part(spec.part)
            return self._parts[spec.part]

    def numbers(
        self, spec: Spec, on_partial: OnPartial | None = None, *, keep: bool = True
    ) -> Numbers:
        """Return the exact numbers of a spec, before tokens are hidden or merged.

        A lane per head, or one lane if the method joins heads.

        Parameters
        ----------
        spec
            What the picture shows.
        on_partial
            Called with the rows known so far; may raise `Cancelled`.
        keep
            Cache the result.
        """
        with self._lock:
            key = numbers_key(spec)
            numbers = self._cache.get(key)
            if numbers is None:
                start = time.perf_counter()
                numbers = self._compute(spec, None, on_partial)
                if keep:
                    self._cache.put(key, numbers, _size(numbers), time.perf_counter() - start)
            return numbers

    def numbers_at(self, spec: Spec, side: str, positions: Sequence[int]) -> Numbers:
        """Return the numbers of these positions along ``side``, "query" or "key".

        Query rows that are not cached are computed without the other rows.
        """
        with self._lock:
            cached = self._cache.get(numbers_key(spec))
            if cached is None and side == "query":
                return replace(self._compute(spec, list(positions), None), exact=None)
            return cut(cached if cached is not None else self.numbers(spec), side, positions)

    def is_cached(self, spec: Spec) -> bool:
        """Return whether the numbers of a spec are available without computing them."""
        return numbers_key(spec) in self._cache

    def drop_cheap(self) -> None:
        """Drop cached values that are quickly computed again; waits for a running computation."""
        with self._lock:
            self._cache.drop_cheap()

    def axes(self, spec: Spec) -> tuple[Axis, Axis]:
        """Return the displayed rows (queries) and columns (keys) of a spec."""
        return pair(
            *self.at(spec).axes(spec.attention),
            hide_special=spec.hide_special,
            words=spec.words,
            segments=spec.segments,
            sinks=self._attention_sinks(spec) if spec.hide_sinks else (),
        )

    def _attention_sinks(self, spec: Spec) -> tuple[int, ...]:
        """Return the attention sinks of a group of layers, measured once."""
        capture, place = self.at(spec), (spec.attention, spec.part)
        with self._lock:
            if place not in self._sinks:
                queries, keys = capture.axes(spec.attention)
                group = capture.group(spec.attention)
                self._sinks[place] = sinks(group, same_text=queries is keys)
            return self._sinks[place]

    def _compute(self, spec: Spec, rows: list[int] | None, on_partial: OnPartial | None) -> Numbers:
        capture = self.at(spec)
        layer = capture.group(spec.attention)[spec.layer]
        heads = _heads(spec, layer)
        # Only the options in the method's table, because the cache key has no others.
        options = {name: getattr(spec, name) for name in METHODS[spec.method].options}
        results = [
            attribute(
                capture,
                spec.method,
                attention=spec.attention,
                layer=spec.layer,
                head=head,
                query=rows,
                progress=None if on_partial is None else _partial(on_partial, heads, layer),
                **options,
            )
            for head in heads
        ]
        arrays = [to_numpy(r.values) for r in results]
        values = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
        first: Attribution = results[0]
        return replace(
            _numbers(values, heads, layer),
            unit=first.unit,
            saturation=first.saturation,
            divided_by=first.baseline,
            upper=_known(first.upper),
            lower=_known(first.lower),
            saturated=_known(first.saturated),
        )


def _partial(
    on_partial: OnPartial, heads: tuple[int | None, ...], layer: LayerAttention
) -> Callable[[Progress], None]:
    """Return a progress callback for the attribution engine that passes the known rows on."""

    def report(step: Progress) -> None:
        numbers = None
        if step.values is not None:
            numbers = replace(
                _numbers(to_numpy(step.values)[None], heads, layer),
                unit="flow",
                exact=None if step.exact is None else np.asarray(step.exact, bool),
            )
        on_partial(PartialNumbers(step, numbers))

    return report


def _heads(spec: Spec, layer: LayerAttention) -> tuple[int | None, ...]:
    """Return the lanes of a spec: all heads, one head, or None for a method that joins heads."""
    if not METHODS[spec.method].per_head:
        return (None,)
    return (spec.head,) if VIEW_RULES[spec.view].one_head else tuple(range(layer.n_heads))


def _numbers(values: np.ndarray, heads: tuple[int | None, ...], layer: LayerAttention) -> Numbers:
    """Return values with their lanes, the name of their layers, and whether they are causal."""
    joined = heads == (None,)
    square = values.shape[-1] == values.shape[-2] > 1
    many = joined and layer.layer > 0
    return Numbers(
        values=values,
        lanes=heads,
        layer_label=f"layers 0–{layer.layer}" if many else f"layer {layer.layer}",
        causal=square and _is_causal(values),
    )


def _is_causal(values: np.ndarray, block: int = 64) -> bool:
    """Return whether no query has weight on a later key; stops at the first block that has."""
    n = values.shape[1]

    def any_weight(part: np.ndarray) -> bool:
        return bool((part > 0).any())  # NaN does not count as weight

    return not any(
        any_weight(values[:, i : i + block, i + block :])
        or any_weight(np.triu(values[:, i : i + block, i : i + block], 1))
        for i in range(0, n, block)
    )


def _known(array: Any) -> np.ndarray | None:
    return None if array is None else to_numpy(array)


def _size(numbers: Numbers) -> int:
    """Return the bytes of the matrices."""
    arrays = (numbers.values, numbers.upper, numbers.lower, numbers.saturated)
    return sum(array.nbytes for array in arrays if array is not None)
