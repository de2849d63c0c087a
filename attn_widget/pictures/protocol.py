"""The messages of pictures: each request has a Spec; each reply is a Frame (JSON header and bytes).

``js/src/wire/decode.js`` reads them; ``js/src/types.js`` has the same names as JSDoc. All numbers
are little endian. ``sqrt8`` stores ``round(255·√(value / scale))`` in one byte, which is enough for
drawing: weights down to 4·10⁻⁶ of the scale are not rounded to 0. ``int8`` stores
``round(value / scale)``. Exact rows are sent as float32 on request.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from attn_widget.errors import InputError
from attn_widget.pictures.axes import Axis

MAX_MESSAGE_BYTES = 4 * 2**20  # Colab and marimo have problems with larger messages


@dataclass(frozen=True)
class Spec:
    """The options of one picture: exactly the values that its frame depends on."""

    capture_id: int = 0
    view: str = "head"
    method: str = "raw"
    attention: str = "self"
    layer: int = 0
    head: int = 0
    part: int = 0
    residual: float = 0.5
    reduce: str = "mean"
    normalise: bool = False
    baseline: bool = False
    hide_special: bool = False
    words: bool = False
    segments: str = "all"
    hide_sinks: bool = False

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Spec:
        """Return the Spec of a request; ignore unknown fields, raise InputError on wrong types."""
        values: dict[str, Any] = {}
        for f in fields(cls):
            if f.name not in data:
                continue
            value, kind = data[f.name], type(f.default)
            if kind is float and isinstance(value, int):
                value = float(value)
            if type(value) is not kind:
                raise InputError(
                    f"{f.name} must be of type {kind.__name__}, got {value!r}. Ask again with one."
                )
            values[f.name] = value
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Frame:
    """The data of one picture: JSON fields, and named arrays with their encoding."""

    fields: dict[str, Any]
    arrays: dict[str, tuple[np.ndarray, str, float]] = field(
        default_factory=dict
    )  # array, encoding, scale

    def encode(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the JSON header and one buffer per array, in the same order."""
        header = dict(self.fields)
        header["arrays"] = []
        buffers = []
        for name, (array, encoding, scale) in self.arrays.items():
            entry: dict[str, Any] = {
                "name": name,
                "dtype": str(array.dtype),
                "shape": list(array.shape),
                "encoding": encoding,
            }
            if encoding != "plain":
                entry["scale"] = scale
            if encoding == "missing":
                header["missing"] = header.get("missing", 0) + int(np.isnan(array).sum())
            header["arrays"].append(entry)
            buffers.append(
                np.ascontiguousarray(array)
                .astype(array.dtype.newbyteorder("<"), copy=False)
                .tobytes()
            )
        return header, buffers


def common(
    spec: Spec, queries: Axis, keys: Axis, *, unit: str, causal: bool, layer_label: str
) -> dict[str, Any]:
    """Return the fields that every view's frame has."""
    return {
        "view": spec.view,
        "capture_id": spec.capture_id,
        "spec": asdict(spec),
        "queries": queries.header(),
        "keys": keys.header(),
        "unit": unit,
        "causal": causal,
        "layer_label": layer_label,
    }


def plain(array: np.ndarray) -> tuple[np.ndarray, str, float]:
    """Return an array entry without encoding."""
    return array, "plain", 1.0


def sqrt8(values: Float[np.ndarray, "..."]) -> tuple[Shaped[np.ndarray, "..."], str, float]:
    """Return an array entry in one byte per value; the scale is 1, or the largest value if above 1.

    A byte cannot represent NaN. If a faulty model gives NaN, all values are sent as float32 with
    the encoding "missing", and the picture shows NaN cells striped.

    Raises
    ------
    InputError
        If a value is infinite or below 0.
    """
    largest, least = float(values.max(initial=0.0)), float(values.min(initial=0.0))
    missing = np.isnan(largest)
    if missing:  # slower than the check of the extremes, so only now
        known = values[~np.isnan(values)]
        largest, least = float(known.max(initial=0.0)), float(known.min(initial=0.0))
    if not np.isfinite(largest) or least < -1e-6:
        raise InputError(
            "values must be finite and at least 0, got infinity or a negative. Check the attention."
        )
    scale = largest if largest > 1.0 else 1.0
    if missing:
        return values.astype(np.float32), "missing", scale
    return (
        np.round(np.sqrt(np.clip(values, 0, None) / scale) * 255).astype(np.uint8),
        "sqrt8",
        scale,
    )


def int8(values: Float[np.ndarray, "..."]) -> tuple[Shaped[np.ndarray, "..."], str, float]:
    """Return an array entry in one signed byte per value, in steps of the largest value / 127."""
    step = float(np.abs(values).max(initial=0.0)) / 127 or 1.0
    return np.round(values / step).astype(np.int8), "int8", step


def decoded(frame: Frame, name: str) -> Shaped[np.ndarray, "..."]:
    """Return an array of a frame as the page decodes it, as float32 values."""
    array, encoding, scale = frame.arrays[name]
    if encoding == "int8":
        return (array * scale).astype(np.float32)
    if encoding != "sqrt8":
        return array
    table = (scale * (np.arange(256) / 255) ** 2).astype(np.float32)
    return table[array]
