"""`Recorder`: collects the attention calls of one forward pass and decides what of them is kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from attn_widget.errors import InputError
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.score_tracking import MixedTag, set_tag

T = TypeVar("T")

WEIGHTS_BUDGET_BYTES = 256 * 2**20
# Arguments by which modules of any library receive the states of another stream.
CROSS_ARGUMENTS = ("key_value_states", "encoder_hidden_states", "memory", "context", "cross_states")
CROSS_NAMES = ("cross", "encoder_attn", "encdec", "enc_dec", "multihead_attn", "encoder_attention")


class Recorder:
    """Collects attention calls, and keeps their weights only while all of them fit.

    Parameters
    ----------
    model
        The model that runs; its module paths name the calls.
    weights
        ``True``, ``False`` or ``"auto"``, as in `capture`.
    keep_graph
        Keep the weights differentiable.
    expected
        How many attention calls are expected, to decide early whether their weights fit.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        weights: bool | str,
        *,
        keep_graph: bool = False,
        expected: int = 1,
    ) -> None:
        self.calls: list[AttentionCall] = []
        self.keep_graph = keep_graph
        # Modules whose softmax could not be read as attention; a dict keeps their order.
        self.unreadable: dict[str, None] = {}
        self._weights = weights
        self._expected = max(expected, 1)
        self._held_bytes = 0
        self._suspensions = 0
        self._thread = threading.get_ident()
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._stack: list[tuple[torch.nn.Module, bool]] = []  # modules that run now
        self._once: dict[Any, Any] = {}

    # -- where in the model we are -----------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """Follow which module runs, on this thread only; the hooks are gone when it ends."""
        handles = []
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self.on_thread():
            crossing = any(kwargs.get(name) is not None for name in CROSS_ARGUMENTS)
            self._stack.append((module, crossing))

    def _leave(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if self.on_thread() and self._stack and self._stack[-1][0] is module:
            self._stack.pop()

    def on_thread(self) -> bool:
        """Return whether this is the thread that records."""
        return threading.get_ident() == self._thread

    def name_of(self, module: torch.nn.Module | None = None) -> str:
        """Return the path of a module, or of the one that runs now."""
        if module is None:
            module = self._stack[-1][0] if self._stack else None
        return self._paths.get(id(module), "")

    def is_cross(self, module: torch.nn.Module | None = None) -> bool:
        """Return whether the attention that runs now takes its keys from another stream."""
        module = module if module is not None else (self._stack[-1][0] if self._stack else None)
        path = self._paths.get(id(module), "").lower().split(".")[-3:]
        given = next((crossing for m, crossing in reversed(self._stack) if m is module), False)
        return given or any(word in part for part in path for word in CROSS_NAMES)

    # -- a tracer's own computations ---------------------------------------------------------------

    @property
    def suspended(self) -> bool:
        """Return whether nothing is recorded: a tracer computes for itself."""
        return self._suspensions > 0

    def suspend(self) -> None:
        """Record nothing until `resume`; for hooks, which cannot hold a ``with`` block open."""
        self._suspensions += 1

    def resume(self) -> None:
        """Take back one `suspend`."""
        self._suspensions -= 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing inside."""
        self.suspend()
        try:
            yield
        finally:
            self.resume()

    # -- what is kept ------------------------------------------------------------------------------

    def keeps(self, shape: tuple[int, int, int, int], element_size: int) -> bool:
        """Return whether the weights of an attention of this shape are kept."""
        if self.keep_graph or self._weights is True:
            return True
        if self._weights is False:
            return False
        size = shape[0] * shape[1] * shape[2] * shape[3] * element_size
        return max(self._held_bytes + size, size * self._expected) <= WEIGHTS_BUDGET_BYTES

    def mark_unreadable(self, path: str) -> None:
        """Note that a module took a softmax of a product whose axes could not be read."""
        self.unreadable[path] = None

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """Return a value that is computed once for the whole pass."""
        if key not in self._once:
            self._once[key] = compute()
        return self._once[key]

    def differentiable(
        self, call: AttentionCall, weights: Any, value: Any, output: Any
    ) -> tuple[Any, Any]:
        """Return weights that the output depends on, and that output: for gradients."""
        kept = weights[0]
        repeated = value.repeat_interleave(weights.shape[1] // value.shape[1], 1)
        renewed = (kept[None] @ repeated).transpose(1, 2)
        if renewed.shape != output.shape or not torch.allclose(
            renewed, output, atol=1e-3, rtol=1e-2
        ):
            raise InputError(
                "keep_graph must meet attention whose output is weights · v, got another at "
                f"{call.name}. Record this model without keep_graph."
            )
        return kept, renewed.contiguous()

    def add(self, call: AttentionCall, output: Any = None) -> None:
        """Keep one call, and tag its output so that the projection after it is found."""
        call.confirmed = True
        set_tag(output, MixedTag(call))
        if call.weights is not None:
            self._held_bytes += call.weights.numel() * call.weights.element_size()
        if not self.keep_graph:
            for name in ("q", "k", "v", "weights", "mask", "bias", "sinks"):
                tensor = getattr(call, name)
                if tensor is not None:
                    setattr(call, name, tensor.detach())
        self.calls.append(call)


class DiscardingRecorder(Recorder):
    """Follows a pass and keeps nothing of it: for a pass that is run for an intervention."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model, weights=False)

    def add(self, call: AttentionCall, output: Any = None) -> None:
        """Note that the call took place."""
        call.confirmed = True
