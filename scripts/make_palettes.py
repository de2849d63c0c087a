"""Write the 256 colours of each scale into attn_widget/pictures/drawing.json.

Run it after changing a stop below: ``python scripts/make_palettes.py``. Colours between the stops
lie on straight lines in OKLab, so that equal steps look equal (Ottosson 2020, "A perceptual color
space for image processing", https://bottosson.github.io/posts/oklab/).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "attn_widget" / "pictures" / "drawing.json"
STOPS = {
    "sequential": {
        "light": "f2f8fc bfe0f9 94c6f1 72aae4 598ed0 4972b5 3d5895 324070 262b48",
        "dark": "171921 202e4c 274676 2c619c 357ebc 4b9dd5 6fbbe8 9dd7f5 d3f1fd",
    },
    "diverging": {
        "light": "974c12 b17652 c9a088 e1cbbe f7f7f7 c4d1e4 93acd0 6387bc 3463a6",
        "dark": "fba773 bd815d 835d46 4d3b31 1c1c1c 36404f 516889 6e93c8 97c0fc",
    },
}
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(colour: np.ndarray) -> np.ndarray:
    """Return sRGB (0 to 1) in OKLab."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ TO_LMS.T) @ LMS_TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """Return OKLab in sRGB (0 to 1, not clipped)."""
    linear = (lab @ np.linalg.inv(LMS_TO_LAB).T) ** 3 @ np.linalg.inv(TO_LMS).T
    linear = np.clip(linear, 0, None)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def table(stops: str) -> str:
    """Return 256 colours through these stops, as one string of six hexadecimal digits each."""
    colours = [[int(stop[i : i + 2], 16) / 255 for i in (0, 2, 4)] for stop in stops.split()]
    labs = to_oklab(np.array(colours))
    at, known = np.linspace(0, len(labs) - 1, 256), np.arange(len(labs))
    mixed = np.stack([np.interp(at, known, labs[:, axis]) for axis in range(3)], axis=1)
    rgb = np.round(np.clip(from_oklab(mixed), 0, 1) * 255).astype(np.uint8)
    return rgb.tobytes().hex()


def tables() -> dict[str, dict[str, str]]:
    """Return the table of each scale and theme."""
    return {
        name: {theme: table(stops) for theme, stops in themes.items()}
        for name, themes in STOPS.items()
    }


if __name__ == "__main__":
    drawing = json.loads(FILE.read_text(encoding="utf-8")) | tables()
    FILE.write_text(json.dumps(drawing, indent=2) + "\n", encoding="utf-8")
