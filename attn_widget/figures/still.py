"""The still picture beside a live widget: what viewers that run no scripts show. The figure of the frame, as a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from attn_widget.figures.figure import figure
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame

DOTS_PER_INCH = 96  # a dot per px: the picture stands in every saved output, and must stay small


def still_png(frame: Frame, selection: Selection, heading: Sequence[str]) -> bytes:
    """Return the picture of a frame as the bytes of a PNG file, light theme."""
    out = io.BytesIO()
    figure(frame, selection, heading, dots=1).savefig(out, format="png", dpi=DOTS_PER_INCH)
    return out.getvalue()
