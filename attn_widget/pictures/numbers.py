"""A Spec in, the Numbers of that drawing out: the one place where the widget asks the attribution engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attn_widget.attribution.methods import PER_HEAD, attribute
from attn_widget.pictures.attention_sinks import sinks
from attn_widget.pictures.axes import Axis, pair
from attn_widget.pictures.cache import Remembered
from attn_widget.pictures.frame import Numbers, cut
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.rules import VIEW_RULES, numbers_key
from attn_widget.records import Attribution, Capture, LayerAttention, Progress, to_numpy

Report = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class Partial:
    """Numbers of work that is not finished: open rows hold their upper bound."""

    progress: Progress
    numbers: Numbers


class NumbersOf:
    """The numbers of one capture, remembered so that a hover after a flow does not compute it again."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.remembered = Remembered()
        self._sinks: dict[str, tuple[int, ...]] = {}
        self._lock = threading.RLock()  # a cell and the answering thread may ask at once

    def whole(
        self,
        spec: Spec,
        progress: Callable[[Partial], None] | None = None,
        *,
        remember: bool = True,
    ) -> Numbers:
        """Return the matrices of a spec: a lane per head for methods that keep heads apart, else one lane."""
        with self._lock:
            key = numbers_key(spec)
            numbers = self.remembered.get(key)
            if numbers is None:
                start = time.perf_counter()
                numbers = self._compute(spec, None, progress)
                if remember:
                    self.remembered.put(key, numbers, _size(numbers), time.perf_counter() - start)
            return numbers

    def forget_cheap(self) -> None:
        """Drop what is computed again in a moment; waits for what is being computed."""
        with self._lock:
            self.remembered.forget_cheap()

    def axes(self, spec: Spec) -> tuple[Axis, Axis]:
        """Return the rows and columns that a spec shows."""
        return pair(
            *self.capture.axes(spec.attention),
            hide_special=spec.hide_special,
            words=spec.words,
            segments=spec.segments,
            sinks=self.sinks(spec.attention) if spec.hide_sinks else (),
        )

    def sinks(self, attention: str) -> tuple[int, ...]:
        """Return the key positions that take most of a group's attention, measured once."""
        with self._lock:
            if attention not in self._sinks:
                queries, keys = self.capture.axes(attention)
                self._sinks[attention] = sinks(
                    self.capture.group(attention), same_text=queries is keys
                )
            return self._sinks[attention]

    def knows(self, spec: Spec) -> bool:
        """Return whether the numbers of a spec are there without computing them."""
        return numbers_key(spec) in self.remembered

    def line(self, spec: Spec, side: str, members: Sequence[int]) -> Numbers:
        """Return the numbers of only these positions along ``side``; a row is computed without the others."""
        with self._lock:
            known = self.remembered.get(numbers_key(spec))
            if known is None and side == "query":
                return replace(self._compute(spec, list(members), None), exact=None)
            return cut(known if known is not None else self.whole(spec), side, members)

    def _compute(
        self, spec: Spec, rows: list[int] | None, progress: Callable[[Partial], None] | None
    ) -> Numbers:
        layer = self.capture.group(spec.attention)[spec.layer]
        heads = _heads(spec, layer)

        def report(step: Progress) -> None:
            values = None if step.values is None else to_numpy(step.values)
            progress(
                Partial(
                    step,
                    None
                    if values is None
                    else _numbers(values[None], heads, layer, exact=step.exact),
                )
            )

        results = [
            attribute(
                self.capture,
                spec.method,
                attention=spec.attention,
                layer=spec.layer,
                head=head,
                query=rows,
                residual=spec.residual,
                reduce=spec.reduce,
                normalise=spec.normalise,
                baseline=spec.baseline,
                progress=report if progress is not None else None,
            )
            for head in heads
        ]
        arrays = [to_numpy(r.values) for r in results]
        values = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
        return _numbers(values, heads, layer, result=results[0])


def _heads(spec: Spec, layer: LayerAttention) -> tuple[int | None, ...]:
    """Return the lanes of a spec: all heads, or one for views of one head, none for methods that join them."""
    if spec.method not in PER_HEAD:
        return (None,)
    return (spec.head,) if VIEW_RULES[spec.view].one_head else tuple(range(layer.n_heads))


def _numbers(
    values: np.ndarray,
    heads: tuple[int | None, ...],
    layer: LayerAttention,
    *,
    result: Attribution | None = None,
    exact: Any = None,
) -> Numbers:
    joined = heads == (None,)
    square = values.shape[-1] == values.shape[-2] > 1
    numbers = Numbers(
        values=values,
        lanes=heads,
        unit="flow" if result is None else result.unit,
        layer_label=f"layers 0–{layer.layer}"
        if joined and layer.layer > 0
        else f"layer {layer.layer}",
        causal=square and _is_causal(values),
        exact=None if exact is None else np.asarray(exact, bool),
    )
    if result is None:
        return numbers
    arrays = {
        name: None if a is None else to_numpy(a)
        for name, a in vars(result).items()
        if name in _BOUNDS
    }
    return replace(numbers, saturation=result.saturation, divided_by=result.baseline, **arrays)


def _is_causal(values: np.ndarray, block: int = 64) -> bool:
    """Return whether no query takes anything from a later key; stops at the first block of rows that does."""
    n = values.shape[1]
    taken = lambda part: bool((part > 0).any())  # what is no number is no look ahead  # noqa: E731
    return not any(
        taken(values[:, i : i + block, i + block :])
        or taken(np.triu(values[:, i : i + block, i : i + block], 1))
        for i in range(0, n, block)
    )


def _size(numbers: Numbers) -> int:
    """Return the bytes of the matrices."""
    arrays = (numbers.values, numbers.upper, numbers.lower, numbers.saturated)
    return sum(array.nbytes for array in arrays if array is not None)


_BOUNDS = ("upper", "lower", "saturated")
