"""A matrix of differences as a PNG: diverging colours, neutral at 0."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from attn_widget.figures.figure import MARGIN, write_caption
from attn_widget.figures.painters import marks
from attn_widget.figures.sheet import Sheet, colour_bytes
from attn_widget.figures.still import DOTS_PER_INCH
from attn_widget.pictures import palettes
from attn_widget.pictures.format import fixed

WIDTH = 830
HEIGHT = 1600
ROOM = 170
LARGEST_CELL = 26.0
LABELLED = 11  # smallest cell, in px, that has a label
NARROWEST = 360


@dataclass(frozen=True)
class Layout:
    """Position and cell size of the matrix, in px: right of its row labels, below column labels."""

    left: float
    above: float
    cell: float
    labelled: bool


def layout_of(sheet: Sheet, queries: Sequence[str], keys: Sequence[str]) -> Layout:
    """Return the layout of a matrix with these labels: the largest cells that fit beside them."""

    def cell(left: float) -> float:
        return min(LARGEST_CELL, (WIDTH - left) / max(1, len(keys)), HEIGHT / max(1, len(queries)))

    left = marks.widest(sheet, queries, ROOM, 12) + 10
    if cell(left) < LABELLED:
        return Layout(0, 0, cell(0), labelled=False)
    return Layout(left, marks.widest(sheet, keys, ROOM, 12) * 0.71 + 14, cell(left), labelled=True)


def signed_colours(
    values: Float[np.ndarray, "query key"], largest: float, theme: palettes.Theme
) -> UInt8[np.ndarray, "query key rgb"]:
    """Return the diverging colour of each value: the middle for 0, the ends for ± the maximum."""
    return colour_bytes(
        theme.diverging, 0.5 + values / (2 * largest) if largest else 0.5 + 0 * values
    )


def difference_png(
    values: Float[np.ndarray, "query key"],
    queries: Sequence[str],
    keys: Sequence[str],
    caption: Sequence[str],
    theme: str = "light",
) -> bytes:
    """Return a PNG of differences with their labels, a legend and a caption.

    Parameters
    ----------
    values
        Second minus first: positive where the second is larger.
    queries, keys
        Labels of the rows and of the columns.
    caption
        Lines below the picture, the first one bold; at least one.
    theme
        ``light`` or ``dark``.
    """
    sheet = Sheet(palettes.THEMES[theme])
    look, largest = sheet.theme, float(np.abs(values).max(initial=0.0))
    place = layout_of(sheet, queries, keys)
    left, above, cell = place.left, place.above, place.cell
    width, height = cell * len(keys), cell * len(queries)
    sheet.image(left, above, width, height, signed_colours(values, largest, look))
    sheet.box(left, above, width, height, edge=look.rule)
    if place.labelled:
        for i, text in enumerate(queries):
            label = sheet.fitted(text, ROOM, 12)
            sheet.text(left - 7, above + (i + 0.5) * cell, label, size=12, align="right")
        for j, text in enumerate(keys):
            label = sheet.fitted(text, ROOM, 12)
            sheet.text(left + (j + 0.45) * cell, above - 5, label, size=12, angle=45)
    ends = (f"−{fixed(largest, 2)} less", "0", f"+{fixed(largest, 2)} more")
    end = marks.colour_legend(sheet, 0, above + height + 20, "difference", ends, look.diverging)
    overhang = 0.71 * marks.widest(sheet, keys[-4:], ROOM, 12) if place.labelled else 0
    width = max(left + width + overhang, end, NARROWEST)
    bottom = write_caption(sheet, above + height + 42, caption, (), width)
    out = io.BytesIO()
    sheet.figure(width, bottom, MARGIN).savefig(out, format="png", dpi=DOTS_PER_INCH)
    return out.getvalue()
