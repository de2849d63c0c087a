"""Pictures -> the pixels that a model takes, as its processor crops and scales them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from attn_widget.errors import InputError
from attn_widget.recording.inputs.prepared import Prepared
from attn_widget.records import to_numpy

COLOURS = (1, 3, 4)


def is_picture(given: Any, reader: Any = None) -> bool:
    """Return whether this is one picture: Pillow's, or rows and columns of colours.

    An array has three axes, one of 1, 3 or 4 colours, the first or the last. A tensor of this kind
    may be a model's input as well: it is a picture where the reader reads pictures.
    """
    if hasattr(given, "convert") and hasattr(given, "size"):
        return True
    if not isinstance(given, np.ndarray | torch.Tensor) or given.ndim != 3:
        return False
    if isinstance(given, torch.Tensor) and not reads_pictures(reader):
        return False
    return given.shape[-1] in COLOURS or given.shape[0] in COLOURS


def reads_pictures(reader: Any) -> bool:
    """Return whether a reader is, or holds, an image processor."""
    return hasattr(getattr(reader, "image_processor", reader), "image_mean")


def as_pixels(given: Any, argument: str = "text") -> UInt8[np.ndarray, "row column 3"]:
    """Return a picture as ``(row, column, rgb)`` uint8.

    Raises
    ------
    InputError
        If the axis of colours cannot be told, or values are neither 0 to 255 nor 0 to 1.
    """
    if hasattr(given, "convert"):
        return np.asarray(given.convert("RGB"))
    array = to_numpy(given)
    last, first = array.shape[-1] in COLOURS, array.shape[0] in COLOURS
    if last and first:
        raise InputError(
            f"{argument} must have one axis of colours, got shape {array.shape}. "
            "Give (row, column, rgb), or a Pillow image."
        )
    if first:
        array = array.transpose(1, 2, 0)
    if array.dtype != np.uint8:
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > (1 if array.dtype.kind == "f" else 255):
            raise InputError(
                f"{argument} must hold colours of 0 to 255, or of 0 to 1 as floats, got "
                f"{low:.4g} to {high:.4g}. Give pixels that the model can take by their name.",
                code='runner.run({"pixel_values": picture[None]})',
            )
        array = (array * 255).round() if array.dtype.kind == "f" else array
        array = array.astype(np.uint8)
    return np.ascontiguousarray(array[..., :3] if array.shape[-1] > 1 else array.repeat(3, axis=-1))


def picture_inputs(reader: Any, given: Any) -> Prepared:
    """Return a picture as the model's processor crops and scales it, and the pixels it made."""
    processor = getattr(reader, "image_processor", reader)
    if not reads_pictures(reader):
        raise InputError(
            f"tokenizer must be an image processor to run a picture, got {type(reader).__name__}. "
            "Give the processor this model was trained with.",
            code="aw.ModelRunner(model, AutoImageProcessor.from_pretrained(name))",
        )
    pixels = processor(images=as_pixels(given), return_tensors="pt")
    return Prepared(pixels, shown(pixels, processor))


def shown(inputs: Any, processor: Any) -> dict[str, Any]:
    """Return the picture that the model reads, to be drawn under patches; {} for several."""
    pixels = inputs.get("pixel_values")
    if not isinstance(pixels, torch.Tensor) or pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
        return {}
    return {"image": shown_pixels(pixels[0], processor)}


def shown_pixels(pixels: Any, processor: Any) -> UInt8[np.ndarray, "row column 3"]:
    """Return a model's input pixels as ``(row, column, rgb)`` uint8, colours restored."""
    image = to_numpy(pixels).transpose(1, 2, 0).astype(np.float64)
    if getattr(processor, "do_normalize", True):
        image = image * np.asarray(processor.image_std) + np.asarray(processor.image_mean)
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
