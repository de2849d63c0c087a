"""What the widget shows now, as a figure for print: its frame with exact numbers, and the caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attn_widget.attribution.methods import PER_HEAD
from attn_widget.figures.figure import figure
from attn_widget.pictures.frame import exact
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.model import Tile, model_frame, shrink
from attn_widget.pictures.numbers import NumbersOf
from attn_widget.pictures.protocol import Frame, Spec, plain
from attn_widget.pictures.views import VIEWS, Drawing
from attn_widget.records import Capture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attn_widget.widget.widget import AttentionWidget

CELLS = 96  # of a small map along an axis: more cannot be told apart in print
NO_WEIGHTS = ("model", "neuron")  # views whose frames hold no weights of one layer


def figure_of(widget: AttentionWidget, theme: str) -> Figure:
    """Return the figure of what a widget shows."""
    spec = widget._spec()
    data = {"query": widget.query[0]} if widget.query else {}
    drawing = Drawing(widget._numbers, spec, data, lambda *_: None)
    frame = VIEWS[spec.view](drawing)
    if spec.view not in NO_WEIGHTS:
        frame = exact(frame, widget._numbers.whole(spec), *drawing.axes())
    picked = Selection(widget.heads, widget.query, widget.key, widget.threshold)
    return figure(frame, picked, caption(widget.capture, spec, frame, widget.heads), theme=theme)


def heads_figure(
    capture: Capture, spec: Spec, layers: Sequence[int], heads: Sequence[int] | None, theme: str
) -> Figure:
    """Return the figure of these layers and heads as small maps; ``heads`` None: all that a layer has."""
    group = capture.group(spec.attention)
    numbers_of = NumbersOf(capture)
    queries, keys = numbers_of.axes(spec)
    pool = tuple(max(1, -(-len(axis) // CELLS)) for axis in (queries, keys))
    tiles: list[Tile] = []
    unit, causal = "share", True
    for i in layers:
        wanted = (
            range(group[i].n_heads) if heads is None else [h for h in heads if h < group[i].n_heads]
        )
        for head in wanted if spec.method in PER_HEAD else [0]:
            numbers = numbers_of.whole(
                replace(spec, layer=i, head=head, view="matrix"), remember=False
            )
            unit, causal = numbers.unit, causal and numbers.causal
            (cells,) = shrink(numbers.values, queries, keys, pool)
            tiles.append(Tile(group[i].layer, numbers.lanes[0], cells, numbers.saturation))
    frame = model_frame(spec, tiles, queries, keys, pool, unit=unit, causal=causal)
    exact_tiles = plain(np.stack([tile.cells for tile in tiles]).astype(np.float32))
    frame = replace(frame, arrays=dict(frame.arrays) | {"tiles": exact_tiles})
    words = _numbers("layer", [group[i].layer for i in layers], len(group))
    if heads is not None:
        words += " · " + _numbers("head", heads, max(layer.n_heads for layer in group))
    frame = replace(frame, fields=frame.fields | {"layer_label": words})
    return figure(frame, Selection(), caption(capture, spec, frame, ()), theme=theme)


def caption(capture: Capture, spec: Spec, frame: Frame, heads: Sequence[int]) -> list[str]:
    """Return what a picture is of: model, attention, layer, heads and method in one line, the text in the next."""
    lanes = frame.fields.get("lanes", [])
    named = [lane["head"] for lane in lanes if lane["head"] in heads] if len(lanes) > 1 else []
    parts = [
        capture.title,
        spec.attention if len(capture.groups) > 1 else "",
        "" if spec.segments == "all" else f"sentence {spec.segments.replace('-', ' → ')}",
        frame.fields["layer_label"],
        _numbers("head", named, len(lanes)) if named else "",
        lanes[0]["name"] if len(lanes) == 1 and lanes[0]["head"] is not None else "",
        f"head {spec.head}" if spec.view == "neuron" else "",
        "" if spec.view == "neuron" else _method(spec),
    ]
    is_drawn = spec.view == "text"  # the picture is the text
    source = "" if is_drawn else " / ".join(text for text in capture.tokens.source if text)
    return [" · ".join(part for part in parts if part), *([f"“{source}”"] if source else [])]


def _numbers(word: str, numbers: Sequence[int], n: int) -> str:
    """Return which of n layers or heads, in words: runs as a range."""
    if len(numbers) == 1:
        return f"{word} {numbers[0]}"
    if len(numbers) == n:
        return f"all {n} {word}s"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return f"{word}s " + ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def _method(spec: Spec) -> str:
    """Return the method and what of it is not as usual."""
    usual = Spec()
    names = {
        "residual": "residual {:g}",
        "reduce": "{} over heads",
        "normalise": "rows divided by their sum",
    }
    extra = [
        say.format(getattr(spec, n))
        for n, say in names.items()
        if getattr(spec, n) != getattr(usual, n)
    ]
    return " · ".join(
        [spec.method.replace("_", " "), *(extra if spec.method not in PER_HEAD else [])]
    )
