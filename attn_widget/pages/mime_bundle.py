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
from attn_widget.pictures.protocol import Frame
from attn_widget.pictures.rules import VIEW_RULES

MAX_ROWS: int = DRAWING["lines"]["all_pairs_up_to"]  # a longer text is drawn as a matrix
QUICK_UP_TO = 512  # tokens of a frame that joins no layers, which takes less than 0.1 s


def shown_query(state: PictureState) -> int | None:
    """Return the query that the frame on screen is of; None where it holds those of all."""
    return state.query[0] if state.query and VIEW_RULES[state.spec.view].needs_query else None


def shown_frame(state: PictureState) -> Frame | None:
    """Return the frame on screen; None where it would take long, or its method does not apply."""
    longest = max(len(tokens) for tokens in state.capture.axes(state.spec.attention))
    quick = MAX_ROWS if METHODS[state.spec.method].follows else QUICK_UP_TO
    if longest > quick and not state.pictures.is_cached(state.spec):
        return None
    try:
        return state.pictures.frame(state.spec, shown_query(state))
    except MethodError:
        return None


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
