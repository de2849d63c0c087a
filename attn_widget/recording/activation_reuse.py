"""Activation reuse: layers below the first ablated head return what they returned unchanged.

The model's own forward runs, so that embeddings, masks, final norms and output layers are its own;
only the calls of layers before the first change return stored activations. Layers are the members
of the outermost numbered module list above the model's attentions, whatever it is called. Layers
that are called several times (ALBERT's) are told apart by the order of their calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.head_mask import HeadMask


@dataclass(frozen=True)
class LayerCall:
    """One call of one layer in the unchanged pass."""

    first: int  # attention calls that ran before it
    last: int  # attention calls that had run when it ended
    output: Any


class LayerActivations:
    """What the layers of a model returned in an unchanged pass, in the order of their calls."""

    def __init__(self, model: torch.nn.Module, attention_paths: Iterable[str]) -> None:
        found = dict(model.named_modules())
        lists = dict.fromkeys(path for path in map(_list_of, attention_paths) if path in found)
        self._layers = [m for path in lists for m in found[path].children()]
        self.calls: list[LayerCall] = []

    @contextlib.contextmanager
    def stored(self, mask: HeadMask) -> Iterator[None]:
        """Store what each layer returns while the model runs inside."""
        thread = threading.get_ident()
        begun: list[int] = []
        self.calls = []

        def before(module: Any, args: Any) -> None:
            if threading.get_ident() == thread:
                begun.append(mask.n_calls)

        def after(module: Any, args: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                self.calls.append(LayerCall(begun.pop(), mask.n_calls, output))

        handles = []
        try:
            for layer in self._layers:
                handles.append(layer.register_forward_pre_hook(before))
                handles.append(layer.register_forward_hook(after))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def calls_below(self, attention: int) -> int:
        """Return how many layer calls come before the one in which an attention call runs."""
        return max((i for i, call in enumerate(self.calls) if call.first <= attention), default=0)

    @contextlib.contextmanager
    def reused(self, n_calls: int, mask: HeadMask) -> Iterator[None]:
        """Return stored activations from the first calls; afterwards every forward is as before."""
        thread, done, batch = threading.get_ident(), 0, len(mask.items)

        def reusing(own: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                nonlocal done
                if threading.get_ident() != thread or done >= n_calls:
                    return own(*args, **kwargs)
                call = self.calls[done]
                done += 1
                mask.n_calls = call.last
                return repeat_items(call.output, batch)

            return forward

        layers = self._layers if n_calls else []
        saved = [vars(layer).get("forward") for layer in layers]
        try:
            for layer in layers:
                layer.forward = reusing(layer.forward)
            yield
        finally:
            for layer, own in zip(layers, saved, strict=True):
                vars(layer).pop("forward", None)
                if own is not None:
                    layer.forward = own


def repeat_items(value: Any, batch: int) -> Any:
    """Return what one item gave as if ``batch`` equal items had, in new tensors.

    New, because layers may write into them.
    """
    if isinstance(value, torch.Tensor):
        one = value.ndim > 0 and value.shape[0] == 1
        return value.repeat(batch, *[1] * (value.ndim - 1)) if one else value.clone()
    if isinstance(value, Mapping):
        parts = {name: repeat_items(part, batch) for name, part in value.items()}
        # The outputs of transformers are dataclasses and mappings at once.
        return type(value)(**parts) if dataclasses.is_dataclass(value) else parts
    if isinstance(value, list | tuple):
        return type(value)(repeat_items(part, batch) for part in value)
    return value


def _list_of(path: str) -> str | None:
    """Return the path of the outermost numbered list above a module, or None where it has none."""
    parts = path.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[0]]) if numbers else None
