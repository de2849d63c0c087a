"""The frame of the text view: the head frame, and where its tokens stand in what the user wrote, showed or said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from attn_widget.pictures.axes import Axis
from attn_widget.pictures.frame import Numbers, head_frame
from attn_widget.pictures.protocol import Frame, Spec, plain
from attn_widget.records import Tokens, to_numpy

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


def small(image: np.ndarray) -> np.ndarray:
    """Return a picture ``(row, column, rgb)`` with its larger side at most `LARGEST_PICTURE_PX`."""
    largest = max(image.shape[:2])
    if largest <= LARGEST_PICTURE_PX:
        return image
    from PIL import Image

    height, width = (max(1, round(s * LARGEST_PICTURE_PX / largest)) for s in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def span_of(tokens: Tokens, group: tuple[int, ...]) -> list[int] | None:
    """Return ``[segment, start, stop]`` of a displayed key in the source; None where it is not known."""
    spans = [tokens.spans[i] for i in group] if tokens.spans else [None]
    if any(span is None for span in spans):
        return None
    return [tokens.segments[group[0]], spans[0][0], spans[-1][1]]
