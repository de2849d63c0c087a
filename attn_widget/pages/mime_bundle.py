"""A still picture and a line of text, for viewers of a notebook that run no scripts."""

from __future__ import annotations

import base64
from dataclasses import replace

from attn_widget.attribution.methods import METHODS
from attn_widget.figures.still import MAX_ROWS, Picked, png
from attn_widget.pictures.state import PictureState


def mime_bundle(state: PictureState) -> dict[str, str]:
    """Return ``image/png`` and a short ``text/plain`` of what is on screen.

    Displaying must not wait for long work: for a text of more than `MAX_ROWS` tokens whose
    numbers are not computed yet, the picture shows raw attention, and its caption says so.
    """
    spec = state.spec
    longest = max(len(tokens) for tokens in state.capture.axes(spec.attention))
    if longest > MAX_ROWS and not state.pictures.is_cached(spec):
        spec = replace(spec, method=next(iter(METHODS)))
    view = "head" if spec.view != "matrix" and longest <= MAX_ROWS else "matrix"
    spec = replace(spec, view=view)
    frame = state.pictures.frame(spec)
    lanes = frame.fields["lanes"]
    title = [state.capture.title, frame.fields["layer_label"], spec.method]
    title += [lanes[0]["name"]] if len(lanes) == 1 else []
    caption = " · ".join(dict.fromkeys(part for part in title if part))
    picked = Picked(state.heads, state.query, state.key, state.threshold)
    return {
        "image/png": base64.b64encode(png(frame, picked, caption)).decode(),
        "text/plain": f"<AttentionWidget: {caption}, {longest} tokens>",
    }
