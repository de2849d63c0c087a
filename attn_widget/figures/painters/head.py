"""The head view in print: two columns of tokens, a line per pair, and a pinned query's shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, rgba
from attn_widget.pictures import palettes
from attn_widget.pictures.captions import caption
from attn_widget.pictures.format import brief, fixed
from attn_widget.pictures.lines import (
    LIMITS,
    Lines,
    Selection,
    focus_of,
    in_viewport,
    lane_offsets,
    lanes_on,
    line_style,
    lines_of,
    rows_of,
)
from attn_widget.pictures.protocol import Frame

ARCS = 260
ROOM = 150
TOP = 30
MAX_ROWS = LIMITS["rows"]
MAX_STRIP = 16  # squares per key, one per head: more heads have no colours of their own
RowY = Callable[[Any, str], Any]  # displayed rows and their side -> the middle of each row


def paint(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw tokens and lines, strong lines on top; only lines of pinned tokens if there are any."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    pins = {"query": rows_of(queries, selection.query), "key": rows_of(keys, selection.key)}
    focus = focus_of(frame, selection)
    n_rows = min(MAX_ROWS, max(len(queries["text"]), len(keys["text"])))
    together = sorted(pins["query"] + pins["key"]) if queries["text"] == keys["text"] else None
    first = {
        side: _first_row(len(axis["text"]), pins[side] if together is None else together)
        for side, axis in (("query", queries), ("key", keys))
    }
    row = 21 if n_rows <= 32 else max(12.5, 672 / n_rows)
    size = min(13, row - 2.5)

    def y_of(i: Any, side: str) -> Any:
        return TOP + (np.asarray(i) - first[side] + 0.5) * row

    x_query = marks.widest(sheet, queries["text"], ROOM, size) + 12
    x_key = x_query + ARCS + 24
    lanes = lanes_on(frame, selection.heads)
    heads = [lane["head"] for lane in frame.fields["lanes"]]
    colours = palettes.lane_colours(sheet.theme, heads, selection.heads)
    lines = lines_of(frame, selection)
    rows = (first["query"], min(len(queries["text"]), first["query"] + MAX_ROWS))
    drawn, _ = in_viewport(lines, *rows)
    inside = (lines.key[drawn] >= first["key"]) & (lines.key[drawn] < first["key"] + MAX_ROWS)
    _lines(sheet, frame, lines, drawn[inside], (x_query + 10, x_key - 10), y_of, lanes, colours)
    for side, axis, x, align in (
        ("query", queries, x_query, "right"),
        ("key", keys, x_key, "left"),
    ):
        sheet.text(x, 14, side, size=11, colour=sheet.theme.ink_3, align=align)
        for i in range(first[side], min(len(axis["text"]), first[side] + MAX_ROWS)):
            y, is_pinned = float(y_of(i, side)), i in pins[side]
            marks.token(sheet, axis, i, x, y, room=ROOM, size=size, align=align, pinned=is_pinned)
    end = x_key + marks.widest(sheet, keys["text"], ROOM, size) + 6
    if focus and focus.side == "query" and len(focus.rows) == 1 and "weights" in frame.arrays:
        place = Strip(focus.rows[0], first["key"], end + 20, row, lanes, colours)
        end = _strip(sheet, frame, place, y_of)
    height = TOP + n_rows * row + 18
    end = max(end, _legend(sheet, frame, lanes, colours, height))
    return Painted(end, height + 16, caption(frame, selection, rows))


def _first_row(n: int, pinned: list[int]) -> int:
    """Return the first row drawn of an axis of n rows, such that a pinned row is in the picture."""
    if n <= MAX_ROWS or not pinned or pinned[0] < MAX_ROWS:
        return 0
    return min(pinned[0] - MAX_ROWS // 2, n - MAX_ROWS)


def _lines(
    sheet: Sheet, frame: Frame, lines: Lines, drawn: np.ndarray, x: tuple[float, float], y_of: RowY,
    lanes: list[int], colours: list[str],
) -> None:  # fmt: skip
    """Draw the lines, strong lines on top."""
    if not len(drawn):
        return
    lane = lines.lane[drawn]
    offsets = np.zeros(len(frame.fields["lanes"]))
    offsets[lanes] = lane_offsets(len(lanes))
    opacity, width = line_style(lines.weight[drawn], _scale(frame))
    y0 = y_of(lines.query[drawn], "query") + offsets[lane]
    y1 = y_of(lines.key[drawn], "key") + offsets[lane]
    sheet.curves(x[0], y0, x[1], y1, rgba([colours[i] for i in lane], opacity), width)


def _scale(frame: Frame) -> float:
    """Return the largest weight that a line can have."""
    return marks.scale_of(frame, "weights" if "weights" in frame.arrays else "edges_weight")


@dataclass(frozen=True)
class Strip:
    """Layout of one pinned query's shares beside the keys."""

    query: int
    first: int  # the first key that is drawn
    x: float
    row: float  # height of a row
    lanes: list[int]
    colours: list[str]


def _strip(sheet: Sheet, frame: Frame, strip: Strip, y_of: RowY) -> float:
    """Draw the pinned query's share of each key: a square per head, the mean as bar and number."""
    theme, lanes, x = sheet.theme, strip.lanes, strip.x
    weights = marks.numbers_of(frame)[lanes][:, strip.query]
    keys = range(strip.first, min(weights.shape[1], strip.first + MAX_ROWS))
    if 1 < len(lanes) <= MAX_STRIP:
        x = _squares(sheet, frame, strip, weights, y_of) + 14
    mean = weights.mean(axis=0)
    top = float(np.nanmax(mean, initial=1e-9))
    x_number = x + 84 + 44
    name = "mean" if len(lanes) > 1 else frame.fields["unit"]
    sheet.text(x_number, 14, name, size=11, colour=theme.ink_3, align="right")
    about = "" if marks.is_exact(frame) else "≈"
    size = min(12, strip.row - 2)
    for i in keys:
        y = float(y_of(i, "key"))
        sheet.box(x, y - 2.5, max(0.75, 84 * float(mean[i]) / top), 5, fill=theme.ink)
        sheet.text(x_number, y, about + fixed(float(mean[i]), 3), size=size, align="right")
    return x_number


def _squares(sheet: Sheet, frame: Frame, strip: Strip, weights: np.ndarray, y_of: RowY) -> float:
    """Draw a square per head and key; return the x where they end."""
    theme, scale = sheet.theme, marks.scale_of(frame, "weights")
    side = min(13.0, strip.row - 3)
    for j, lane in enumerate(strip.lanes):
        x, name = strip.x + j * (side + 3), str(frame.fields["lanes"][lane]["head"])
        sheet.text(x + side / 2, 14, name, size=10, colour=theme.ink_3, align="center")
        for i in range(strip.first, min(weights.shape[1], strip.first + MAX_ROWS)):
            y = float(y_of(i, "key")) - side / 2
            opacity = min(1.0, float(weights[j, i]) / scale) ** 0.6
            sheet.box(x, y, side, side, fill=strip.colours[lane], opacity=opacity)
            sheet.box(x, y, side, side, edge=theme.rule, line=0.75)
    return strip.x + len(strip.lanes) * (side + 3)


def _legend(sheet: Sheet, frame: Frame, lanes: list[int], colours: list[str], y: float) -> float:
    """Draw the legend: the colour of each head, and the opacity and width of values."""
    x = 0.0
    if (
        frame.fields["lanes"]
        and frame.fields["lanes"][0]["head"] is not None
        and len(lanes) <= 2 * MAX_STRIP
    ):
        x = marks.head_legend(sheet, frame, lanes, colours, 0, y) + 22
    name = frame.fields["unit"]
    sheet.text(x, y, name, size=11, colour=sheet.theme.ink_2)
    x += sheet.width(name, 11) + 8
    for part in (0.1, 0.5, 1.0):
        colour = colours[lanes[0]] if len(lanes) == 1 else sheet.theme.ink
        at = np.array([y])
        opacity, width = line_style(np.array([part]), 1.0)
        sheet.curves(x, at, x + 26, at, rgba([colour], opacity), width)
        word = brief(part * _scale(frame))
        sheet.text(x + 31, y, word, size=10, colour=sheet.theme.ink_2)
        x += 31 + sheet.width(word, 10) + 12
    return x
