"""The still picture that stands beside a live widget in its mime bundle, for viewers that run no scripts."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attn_widget.attribution.methods import METHODS
from attn_widget.errors import MethodError
from attn_widget.figures.still import still_png
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.views import VIEWS, Drawing
from attn_widget.widget.figures import caption

MAX_ROWS = 64  # a longer text is drawn as a matrix

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget


def bundle(widget: AttentionWidget) -> dict[str, Any]:
    """Return ``image/png`` and a short ``text/plain`` of what the widget shows now.

    Displaying must not wait for long work: numbers that are not there yet are drawn only for short texts;
    for a long one the picture is of raw attention as a matrix, and says so.
    """
    spec = widget._spec()
    longest = max(len(tokens) for tokens in widget.capture.axes(spec.attention))
    if longest > MAX_ROWS:
        known = widget._numbers.knows(spec)
        spec = replace(spec, view="matrix", method=spec.method if known else next(iter(METHODS)))
    data = {"query": widget.query[0]} if widget.query else {}
    try:
        frame = VIEWS[spec.view](Drawing(widget._numbers, spec, data, lambda *_: None))
    except MethodError:  # the live view says why; the still shows what there is
        spec = replace(spec, view="head", method=next(iter(METHODS)))
        frame = VIEWS[spec.view](Drawing(widget._numbers, spec, {}, lambda *_: None))
    selection = Selection(widget.heads, widget.query, widget.key, widget.threshold)
    heading = caption(widget.capture, spec, frame, widget.heads)
    return {
        "image/png": base64.b64encode(still_png(frame, selection, heading)).decode(),
        "text/plain": f"<AttentionWidget: {heading[0]}, {longest} tokens>",
    }
