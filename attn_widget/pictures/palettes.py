"""The colours of pictures made without a browser, read from drawing.json as the page reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8

from attn_widget.pictures.drawing import DRAWING


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, six hexadecimal digits each."""

    name: str
    heads: tuple[str, ...]
    paper: str
    ink: str
    ink_2: str
    ink_3: str
    rule: str
    fill: str
    warn: str
    text_shade: int  # index of the sequential colour that text is shaded with
    text_shade_opacity: float
    list_bar: int  # index of the sequential colour of bars in a list

    @property
    def sequential(self) -> UInt8[np.ndarray, "value rgb"]:
        """Return the 256 colours of values from 0 to the largest."""
        return _table("sequential", self.name)

    @property
    def diverging(self) -> UInt8[np.ndarray, "value rgb"]:
        """Return the 256 colours of values from minus the largest to the largest."""
        return _table("diverging", self.name)


THEMES = {
    name: Theme(name, tuple(DRAWING["heads"][name]), **colours)
    for name, colours in DRAWING["themes"].items()
}


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a hexadecimal colour as three bytes."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (0, 2, 4))
    return red, green, blue


def hexadecimal(colour: UInt8[np.ndarray, " rgb"]) -> str:
    """Return three bytes as six hexadecimal digits."""
    red, green, blue = colour
    return f"{red:02x}{green:02x}{blue:02x}"


def lane_colours(theme: Theme, heads: Sequence[int | None], on: Sequence[int]) -> list[str]:
    """Return a colour per lane of a frame.

    Up to 16 heads have a colour each. Above, the colours go to the heads that are on while there
    are at most 16 of them; with more, all lines have one ink. A lane that joins the heads has one
    colour of the sequential scale.
    """
    if None in heads:
        return [hexadecimal(theme.sequential[DRAWING["joint_colour"]])] * len(heads)
    numbers = [head for head in heads if head is not None]
    if len(numbers) <= len(theme.heads):
        return [theme.heads[head % len(theme.heads)] for head in numbers]
    order = {head: i for i, head in enumerate(sorted(on))} if len(on) <= len(theme.heads) else {}
    return [theme.heads[order[head]] if head in order else theme.ink_3 for head in numbers]


@cache
def _table(scale: str, theme: str) -> UInt8[np.ndarray, "value rgb"]:
    colours = np.frombuffer(bytes.fromhex(DRAWING[scale][theme]), np.uint8).reshape(256, 3)
    colours.flags.writeable = False
    return colours
