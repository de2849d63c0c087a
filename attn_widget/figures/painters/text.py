"""The text view in print: what was read, shown or heard, shaded by what the pinned token takes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.figures import fonts
from attn_widget.figures.painters import marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet, colour_bytes
from attn_widget.figures.still import Picked, edges, values
from attn_widget.pictures import palettes
from attn_widget.pictures.protocol import Frame

MEASURE = 520
LINE = 30
SIZE = 18
PICTURE = 380
LIST = 230
LISTED = 10
NOT_SHADED = 0.1  # of the largest
MAX_LINES = 60


@dataclass(frozen=True)
class Shade:
    """What the pinned tokens take from each token (or give to it), the mean over the heads that are on."""

    side: str
    rows: list[int]
    values: np.ndarray
    axis: dict[str, Any]  # of the tokens that are shaded
    largest: float  # special tokens apart


def paint(sheet: Sheet, frame: Frame, picked: Picked) -> Painted:
    """Draw the text, the picture or the sound with its shade, and beside it the strongest tokens."""
    shade = _shade(frame, picked)
    fields = frame.fields
    if fields.get("grid") and "image" in frame.arrays:
        width, height = _picture(sheet, frame, shade)
    elif fields.get("seconds"):
        return _sound(sheet, frame, picked)
    else:
        width, height = _text(sheet, frame, shade)
    if shade is None:
        return Painted(width, height, ["no token is pinned, so nothing is shaded"])
    listed = min(LISTED, max(5, int(height / 20) - 1))
    end, below = _strongest(sheet, frame, shade, width + 36, listed)
    legend = _legend(sheet, shade, frame.fields["unit"], max(height, below) + 12)
    return Painted(max(end, legend), max(height, below) + 34, _said(frame, shade))


def _shade(frame: Frame, picked: Picked) -> Shade | None:
    """Return the shade of the pinned queries, else of the pinned keys; None where nothing is pinned."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    lanes = marks.lanes_on(frame, picked)
    for side, own, axis, pins in (
        ("query", queries, keys, picked.query),
        ("key", keys, queries, picked.key),
    ):
        rows = marks.chosen_rows(own, pins)
        if not rows or not lanes:
            continue
        lane, query, key, weight = edges(frame)
        mine, other = (query, key) if side == "query" else (key, query)
        asked = np.isin(lane, lanes) & np.isin(mine, rows)
        found = np.bincount(other[asked], weight[asked], minlength=len(axis["text"])) / len(lanes)
        largest = float(np.max(found, where=~np.array(axis["special"], bool), initial=0.0))
        return Shade(side, rows, found, axis, largest)
    return None


def _text(sheet: Sheet, frame: Frame, shade: Shade | None) -> tuple[float, float]:
    """Set the text in lines of a readable length; return the size."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    if queries["text"] == keys["text"]:
        return _flow(sheet, _pieces(frame), 0.0, shade, both=True, side="key")
    y, width = 10.0, 0.0
    for side, pieces in (("query", _tokens(queries)), ("key", _pieces(frame))):
        sheet.text(0, y, side, size=11, colour=sheet.theme.ink_3)
        wide, y = _flow(sheet, pieces, y + 12, shade, both=False, side=side)
        width, y = max(width, wide), y + 16
    return width, y - 10


def _flow(sheet: Sheet, pieces: list[tuple[str, int | None]], top: float, shade: Shade | None, *, both: bool,
          side: str) -> tuple[float, float]:  # fmt: skip
    """Set pieces of text one after the other, and return how wide they are and where they end."""
    theme = sheet.theme
    table = palettes.table(theme.sequential)
    colour = "{:02x}{:02x}{:02x}".format(*table[theme.shade])
    x, y, widest = 0.0, top + LINE / 2, 0.0
    pinned = set(shade.rows) if shade and (both or shade.side == side) else set()
    shaded = shade is not None and (both or shade.side != side)
    for word in _words(pieces):
        if word is None:  # the next text begins
            x, y = 0.0, y + 1.5 * LINE
            continue
        width = sum(sheet.width(text, SIZE, serif=True) for text, _ in word)
        if x and x + width > MEASURE:
            x, y = 0.0, y + LINE
        if y > top + MAX_LINES * LINE:
            sheet.text(x, y, "…", size=SIZE, serif=True)
            return widest, y + LINE / 2
        for text, row in word:
            shown = sheet.fitted(text, MEASURE, SIZE, serif=True) if text.strip() else text
            wide = sheet.width(shown, SIZE, serif=True)
            ink = theme.ink
            if row is not None and row in pinned:
                sheet.box(x - 3, y - LINE / 2 + 3, wide + 6, LINE - 6, fill=theme.ink, round_by=2)
                ink = theme.paper
            elif row is not None and shaded and shade.largest > 0:
                part = min(1.0, float(shade.values[row]) / shade.largest)
                if part >= NOT_SHADED:
                    opacity = part * theme.shade_opacity
                    sheet.box(
                        x,
                        y - LINE / 2 + 3,
                        wide,
                        LINE - 6,
                        fill=colour,
                        opacity=opacity,
                        round_by=2,
                    )
            if shown.strip():
                sheet.text(x, y, shown, size=SIZE, colour=ink, serif=True)
            x += wide
        widest = max(widest, x)
        x += sheet.width(" ", SIZE, serif=True)
    return widest, y + LINE / 2


def _pieces(frame: Frame) -> list[tuple[str, int | None]]:
    """Return the key side's text cut at the displayed tokens; None beside text between tokens."""
    source, spans = frame.fields["source"], frame.fields["spans"]
    if not source or not any(spans):
        return _tokens(frame.fields["keys"])
    pieces: list[tuple[str, int | None]] = []
    for segment, text in enumerate(source):
        if segment:
            pieces.append(("\n\n", None))
        at = 0
        for row, span in enumerate(spans):
            if span is None or span[0] != segment or span[2] <= span[1] or span[1] < at:
                continue
            if span[1] > at:
                pieces.append((text[at : span[1]], None))
            pieces.append((text[span[1] : span[2]], row))
            at = span[2]
        pieces.append((text[at:], None))
    return pieces


def _tokens(axis: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Return tokens with spaces between them."""
    return [
        piece
        for row, text in enumerate(axis["text"])
        for piece in ((" ", None), (fonts.plain(text), row))
    ][1:]


def _words(pieces: list[tuple[str, int | None]]) -> list[list[tuple[str, int | None]] | None]:
    """Return what must stand together on a line, cut at white space; None where the next text begins."""
    words: list[list[tuple[str, int | None]] | None] = [[]]
    for text, row in pieces:
        if text == "\n\n" and row is None:
            words += [None, []]
            continue
        for i, part in enumerate(text.split(" ") if row is None else [text]):
            if i:
                words.append([])
            clean = fonts.plain(part) if part.strip() else ""
            if clean:
                words[-1].append((clean, row))
    return [word for word in words if word is None or word]


def _picture(sheet: Sheet, frame: Frame, shade: Shade | None) -> tuple[float, float]:
    """Draw the picture, pale under patches that are shaded by their share; return the size."""
    theme, (rows, columns) = sheet.theme, frame.fields["grid"]
    keys = frame.fields["keys"]
    pixels = values(frame, "image")
    scale = PICTURE / max(pixels.shape[:2])
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    first = keys["special"].index(0) if 0 in keys["special"] else 0
    if shade is None or shade.largest == 0:
        sheet.image(0, 0, width, height, pixels)
        return width, height
    part = np.zeros(rows * columns)
    given = np.clip(shade.values[first : first + rows * columns] / shade.largest, 0, 1)
    part[: len(given)] = np.where(given >= NOT_SHADED, given, 0)
    opacity = 0.75 * part.reshape(rows, columns)
    at_row = np.arange(pixels.shape[0]) * rows // pixels.shape[0]
    at_column = np.arange(pixels.shape[1]) * columns // pixels.shape[1]
    over = opacity[at_row][:, at_column][..., None]
    paper, colour = np.array(palettes.rgb(theme.paper)), palettes.table(theme.sequential)[158]
    pale = 0.45 * pixels + 0.55 * paper
    sheet.image(0, 0, width, height, np.round(pale * (1 - over) + colour * over).astype(np.uint8))
    for row in shade.rows:
        i = row - first
        if 0 <= i < rows * columns:
            w, h = width / columns, height / rows
            sheet.box(i % columns * w, i // columns * h, w, h, edge=theme.ink, line=2)
    return width, height


def _sound(sheet: Sheet, frame: Frame, picked: Picked) -> Painted:
    """Draw each query's shares along the time of what was heard."""
    theme, fields = sheet.theme, frame.fields
    queries, seconds = fields["queries"], fields["seconds"]
    lanes = marks.lanes_on(frame, picked)
    rows = marks.chosen_rows(queries, picked.query) or list(range(len(queries["text"])))
    lane, query, key, weight = edges(frame)
    n_keys = len(fields["keys"]["text"])
    asked = np.isin(lane, lanes)
    at = query[asked] * n_keys + key[asked]
    found = np.bincount(at, weight[asked], minlength=len(queries["text"]) * n_keys).reshape(
        -1, n_keys
    )[rows]
    found = found / max(1, len(lanes))
    largest = float(found.max(initial=0.0)) or 1.0
    row = min(22.0, max(6.0, 640 / len(rows)))
    x = marks.widest(sheet, [queries["text"][i] for i in rows], 120, min(13, row - 2)) + 10
    width, height = 640.0, len(rows) * row
    table = palettes.table(theme.sequential)
    sheet.image(x, 4, width, height, colour_bytes(table, np.sqrt(np.clip(found / largest, 0, 1))))
    if row >= 11:
        for i, index in enumerate(rows):
            marks.token(
                sheet,
                queries,
                index,
                x - 7,
                4 + (i + 0.5) * row,
                room=120,
                size=min(13, row - 2),
                align="right",
            )
    length = n_keys * seconds
    step = next(s for s in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1e9) if length / s <= 12)
    for i in range(int(length / step) + 1):
        at_x = x + width * i * step / length
        sheet.box(at_x - 0.5, height + 4, 1, 4, fill=theme.ink_3)
        sheet.text(
            at_x, height + 17, f"{i * step:g} s", size=10, colour=theme.ink_2, align="center"
        )
    name = f"{fields['unit']}, √ scale"
    end = marks.colour_legend(sheet, x, height + 42, name, (0, largest / 4, largest))
    said = f"rows ask, time runs across, {n_keys} frames of {seconds * 1000:g} ms · mean of {len(lanes)} heads"
    return Painted(max(x + width + 14, end), height + 66, [said])


def _strongest(
    sheet: Sheet, frame: Frame, shade: Shade, x: float, most: int
) -> tuple[float, float]:
    """List the tokens with the largest shares, specials apart; return where the list ends."""
    theme, axis = sheet.theme, shade.axis
    own = frame.fields["queries" if shade.side == "query" else "keys"]
    verb = "takes most from" if shade.side == "query" else "gives most to"
    title = sheet.fitted(" + ".join(own["text"][i] for i in shade.rows[:3]), 110, 12, bold=True)
    sheet.text(x, 10, title, size=12, bold=True)
    sheet.text(x + sheet.width(title, 12, bold=True) + 5, 10, verb, size=12, colour=theme.ink_2)
    order = [i for i in np.argsort(-shade.values, kind="stable").tolist() if not axis["special"][i]]
    table = palettes.table(theme.sequential)
    colour = "{:02x}{:02x}{:02x}".format(*table[158 if theme is palettes.THEMES["dark"] else 128])
    about = "" if marks.is_exact(frame) else "≈"
    y = 10.0
    for i in order[:most]:
        y += 20
        text = sheet.fitted(axis["text"][i], 80, 12)
        sheet.text(x, y, text, size=12)
        sheet.text(
            x + sheet.width(text, 12) + 4,
            y,
            str(axis["positions"][i][0]),
            size=10,
            colour=theme.ink_3,
        )
        part = float(shade.values[i]) / (shade.largest or 1)
        sheet.box(x + 116, y - 2.5, max(0.75, 66 * part), 5, fill=colour)
        sheet.text(
            x + LIST, y, about + marks.number(float(shade.values[i])), size=12, align="right"
        )
    return x + LIST, y + 12


def _legend(sheet: Sheet, shade: Shade, unit: str, y: float) -> float:
    """Draw the scale of the shade."""
    theme = sheet.theme
    colour = palettes.table(theme.sequential)[theme.shade] * theme.shade_opacity
    paper = np.array(palettes.rgb(theme.paper)) * (1 - theme.shade_opacity)
    darkest = "{:02x}{:02x}{:02x}".format(*np.round(colour + paper).astype(int))
    marked = (0.0, float(f"{shade.largest / 2:.2g}"), shade.largest)
    return marks.colour_legend(sheet, 0, y, unit, marked, (theme.paper, darkest))


def _said(frame: Frame, shade: Shade) -> list[str]:
    """Return in words what is not shaded."""
    said = [f"summed over {len(shade.rows)} tokens"] if len(shade.rows) > 1 else []
    special = float(shade.values[np.array(shade.axis["special"], bool)].sum())
    total = float(shade.values.sum())
    if shade.side == "query":
        lanes = len(frame.fields["lanes"])
        sums, hidden = (
            values(frame, name).reshape(lanes, -1)[:, shade.rows].sum()
            for name in ("row_sum", "hidden_mass")
        )
        special = special / total * (1 - hidden / sums) + hidden / sums if total and sums else 0.0
        if special > 5e-4:
            said.append(f"special tokens apart: {special:.1%} of this query’s {_what(frame)}")
    said.append(f"no shade below {marks.number(shade.largest * NOT_SHADED)}")
    return [" · ".join(said)]


def _what(frame: Frame) -> str:
    return "flow" if frame.fields["unit"] == "flow" else "attention"
