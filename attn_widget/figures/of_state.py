"""The picture on screen as a figure for print: its frame with exact numbers, and a heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from attn_widget.attribution.methods import METHODS
from attn_widget.figures.figure import figure
from attn_widget.pictures.frame import exact
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.model import Tile, model_frame, pool_to
from attn_widget.pictures.notes import notes
from attn_widget.pictures.protocol import Frame, Spec, plain
from attn_widget.pictures.state import PictureState
from attn_widget.pictures.views import Pictures
from attn_widget.records import Capture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = 96  # per axis of a thumbnail: more cannot be distinguished in print


def figure_of(state: PictureState, theme: str) -> Figure:
    """Return the figure of the picture on screen; ``theme`` is ``light`` or ``dark``."""
    spec, pictures = state.spec, state.pictures
    frame = pictures.frame(spec, state.query[0] if state.query else None)
    if "weights" in frame.arrays:
        frame = exact(frame, pictures.numbers(spec), *pictures.axes(spec))
    return figure(frame, selection_of(state), heading(state, frame), theme=theme)


def selection_of(state: PictureState) -> Selection:
    """Return the selection of a state: heads, pinned tokens, threshold, and one layer and head."""
    place = {"layer": state.spec.layer, "head": state.spec.head}
    return Selection(state.heads, state.query, state.key, state.threshold, **place)


def heading(state: PictureState, frame: Frame) -> list[str]:
    """Return the heading of the picture of a state, one or two lines."""
    return heading_of(state.capture, state.spec, frame, state.heads)


def heads_figure(
    capture: Capture, spec: Spec, layers: Sequence[int], heads: Sequence[int] | None, theme: str
) -> Figure:
    """Return the figure of these layers and heads as thumbnails; all heads if ``heads`` is None."""
    group, pictures = capture.group(spec.attention), Pictures(capture)
    spec = replace(spec, part=capture.part)
    queries, keys = pictures.axes(spec)
    pool = pool_to(queries, keys, CELLS)
    tiles: list[Tile] = []
    for i in layers:
        wanted = [h for h in (heads or range(group[i].n_heads)) if h < group[i].n_heads]
        places = [(i, head) for head in (wanted if METHODS[spec.method].per_head else [0])]
        for tile in pictures.tiles(spec, places, pool):
            tiles.append(replace(tile, layer=group[i].layer))
    frame = model_frame(spec, tiles, queries, keys, pool)
    exact_tiles = plain(np.stack([tile.cells for tile in tiles]).astype(np.float32))
    frame = replace(frame, arrays=dict(frame.arrays) | {"tiles": exact_tiles})
    words = _numbers("layer", [group[i].layer for i in layers], len(group))
    if heads is not None:
        words += " · " + _numbers("head", heads, max(layer.n_heads for layer in group))
    added = {"layer_label": words, "notes": notes(capture, spec)}
    frame = replace(frame, fields=frame.fields | added)
    return figure(frame, Selection(), heading_of(capture, spec, frame, ()), theme=theme)


def heading_of(capture: Capture, spec: Spec, frame: Frame, heads: Sequence[int]) -> list[str]:
    """Return a heading: model, attention, layer, heads and method; the text as a second line."""
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
    """Return a text for these of n layers or heads, such as ``heads 0–2, 5``."""
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
    """Return the method and its options that differ from the defaults."""
    usual = Spec()
    names = {
        "residual": "residual {:g}",
        "reduce": "{} over heads",
        "normalise": "rows divided by their sum",
    }
    extra = [
        template.format(getattr(spec, n))
        for n, template in names.items()
        if getattr(spec, n) != getattr(usual, n)
    ]
    return " · ".join(
        [spec.method.replace("_", " "), *([] if METHODS[spec.method].per_head else extra)]
    )
