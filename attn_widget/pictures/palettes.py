"""The colours of pictures made without a browser: those of js/src/paint/palettes.js (a test compares them)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HEADS = (
    "036095", "ea6d1b", "a979fb", "951301", "a22480", "6b6901", "b97fa3", "5a94cf",
    "4e32ae", "87984f", "178576", "6a3559", "9d5d4e", "d64178", "8357c7", "005a2f",
)  # fmt: skip
SEQUENTIAL = (
    "f2f8fc",
    "bfe0f9",
    "94c6f1",
    "72aae4",
    "598ed0",
    "4972b5",
    "3d5895",
    "324070",
    "262b48",
)
PAPER, INK, INK_2, INK_3, RULE = "ffffff", "1a1c1f", "555a62", "686d76", "e4e6e9"


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, hexadecimal without a mark."""

    heads: tuple[str, ...]
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]
    paper: str
    ink: str
    ink_2: str
    ink_3: str
    rule: str
    rule_2: str
    fill: str
    warn: str
    shade: int  # which of the 256 sequential colours the text is shaded with
    shade_opacity: float


THEMES = {
    "light": Theme(
        HEADS, SEQUENTIAL, ("974c12", "b17652", "c9a088", "e1cbbe", "f7f7f7", "c4d1e4", "93acd0", "6387bc", "3463a6"),
        PAPER, INK, INK_2, INK_3, RULE, "b9bdc4", "f2f3f5", "8a5300", 128, 0.62,
    ),
    "dark": Theme(
        (
            "60c5ff", "f68e0a", "d1d3fc", "c96d52", "fe8bdd", "6d8706", "a267a9", "0394d3",
            "706bf1", "c9cb22", "70f1cd", "c197a9", "f1bc99", "de3c7f", "af8efd", "25be71",
        ),
        ("171921", "202e4c", "274676", "2c619c", "357ebc", "4b9dd5", "6fbbe8", "9dd7f5", "d3f1fd"),
        ("fba773", "bd815d", "835d46", "4d3b31", "1c1c1c", "36404f", "516889", "6e93c8", "97c0fc"),
        "111111", "e8e9eb", "a9aeb6", "8b9099", "2a2c30", "53575f", "1e2023", "e3b04b", 158, 0.52,
    ),
}  # fmt: skip


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a hexadecimal colour as three bytes."""
    return tuple(int(colour[i : i + 2], 16) for i in (0, 2, 4))


def head_colour(head: int) -> tuple[int, int, int]:
    """Return the colour of a head; from the seventeenth on, colours come again and its number tells it apart."""
    return rgb(HEADS[head % len(HEADS)])


def lane_colours(theme: Theme, heads: Sequence[int | None], on: Sequence[int]) -> list[str]:
    """Return a colour per lane: its own up to 16 heads; above, colours go to the heads that are on, while 16 do.

    The rule of the page: with more heads on than there are colours, all lines take one ink.
    """
    if None in heads:
        return [theme_shade(theme)] * len(heads)
    if len(heads) <= len(theme.heads):
        return [theme.heads[head % len(theme.heads)] for head in heads]
    order = {head: i for i, head in enumerate(sorted(on))} if len(on) <= len(theme.heads) else {}
    return [theme.heads[order[head]] if head in order else theme.ink_3 for head in heads]


def theme_shade(theme: Theme) -> str:
    """Return the one colour of a lane that joins all heads."""
    return "{:02x}{:02x}{:02x}".format(*table(theme.sequential)[158])


def sequential_table() -> np.ndarray:
    """Return 256 colours ``(value, rgb)`` of the light theme's sequential scale."""
    return table(SEQUENTIAL)


def table(stops: Sequence[str]) -> np.ndarray:
    """Return 256 colours ``(value, rgb)`` through these stops, straight lines in OKLab.

    References
    ----------
    Ottosson (2020), "A perceptual color space for image processing", https://bottosson.github.io/posts/oklab/
    """
    labs = np.stack([_to_oklab(np.array(rgb(stop)) / 255) for stop in stops])
    at = np.linspace(0, len(labs) - 1, 256)
    mixed = np.stack(
        [np.interp(at, np.arange(len(labs)), labs[:, axis]) for axis in range(3)], axis=1
    )
    return np.round(np.clip(_from_oklab(mixed), 0, 1) * 255).astype(np.uint8)


_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _to_oklab(colour: np.ndarray) -> np.ndarray:
    """Return sRGB (0 to 1) in OKLab."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _LMS_TO_LAB.T


def _from_oklab(lab: np.ndarray) -> np.ndarray:
    """Return OKLab in sRGB (0 to 1, not clipped)."""
    linear = (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0, None)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
