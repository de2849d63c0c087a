"""The text view in print: the text, each token shaded by the pinned token's attention to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.figures import fonts
from attn_widget.figures.painters import areas, marks
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet
from attn_widget.pictures import palettes
from attn_widget.pictures.captions import caption
from attn_widget.pictures.drawing import DRAWING, sentence
from attn_widget.pictures.format import fixed
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame
from attn_widget.pictures.shade import Shade, shade_of

WIDTH = 520  # of a line of text, px
LINE = 30
SIZE = 18
LIST = 230
LISTED = 10
MAX_LINES = 60
BREAK = "\n\n"  # separates two texts
Span = tuple[str, int | None]  # a part of the text, and its displayed row


def paint(sheet: Sheet, frame: Frame, selection: Selection) -> Painted:
    """Draw the shaded text, image or sound, and a list of the tokens with the largest shares."""
    shade = shade_of(frame, selection, "exact_weights" if marks.is_exact(frame) else "weights")
    fields = frame.fields
    if fields.get("seconds"):
        return areas.paint_sound(sheet, frame, selection)
    if fields.get("grid") and "image" in frame.arrays:
        width, height = areas.paint_image(sheet, frame, shade)
    else:
        width, height = _text(sheet, frame, shade)
    if shade is None:
        return Painted(width, height, caption(frame, selection))
    listed = min(LISTED, max(5, int(height / 20) - 1))
    end, below = _strongest(sheet, frame, shade, width + 36, listed)
    legend = _legend(sheet, shade, fields["unit"], max(height, below) + 12)
    return Painted(max(end, legend), max(height, below) + 34, caption(frame, selection))


@dataclass(frozen=True)
class Setting:
    """How one paragraph is drawn: its pinned rows and its shade."""

    pinned: frozenset[int]
    shade: Shade | None  # None: not shaded


def _text(sheet: Sheet, frame: Frame, shade: Shade | None) -> tuple[float, float]:
    """Draw the text in lines of a readable length; return the size in px."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    rows = frozenset(shade.rows) if shade else frozenset()
    if queries["text"] == keys["text"]:
        return _paragraph(sheet, _spans(frame), 0.0, Setting(rows, shade))
    y, width = 10.0, 0.0
    for side, spans in (("query", _tokens(queries)), ("key", _spans(frame))):
        is_own = shade is not None and shade.side == side
        setting = Setting(rows if is_own else frozenset(), None if is_own else shade)
        sheet.text(0, y, side, size=11, colour=sheet.theme.ink_3)
        wide, y = _paragraph(sheet, spans, y + 12, setting)
        width, y = max(width, wide), y + 16
    return width, y - 10


def _paragraph(
    sheet: Sheet, spans: list[Span], top: float, setting: Setting
) -> tuple[float, float]:
    """Draw spans of text one after the other; return their width and the y where they end."""
    x, y, widest = 0.0, top + LINE / 2, 0.0
    for word in _words(spans):
        if word is None:  # the next text begins
            x, y = 0.0, y + 1.5 * LINE
            continue
        width = sum(sheet.width(text, SIZE, serif=True) for text, _ in word)
        if x and x + width > WIDTH:
            x, y = 0.0, y + LINE
        if y > top + MAX_LINES * LINE:
            sheet.text(x, y, "…", size=SIZE, serif=True)
            return widest, y + LINE / 2
        for text, row in word:
            x += _span(sheet, text, row, x, y, setting)
        widest = max(widest, x)
        x += sheet.width(" ", SIZE, serif=True)
    return widest, y + LINE / 2


def _span(sheet: Sheet, text: str, row: int | None, x: float, y: float, setting: Setting) -> float:
    """Draw one span and its shade; return its width."""
    theme, shade = sheet.theme, setting.shade
    shown = sheet.fitted(text, WIDTH, SIZE, serif=True) if text.strip() else text
    wide = sheet.width(shown, SIZE, serif=True)
    box: dict[str, Any] = {"y": y - LINE / 2 + 3, "height": LINE - 6, "round_by": 2.0}
    ink = theme.ink
    if row is not None and row in setting.pinned:
        sheet.box(x - 3, width=wide + 6, fill=theme.ink, **box)
        ink = theme.paper
    elif row is not None and shade is not None and shade.largest > 0:
        part = float(shade.values[row]) / shade.largest
        part = min(part, 1.0)  # NaN stays NaN and is not shaded
        if part >= DRAWING["least_shade"]:
            colour = palettes.hexadecimal(theme.sequential[theme.text_shade])
            opacity = part * theme.text_shade_opacity
            sheet.box(x, width=wide, fill=colour, opacity=opacity, **box)
    if shown.strip():
        sheet.text(x, y, shown, size=SIZE, colour=ink, serif=True)
    return wide


def _spans(frame: Frame) -> list[Span]:
    """Return the keys' text split at the displayed tokens; row None for text between tokens."""
    source, places = frame.fields["source"], frame.fields["spans"]
    if not source or not any(places):
        return _tokens(frame.fields["keys"])
    spans: list[Span] = []
    for segment, text in enumerate(source):
        if segment:
            spans.append((BREAK, None))
        end = 0
        for row, place in enumerate(places):
            if place is None or place[0] != segment or place[2] <= place[1] or place[1] < end:
                continue
            if place[1] > end:
                spans.append((text[end : place[1]], None))
            end = place[2]
            spans.append((text[place[1] : end], row))
        spans.append((text[end:], None))
    return spans


def _tokens(axis: dict[str, Any]) -> list[Span]:
    """Return the tokens as spans, with spaces between them."""
    spans: list[Span] = []
    for row, text in enumerate(axis["text"]):
        spans += [(" ", None), (fonts.plain(text), row)]
    return spans[1:]


def _words(spans: list[Span]) -> list[list[Span] | None]:
    """Return groups of spans that a line break must not split; None where the next text begins."""
    words: list[list[Span] | None] = []
    word: list[Span] = []
    for text, row in spans:
        if (text, row) == (BREAK, None):
            words += [word, None]
            word = []
            continue
        for i, part in enumerate(text.split(" ") if row is None else [text]):
            if i:
                words.append(word)
                word = []
            clean = fonts.plain(part) if part.strip() else ""
            if clean:
                word.append((clean, row))
    return [word for word in [*words, word] if word is None or word]


def _strongest(
    sheet: Sheet, frame: Frame, shade: Shade, x: float, most: int
) -> tuple[float, float]:
    """List the tokens with the largest shares, except special tokens; return where it ends."""
    theme, axis = sheet.theme, shade.axis
    own = frame.fields["queries" if shade.side == "query" else "keys"]
    verb = sentence("strongest_keys" if shade.side == "query" else "strongest_queries")
    title = sheet.fitted(" + ".join(own["text"][i] for i in shade.rows[:3]), 110, 12, bold=True)
    sheet.text(x, 10, title, size=12, bold=True)
    sheet.text(x + sheet.width(title, 12, bold=True) + 5, 10, verb, size=12, colour=theme.ink_2)
    order = [i for i in np.argsort(-shade.values, kind="stable").tolist() if not axis["special"][i]]
    colour = palettes.hexadecimal(theme.sequential[theme.list_bar])
    about = "" if marks.is_exact(frame) else "≈"
    y = 10.0
    for i in order[:most]:
        y += 20
        text = sheet.fitted(axis["text"][i], 80, 12)
        sheet.text(x, y, text, size=12)
        at, position = x + sheet.width(text, 12) + 4, str(axis["positions"][i][0])
        sheet.text(at, y, position, size=10, colour=theme.ink_3)
        part = float(shade.values[i]) / (shade.largest or 1)
        sheet.box(x + 116, y - 2.5, max(0.75, 66 * part), 5, fill=colour)
        number = about + fixed(float(shade.values[i]), 3)
        sheet.text(x + LIST, y, number, size=12, align="right")
    return x + LIST, y + 12


def _legend(sheet: Sheet, shade: Shade, unit: str, y: float) -> float:
    """Draw the colour scale of the shade; return where it ends."""
    theme = sheet.theme
    paper = np.array(palettes.rgb(theme.paper), float)
    colour = theme.sequential[theme.text_shade].astype(float)
    opacity = np.linspace(0, theme.text_shade_opacity, 256)[:, None]
    table = np.round(paper * (1 - opacity) + colour * opacity).astype(np.uint8)
    marked = (0.0, float(f"{shade.largest / 2:.2g}"), shade.largest)
    return marks.colour_legend(sheet, 0, y, unit, marked, table)
