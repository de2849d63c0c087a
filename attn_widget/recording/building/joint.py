"""Why the layers of a group cannot be joined: rollout and flow need one axis for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attn_widget.recording.building.layers import Layer
from attn_widget.recording.tracing.module_stack import stack_of
from attn_widget.recording.tracing.spread_probe import stay_apart


def not_joint(
    layers: Sequence[Layer], stack: Sequence[Layer], missing: Mapping[str, str], word: str = "part"
) -> str:
    """Return why these layers of one stream cannot be joined; "" where they can.

    Parameters
    ----------
    layers
        The layers of the stream.
    stack
        All layers of the list of layers that they belong to, in the order they ran.
    missing
        Modules that mixed positions and were not recorded, and what was seen.
    word
        What the parts of these layers are called.
    """
    between = [path for path in missing if stack_of(path) == layers[0].stack]
    if between:
        more = f" and {len(between) - 1} more" if len(between) > 1 else ""
        return f"{between[0]}{more} mixed positions between these layers and was not recorded"
    own = [id(layer) for layer in layers]
    places = [i for i, layer in enumerate(stack) if id(layer) in own]
    if places and places[-1] - places[0] + 1 != len(places):
        return "other layers of the same stack, with other parts, lie between these"
    if len(layers) > 1 and not _same_parts(layers):
        return (
            f"each layer attends within {layers[0].n_parts} {word}s, and nothing shows that these "
            "hold the same positions in every layer"
        )
    return ""


def _same_parts(layers: Sequence[Layer]) -> bool:
    """Return whether the parts of these layers hold the same positions."""
    first = layers[0]
    if all(layer.n_parts == 1 or layer.passes for layer in layers):
        return True
    if any((layer.lengths, layer.windows) != (first.lengths, first.windows) for layer in layers):
        return False
    return stay_apart([layer.calls for layer in layers], first.windows)
