"""A frame as a matplotlib figure for SVG, PDF or PNG files, with legend and caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attn_widget.errors import InputError
from attn_widget.figures.painters import head, matrix, model, neuron, text
from attn_widget.figures.painters.marks import Painted
from attn_widget.figures.sheet import DOTS, Sheet
from attn_widget.pictures import palettes
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 16
NARROWEST = 360
MOST_LINES = 3  # of one wrapped paragraph of the caption
NO_GLYPH = "□ stands for a character that no installed typeface has"
_PAINTERS: dict[str, Callable[[Sheet, Frame, Selection], Painted]] = {
    "head": head.paint,
    "model": model.paint,
    "neuron": neuron.paint,
    "matrix": matrix.paint,
    "text": text.paint,
}


def figure(
    frame: Frame,
    selection: Selection,
    heading: Sequence[str],
    *,
    theme: str = "light",
    dots: int = DOTS,
) -> Figure:
    """Return a frame of any view as a matplotlib figure, legend and caption below the picture.

    Parameters
    ----------
    frame
        The frame to draw.
    selection
        The selected heads, the pinned tokens, and the share below which lines are omitted.
    heading
        Lines below the picture, the first one bold, that describe it. The caption of the frame
        follows.
    theme
        ``light`` or ``dark``.
    dots
        Image pixels per px.

    Returns
    -------
    Figure
        96 px per inch, as large as its content. ``savefig`` writes SVG and PDF with text as text.

    Raises
    ------
    InputError
        If the theme does not exist.

    Notes
    -----
    If the frame holds exact float32 weights (see `attn_widget.pictures.frame.exact`), numbers are
    printed without ``≈``.
    """
    if theme not in palettes.THEMES:
        raise InputError(
            f"theme must be one of {', '.join(palettes.THEMES)}, got {theme!r}. "
            "Choose one of these."
        )
    sheet = Sheet(palettes.THEMES[theme], dots)
    painted = _PAINTERS[frame.fields["view"]](sheet, frame, selection)
    width = max(painted.width, NARROWEST)
    bottom = write_caption(sheet, painted.height, heading, painted.caption, width)
    return sheet.figure(width, bottom, MARGIN)


def write_caption(
    sheet: Sheet, top: float, heading: Sequence[str], caption: Sequence[str], width: float
) -> float:
    """Write the heading and the caption below a thin line; return the y where they end."""
    theme = sheet.theme
    y = top + 8
    sheet.rule(0, y, width)
    y += 14
    paragraphs = [(line, 12, theme.ink, True) for line in heading[:1]]
    paragraphs += [(line, 12, theme.ink_2, False) for line in heading[1:]]
    if caption:
        paragraphs.append((" · ".join(caption), 11, theme.ink_2, False))
    if sheet.boxes:
        paragraphs.append((NO_GLYPH, 11, theme.ink_2, False))
    for paragraph, size, colour, bold in paragraphs:
        for line in sheet.wrapped(paragraph, width, size, bold=bold, most=MOST_LINES):
            sheet.text(0, y, line, size=size, colour=colour, bold=bold)
            y += size + 5
    return y
