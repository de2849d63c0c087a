"""Attention calls -> layers of the model: which calls stand side by side, and what they are.

Calls of one stack of layers whose inputs have the same depth stand side by side. They are heads of
one layer, or parts of it (windows, pictures, frames, or several texts that went through the same
stack). Calls of other depth are other layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from attn_widget.errors import InputError
from attn_widget.recording.building.arrange_axes import arranged, merged_heads, shared_weights
from attn_widget.recording.building.decoding_steps import Place, joined_steps
from attn_widget.recording.building.dense_layout import dense
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.module_stack import pattern_of, stack_of


@dataclass
class Layer:
    """One layer of the model: a call for each of its parts."""

    calls: list[AttentionCall]
    stack: str
    branch: str = ""  # tells layers of one stack apart that stand side by side
    # Parts that are passes of other inputs through the same stack.
    passes: bool = False
    windows: int = 1  # parts that a call holds on its first axis, beside the items

    @property
    def first(self) -> AttentionCall:
        """Return the call of the first part."""
        return self.calls[0]

    @property
    def n_parts(self) -> int:
        """Return the number of parts."""
        return len(self.calls) * self.windows

    @property
    def lengths(self) -> tuple[tuple[int, int], ...]:
        """Return the queries and keys of every part."""
        return tuple(call.shape[2:] for call in self.calls) * self.windows


@dataclass
class Layers:
    """The layers of a forward pass in the order they ran, and modules that could not be read."""

    layers: list[Layer] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def layers_of(
    calls: Iterable[AttentionCall], batch: int | None, n_tokens: int | None = None
) -> Layers:
    """Return the layers of attention calls.

    Parameters
    ----------
    calls
        In the order they ran.
    batch
        Items, where the inputs say it: further entries of a call's first axis are windows.
    n_tokens
        Ids of one item, where the inputs hold ids: a model may add padding to whole blocks.
    """
    found = Layers()
    places: dict[Place, list[AttentionCall]] = {}
    for call in calls:
        one = arranged(call)
        if one is None:
            found.missing[call.name] = "attention whose axes of heads and windows are not known"
            continue
        places.setdefault((stack_of(call.name), call.cross, call.depth), []).append(one)
    for (stack, _, _), group in joined_steps(places).items():
        ready = dense(group, n_tokens)
        if isinstance(ready, str):
            found.missing.update((call.name, ready) for call in group)
            continue
        for layer in _layers_of_place(stack, ready):
            layer.windows = _windows(layer.first, batch)
            found.layers.append(layer)
    return found


def _windows(call: AttentionCall, batch: int | None) -> int:
    """Return how many windows the first axis of a call holds for each item."""
    rows = call.shape[0]
    if batch is not None and rows % batch == 0:
        return rows // batch
    return call.windows or 1


def _layers_of_place(stack: str, calls: Sequence[AttentionCall]) -> list[Layer]:
    """Return the layers of calls that stand side by side: one, or several branches."""
    if len(calls) == 1:
        return [Layer(list(calls), stack)]
    one = shared_weights(calls)
    if one is not None:
        return [Layer([one], stack)]
    by_path: dict[str, list[AttentionCall]] = {}
    for call in calls:
        by_path.setdefault(call.name, []).append(call)
    passes = _passes(by_path)
    if passes is not None:
        return [Layer([_whole(heads) for heads in passes], stack, passes=len(passes) > 1)]
    if len(by_path) > 1:
        return [
            layer
            for path, same in by_path.items()
            for layer in _named(_layers_of_place(stack, same), branch_of(path, by_path))
        ]
    return [Layer(list(calls), stack, passes=all(call.siblings is None for call in calls))]


def _passes(by_path: Mapping[str, list[AttentionCall]]) -> list[list[AttentionCall]] | None:
    """Return the calls that are heads of one layer, for each input that went through it; or None.

    Heads are calls of one module call, or of a module for each head.
    """
    if len(by_path) > 1:
        counts = {len(same) for same in by_path.values()}
        found = [list(heads) for heads in zip(*by_path.values(), strict=False)]
        return found if len(counts) == 1 and all(map(_are_heads, found)) else None
    by_call: dict[int, list[AttentionCall]] = {}
    for call in next(iter(by_path.values())):
        by_call.setdefault(call.module_call, []).append(call)
    found = list(by_call.values())
    return found if all(map(_are_heads, found)) else None


def _are_heads(calls: Sequence[AttentionCall]) -> bool:
    """Return whether calls side by side were measured to be heads of one layer."""
    alike = {(call.measured_in, call.shape[0], *call.shape[2:]) for call in calls}
    return len(alike) == 1 and all(call.siblings == "heads" for call in calls)


def _whole(calls: Sequence[AttentionCall]) -> AttentionCall:
    """Return the heads of one layer as one call."""
    if len(calls) == 1:
        return calls[0]
    if any(call.graph_weights is not None for call in calls):
        raise InputError(
            "keep_graph must meet layers that compute all heads at once, got several calls in "
            f"{stack_of(calls[0].name) or calls[0].name}. Record this model without gradients."
        )
    return merged_heads(calls)


def _named(layers: list[Layer], branch: str) -> list[Layer]:
    """Return layers with the name of their branch."""
    for layer in layers:
        layer.branch = branch
    return layers


def branch_of(path: str, paths: Iterable[str]) -> str:
    """Return the part of a path that tells it from others; a number with the name before it."""
    for same in (pattern_of, str):  # numbers only where nothing else differs
        names = [same(other).split(".") for other in paths]
        for i, part in enumerate(same(path).split(".")):
            if any(other[i : i + 1] != [part] for other in names):
                return ".".join(path.split(".")[max(0, i - 1) : i + 1]) if part.isdigit() else part
    return path.rsplit(".", 1)[-1]
