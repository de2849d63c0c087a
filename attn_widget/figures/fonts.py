"""Which typefaces a figure is set in, and what of a token they can write: no glyph is missing, no character acts."""

from __future__ import annotations

import unicodedata
from functools import cache

# The first that is installed leads; DejaVu comes with matplotlib and knows most scripts.
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
    """Return the installed families that text is set in: the nicest, and those that know what it does not."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    found = [name for name in (SERIF if serif else SANS) if name in there]
    return tuple(
        dict.fromkeys([*found[:1], *(name for name in found if name.startswith("DejaVu"))])
    )


def plain(text: str) -> str:
    """Return text on one line: white space as spaces, and without characters that steer, combine into one or are none.

    Marks that turn the direction of writing, or that XML cannot hold, would reach beyond the token.
    """
    line = " ".join(text.split())
    kept = [
        c for c in line if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    ]
    kept = [
        c for c in kept if not "\ufe00" <= c <= "\ufe0f"
    ]  # they choose a variant of the character before
    return "".join(kept).strip() or "␣"


def writable(text: str, *, serif: bool = False, bold: bool = False) -> tuple[str, list[str]]:
    """Return text in which every character can be drawn, and the families that draw it.

    A character that no installed typeface has becomes a box.
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
    """Return the code points of the file that a family and weight resolve to."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    path = findfont(FontProperties(family=family, weight="bold" if bold else "normal"))
    return frozenset(get_font(path).get_charmap())


@cache
def _family_with(code: int, bold: bool) -> str | None:
    """Return an installed family that has a character, None where there is none."""
    from matplotlib.font_manager import fontManager, get_font

    upright = [
        font for font in fontManager.ttflist if font.style == "normal" and font.stretch == "normal"
    ]
    for font in sorted(
        upright, key=lambda font: (font.weight not in (400, "normal", "regular"), font.name)
    ):
        # Pictures in place of outlines, which matplotlib does not draw; and the typeface of boxes,
        # one for a script.
        if "Color" in font.name or "lastresort" in font.name.lower().replace(" ", ""):
            continue
        try:
            if code in get_font(font.fname).get_charmap() and code in _characters(font.name, bold):
                return font.name
        except (OSError, RuntimeError, ValueError):  # a file that cannot be read does not have it
            continue
    return None
