"""The neuron view in print: how one head computes its weights from query and keys."""

from __future__ import annotations

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, colour_bytes
from attn_widget.pictures import palettes
from attn_widget.pictures.captions import caption
from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.format import fixed, many, percent
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame, decoded

ROOM = 110
MAX_KEYS = 48
STRIP = 250
NUMBER = 62
BAR = 90
TOP = 66


def paint(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw a row per key: its channels, the products q × k, each stage, and the share as a bar."""
    theme, fields = sheet.theme, frame.fields
    keys, query = fields["keys"], fields["query"]
    q, k = decoded(frame, "q"), decoded(frame, "k")
    product = q * k
    measured = decoded(frame, "measured")
    rows = _rows(measured)
    strongest = int(np.argmax(measured))
    order = np.argsort(-np.abs(product[strongest]), kind="stable")
    row = 21 if len(rows) <= 32 else 16
    size = min(13, row - 3)
    x_key = (
        max(
            marks.widest(sheet, keys["text"], ROOM, size),
            marks.widest(sheet, fields["queries"]["text"], ROOM),
        )
        + 12
    )
    x_product = x_key + STRIP + 22
    stages = [stage for stage in fields["stages"] if stage["name"] != "softmax"]
    x_numbers = [x_product + STRIP + NUMBER * (i + 1) for i in range(len(stages))]
    x_bar = (x_numbers[-1] if x_numbers else x_product + STRIP) + 24
    x_share = x_bar + BAR + 50
    clip = _clip(product)

    _heading(sheet, x_key, "k", f"key, {len(q)} channels")
    _heading(sheet, x_product, "q × k", "channel by channel")
    for stage, x in zip(stages, x_numbers, strict=True):
        _heading(sheet, x, stage["label"], _short(stage["about"]), "right")
    _heading(sheet, x_bar, "softmax", "share of this query")
    marks.token(
        sheet, fields["queries"], query, x_key - 10, 46, room=ROOM, align="right", pinned=True
    )
    _channels(sheet, x_key, 46, row, q[order][None], _clip(q))
    sheet.text(x_key + STRIP + 10, 46, "q, the query", size=11, colour=theme.ink_2)
    sheet.rule(0, TOP - 5, x_share)
    head = [fields["spec"]["head"]]
    (colour,) = palettes.lane_colours(theme, head, head)
    limit = _clip(k)
    for i, key in enumerate(rows):
        y = TOP + (i + 0.5) * row
        marks.token(sheet, keys, key, x_key - 10, y, room=ROOM, size=size, align="right")
        _channels(sheet, x_key, y, row, k[key][order][None], limit)
        _channels(sheet, x_product, y, row, product[key][order][None], clip)
        for stage, x in zip(stages, x_numbers, strict=True):
            sheet.text(
                x,
                y,
                _value(float(decoded(frame, stage["name"])[key])),
                size=size - 1,
                align="right",
                bold=key == strongest,
            )
        share = float(decoded(frame, "softmax")[key])
        sheet.box(x_bar, y - 3, max(0.75, BAR * share), 6, fill=colour)
        sheet.text(x_share, y, fixed(share, 4), size=size - 1, align="right", bold=key == strongest)
    y = TOP + len(rows) * row
    sheet.rule(x_bar, y + 3, x_share - x_bar)
    sheet.text(x_bar, y + 15, "sum of all shares", size=11, colour=theme.ink_2)
    sheet.text(x_share, y + 15, fixed(fields["total"], 4), size=12, align="right", bold=True)
    limits = (fixed(-clip, 1), "0", fixed(clip, 1))
    marks.colour_legend(sheet, 0, y + 15, "q × k", limits, theme.diverging)
    return Painted(x_share, y + 38, _caption(frame, selection, rows, measured))


def _rows(measured: np.ndarray) -> list[int]:
    """Return the keys to draw, in text order: all, or those with the largest shares."""
    if len(measured) <= MAX_KEYS:
        return list(range(len(measured)))
    return sorted(np.argsort(-measured, kind="stable")[:MAX_KEYS].tolist())


def _heading(sheet: Sheet, x: float, name: str, about: str, align: str = "left") -> None:
    sheet.text(x, 8, name, size=12, bold=True, align=align)
    sheet.text(x, 24, about, size=10, colour=sheet.theme.ink_2, align=align)


def _short(about: str) -> str:
    """Return a name of a stage that fits the width of its column."""
    return {"added before softmax": "added", "cap · tanh(x / cap)": "tanh"}.get(about, about)


def _channels(
    sheet: Sheet, x: float, y: float, row: float, cells: np.ndarray, limit: float
) -> None:
    """Draw a row of channels, blue positive and orange negative."""
    table = sheet.theme.diverging
    sheet.image(x, y - row / 2 + 2, STRIP, row - 4, colour_bytes(table, 0.5 + cells / (2 * limit)))


def _clip(array: np.ndarray) -> float:
    """Return the value at which colours are clipped: a high percentile of |x|."""
    return float(np.percentile(np.abs(array), DRAWING["clip_percentile"])) or 1.0


def _value(value: float) -> str:
    """Return the text of a stage's number; −∞ for a masked key."""
    if np.isfinite(value):
        return fixed(value, 2)
    return "−∞" if value < 0 else "∞"


def _caption(
    frame: Frame, selection: Selection, rows: list[int], measured: np.ndarray
) -> list[str]:
    """Return the caption; it names the keys that are drawn if there are too many for print."""
    sentences = caption(frame, selection)
    if len(rows) < len(measured):
        share, keys = percent(float(measured[rows].sum())), many(len(measured), "key")
        sentences.append(f"the {len(rows)} strongest of {keys}, {share} of this query’s attention")
    return sentences
