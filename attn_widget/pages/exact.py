"""The parts of a page that are stored exactly: the frame on screen, and one head's neuron view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attn_widget.errors import AttnWidgetError
from attn_widget.pages.coding import deflated
from attn_widget.pictures import Frame, Pictures, Spec
from attn_widget.pictures.rules import VIEW_RULES

NEURON_SHARE = 0.2  # of a page's budget: queries and keys are large
_DERIVED = ("dot", "scaled", "softcapped", "softmax")  # stages that the page computes itself


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """A frame as the live page receives it, its buffers deflated."""

    header: dict[str, Any]
    buffers: tuple[tuple[bytes, int], ...]  # deflated bytes, and the size before


@dataclass(frozen=True, eq=False)
class NeuronParts:
    """One head's neuron view for every query: JSON fields, and arrays."""

    fields: dict[str, Any]  # `why` is the reason if there is no neuron view, else None
    arrays: dict[str, np.ndarray]


def frame_on_screen(pictures: Pictures, spec: Spec) -> EncodedFrame | None:
    """Return the frame of a spec, so that the page opens with the very lines of the live widget.

    None for a view that needs a query.
    """
    if VIEW_RULES[spec.view].needs_query:
        return None
    header, buffers = pictures.frame(spec).encode()
    return EncodedFrame(header, tuple((deflated(buffer), len(buffer)) for buffer in buffers))


def neuron_parts(pictures: Pictures, spec: Spec, budget: int) -> NeuronParts:
    """Return the neuron view of the layer and head of a spec, or the reason why there is none."""
    shown = {name: getattr(spec, name) for name in ("attention", "layer", "head")}
    layer = pictures.at(spec).group(spec.attention)[spec.layer]
    channels = 0 if layer.q is None else layer.q.shape[-1]
    if 4 * channels * (layer.n_queries + layer.n_keys) > NEURON_SHARE * budget:
        why = "The queries and keys of this text do not fit this page. Open the notebook."
        return NeuronParts(shown | {"why": why}, {})
    one = replace(spec, view="neuron", method="raw", hide_special=False, words=False)
    try:
        frames = [pictures.frame(one, query) for query in range(layer.n_queries)]
    except AttnWidgetError as error:
        return NeuronParts(shown | {"why": str(error)}, {})
    first = frames[0]
    arrays = {name: _stacked(name, frames) for name in first.arrays if name not in _DERIVED}
    same = {k: v for k, v in first.fields.items() if all(f.fields[k] == v for f in frames)}
    own = [{k: _finite(v) for k, v in f.fields.items() if k not in same} for f in frames]
    for known in ("queries", "keys", "spec", "capture_id"):
        same.pop(known)
    return NeuronParts(shown | {"why": None, "fields": same, "own": own}, arrays)


def _stacked(name: str, frames: Sequence[Frame]) -> np.ndarray:
    """Return an array of all queries in the smallest type that shows the same."""
    if name == "k":
        return frames[0].arrays[name][0]
    array = np.stack([frame.arrays[name][0] for frame in frames])
    if name == "mask":
        return np.isfinite(array).astype(np.uint8)  # the mask is 0 or minus infinity
    if name == "measured":
        return np.round(np.clip(array, 0, 1) * 65535).astype(np.uint16)
    return array


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
