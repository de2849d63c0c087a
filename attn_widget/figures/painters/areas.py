"""Images and sounds in print: patches and audio frames, shaded by the pinned token's attention."""

from __future__ import annotations

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, colour_bytes
from attn_widget.pictures import palettes
from attn_widget.pictures.captions import caption
from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.format import many
from attn_widget.pictures.lines import Selection, lanes_on, pairs_of, rows_of
from attn_widget.pictures.protocol import Frame, decoded
from attn_widget.pictures.shade import Shade

PICTURE = 380
PALE = 0.55  # opacity of the paper colour over an image, below the shade
SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1e9)  # steps of the time axis


def paint_image(sheet: Sheet, frame: Frame, shade: Shade | None) -> tuple[float, float]:
    """Draw the image, faded, and its patches shaded by their share; return the size in px."""
    theme, (rows, columns) = sheet.theme, frame.fields["grid"]
    keys = frame.fields["keys"]
    pixels = decoded(frame, "image")
    scale = PICTURE / max(pixels.shape[:2])
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    first = keys["special"].index(0) if 0 in keys["special"] else 0
    if shade is None or shade.largest == 0:
        sheet.image(0, 0, width, height, pixels)
        return width, height
    part = np.zeros(rows * columns)
    given: np.ndarray = np.clip(shade.values[first : first + rows * columns] / shade.largest, 0, 1)
    part[: len(given)] = np.where(given >= DRAWING["least_shade"], given, 0)
    opacity = DRAWING["area_shade_opacity"] * part.reshape(rows, columns)
    at_row = np.arange(pixels.shape[0]) * rows // pixels.shape[0]
    at_column = np.arange(pixels.shape[1]) * columns // pixels.shape[1]
    over = opacity[at_row][:, at_column][..., None]
    paper, colour = np.array(palettes.rgb(theme.paper)), theme.sequential[DRAWING["area_shade"]]
    pale = (1 - PALE) * pixels + PALE * paper
    sheet.image(0, 0, width, height, np.round(pale * (1 - over) + colour * over).astype(np.uint8))
    for row in shade.rows:
        i = row - first
        if 0 <= i < rows * columns:
            w, h = width / columns, height / rows
            sheet.box(i % columns * w, i // columns * h, w, h, edge=theme.ink, line=2)
    return width, height


def paint_sound(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw each query's shares along the time of the recording."""
    theme, fields = sheet.theme, frame.fields
    queries, seconds = fields["queries"], fields["seconds"]
    lanes = lanes_on(frame, selection.heads)
    rows = rows_of(queries, selection.query) or list(range(len(queries["text"])))
    lane, query, key, weight = pairs_of(frame)
    n_keys = len(fields["keys"]["text"])
    asked = np.isin(lane, lanes)
    at = query[asked] * n_keys + key[asked]
    sums = np.bincount(at, weight[asked], minlength=len(queries["text"]) * n_keys)
    found = sums.reshape(-1, n_keys)[rows] / max(1, len(lanes))
    largest = float(found.max(initial=0.0)) or 1.0
    row = min(22.0, max(6.0, 640 / len(rows)))
    x = marks.widest(sheet, [queries["text"][i] for i in rows], 120, min(13, row - 2)) + 10
    width, height = 640.0, len(rows) * row
    shares = np.sqrt(np.clip(found / largest, 0, 1))
    sheet.image(x, 4, width, height, colour_bytes(theme.sequential, shares))
    if row >= 11:
        for i, index in enumerate(rows):
            y, size = 4 + (i + 0.5) * row, min(13, row - 2)
            marks.token(sheet, queries, index, x - 7, y, room=120, size=size, align="right")
    length = n_keys * seconds
    step = next(s for s in SECONDS if length / s <= 12)
    for i in range(int(length / step) + 1):
        at_x = x + width * i * step / length
        sheet.box(at_x - 0.5, height + 4, 1, 4, fill=theme.ink_3)
        time = f"{i * step:g} s"
        sheet.text(at_x, height + 17, time, size=10, colour=theme.ink_2, align="center")
    name = f"{fields['unit']}, √ scale"
    end = marks.colour_legend(sheet, x, height + 42, name, (0, largest / 4, largest))
    mean = f"a row per query, mean of {many(len(lanes), 'head')}"
    sentences = [*caption(frame, Selection(selection.heads)), mean]
    return Painted(max(x + width + 14, end), height + 66, sentences)
