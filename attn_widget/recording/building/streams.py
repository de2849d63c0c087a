"""The stream of each layer, and that of its keys, from module paths and lengths.

Paths are searched for words that every library uses for its stacks (vision, text, decoder …), never
for the name of a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_widget.recording.building.layers import Layer, branch_of

# What stacks of layers are called in module paths, most telling first.
STREAM_WORDS = (
    ("vision", ("vision", "visual", "image")),
    ("audio", ("audio", "speech")),
    ("text", ("text", "language")),
    ("decoder", ("decoder",)),
    ("encoder", ("encoder",)),
)
# The stream of a cross-attention's keys, where several have as many positions as it has keys.
PREFERRED = ("encoder", "vision", "audio", "text")


def streams_of(layers: Sequence[Layer]) -> list[str]:
    """Return the stream of each layer: "" for the only stack, else the word its path uses."""
    stacks = list(dict.fromkeys(layer.stack for layer in layers))
    if len(stacks) == 1:
        named = {stacks[0]: ""}
    else:
        taken: set[str] = set()
        named = {}
        for stack in stacks:
            word = _word(stack)
            named[stack] = stack if word in taken else word
            taken.add(named[stack])
    stages: dict[tuple[str, str], list[Any]] = {}
    for layer in layers:
        known = stages.setdefault((layer.stack, layer.branch), [])
        if not layer.first.cross and _positions(layer) not in known:
            known.append(_positions(layer))
    crosses: dict[str, dict[Any, str]] = {}
    for layer in layers:
        if layer.first.cross:
            crosses.setdefault(layer.stack, {}).setdefault(layer.lengths, layer.first.name)
    out = []
    for layer in layers:
        name = f"{named[layer.stack]} {layer.branch}".strip()
        known = stages[layer.stack, layer.branch]
        if layer.first.cross and len(crosses[layer.stack]) > 1:
            # Cross-attentions of other lengths: from tokens to a picture, and back.
            other = crosses[layer.stack]
            own = branch_of(other[layer.lengths], other.values())
            name = f"{name} {own}".strip()
        # A stack whose positions change (pyramids, windows of other sizes) is one stream for each.
        if len(known) > 1 and _positions(layer) in known:
            name = f"{name} stage {known.index(_positions(layer))}".strip()
        out.append(name)
    return out


def _positions(layer: Layer) -> tuple[int, ...]:
    """Return how many queries each part of a layer has."""
    return tuple(n_queries for n_queries, _ in layer.lengths)


def _word(stack: str) -> str:
    """Return what a stack is called, from the topmost telling word in its path."""
    for part in stack.lower().split("."):
        for name, words in STREAM_WORDS:
            if any(word in part for word in words):
                return name
    return stack


def key_stream(layer: Layer, stream: str, streams: Sequence[str], layers: Sequence[Layer]) -> str:
    """Return the stream whose positions are the keys of a cross-attention."""
    n_keys = layer.first.shape[3]
    sized = [
        s
        for s, other in zip(streams, layers, strict=True)
        if s != stream and not other.first.cross and other.first.shape[2] == n_keys
    ]
    if sized:
        return next((s for s in PREFERRED if s in sized), sized[0])
    # Keys that belong to no stream: another model's states; the same tokens squeezed into fewer, or
    # with those of a cache before them.
    if layer.first.cross:
        return "memory"
    return f"{stream} {'compressed' if n_keys < layer.first.shape[2] else 'keys'}".strip()
