"""A drawing surface on a matplotlib figure, in px (96 per inch), y downwards.

pyplot is not used and the user's rcParams have no effect, so the same frame always gives the same
figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_widget.figures import fonts
from attn_widget.pictures.drawing import DRAWING
from attn_widget.pictures.palettes import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PT = 72 / 96  # points per px
DOTS = 3  # image pixels per px, for print: 288 per inch
# rcParams while a file is written: text stays text, and nothing is cropped.
FILES: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "attn-widget",
    "pdf.fonttype": 42,
    "savefig.bbox": None,
}


class TextStyle(NamedTuple):
    """How one line is written: size in px, angle in degrees, ``colour`` without ``#``."""

    size: float = 13
    colour: str = ""  # empty: the theme's ink
    align: str = "left"
    bold: bool = False
    serif: bool = False
    angle: float = 0
    middle: bool = True  # y is the middle of the letters, not their baseline


class BoxStyle(NamedTuple):
    """How a rectangle is drawn; ``line`` and ``round_by`` in px, None draws no fill or edge."""

    fill: str | None = None
    edge: str | None = None
    opacity: float = 1
    line: float = 1
    round_by: float = 0


class Sheet:
    """A matplotlib figure with drawing methods in px; `figure` sets its final size."""

    def __init__(self, theme: Theme, dots: int = DOTS) -> None:
        self.theme = theme
        self._dots = dots
        self._figure = _figure_class()(dpi=192, layout="none", facecolor="#" + theme.paper)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self.boxes = False  # True once a character had no glyph and was drawn as a box

    def figure(self, width: float, height: float, margin: float) -> Figure:
        """Return the figure of the area (0, 0) to (``width``, ``height``), with a margin, in px."""
        self._figure.set_size_inches((width + 2 * margin) / 96, (height + 2 * margin) / 96)
        self._axes.set_xlim(-margin, width + margin)
        self._axes.set_ylim(height + margin, -margin)
        return self._figure

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write one line at ``y``, in a `TextStyle`; ``$`` does not start mathematics."""
        how = TextStyle(**style)
        letters, names = fonts.writable(text, serif=how.serif, bold=how.bold)
        self.boxes |= letters.count(fonts.NO_GLYPH) > text.count(fonts.NO_GLYPH)
        self._axes.text(
            x,
            y,
            letters,
            fontsize=how.size * PT,
            fontfamily=names,
            fontweight="bold" if how.bold else "normal",
            color="#" + (how.colour or self.theme.ink),
            ha=how.align,
            va="center_baseline" if how.middle else "baseline",
            rotation=how.angle,
            rotation_mode="anchor",
            parse_math=False,
            usetex=False,
        )

    def box(self, x: float, y: float, width: float, height: float, **style: Any) -> None:
        """Draw a rectangle in a `BoxStyle`."""
        from matplotlib.patches import FancyBboxPatch, Rectangle

        how = BoxStyle(**style)
        options: dict[str, Any] = {
            "facecolor": "none" if how.fill is None else "#" + how.fill,
            "edgecolor": "none" if how.edge is None else "#" + how.edge,
            "linewidth": 0 if how.edge is None else how.line * PT,
            "alpha": how.opacity,
        }
        if how.round_by:
            shape = f"round,pad=0,rounding_size={how.round_by}"
            self._axes.add_artist(FancyBboxPatch((x, y), width, height, boxstyle=shape, **options))
        else:
            self._axes.add_artist(Rectangle((x, y), width, height, **options))

    def rule(self, x: float, y: float, width: float) -> None:
        """Draw a thin horizontal line."""
        self.box(x, y, width, 0.75, fill=self.theme.rule)

    def grid(self, x: float, y: float, cell: float, shape: tuple[int, int], colour: str) -> None:
        """Draw thin lines between the cells of a matrix of this shape (rows, columns)."""
        from matplotlib.collections import LineCollection

        rows, columns = shape
        down = [[(x, y + i * cell), (x + columns * cell, y + i * cell)] for i in range(1, rows)]
        across = [[(x + j * cell, y), (x + j * cell, y + rows * cell)] for j in range(1, columns)]
        lines = LineCollection(down + across, colors="#" + colour, linewidths=PT)
        self._axes.add_collection(lines, autolim=False)

    def image(self, x: float, y: float, width: float, height: float, rgb: np.ndarray) -> None:
        """Draw ``(row, column, rgb)`` bytes, each cell as a rectangle with sharp edges."""
        # Viewers of vector files smooth small images even without interpolation; cells of several
        # image pixels stay sharp.
        times = max(1, round(self._dots * max(width, height) / max(rgb.shape[:2])))
        large = rgb.repeat(times, axis=0).repeat(times, axis=1)
        self._axes.imshow(
            large, extent=(x, x + width, y + height, y), interpolation="none", aspect="auto"
        )

    def curves(
        self,
        x0: float,
        y0: np.ndarray,
        x1: float,
        y1: np.ndarray,
        rgba: np.ndarray,
        widths: np.ndarray,
    ) -> None:
        """Draw a cubic Bézier curve for each pair (y0, y1), horizontal at both ends."""
        from matplotlib.collections import PathCollection
        from matplotlib.path import Path

        bend = DRAWING["line"]["bend"] * (x1 - x0)
        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        paths = [
            Path([(x0, a), (x0 + bend, a), (x1 - bend, b), (x1, b)], codes)
            for a, b in zip(y0.tolist(), y1.tolist(), strict=True)
        ]
        self._axes.add_collection(
            PathCollection(paths, facecolors="none", edgecolors=rgba, linewidths=widths * PT),
            autolim=False,
        )

    def width(
        self, text: str, size: float = 13, *, bold: bool = False, serif: bool = False
    ) -> float:
        """Return the width of one line of text, in px."""
        return _width(text, size, bold, serif)

    def fitted(
        self, text: str, room: float, size: float = 13, *, bold: bool = False, serif: bool = False
    ) -> str:
        """Return one line of at most ``room`` px, cut with an ellipsis if it is longer."""
        line = fonts.plain(text)[:400]
        if self.width(line, size, bold=bold, serif=serif) <= room:
            return line
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.width(line[:middle] + "…", size, bold=bold, serif=serif) <= room
            low, high = (middle, high) if fits else (low, middle - 1)
        return line[:low].rstrip() + "…"

    def wrapped(
        self, text: str, room: float, size: float, *, bold: bool = False, most: int
    ) -> list[str]:
        """Return the text wrapped to at most ``most`` lines of at most ``room`` px."""
        lines: list[str] = []
        line = ""
        for word in fonts.plain(text).split(" "):
            longer = f"{line} {word}".strip()
            if line and self.width(longer, size, bold=bold) > room:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
        if len(lines) > most:
            lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
        return [self.fitted(line, room, size, bold=bold) for line in lines]


def colour_bytes(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the colour ``(…, rgb)`` of values between 0 and 1."""
    return table[np.round(np.clip(values, 0, 1) * 255).astype(int)]


def rgba(colours: Sequence[str], opacity: np.ndarray) -> np.ndarray:
    """Return ``(colour, rgba)``, 0 to 1, of hexadecimal colours with one opacity each."""
    parts = [[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colours]
    return np.column_stack([np.array(parts).reshape(-1, 3), opacity])


@lru_cache(maxsize=50_000)
def _width(text: str, size: float, bold: bool, serif: bool) -> float:
    """Return the width of a line of text, in px."""
    from matplotlib.font_manager import FontProperties

    letters, names = fonts.writable(text, serif=serif, bold=bold)
    # Measured at a large size, because the renderer rounds glyph advances to whole pixels.
    props = FontProperties(family=names, weight="bold" if bold else "normal", size=100)
    width, _, _ = _measure().get_text_width_height_descent(letters, props, ismath=False)
    return width * size / 100


@cache
def _measure() -> Any:
    """Return a renderer that measures text without a display, at 1 pixel per point."""
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, 72)


@cache
def _figure_class() -> type:
    """Return a subclass of matplotlib's Figure that applies `FILES` while it writes a file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure whose text stays text in SVG and PDF."""

        def savefig(self, fname: Any, **options: Any) -> None:
            """Write the figure; arguments as in matplotlib."""
            with mpl.rc_context(FILES):
                super().savefig(fname, **options)

        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            """Return the PNG for a notebook cell, with its size in px; works without pyplot."""
            import io

            out = io.BytesIO()
            self.savefig(out, format="png")
            width, height = (round(inches * 96) for inches in self.get_size_inches())
            return out.getvalue(), {"width": width, "height": height}

    return Picture
