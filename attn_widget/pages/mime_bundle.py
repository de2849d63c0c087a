"""A still picture and a line of text, for viewers of a notebook that run no scripts."""

from __future__ import annotations

import base64
from dataclasses import replace

from attn_widget.attribution.methods import METHODS
from attn_widget.errors import MethodError
from attn_widget.figures.of_state import heading, selection_of
from attn_widget.figures.still import still_png
from attn_widget.pictures import PictureState
from attn_widget.pictures.drawing import DRAWING

MAX_ROWS: int = DRAWING["lines"]["all_pairs_up_to"]  # a longer text is drawn as a matrix


def mime_bundle(state: PictureState) -> dict[str, str]:
    """Return ``image/png`` and a short ``text/plain`` of what is on screen.

    Displaying must not wait for long work: a text of more than `MAX_ROWS` tokens is drawn as a
    matrix, of raw attention if the numbers of the method are not computed yet. The heading names
    the method.
    """
    longest = max(len(tokens) for tokens in state.capture.axes(state.spec.attention))
    raw = next(iter(METHODS))
    if longest > MAX_ROWS:
        method = state.spec.method if state.pictures.is_cached(state.spec) else raw
        state = replace(state, spec=replace(state.spec, view="matrix", method=method))
    try:
        frame = state.pictures.frame(state.spec, state.query[0] if state.query else None)
    except MethodError:  # the live view says why; the still picture shows what there is
        state = replace(state, spec=replace(state.spec, view="head", method=raw))
        frame = state.pictures.frame(state.spec)
    lines = heading(state, frame)
    return {
        "image/png": base64.b64encode(still_png(frame, selection_of(state), lines)).decode(),
        "text/plain": f"<AttentionWidget: {lines[0]}, {longest} tokens>",
    }
