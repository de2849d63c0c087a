"""A matrix of differences as a picture: one colour for more, one for less, none for as much."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from attn_widget.figures.still import (
    FINE,
    WIDTH_PX,
    _clipped,
    _fine,
    _font,
    _sheet,
    _tilted,
    _with_caption,
    packed,
)
from attn_widget.pictures import palettes

MOST_LABEL_PX, LEGEND_PX = 190, 300


@dataclass(frozen=True)
class Room:
    """Where the matrix stands in the picture, in px: right of the labels of its rows, below those of its columns."""

    left: int
    above: int
    cell: float
    labelled: bool


def room_for(queries: Sequence[str], keys: Sequence[str]) -> Room:
    """Return the room that a matrix with these labels takes: as much as its labels need, and cells up to 26 px."""

    def cell(left: int) -> float:
        return min(26.0, (WIDTH_PX - left - 20) / max(1, len(keys)), 1600 / max(1, len(queries)))

    left = min(MOST_LABEL_PX, 16 + _widest(queries, 26))
    if cell(left) < 11:
        return Room(8, 8, cell(8), False)
    return Room(left, 18 + math.ceil(_widest(keys, 18) * math.sqrt(0.5)), cell(left), True)


def _widest(labels: Sequence[str], most: int) -> int:
    return math.ceil(
        max((_font(12, fine=1).getlength(_clipped(text, most)) for text in labels), default=0)
    )


def signed_colours(
    values: Float[np.ndarray, "query key"],
    largest: float,
    theme: palettes.Theme = palettes.THEMES["light"],
) -> UInt8[np.ndarray, "query key rgb"]:
    """Return the diverging colour of each value: the middle for 0, the ends for ± the largest."""
    table = palettes.table(theme.diverging)
    at = np.clip(values / largest, -1, 1) if largest else np.zeros_like(values)
    return table[np.round((at + 1) * 127.5).astype(int)]


def difference_png(
    values: Float[np.ndarray, "query key"],
    queries: Sequence[str],
    keys: Sequence[str],
    lines: Sequence[str],
    theme: str = "light",
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
    theme
        ``light`` or ``dark``.
    """
    look = palettes.THEMES[theme]
    largest = float(np.abs(values).max(initial=0.0))
    room = room_for(queries, keys)
    left, above, cell = room.left, room.above, room.cell
    width, height = max(1, round(cell * len(keys))), max(1, round(cell * len(queries)))
    sheet = _sheet(above + height + 34, look)
    colours = Image.fromarray(signed_colours(values, largest, look))
    sheet.paste(
        colours.resize((width * FINE, height * FINE), Image.Resampling.BOX),
        (left * FINE, above * FINE),
    )
    draw = ImageDraw.Draw(sheet)
    ink, faint = "#" + look.ink, "#" + look.ink_2
    draw.rectangle(
        [b * FINE for b in (left, above, left + width, above + height)],
        outline="#" + look.rule,
        width=FINE,
    )
    if room.labelled:
        for i, text in enumerate(queries):
            at = ((left - 8) * FINE, round((above + (i + 0.5) * cell) * FINE))
            draw.text(at, _clipped(text, 26), ink, font=_font(12), anchor="rm")
        for j, text in enumerate(keys):
            _tilted(
                sheet, _clipped(text, 18), (left + (j + 0.5) * cell) * FINE, (above - 6) * FINE, ink
            )
    scale = Image.fromarray(signed_colours(np.linspace(-1, 1, 120)[None], 1.0, look)).resize(
        (120 * FINE, 8 * FINE)
    )
    top = above + height + 16
    sheet.paste(scale, ((left + 80) * FINE, top * FINE))
    middle = (top + 4) * FINE
    draw.text(
        ((left + 72) * FINE, middle), f"less  -{largest:.2f}", faint, font=_font(11), anchor="rm"
    )
    draw.text(
        ((left + 208) * FINE, middle), f"+{largest:.2f}  more", faint, font=_font(11), anchor="lm"
    )
    said = [part for line in lines for part in textwrap.wrap(line, 130)]
    whole = _with_caption(_fine(sheet), said, look)
    used = max(
        left + width + 80,
        left + LEGEND_PX,
        *(8 + math.ceil(_font(12, fine=1).getlength(line)) for line in said),
    )
    return packed(whole.crop((0, 0, min(used, whole.width), whole.height)))
