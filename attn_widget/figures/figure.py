"""A frame as a figure for print: SVG, PDF or PNG, with its legend and a caption. Takes frames, never a widget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attn_widget.errors import InputError
from attn_widget.figures.painters import head, matrix, neuron
from attn_widget.figures.painters import model as grid
from attn_widget.figures.painters import text as reading
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import Sheet
from attn_widget.figures.still import Picked
from attn_widget.pictures import palettes
from attn_widget.pictures.protocol import Frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 16
NARROWEST = 360
MOST_LINES = 2  # of one line of the caption, once it is wrapped
_PAINTERS: dict[str, Callable[[Sheet, Frame, Picked], Painted]] = {
    "head": head.paint,
    "model": grid.paint,
    "neuron": neuron.paint,
    "matrix": matrix.paint,
    "text": reading.paint,
}


def figure(frame: Frame, picked: Picked, caption: Sequence[str], *, theme: str = "light") -> Figure:
    """Return a frame of any view as a matplotlib figure, legend and caption below the picture.

    Parameters
    ----------
    frame
        What is drawn.
    picked
        Heads that are on, pinned tokens, the share below which lines are left out.
    caption
        Lines below the picture, the first one bold: what this is of. What had to be left out is added.
    theme
        ``light`` or ``dark``.

    Returns
    -------
    Figure
        96 px to an inch, as large as its content. ``savefig`` writes SVG and PDF with text as text.

    Raises
    ------
    InputError
        If the theme is another, or matplotlib is not installed.

    Notes
    -----
    A frame may come with ``weights`` as they are in place of a byte each: numbers are then printed without ``≈``.
    """
    if theme not in palettes.THEMES:
        raise InputError(
            f"theme must be one of {', '.join(palettes.THEMES)}, got {theme!r}. Choose one of these."
        )
    sheet = Sheet(palettes.THEMES[theme])
    painted = _PAINTERS[frame.fields["view"]](sheet, frame, picked)
    width = max(painted.width, NARROWEST)
    height = _caption(sheet, painted, caption, width)
    return sheet.figure(width, height, MARGIN)


def _caption(sheet: Sheet, painted: Painted, caption: Sequence[str], width: float) -> float:
    """Write the caption under a hairline, and return where it ends."""
    theme = sheet.theme
    y = painted.height + 8
    sheet.rule(0, y, width)
    y += 14
    paragraphs = [(line, 12, theme.ink, True) for line in caption[:1]]
    paragraphs += [(line, 12, theme.ink_2, False) for line in caption[1:]]
    paragraphs += [(line, 11, theme.ink_2, False) for line in painted.said]
    if sheet.boxes:
        paragraphs.append(
            ("□ stands for a character that no installed typeface has", 11, theme.ink_2, False)
        )
    for text, size, colour, bold in paragraphs:
        for line in sheet.wrapped(text, width, size, bold=bold, most=MOST_LINES):
            sheet.text(0, y, line, size=size, colour=colour, bold=bold)
            y += size + 5
    return y
