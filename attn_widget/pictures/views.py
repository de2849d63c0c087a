"""One entry per view: a Spec in, the Frame of that view out, by way of the numbers it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from attn_widget.attribution.methods import PER_HEAD
from attn_widget.errors import InputError
from attn_widget.pictures.axes import Axis, displayed
from attn_widget.pictures.frame import Numbers, head_frame, matrix_frame
from attn_widget.pictures.model import Tile, factors, model_frame, shrink
from attn_widget.pictures.neuron import neuron_frame
from attn_widget.pictures.numbers import NumbersOf, Partial
from attn_widget.pictures.protocol import Frame, Spec
from attn_widget.pictures.rules import frame_key
from attn_widget.pictures.score_stages import stages_of
from attn_widget.pictures.text import text_frame
from attn_widget.records import Progress

Report = Callable[[Progress, Any], None]


@dataclass(frozen=True)
class Drawing:
    """What one request asks to be drawn, and whom to tell how far it has come."""

    numbers: NumbersOf
    spec: Spec
    data: dict[str, Any]
    report: Report

    def axes(self) -> tuple[Axis, Axis]:
        """Return the displayed rows and columns."""
        return self.numbers.axes(self.spec)

    def whole(self, make: Callable[[Numbers], Frame]) -> Frame:
        """Return the frame of all numbers; while they are being computed, frames of what is there.

        A frame is kept: the still picture in the cell and the page's first question are of the same.
        """
        kept = self.numbers.remembered.get(frame_key(self.spec))
        if kept is not None:
            return kept

        def on_progress(partial: Partial) -> None:
            numbers = partial.numbers
            self.report(partial.progress, None if numbers is None else lambda: make(numbers))

        frame = make(self.numbers.whole(self.spec, on_progress))
        nbytes = sum(array.nbytes for array, _, _ in frame.arrays.values())
        self.numbers.remembered.put(frame_key(self.spec), frame, nbytes)
        return frame


def _head(drawing: Drawing) -> Frame:
    return drawing.whole(lambda numbers: head_frame(drawing.spec, numbers, *drawing.axes()))


def _matrix(drawing: Drawing) -> Frame:
    return drawing.whole(lambda numbers: matrix_frame(drawing.spec, numbers, *drawing.axes()))


def _text(drawing: Drawing) -> Frame:
    capture = drawing.numbers.capture
    _, keys = capture.axes(drawing.spec.attention)
    return drawing.whole(
        lambda n: text_frame(drawing.spec, n, *drawing.axes(), keys, capture.image)
    )


def _model(drawing: Drawing) -> Frame:
    """Draw thumbnail after thumbnail, so that they appear as they are made and no layer is held whole."""
    spec, numbers_of = drawing.spec, drawing.numbers
    queries, keys = drawing.axes()
    keeps_heads = spec.method in PER_HEAD
    places = numbers_of.capture.places(spec.attention)
    places = places if keeps_heads else [(i, 0) for i in dict.fromkeys(i for i, _ in places)]
    n_layers = len({i for i, _ in places})
    pool = factors(queries, keys, len(places))
    tiles: list[Tile] = []
    unit, causal = "share", True

    def frame() -> Frame:
        return model_frame(
            spec, tiles, queries, keys, pool, unit=unit, causal=causal, n_layers=n_layers
        )

    for done, (i, h) in enumerate(places):

        def on_progress(partial: Partial, done: int = done, started: bool = bool(tiles)) -> None:
            step = partial.progress
            rows = max(step.total, 1)
            step = replace(step, done=done * rows + step.done, total=len(places) * rows)
            drawing.report(step, frame if started else None)

        one = replace(spec, layer=i, head=h, view="matrix")
        numbers = numbers_of.whole(one, on_progress, remember=not keeps_heads)
        unit, causal = numbers.unit, causal and numbers.causal
        (cells,) = shrink(numbers.values, queries, keys, pool)
        tiles.append(Tile(i, numbers.lanes[0], cells, numbers.saturation))
        drawing.report(Progress("drawing", done + 1, len(places)), frame)
    return frame()


def _neuron(drawing: Drawing) -> Frame:
    spec, capture = drawing.spec, drawing.numbers.capture
    layer = capture.group(spec.attention)[spec.layer]
    query = drawing.data.get("query", layer.n_queries - 1)
    if not isinstance(query, int) or not 0 <= query < layer.n_queries:
        raise InputError(
            f"query must be 0 to {layer.n_queries - 1}, got {query!r}. Choose a position of the text."
        )
    queries, keys = (displayed(tokens) for tokens in capture.axes(spec.attention))
    return neuron_frame(spec, stages_of(layer, spec.head, query), queries, keys, query)


# In menu order. A view that is here can be chosen; js/src/views has a painter for each.
VIEWS: dict[str, Callable[[Drawing], Frame]] = {
    "head": _head,
    "model": _model,
    "neuron": _neuron,
    "matrix": _matrix,
    "text": _text,
}
