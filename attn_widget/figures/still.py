"""The still PNG of a live widget, for viewers that do not run scripts."""

from __future__ import annotations

import io
from collections.abc import Sequence

from attn_widget.figures.figure import figure
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame

DOTS_PER_INCH = 96  # one pixel per px: every saved output holds this picture, so it must be small


def still_png(frame: Frame, selection: Selection, heading: Sequence[str]) -> bytes:
    """Return the figure of a frame as the bytes of a PNG file, in the light theme."""
    out = io.BytesIO()
    picture = figure(frame, selection, heading, dots=1)
    picture.savefig(out, format="png", dpi=DOTS_PER_INCH)
    # A figure and its axes refer to each other: cleared, its images do not wait for the collector.
    picture.clear()
    return out.getvalue()
