"""The still PNG of a live widget, for viewers that do not run scripts."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from attn_widget.figures.figure import figure
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame

DOTS_PER_INCH = 96  # one pixel per px: every saved output holds this picture, so it must be small
COLOURS = 256  # of the picture's palette, with which it takes a third to a sixth of the bytes
FEW = 4096  # colours of a heat map: those that fill areas then stay exact


def still_png(frame: Frame, selection: Selection, heading: Sequence[str]) -> bytes:
    """Return the figure of a frame as the bytes of a PNG file, in the light theme."""
    drawn, out = io.BytesIO(), io.BytesIO()
    picture = figure(frame, selection, heading, dots=1)
    picture.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    # A figure and its axes refer to each other: cleared, its images do not wait for the collector.
    picture.clear()
    image = Image.open(drawn).convert("RGB")
    few = image.getcolors(FEW) is not None
    method = Image.Quantize.MEDIANCUT if few else Image.Quantize.FASTOCTREE
    image.quantize(COLOURS, method=method, dither=Image.Dither.NONE).save(out, "png")
    return out.getvalue()
