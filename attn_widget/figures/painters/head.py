"""The head view in print: two columns of tokens, a line per share, and a pinned token's shares head by head."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, rgba
from attn_widget.figures.still import Picked, edges, values
from attn_widget.pictures import palettes
from attn_widget.pictures.protocol import Frame

ARCS = 260
ROOM = 150
MAX_ROWS = 80
MAX_LINES = 6000
MAX_STRIP = 16  # squares beside the keys: one per head, while colours tell them apart


def paint(sheet: Sheet, frame: Frame, picked: Picked) -> Painted:
    """Draw tokens and lines, strong ones last; of pinned tokens only theirs."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    pinned = {
        "query": marks.chosen_rows(queries, picked.query),
        "key": marks.chosen_rows(keys, picked.key),
    }
    both = (
        sorted(pinned["query"] + pinned["key"]) if queries["text"] == keys["text"] else []
    )  # rows stay side by side
    first = {
        "query": _window(queries, both or pinned["query"]),
        "key": _window(keys, both or pinned["key"]),
    }
    n_rows = min(MAX_ROWS, max(len(queries["text"]), len(keys["text"])))
    row = 21 if n_rows <= 32 else max(12.5, 672 / n_rows)
    size = min(13, row - 2.5)
    y_of = lambda i, side: 30 + (np.asarray(i) - first[side] + 0.5) * row  # noqa: E731
    x_query = marks.widest(sheet, queries["text"], ROOM, size) + 12
    x_key = x_query + ARCS + 24
    lanes = marks.lanes_on(frame, picked)
    colours = palettes.lane_colours(
        sheet.theme, [lane["head"] for lane in frame.fields["lanes"]], picked.heads
    )

    said = _lines(
        sheet, frame, picked, pinned, first, (x_query + 10, x_key - 10), y_of, lanes, colours
    )
    end = x_key
    for side, axis, x, align in (
        ("query", queries, x_query, "right"),
        ("key", keys, x_key, "left"),
    ):
        sheet.text(x, 14, side, size=11, colour=sheet.theme.ink_3, align=align)
        for i in range(first[side], min(len(axis["text"]), first[side] + MAX_ROWS)):
            is_pinned = i in pinned[side]
            y = float(y_of(i, side))
            marks.token(sheet, axis, i, x, y, room=ROOM, size=size, align=align, pinned=is_pinned)
    end += marks.widest(sheet, keys["text"], ROOM, size) + 6
    if len(pinned["query"]) == 1 and "weights" in frame.arrays:
        end = _strip(
            sheet, frame, pinned["query"][0], first["key"], end + 20, y_of, row, lanes, colours
        )
    height = 30 + n_rows * row + 18
    end = max(end, _legend(sheet, frame, lanes, colours, height))
    return Painted(end, height + 16, said)


def _window(axis: dict[str, Any], pinned: list[int]) -> int:
    """Return the first row drawn of a long axis: a pinned row is in the picture."""
    n = len(axis["text"])
    if n <= MAX_ROWS or not pinned or pinned[0] < MAX_ROWS:
        return 0
    return min(pinned[0] - MAX_ROWS // 2, n - MAX_ROWS)


def _lines(sheet: Sheet, frame: Frame, picked: Picked, pinned: dict, first: dict, x: tuple[float, float], y_of: Any,
           lanes: list[int], colours: list[str]) -> list[str]:  # fmt: skip
    """Draw the lines that are asked for, and return what was left out."""
    lane, query, key, weight = edges(frame)
    asked = np.isin(lane, lanes)
    if pinned["query"]:
        asked &= np.isin(query, pinned["query"])
    if pinned["key"]:
        asked &= np.isin(key, pinned["key"])
    kept = asked & (weight >= max(picked.threshold, 1e-9))
    strong = kept.copy()
    for side, at in (("query", query), ("key", key)):
        kept &= (at >= first[side]) & (at < first[side] + MAX_ROWS)
    order = np.flatnonzero(kept)
    order = order[np.argsort(weight[order], kind="stable")][-MAX_LINES:]
    scale = marks.scale_of(frame, "weights" if "weights" in frame.arrays else "edges_weight")
    w = np.clip(weight[order] / scale, 0, 1)
    apart = min(2.2, 17 / max(1, len(lanes)))
    place = np.zeros(len(frame.fields["lanes"]))
    place[lanes] = (np.arange(len(lanes)) - (len(lanes) - 1) / 2) * apart
    if len(order):
        y0, y1 = (
            y_of(query[order], "query") + place[lane[order]],
            y_of(key[order], "key") + place[lane[order]],
        )
        shown = rgba([colours[i] for i in lane[order]], np.clip(w**0.65, 0.1, 1))
        sheet.curves(x[0], y0, x[1], y1, shown, 0.75 + 1.75 * w)
    return _said(frame, picked, pinned, lanes, asked, strong, order, weight)


def _said(frame: Frame, picked: Picked, pinned: dict, lanes: list[int], asked: np.ndarray, strong: np.ndarray,
          order: np.ndarray, weight: np.ndarray) -> list[str]:  # fmt: skip
    """Return in words how much of what was asked for is drawn."""
    if pinned["key"]:
        total = float(weight[asked].sum())  # what a key gives has no other sum
    else:
        rows = pinned["query"] or slice(None)
        total = float(values(frame, "row_sum")[lanes][:, rows].sum())
    left = 1 - float(weight[order].sum()) / total if total else 0.0
    of = "".join(
        f" {word} {marks.named(frame.fields[axis], pinned[side])}"
        for side, axis, word in (("query", "queries", "of"), ("key", "keys", "to"))
        if pinned[side]
    )
    what = "flow" if frame.fields["unit"] == "flow" else "attention"
    hidden = float(values(frame, "hidden_mass")[lanes].sum())
    reasons = ["hidden tokens"] if hidden > 5e-4 and not pinned["key"] else []
    if "edges_key" in frame.arrays:
        reasons.append(
            f"all but the {frame.arrays['edges_key'][0].shape[2]} strongest keys of each row"
        )
    if picked.threshold > 0:
        reasons.append(
            f"{frame.fields['unit']}s below {picked.threshold:g}".replace("flows", "flow")
        )
    if int(strong.sum()) > len(order):
        reasons.append(f"tokens beyond {MAX_ROWS} rows")
    said = f"{len(order)} of {int(asked.sum())} lines{of}"
    if left > 5e-4 and reasons:
        said += f" · left out: {', '.join(reasons)}, {left:.1%} of the {what}"
    return [said]


def _strip(sheet: Sheet, frame: Frame, row: int, first: int, x: float, y_of: Any, height: float, lanes: list[int],
           colours: list[str]) -> float:  # fmt: skip
    """Draw what the pinned query takes from each key: a square per head, then the mean as a bar and a number."""
    theme, weights = sheet.theme, values(frame, "weights")[lanes][:, row]
    scale = marks.scale_of(frame, "weights")
    side = min(13.0, height - 3)
    if 1 < len(lanes) <= MAX_STRIP:
        for j, lane in enumerate(lanes):
            middle = x + j * (side + 3) + side / 2
            sheet.text(
                middle,
                14,
                str(frame.fields["lanes"][lane]["head"]),
                size=10,
                colour=theme.ink_3,
                align="center",
            )
        for i in range(first, min(weights.shape[1], first + MAX_ROWS)):
            y = float(y_of(i, "key")) - side / 2
            for j, lane in enumerate(lanes):
                opacity = min(1.0, float(weights[j, i]) / scale) ** 0.6
                at = x + j * (side + 3)
                sheet.box(at, y, side, side, fill=colours[lane], opacity=opacity)
                sheet.box(at, y, side, side, edge=theme.rule, line=0.75)
        x += len(lanes) * (side + 3) + 14
    mean = weights.mean(axis=0)
    top = float(mean.max(initial=1e-9))
    x_number = x + 84 + 44
    sheet.text(
        x_number,
        14,
        "mean" if len(lanes) > 1 else frame.fields["unit"],
        size=11,
        colour=theme.ink_3,
        align="right",
    )
    about = "" if marks.is_exact(frame) else "≈"
    for i in range(first, min(len(mean), first + MAX_ROWS)):
        y = float(y_of(i, "key"))
        sheet.box(x, y - 2.5, max(0.75, 84 * float(mean[i]) / top), 5, fill=theme.ink)
        sheet.text(
            x_number,
            y,
            about + marks.number(float(mean[i])),
            size=min(12, height - 2),
            align="right",
        )
    return x_number


def _legend(sheet: Sheet, frame: Frame, lanes: list[int], colours: list[str], y: float) -> float:
    """Draw which colour is which head, and how strong which value looks."""
    x = 0.0
    if (
        frame.fields["lanes"]
        and frame.fields["lanes"][0]["head"] is not None
        and len(lanes) <= 2 * MAX_STRIP
    ):
        x = marks.head_legend(sheet, frame, lanes, colours, 0, y) + 22
    scale = marks.scale_of(frame, "weights" if "weights" in frame.arrays else "edges_weight")
    name = {"share": "share"}.get(frame.fields["unit"], frame.fields["unit"])
    sheet.text(x, y, name, size=11, colour=sheet.theme.ink_2)
    x += sheet.width(name, 11) + 8
    for part in (0.1, 0.5, 1.0):
        colour = colours[lanes[0]] if len(lanes) == 1 else sheet.theme.ink
        at = np.array([y])
        sheet.curves(
            x,
            at,
            x + 26,
            at,
            rgba([colour], np.array([part**0.65])),
            np.array([0.75 + 1.75 * part]),
        )
        word = marks.brief(part * scale)
        sheet.text(x + 31, y, word, size=10, colour=sheet.theme.ink_2)
        x += 31 + sheet.width(word, 10) + 12
    return x
