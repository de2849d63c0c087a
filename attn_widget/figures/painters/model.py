"""The model view in print: a thumbnail per layer and head, or per layer for joint methods."""

from __future__ import annotations

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.painters.matrix import picture
from attn_widget.figures.sheet import Sheet
from attn_widget.pictures.captions import caption
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame, decoded

GRID = 780  # largest width of a full row of heads, px
TALL = 800  # height of all layers, px, unless thumbnails would be smaller than `SMALLEST`
LARGEST = 150
SMALLEST = 22
GAP = 5


def paint(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw the thumbnails: a row per layer, a column per head."""
    tiles, cells = frame.fields["tiles"], decoded(frame, "tiles")
    root = frame.fields["unit"] != "flow"
    scale = marks.scale_of(frame, "tiles")
    pool = frame.fields["pool"]
    is_square = cells.shape[1] == cells.shape[2] and pool[0] == pool[1]
    pictures = [
        picture(sheet, c, scale, root=root, causal=frame.fields["causal"] and is_square)
        for c in cells
    ]
    draw = _joined if tiles[0]["head"] is None else _by_head
    width, height = draw(sheet, frame, pictures)
    name = frame.fields["unit"] + (", √ scale" if root else "")
    marks.colour_legend(sheet, 0, height + 18, name, (0, scale * (0.25 if root else 0.5), scale))
    return Painted(width, height + 40, caption(frame, selection))


def _by_head(sheet: Sheet, frame: Frame, pictures: list[np.ndarray]) -> tuple[float, float]:
    """Draw a row per layer and a column per head; return the size in px."""
    theme, tiles = sheet.theme, frame.fields["tiles"]
    layers = list(dict.fromkeys(tile["layer"] for tile in tiles))
    heads = sorted({tile["head"] for tile in tiles})
    width, height = _tile(frame, min(GRID / len(heads), TALL / len(layers)))
    x0, y0 = 22 + 8 * len(str(max(layers))), 40.0
    sheet.text(
        x0 + (len(heads) * (width + GAP) - GAP) / 2,
        8,
        "head",
        size=11,
        colour=theme.ink_3,
        align="center",
    )
    middle = y0 + (len(layers) * (height + GAP) - GAP) / 2
    sheet.text(7, middle, "layer", size=11, colour=theme.ink_3, align="center", angle=90)
    for j, head in enumerate(heads):
        x = x0 + j * (width + GAP) + width / 2
        sheet.text(x, y0 - 12, str(head), size=11, colour=theme.ink_2, align="center")
    for i, layer in enumerate(layers):
        y = y0 + i * (height + GAP) + height / 2
        sheet.text(x0 - 7, y, str(layer), size=11, colour=theme.ink_2, align="right")
    for tile, rgb in zip(tiles, pictures, strict=True):
        x = x0 + heads.index(tile["head"]) * (width + GAP)
        y = y0 + layers.index(tile["layer"]) * (height + GAP)
        sheet.image(x, y, width, height, rgb)
        sheet.box(x, y, width, height, edge=theme.rule, line=0.5)
    return x0 + len(heads) * (width + GAP) - GAP, y0 + len(layers) * (height + GAP) - GAP


def _joined(sheet: Sheet, frame: Frame, pictures: list[np.ndarray]) -> tuple[float, float]:
    """Draw one map per layer, side by side and wrapped; return the size in px."""
    theme, tiles = sheet.theme, frame.fields["tiles"]
    columns = min(len(tiles), 6)
    width, height = _tile(frame, GRID / columns)
    saturated = any(tile["saturation"] is not None for tile in tiles)
    step = height + 30 + 18 * saturated
    for i, (tile, rgb) in enumerate(zip(tiles, pictures, strict=True)):
        x, y = i % columns * (width + 14), 22 + i // columns * step
        label = f"layers 0–{tile['layer']}" if tile["layer"] else "layer 0"
        sheet.text(x, y - 11, label, size=11, colour=theme.ink_2)
        sheet.image(x, y, width, height, rgb)
        sheet.box(x, y, width, height, edge=theme.rule, line=0.5)
        if tile["saturation"] is not None:
            sheet.box(x, y + height + 5, width, 3, fill=theme.rule)
            sheet.box(x, y + height + 5, width * tile["saturation"], 3, fill=theme.warn)
            sheet.text(
                x,
                y + height + 17,
                f"{tile['saturation']:.0%} at the bound",
                size=10,
                colour=theme.warn,
            )
    rows = -(-len(tiles) // columns)
    return columns * (width + 14) - 14, 22 + rows * step - 22


def _tile(frame: Frame, room: float) -> tuple[float, float]:
    """Return the width and height of a thumbnail with the matrix's aspect ratio, in px."""
    side = float(np.clip(room - GAP, SMALLEST, LARGEST))
    n_queries, n_keys = len(frame.fields["queries"]["text"]), len(frame.fields["keys"]["text"])
    longest = max(n_queries, n_keys)
    # The shorter side is at least a third of the longer one, so that it stays visible.
    return side * max(1 / 3, n_keys / longest), side * max(1 / 3, n_queries / longest)
