"""The frame of the text view: the head frame, and the place of each token in the source.

The source is a text, a picture or a sound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from attn_widget.pictures.axes import Axis
from attn_widget.pictures.frame import Numbers, head_frame
from attn_widget.pictures.protocol import Frame, Spec, plain
from attn_widget.records import Capture, Tokens, to_numpy

LARGEST_PICTURE_PX = 512


def text_frame(
    spec: Spec, numbers: Numbers, queries: Axis, keys: Axis, tokens: Tokens, image: Any = None
) -> Frame:
    """Return the frame of the text view; ``tokens`` are those along the key axis."""
    frame = head_frame(spec, numbers, queries, keys)
    fields = {
        "source": list(tokens.source),
        "spans": [span_of(tokens, group) for group in keys.positions],
        "grid": None if tokens.grid is None else list(tokens.grid),
        "seconds": tokens.seconds,
    }
    arrays = dict(frame.arrays)
    if image is not None:
        arrays["image"] = plain(small(to_numpy(image)))
    return replace(frame, fields=frame.fields | fields, arrays=arrays)


def image_of(capture: Capture, attention: str) -> Any:
    """Return the picture to draw under a group's map; None where there is none.

    A part (a window, one of several pictures) covers another area than the whole picture, so none
    is drawn under it.
    """
    return capture.image if capture.n_parts(attention) == 1 else None


def small(
    image: UInt8[np.ndarray, "row column rgb"], side: int = LARGEST_PICTURE_PX
) -> UInt8[np.ndarray, "small_row small_column rgb"]:
    """Return a picture whose larger side is at most ``side`` pixels."""
    largest = max(image.shape[:2])
    if largest <= side:
        return image
    from PIL import Image

    height, width = (max(1, round(s * side / largest)) for s in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def span_of(tokens: Tokens, group: tuple[int, ...]) -> list[int] | None:
    """Return ``[segment, start, stop]`` of a displayed key in the source; None if unknown."""
    spans = [tokens.spans[i] for i in group] if tokens.spans else [None]
    first, last = spans[0], spans[-1]
    if first is None or last is None or None in spans:
        return None
    return [tokens.segments[group[0]], first[0], last[1]]
