"""The colours of pictures made without a browser: the light theme of js/src/draw/palettes.js (a test compares them)."""

from __future__ import annotations

import numpy as np

HEADS = (
    "036095", "ea6d1b", "a979fb", "951301", "a22480", "6b6901", "b97fa3", "5a94cf",
    "4e32ae", "87984f", "178576", "6a3559", "9d5d4e", "d64178", "8357c7", "005a2f",
)  # fmt: skip
SEQUENTIAL = ("f2f8fc", "bfe0f9", "94c6f1", "72aae4", "598ed0", "4972b5", "3d5895", "324070", "262b48")
PAPER, INK, INK_2, INK_3, RULE = "ffffff", "1a1c1f", "555a62", "686d76", "e4e6e9"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a hexadecimal colour as three bytes."""
    return tuple(int(colour[i : i + 2], 16) for i in (0, 2, 4))


def head_colour(head: int) -> tuple[int, int, int]:
    """Return the colour of a head; from the seventeenth on, colours come again and its number tells it apart."""
    return rgb(HEADS[head % len(HEADS)])


def sequential_table() -> np.ndarray:
    """Return 256 colours ``(value, rgb)`` through the stops of the sequential scale, straight lines in OKLab.

    References
    ----------
    Ottosson (2020), "A perceptual color space for image processing", https://bottosson.github.io/posts/oklab/
    """
    labs = np.stack([_to_oklab(np.array(rgb(stop)) / 255) for stop in SEQUENTIAL])
    at = np.linspace(0, len(labs) - 1, 256)
    mixed = np.stack([np.interp(at, np.arange(len(labs)), labs[:, axis]) for axis in range(3)], axis=1)
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
