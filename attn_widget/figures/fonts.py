"""Font families of figures, with fallbacks for missing glyphs and without control characters."""

from __future__ import annotations

import unicodedata
from functools import cache

# The first installed family is preferred; DejaVu comes with matplotlib and has most scripts.
SANS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
SERIF = (
    "Charter",
    "Bitstream Charter",
    "Georgia",
    "Liberation Serif",
    "DejaVu Serif",
    "DejaVu Sans",
)
NO_GLYPH = "□"


@cache
def families(*, serif: bool = False) -> tuple[str, ...]:
    """Return the preferred installed family, then fallbacks for missing glyphs."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    found = [name for name in (SERIF if serif else SANS) if name in there]
    return tuple(
        dict.fromkeys([*found[:1], *(name for name in found if name.startswith("DejaVu"))])
    )


def plain(text: str) -> str:
    """Return text as one line, without control, format, private-use or variation characters.

    Direction marks would change the text after the token, and XML cannot hold control characters.
    """
    line = " ".join(text.split())
    kept = [
        c for c in line if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    ]
    # U+FE00 to U+FE0F are variation selectors.
    kept = [c for c in kept if not "\ufe00" <= c <= "\ufe0f"]
    return "".join(kept).strip() or "␣"


def writable(text: str, *, serif: bool = False, bold: bool = False) -> tuple[str, list[str]]:
    """Return text in which every character has a glyph, and the families that provide them.

    A character without a glyph in any installed font becomes a box.
    """
    names = list(families(serif=serif))
    known = set().union(*(_characters(name, bold) for name in names))
    letters = []
    for c in text:
        if ord(c) in known:
            letters.append(c)
            continue
        other = _family_with(ord(c), bold)
        if other and other not in names:
            names.append(other)
        letters.append(c if other else NO_GLYPH)
    return "".join(letters), names


@cache
def _characters(family: str, bold: bool) -> frozenset[int]:
    """Return the code points of the font file for a family and weight."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    path = findfont(FontProperties(family=family, weight="bold" if bold else "normal"))
    return frozenset(get_font(path).get_charmap())


@cache
def _family_with(code: int, bold: bool) -> str | None:
    """Return an installed family that has a glyph for a code point, or None."""
    from matplotlib.font_manager import fontManager, get_font

    upright = [
        font for font in fontManager.ttflist if font.style == "normal" and font.stretch == "normal"
    ]
    for font in sorted(
        upright, key=lambda font: (font.weight not in (400, "normal", "regular"), font.name)
    ):
        # matplotlib does not draw colour fonts (bitmaps); Last Resort has only one box per script.
        if "Color" in font.name or "lastresort" in font.name.lower().replace(" ", ""):
            continue
        try:
            if code in get_font(font.fname).get_charmap() and code in _characters(font.name, bold):
                return font.name
        except (OSError, RuntimeError, ValueError):  # unreadable font file: try the next
            continue
    return None
