"""The matrix view in print: a heat map, with tokens on both axes if there is room."""

from __future__ import annotations

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, colour_bytes
from attn_widget.pictures import palettes
from attn_widget.pictures.captions import caption
from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.frame import max_pool
from attn_widget.pictures.lines import Selection, rows_of
from attn_widget.pictures.protocol import Frame, decoded

SIDE = 600
ROOM = 120
LABELLED = 9.5
MAX_CELLS = 1000


def paint(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw one matrix, a row per query and a column per key; pinned rows and columns are framed."""
    theme = sheet.theme
    weights = marks.numbers_of(frame)
    weights = weights[0] if weights.ndim == 3 else weights
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    pool = max(1, -(-max(weights.shape) // MAX_CELLS))
    cells = max_pool(weights, pool, pool)
    pool *= frame.fields.get("pool", 1)
    cell = min(24.0, SIDE / max(cells.shape))
    labelled = cell >= LABELLED and pool == 1
    size = min(13.0, cell - 1)
    x = marks.widest(sheet, queries["text"], ROOM, size) + 10 if labelled else 24.0
    y = marks.widest(sheet, keys["text"], ROOM, size) * 0.71 + 22 if labelled else 22.0
    width, height = cells.shape[1] * cell, cells.shape[0] * cell
    scale = marks.scale_of(frame, "weights")
    root = frame.fields["unit"] != "flow" and max(weights.shape) > DRAWING["root_scale_above"]
    sheet.image(
        x, y, width, height, picture(sheet, cells, scale, root=root, causal=frame.fields["causal"])
    )
    if cell >= 8:
        sheet.grid(x, y, cell, cells.shape, theme.paper)
    if labelled:
        for i in range(len(queries["text"])):
            marks.token(
                sheet, queries, i, x - 7, y + (i + 0.5) * cell, room=ROOM, size=size, align="right"
            )
        for j in range(len(keys["text"])):
            marks.token(
                sheet, keys, j, x + (j + 0.45) * cell, y - 5, room=ROOM, size=size, angle=45
            )
    else:
        sheet.text(
            x + width / 2,
            8,
            f"{len(keys['text']):,} keys",
            size=11,
            colour=theme.ink_3,
            align="center",
        )
        middle = y + height / 2
        sheet.text(
            x - 10,
            middle,
            f"{len(queries['text']):,} queries",
            size=11,
            colour=theme.ink_3,
            align="center",
            angle=90,
        )
    if pool == 1:
        _dots(sheet, frame, x, y, cell)
    for i in rows_of(queries, selection.query):
        sheet.box(x - 1, y + i // pool * cell - 1, width + 2, cell + 2, edge=theme.ink, line=1.5)
    for j in rows_of(keys, selection.key):
        sheet.box(x + j // pool * cell - 1, y - 1, cell + 2, height + 2, edge=theme.ink, line=1.5)
    name = frame.fields["unit"] + (", √ scale" if root else "")
    middle = scale * (0.25 if root else 0.5)
    end = marks.colour_legend(
        sheet, x if labelled else 0, y + height + 20, name, (0, middle, scale)
    )
    overhang = 0.71 * marks.widest(sheet, keys["text"][-4:], ROOM, size) if labelled else 0
    return Painted(max(x + width + overhang, end), y + height + 42, caption(frame, selection))


def picture(
    sheet: Sheet, cells: np.ndarray, scale: float, *, root: bool, causal: bool
) -> np.ndarray:
    """Return the colours ``(row, column, rgb)`` of a matrix.

    Cells above the diagonal of a causal model have the paper colour; NaN is striped.
    """
    missing = np.isnan(cells)
    shares = np.clip(np.where(missing, 0, cells) / scale, 0, 1)
    rgb = colour_bytes(sheet.theme.sequential, np.sqrt(shares) if root else shares)
    if causal:
        rgb[np.triu(np.ones(cells.shape, bool), 1)] = palettes.rgb(sheet.theme.paper)
    striped = np.sum(np.nonzero(missing), axis=0) % 2 == 0
    ink, paper = (
        np.array(palettes.rgb(c), np.uint8) for c in (sheet.theme.ink_3, sheet.theme.paper)
    )
    rgb[missing] = np.where(striped[:, None], ink, paper)
    return rgb


def _dots(sheet: Sheet, frame: Frame, x: float, y: float, cell: float) -> None:
    """Mark the pairs whose flow is at its bound."""
    if "saturated" not in frame.arrays or cell < 8:
        return
    side = min(3.0, cell / 5)
    for i, j in np.argwhere(decoded(frame, "saturated")):
        at = (x + (j + 0.5) * cell - side / 2, y + (i + 0.5) * cell - side / 2)
        sheet.box(*at, side, side, fill=sheet.theme.warn, round_by=side / 2.1)
