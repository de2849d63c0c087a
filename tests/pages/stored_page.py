"""A page's payload, and the frames that Python makes of the same rounded numbers.

The page's JavaScript must make equal frames.

``python -m tests.pages.stored_page`` writes it where the node tests read it; a test here compares.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from attn_widget.pages.coding import code
from attn_widget.pages.contents import JOINT_BITS, ContentsChooser
from attn_widget.pages.exact import frame_on_screen, neuron_parts
from attn_widget.pages.payload import PageParts, payload
from attn_widget.pages.progress import ignore
from attn_widget.pictures.frame import Numbers
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.views import Pictures
from attn_widget.records import Capture, LayerAttention, Tokens
from tests.oracles import decode_page

FILE = Path(__file__).parents[2] / "js" / "test" / "frames" / "page.json"
SPEC = Spec(attention="decoder", layer=1, head=1)
BITS = 6
QUERIES = Tokens(
    ("<s>", "key", "s", "turn", "</s>"),
    special=(True, False, False, False, True),
    segments=(0, 0, 0, 1, 1),
    words=(None, 0, 0, 1, None),
    spans=(None, (0, 3), (3, 4), (0, 4), None),
    source=("keys", "turn"),
)
KEYS = Tokens(
    tuple("ABCDEFG"),
    special=(True, *[False] * 6),
    segments=(0, 0, 0, 0, 1, 1, 1),
    words=(None, 0, 0, 0, 1, 2, 2),
)


def capture() -> Capture:
    """Return 3 decoder layers of 2 heads, and 3 layers of cross-attention to 7 keys."""
    rng = np.random.default_rng(7)
    layers = []
    for i in range(3):
        layers.append(decoder_layer(rng, i))
        scores = rng.normal(size=(2, 5, 7)) * 2
        scores[:, :, 5] += 5  # a sink
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        layers.append(LayerAttention(f"cross.{i}", "cross", "decoder", i, 2, 5, 7, weights))
    return Capture(
        tuple(layers),
        {"decoder": QUERIES, "encoder": KEYS},
        {"decoder": "encoder"},
        model_name="toy",
        missing=("encoder.0.mixer", "encoder.1.mixer"),
    )


def decoder_layer(rng: np.random.Generator, i: int) -> LayerAttention:
    """Return a causal layer of 2 heads on one key head, with bias, softcap and a sink logit."""
    q, k = (
        rng.normal(size=(2, 5, 4)).astype(np.float32) * 2,
        rng.normal(size=(1, 5, 4)).astype(np.float32),
    )
    bias, sinks = rng.normal(size=(2, 5, 5)).astype(np.float32), np.array([0.5, -0.25], np.float32)
    scores = 5 * np.tanh(0.5 * q @ k.swapaxes(1, 2) / 5) + bias
    scores = np.where(np.tri(5, dtype=bool), scores, -np.inf)
    e = np.exp(scores)
    weights = e / (e.sum(-1, keepdims=True) + np.exp(sinks)[:, None, None])
    return LayerAttention(
        f"decoder.{i}", "self", "decoder", i, 2, 5, 5, weights, q=q, k=k, scaling=0.5, causal=True,
        bias=bias, bias_kind="position", softcap=5.0, sinks=sinks,
    )  # fmt: skip


class RoundedPictures(Pictures):
    """Pictures of the numbers that a page holds."""

    def numbers(self, spec: Spec, *args, **kwargs) -> Numbers:
        numbers = super().numbers(spec, *args, **kwargs)
        lanes = []
        for values, head in zip(numbers.values, numbers.lanes, strict=True):
            bits = BITS + (JOINT_BITS if head is None else 0)
            data, scale = code(values, bits, causal=numbers.causal)
            lanes.append(decode_page(data, values.shape, bits, scale, causal=numbers.causal))
        return replace(numbers, values=np.stack(lanes))


def specs() -> list[Spec]:
    """Every view and method of both attentions, hidden and merged in each way."""
    made = []
    for attention, methods in (("decoder", ["raw", "rollout", "flow"]), ("cross", ["raw"])):
        for view, method in product(("head", "matrix", "model", "text"), methods):
            for hide, words in product((False, True), repeat=2):
                layer = 2 if words else 1
                made.append(
                    Spec(0, view, method, attention, layer, 1, hide_special=hide, words=words)
                )
    made += [
        Spec(0, view, "raw", attention, 1, 1, words=True, segments=segments, hide_sinks=hide)
        for view in ("head", "matrix")
        for attention in ("decoder", "cross")
        for segments, hide in (("A-B", False), ("B-A", True), ("all", True))
    ]
    return made


def made() -> dict:
    """Return the payload, and each frame of rounded numbers with its sums of exact numbers."""
    pictures, rounded = Pictures(capture()), RoundedPictures(capture())
    contents = ContentsChooser(pictures, SPEC, None, ignore).choose(lambda contents: True, 10**6)
    neuron, shown = neuron_parts(pictures, SPEC, 10**6), frame_on_screen(pictures, SPEC)
    data = payload(pictures, SPEC, PageParts({"capture_id": 0}, contents, neuron, shown))
    frames = []
    for spec in specs():
        frame = rounded.frame(spec)
        arrays = dict(frame.arrays)
        if "row_sum" in arrays:
            arrays["row_sum"] = pictures.frame(spec).arrays["row_sum"]
        frames.append(entry(replace(frame, arrays=arrays)))
    frames += [entry(pictures.frame(replace(SPEC, view="neuron"), i)) for i in (0, 3)]
    return {"payload": data, "frames": frames}


def entry(frame) -> dict:
    """Return a frame's header, and its arrays as base64."""
    header, buffers = frame.encode()
    return {"header": header, "buffers": [base64.b64encode(b).decode() for b in buffers]}


def inflated(data: str) -> bytes:
    """Return the decompressed bytes of a payload, which do not depend on the version of zlib."""
    return zlib.decompress(base64.b64decode(data), -15)


if __name__ == "__main__":
    FILE.write_text(json.dumps(made()) + "\n")
