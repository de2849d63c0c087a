"""The payload of a page: pieces of numbers one after another, and the JSON that says what they are."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from attn_widget.errors import AttnWidgetError
from attn_widget.pages.coding import END, deflated
from attn_widget.pages.contents import Contents
from attn_widget.pictures.axes import SEGMENTS, Axis
from attn_widget.pictures.frame import BOUND_TEXT
from attn_widget.pictures.model import MANY_TILES, SMALL_TILE_CELLS, TILE_CELLS
from attn_widget.pictures.numbers import NumbersOf
from attn_widget.pictures.protocol import Frame, Spec
from attn_widget.pictures.text import small, span_of
from attn_widget.pictures.validation import sentences
from attn_widget.pictures.views import VIEWS, Drawing
from attn_widget.records import Tokens, to_numpy

NEURON_SHARE = 0.2  # of a page: queries and keys are exact, and cost accordingly
JPEG_QUALITY = 85
# What changes the axes alone, and every value it takes: the page makes no axis itself.
CHOICES = {
    "hide_special": (False, True),
    "words": (False, True),
    "segments": SEGMENTS,
    "hide_sinks": (False, True),
}
_DERIVED = ("dot", "scaled", "softcapped", "softmax")  # stages that the page works out by itself


@dataclass(eq=False)
class Blob:
    """Binary parts in the order in which they are added, each with the place where it begins."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes, size: int) -> int:
        """Append a deflated piece of ``size`` bytes; return where it begins."""
        self.pieces.append(data)
        self.size += size
        return self.size - size

    def array(self, name: str, array: np.ndarray) -> dict[str, Any]:
        """Append an array as it is; return the entry that says where and what it is."""
        data = (
            np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        )
        at = self.add(deflated(data), len(data))
        return {
            "name": name,
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "at": at,
            "size": len(data),
        }

    def closed(self, about: dict[str, Any]) -> str:
        """Return everything as base64: the pieces, the JSON, and the JSON's length in four bytes."""
        text = json.dumps(
            about, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
        tail = deflated(text + len(text).to_bytes(4, "little"))
        return base64.b64encode(b"".join([*self.pieces, tail, END])).decode()


def payload(
    state: dict[str, Any],
    numbers: NumbersOf,
    spec: Spec,
    contents: Contents,
    neuron: tuple[dict, dict[str, np.ndarray]],
) -> str:
    """Return what `static-host.js` reads: the traits, and all that it makes frames of."""
    blob, capture = Blob(), numbers.capture
    axes = Axes(numbers, spec)
    fields, arrays = neuron
    about = {
        "state": state,
        "groups": {name: axes.of(name) for name in capture.groups},
        "axes": axes.known,
        "choices": {name: values[0] for name, values in CHOICES.items()},
        "places": [
            piece.header | {"at": blob.add(piece.data, piece.size)} for piece in contents.pieces
        ],
        "neuron": fields | {"arrays": [blob.array(name, array) for name, array in arrays.items()]},
        "image": None
        if capture.image is None
        else blob.array("image", jpeg(small(to_numpy(capture.image)))),
        "bound_text": BOUND_TEXT,
        "cells": [TILE_CELLS, SMALL_TILE_CELLS, MANY_TILES],
    }
    return blob.closed(about)


@dataclass(eq=False)
class Axes:
    """What stands along the axes in each way to display it, every axis once."""

    numbers: NumbersOf
    spec: Spec
    known: list[dict[str, Any]] = field(default_factory=list)
    _numbers: dict[str, int] = field(
        default_factory=dict
    )  # an axis in JSON -> its place among the known

    def of(self, attention: str) -> dict[str, Any]:
        """Return the axes of a group by what was chosen, and what the text view needs besides."""
        tokens = self.numbers.capture.axes(attention)
        ways = {}
        for values in product(*CHOICES.values()):
            chosen = dict(zip(CHOICES, values, strict=True))
            if chosen["segments"] not in sentences(*tokens):
                continue
            one = replace(self.spec, attention=attention, **chosen)
            axes = Drawing(self.numbers, one, {}, lambda *_: None).axes()
            name = ",".join(
                v if isinstance(v, str) else str(v).lower() for v in values
            )  # as JavaScript joins them
            ways[name] = [self._number(axis, t) for axis, t in zip(axes, tokens, strict=True)]
        keys = tokens[1]
        grid = None if keys.grid is None else list(keys.grid)
        read = {"source": list(keys.source), "grid": grid, "seconds": keys.seconds}
        return {"ways": ways, "size": [len(t) for t in tokens], "read": read}

    def _number(self, axis: Axis, tokens: Tokens) -> int:
        entry = axis.header() | {"spans": [span_of(tokens, group) for group in axis.positions]}
        name = json.dumps(entry)
        if name not in self._numbers:
            self._numbers[name] = len(self.known)
            self.known.append(entry)
        return self._numbers[name]


def neuron_of(
    numbers: NumbersOf, spec: Spec, budget: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the fields and arrays of one head's neuron view, for every query; or why it is not there."""
    place = {name: getattr(spec, name) for name in ("attention", "layer", "head")}
    layer = numbers.capture.group(spec.attention)[spec.layer]
    channels = 0 if layer.q is None else layer.q.shape[-1]
    if 4 * channels * (layer.n_queries + layer.n_keys) > NEURON_SHARE * budget:
        return place | {
            "why": "The queries and keys of this text do not fit this page. Open the notebook."
        }, {}
    one = replace(spec, view="neuron", method="raw", hide_special=False, words=False)
    try:
        frames = [
            VIEWS["neuron"](Drawing(numbers, one, {"query": i}, lambda *_: None))
            for i in range(layer.n_queries)
        ]
    except AttnWidgetError as error:
        return place | {"why": str(error)}, {}
    first = frames[0]
    arrays = {name: _stacked(name, frames) for name in first.arrays if name not in _DERIVED}
    same = {k: v for k, v in first.fields.items() if all(f.fields[k] == v for f in frames)}
    own = [{k: _finite(v) for k, v in f.fields.items() if k not in same} for f in frames]
    for known in ("queries", "keys", "spec", "capture_id"):
        same.pop(known)
    return place | {"why": None, "fields": same, "own": own}, arrays


def _stacked(name: str, frames: Sequence[Frame]) -> np.ndarray:
    """Return an array of all queries, in as few bytes as what is shown of it needs."""
    if name == "k":
        return frames[0].arrays[name][0]
    array = np.stack([frame.arrays[name][0] for frame in frames])
    if name == "mask":
        return np.isfinite(array).astype(np.uint8)  # 0 or minus infinity, nothing between
    if name == "measured":
        return np.round(np.clip(array, 0, 1) * 65535).astype(np.uint16)
    return array


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def jpeg(image: np.ndarray) -> np.ndarray:
    """Return a picture as the bytes of a JPEG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=JPEG_QUALITY)
    return np.frombuffer(out.getvalue(), np.uint8)
