"""The still picture that stands beside a live widget in its mime bundle, for viewers that run no scripts."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attn_widget.attribution.methods import METHODS
from attn_widget.figures.still import MAX_ROWS, Picked, png
from attn_widget.pictures.views import VIEWS, Drawing

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget


def bundle(widget: AttentionWidget) -> dict[str, Any]:
    """Return ``image/png`` and a short ``text/plain`` of what the widget shows now.

    Displaying must not wait for long work: numbers that are not there yet are drawn only for short texts;
    for a long one the picture is of raw attention, and says so.
    """
    spec = widget._spec()
    longest = max(len(tokens) for tokens in widget.capture.axes(spec.attention))
    if longest > MAX_ROWS and not widget._numbers.knows(spec):
        spec = replace(spec, method=next(iter(METHODS)))
    spec = replace(spec, view="head" if spec.view != "matrix" and longest <= MAX_ROWS else "matrix")
    frame = VIEWS[spec.view](Drawing(widget._numbers, spec, {}, lambda *_: None))
    picked = Picked(widget.heads, widget.query, widget.key, widget.threshold)
    title = [widget.capture.title, frame.fields["layer_label"], spec.method]
    title += [frame.fields["lanes"][0]["name"]] if len(frame.fields["lanes"]) == 1 else []
    caption = " · ".join(dict.fromkeys(part for part in title if part))
    return {
        "image/png": base64.b64encode(png(frame, picked, caption)).decode(),
        "text/plain": f"<AttentionWidget: {caption}, {longest} tokens>",
    }
