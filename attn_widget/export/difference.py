"""A matrix of differences as a picture: one colour for more, one for less, none for as much."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from attn_widget.export import palettes
from attn_widget.export.png import FINE, WIDTH_PX, _clipped, _fine, _font, _sheet, _tilted, _with_caption

LABEL_PX, ABOVE_PX = 190, 96


def signed_colours(values: Float[np.ndarray, "query key"], largest: float) -> UInt8[np.ndarray, "query key rgb"]:
    """Return the diverging colour of each value: the middle for 0, the ends for ± the largest."""
    table = palettes.table(palettes.THEMES["light"].diverging)
    at = np.clip(values / largest, -1, 1) if largest else np.zeros_like(values)
    return table[np.round((at + 1) * 127.5).astype(int)]


def difference_png(
    values: Float[np.ndarray, "query key"], queries: Sequence[str], keys: Sequence[str], lines: Sequence[str]
) -> bytes:
    """Return a PNG of differences with their labels, a legend, and lines of text below.

    Parameters
    ----------
    values
        What is more in the second than in the first; negative where it is less.
    queries, keys
        What stands along the rows and the columns.
    lines
        What is said below, the first in ink; at least one.
    """
    largest = float(np.abs(values).max(initial=0.0))
    cell = min(26.0, (WIDTH_PX - LABEL_PX - 20) / max(1, len(keys)), 1600 / max(1, len(queries)))
    width, height = max(1, round(cell * len(keys))), max(1, round(cell * len(queries)))
    labelled = cell >= 11
    above = ABOVE_PX if labelled else 8
    sheet = _sheet(above + height + 34)
    picture = Image.fromarray(signed_colours(values, largest)).resize(
        (width * FINE, height * FINE), Image.Resampling.BOX
    )
    sheet.paste(picture, (LABEL_PX * FINE, above * FINE))
    draw = ImageDraw.Draw(sheet)
    ink, faint = "#" + palettes.INK, "#" + palettes.INK_2
    box = [LABEL_PX, above, LABEL_PX + width, above + height]
    draw.rectangle([b * FINE for b in box], outline="#" + palettes.RULE, width=FINE)
    if labelled:
        for i, text in enumerate(queries):
            at = ((LABEL_PX - 8) * FINE, round((above + (i + 0.5) * cell) * FINE))
            draw.text(at, _clipped(text, 26), ink, font=_font(12), anchor="rm")
        for j, text in enumerate(keys):
            _tilted(sheet, _clipped(text, 18), (LABEL_PX + (j + 0.5) * cell) * FINE, (above - 6) * FINE, ink)
    scale = Image.fromarray(signed_colours(np.linspace(-1, 1, 120)[None], 1.0)).resize((120 * FINE, 8 * FINE))
    top = above + height + 16
    sheet.paste(scale, ((LABEL_PX + 90) * FINE, top * FINE))
    middle = (top + 4) * FINE
    draw.text(((LABEL_PX + 82) * FINE, middle), f"less  -{largest:.2f}", faint, font=_font(11), anchor="rm")
    draw.text(((LABEL_PX + 218) * FINE, middle), f"+{largest:.2f}  more", faint, font=_font(11), anchor="lm")
    said = [part for line in lines for part in textwrap.wrap(line, 130)]
    whole = _with_caption(_fine(sheet), said)
    used = max(
        LABEL_PX + width + 80, LABEL_PX + 300, *(8 + math.ceil(_font(12, fine=1).getlength(line)) for line in said)
    )
    out = io.BytesIO()
    whole.crop((0, 0, min(used, whole.width), whole.height)).save(out, "PNG", optimize=True)
    return out.getvalue()
