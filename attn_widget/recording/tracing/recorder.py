"""`Recorder`: collects the attention calls of one forward pass and decides what of them is kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from attn_widget.errors import InputError
from attn_widget.recording.tracing.attention_call import AttentionCall, Items
from attn_widget.recording.tracing.depth import set_depth, spread_over_module
from attn_widget.recording.tracing.measurements import Measurements
from attn_widget.recording.tracing.module_stack import Frame, ModuleStack
from attn_widget.recording.tracing.score_tracking import MixedTag, set_tag
from attn_widget.recording.tracing.spread_probe import Inputs, note_spread

T = TypeVar("T")

WEIGHTS_BUDGET_BYTES = 256 * 2**20


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

    measures = True  # whether modules may be run again to measure what their axes are

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
        # Modules that mixed positions and were not read, and what was seen there.
        self.unreadable: dict[str, str] = {}
        self._weights = weights
        self._expected = max(expected, 1)
        self._held_bytes = 0
        self._suspensions = 0
        self._thread = threading.get_ident()
        self._model = model
        self.stack = ModuleStack(model)
        self.items = Items(None, None)  # of the batch that runs
        self._once: dict[Any, Any] = {}
        self._measurements = Measurements(
            self.stack, self.calls, self.mark_unreadable, self.paused, lambda: self.items
        )

    # -- where in the model we are -----------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """Follow which module runs, on this thread only; the hooks are gone when it ends."""
        handles = []
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(
                    module.register_forward_hook(self._leave, with_kwargs=True, always_call=True)
                )
            self._measurements.own_hooks = {handle.id for handle in handles}
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self.on_thread():
            self.stack.push(module, args, kwargs)

    def _leave(self, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        frame = self.stack.pop(module) if self.on_thread() else None
        if frame is None or output is None:  # None: the module raised
            return
        inside = max((call.depth + 1 for call in frame.calls), default=0)
        spread_over_module(args, kwargs, output, inside)
        if not self._runs_again and self.measures and not self.suspended:
            self._measurements.settle(frame, output)

    @property
    def _runs_again(self) -> bool:
        """Return whether a module is run again to measure it: nothing of that is kept."""
        return self._measurements.again is not None

    def finish(self, inputs: Inputs) -> None:
        """Measure what needs the whole pass, which is over."""
        items = self.items.stated or 1
        if not self.measures or not any(call.has_parts(items) for call in self.calls):
            return
        frame = Frame(self._model, "", 0, *inputs)

        def run(given: Inputs) -> list[AttentionCall]:
            return self._measurements.run_again(frame, *given)

        note_spread(self.calls, inputs, run)

    def on_thread(self) -> bool:
        """Return whether this is the thread that records."""
        return threading.get_ident() == self._thread

    def name_of(self, module: torch.nn.Module | None = None) -> str:
        """Return the path of a module, or of the one that runs now."""
        return self.stack.path_of(module)

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
        if self._runs_again:
            return False
        if self.keep_graph or self._weights is True:
            return True
        if self._weights is False:
            return False
        size = shape[0] * shape[1] * shape[2] * shape[3] * element_size
        return max(self._held_bytes + size, size * self._expected) <= WEIGHTS_BUDGET_BYTES

    def mark_unreadable(self, path: str, why: str) -> None:
        """Note that a module mixed positions in a way that was not read, and what was seen."""
        if not self._runs_again:
            self.unreadable.setdefault(path, why)

    def suspect(self, path: str, why: str) -> None:
        """Note that weights that are no recorded attention mixed something in this module."""
        if self.stack.frames:
            self.stack.frames[-1].suspects.setdefault(path, why)
        else:
            self.mark_unreadable(path, why)

    def mark_plain_product(self) -> None:
        """Note that scores were multiplied without a softmax in the module that runs now."""
        if self.stack.frames:
            self.stack.frames[-1].plain_products = True

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
        set_depth(output, call.depth + 1)
        if self._measurements.again is not None:
            self._measurements.again.append(call)
            return
        for frame in self.stack.frames:
            frame.calls.append(call)
        call.head_calls = tuple(((len(self.calls), head),) for head in range(call.shape[1]))
        call.module_call = self.stack.frames[-1].number if self.stack.frames else 0
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

    measures = False

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model, weights=False)

    def add(self, call: AttentionCall, output: Any = None) -> None:
        """Note that the call took place."""
        call.confirmed = True
