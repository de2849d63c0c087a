"""The payload of a page: stored arrays one after another, and the JSON that describes them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import UInt8

from attn_widget.attribution.methods import METHODS
from attn_widget.pages.coding import END, deflated
from attn_widget.pages.contents import Contents
from attn_widget.pages.exact import EncodedFrame, NeuronParts
from attn_widget.pictures import Pictures, Spec
from attn_widget.pictures.axes import SEGMENTS, Axis
from attn_widget.pictures.model import MANY_TILES, SMALL_TILE_CELLS, TILE_CELLS
from attn_widget.pictures.notes import notes
from attn_widget.pictures.text import image_of, small, span_of
from attn_widget.pictures.validation import sentences
from attn_widget.records import Capture, Tokens, to_numpy

JPEG_QUALITY = 85
# The traits that change only the axes, and all their values: the page computes no axis itself.
AXIS_CHOICES: dict[str, tuple[Any, ...]] = {
    "hide_special": (False, True),
    "words": (False, True),
    "segments": SEGMENTS,
    "hide_sinks": (False, True),
}


@dataclass(eq=False)
class PayloadWriter:
    """Collects deflated binary parts and counts the offset of each in the inflated payload."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes, size: int) -> int:
        """Append a deflated part of ``size`` inflated bytes; return its offset."""
        self.parts.append(data)
        self.size += size
        return self.size - size

    def add_array(self, name: str, array: np.ndarray) -> dict[str, Any]:
        """Append an array; return the JSON entry with its place and type."""
        little_endian = array.dtype.newbyteorder("<")
        data = np.ascontiguousarray(array).astype(little_endian, copy=False).tobytes()
        at = self.add(deflated(data), len(data))
        return {
            "name": name,
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "at": at,
            "size": len(data),
        }

    def add_frame(self, frame: EncodedFrame) -> dict[str, Any]:
        """Append the buffers of a frame; return its header and the place of each buffer."""
        at = [[self.add(data, size), size] for data, size in frame.buffers]
        return {"header": frame.header, "at": at}

    def to_base64(self, description: dict[str, Any]) -> str:
        """Return all parts, the JSON ``description``, and its length in four bytes, as base64."""
        text = json.dumps(
            description, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode()
        tail = deflated(text + len(text).to_bytes(4, "little"))
        return base64.b64encode(b"".join([*self.parts, tail, END])).decode()


@dataclass(frozen=True, eq=False)
class PageParts:
    """Everything that a page stores."""

    traits: Mapping[str, Any]  # JSON of the traits with which the page opens
    contents: Contents
    neuron: NeuronParts
    shown: EncodedFrame | None  # the frame on screen; None if the page has to make it


def payload(pictures: Pictures, spec: Spec, parts: PageParts) -> str:
    """Return what ``js/src/static`` reads: the traits, and all that it makes frames of."""
    writer, image = PayloadWriter(), pictures.at(spec).image
    axes = AxisTable(pictures, spec)
    stored, neuron = parts.contents.matrices, parts.neuron
    description = {
        "state": parts.traits,
        "groups": {
            name: axes.of(name) | {"notes": _notes(pictures.at(spec), spec, name)}
            for name in pictures.at(spec).groups
        },
        "axes": axes.entries,
        "choices": {name: values[0] for name, values in AXIS_CHOICES.items()},
        "places": [
            matrix.header | {"at": writer.add(matrix.data, matrix.size)} for matrix in stored
        ],
        "neuron": neuron.fields
        | {"arrays": [writer.add_array(name, array) for name, array in neuron.arrays.items()]},
        "image": None if image is None else writer.add_array("image", jpeg(small(to_numpy(image)))),
        "shown": None if parts.shown is None else writer.add_frame(parts.shown),
        "cells": [TILE_CELLS, SMALL_TILE_CELLS, MANY_TILES],
    }
    return writer.to_base64(description)


@dataclass(eq=False)
class AxisTable:
    """The axes of every combination of `AXIS_CHOICES`, equal ones stored once."""

    pictures: Pictures
    spec: Spec
    entries: list[dict[str, Any]] = field(default_factory=list)
    _indices: dict[str, int] = field(default_factory=dict)  # JSON of an axis -> index in entries

    def of(self, attention: str) -> dict[str, Any]:
        """Return the axes of an attention by choice, and the source that the text view shows."""
        capture = self.pictures.at(self.spec)
        tokens = capture.axes(attention)
        axes_of_choice = {}
        for values in product(*AXIS_CHOICES.values()):
            chosen: dict[str, Any] = dict(zip(AXIS_CHOICES, values, strict=True))
            if chosen["segments"] not in sentences(*tokens):
                continue
            axes = self.pictures.axes(replace(self.spec, attention=attention, **chosen))
            # As JavaScript joins them.
            name = ",".join(v if isinstance(v, str) else str(v).lower() for v in values)
            axes_of_choice[name] = [
                self._index(axis, t) for axis, t in zip(axes, tokens, strict=True)
            ]
        keys = tokens[1]
        grid = None if keys.grid is None else list(keys.grid)
        read = {
            "source": list(keys.source),
            "grid": grid,
            "seconds": keys.seconds,
            "image": image_of(capture, attention) is not None,
        }
        return {"ways": axes_of_choice, "size": [len(t) for t in tokens], "read": read}

    def _index(self, axis: Axis, tokens: Tokens) -> int:
        entry = axis.header() | {"spans": [span_of(tokens, group) for group in axis.positions]}
        name = json.dumps(entry)
        if name not in self._indices:
            self._indices[name] = len(self.entries)
            self.entries.append(entry)
        return self._indices[name]


def _notes(capture: Capture, spec: Spec, attention: str) -> dict[str, Any]:
    """Return the notes of every caption: for each method, of the model view and of each layer."""
    by_method = {}
    for method in METHODS:
        of = replace(spec, method=method, attention=attention, view="matrix")
        n_layers = len(capture.group(attention))
        by_method[method] = {
            "model": notes(capture, replace(of, view="model", layer=0)),
            "layers": [notes(capture, replace(of, layer=i)) for i in range(n_layers)],
        }
    return by_method


def jpeg(image: UInt8[np.ndarray, "row column rgb"]) -> UInt8[np.ndarray, " byte"]:
    """Return a picture as the bytes of a JPEG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=JPEG_QUALITY)
    return np.frombuffer(out.getvalue(), np.uint8)
