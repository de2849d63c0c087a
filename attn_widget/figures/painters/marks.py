"""Functions that several painters use: token labels, legends, and the weights to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from attn_widget.figures.sheet import Sheet
from attn_widget.pictures import palettes
from attn_widget.pictures.format import brief
from attn_widget.pictures.protocol import Frame, decoded

SWATCH = 15
BAR = 110


@dataclass(frozen=True)
class Painted:
    """The size that a painter used, in px, and its caption."""

    width: float
    height: float
    caption: Sequence[str] = ()


def is_exact(frame: Frame) -> bool:
    """Return whether the frame holds its weights exactly."""
    return "exact_weights" in frame.arrays


def numbers_of(frame: Frame) -> np.ndarray:
    """Return the weights to print: exact if the frame has exact weights, else rounded."""
    return decoded(frame, "exact_weights" if is_exact(frame) else "weights")


def scale_of(frame: Frame, name: str) -> float:
    """Return the value at the end of the colour scale: 1, or the largest value if above 1."""
    array, encoding, scale = frame.arrays[name]
    return max(1.0, float(array.max(initial=0.0))) if encoding == "plain" else scale


class LabelStyle(NamedTuple):
    """How a token label is written: ``room`` and ``size`` in px, angle in degrees."""

    room: float
    size: float = 13
    align: str = "left"
    pinned: bool = False
    angle: float = 0


def token(sheet: Sheet, axis: dict[str, Any], i: int, x: float, y: float, **style: Any) -> None:
    """Write a label in a `LabelStyle`: special tokens small and grey, pinned ones inverted."""
    room, size, align, pinned, angle = LabelStyle(**style)
    theme = sheet.theme
    special = bool(axis["special"][i])
    size = size - 2 if special and size > 12 else size
    text = sheet.fitted(axis["text"][i], room, size, bold=pinned)
    if pinned and not angle:
        width = sheet.width(text, size, bold=True)
        x0 = x - width if align == "right" else x
        sheet.box(x0 - 5, y - size * 0.75, width + 10, size * 1.5, fill=theme.ink, round_by=2)
    colour = theme.paper if pinned and not angle else theme.ink_3 if special else theme.ink
    sheet.text(x, y, text, size=size, colour=colour, align=align, bold=pinned, angle=angle)


def widest(sheet: Sheet, texts: Sequence[str], room: float, size: float = 13) -> float:
    """Return the width of the widest label, at most ``room``, in px."""
    return max(
        (min(room, sheet.width(t, size)) for t in {sheet.fitted(t, room, size) for t in texts}),
        default=0,
    )


def head_legend(
    sheet: Sheet, frame: Frame, lanes: Sequence[int], colours: Sequence[str], x: float, y: float
) -> float:
    """Draw a numbered square per head; return the position where they end."""
    sheet.text(x, y, "head" if len(lanes) == 1 else "heads", size=11, colour=sheet.theme.ink_2)
    x += sheet.width("heads", 11) + 8
    for lane in lanes:
        head = str(frame.fields["lanes"][lane]["head"])
        wide = max(SWATCH, sheet.width(head, 10) + 6)
        sheet.box(x, y - SWATCH / 2, wide, SWATCH, fill=colours[lane], round_by=1.5)
        sheet.text(x + wide / 2, y, head, size=10, colour=readable(colours[lane]), align="center")
        x += wide + 3
    return x


def colour_legend(
    sheet: Sheet,
    x: float,
    y: float,
    name: str,
    marks: Sequence[float | str],
    table: np.ndarray | None = None,
) -> float:
    """Draw a colour scale with the values at its ends and middle; return where it ends."""
    theme = sheet.theme
    words = [m if isinstance(m, str) else brief(m) for m in marks]
    sheet.text(x, y, name, size=11, colour=theme.ink_2)
    x += sheet.width(name, 11) + 8
    sheet.image(x, y - 5, BAR, 10, (theme.sequential if table is None else table)[None])
    for i, (word, align) in enumerate(zip(words, ("left", "center", "right"), strict=True)):
        sheet.text(x + BAR * i / 2, y + 13, word, size=10, colour=theme.ink_2, align=align)
    return x + BAR


def readable(colour: str) -> str:
    """Return black or white, whichever has more contrast with a colour (WCAG 2.2 luminance)."""
    linear = [
        ((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92
        for c in palettes.rgb(colour)
    ]
    luminance = sum(
        part * share for part, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True)
    )
    return "000000" if luminance > 0.179 else "ffffff"
