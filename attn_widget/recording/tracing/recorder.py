"""`Recorder`: collects the attention calls of one forward pass and decides what of them is kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from attn_widget.errors import InputError
from attn_widget.recording.tracing.attention_call import AttentionCall, Items
from attn_widget.recording.tracing.axis_probe import Measured, measure, note_positions
from attn_widget.recording.tracing.depth import set_depth, spread_over_module
from attn_widget.recording.tracing.mixing_probe import mixes_positions
from attn_widget.recording.tracing.module_stack import Frame, ModuleStack, pattern_of, stack_of
from attn_widget.recording.tracing.run_aside import run_aside
from attn_widget.recording.tracing.score_tracking import MixedTag, set_tag

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
        self.stack = ModuleStack(model)
        self.items = Items(None, None)  # of the batch that runs
        self._once: dict[Any, Any] = {}
        self._again: list[AttentionCall] | None = None  # calls of a module that is run again
        self._hooks: set[int] = set()

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
            self._hooks = {handle.id for handle in handles}
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
        if self._again is None and self.measures and not self.suspended:
            self._settle(frame, output)

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

    # -- what modules hold -------------------------------------------------------------------------

    def _settle(self, frame: Frame, output: Any) -> None:
        """Measure what the axes of a module's calls are, at the outermost module of one layer."""
        outer = self.stack.frames[-1] if self.stack.frames else None
        if not frame.calls:
            self._settle_unread(frame, outer, output)
            return
        for path, why in frame.suspects.items():
            self.mark_unreadable(path, why)
        if _is_one_layer(frame):
            if any(call.unsure for call in frame.calls) or _side_by_side(frame):
                if outer is None:
                    self._measure(frame)
                    return
                outer.waiting.append(frame)
            if outer is not None and not _is_one_layer(outer):
                self._measure_all(outer.waiting)
        else:
            self._measure_all(frame.waiting)

    def _settle_unread(self, frame: Frame, outer: Frame | None, output: Any) -> None:
        """Note whether a module without recorded attention mixes positions."""
        suspects = dict(frame.suspects)
        if frame.plain_products:
            why = "products of queries, keys and values without a softmax over the keys"
            suspects.setdefault(frame.path, why)
        if not suspects and not frame.moves_positions:
            return
        mixes = self._mixes(frame, output)
        if mixes:
            why = next(iter(suspects.values()), "it carries something from position to position")
            self.mark_unreadable(frame.path, why)
        elif mixes is None and outer is not None:  # seen at the module around it
            outer.suspects.update(frame.suspects)
        elif mixes is None:
            for path, why in suspects.items():
                self.mark_unreadable(path, why)

    def _measure_all(self, frames: list[Frame]) -> None:
        """Measure frames that turned out to be one layer each."""
        for frame in frames:
            self._measure(frame)
        frames.clear()

    def _measure(self, frame: Frame) -> None:
        """Measure the calls of one layer, or take what was measured of its like."""
        key = (pattern_of(frame.path), tuple((pattern_of(c.name), c.lead) for c in frame.calls))
        known: Measured | None = self._once.get(key)
        if known is None or known.has_parts or any(None is a for a in known.axes):
            known = measure(frame, self._run_again)
            if known is None:
                for call in frame.calls if len(frame.calls) > 1 else ():
                    call.siblings = "unknown"
                self._measure_all(frame.waiting)
                return
            self._once[key] = known
        for call, axes in zip(frame.calls, known.axes, strict=True):
            call.axes, call.siblings, call.touched = axes, known.siblings, known.touched
            call.windows = known.windows
        if any(c.shape[2] != c.shape[3] and not c.cross for c in frame.calls):
            note_positions(frame, self._run_again)

    def _run_again(
        self, frame: Frame, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[AttentionCall]:
        """Return the calls of a module on other arguments; nothing of them is kept."""
        self._again = []
        n_frames = len(self.stack.frames)
        try:
            with run_aside(frame.module, self._hooks):
                self.stack.push(frame.module, args, kwargs)
                frame.module.forward(*args, **kwargs)
            return self._again
        finally:
            del self.stack.frames[n_frames:]
            self._again = None

    def _mixes(self, frame: Frame, output: Any) -> bool | None:
        """Return whether a module mixes positions, measured once; None: it cannot be measured."""
        lengths = {n for call in self.calls for n in call.shape[2:]}

        def found() -> bool | None:
            with self.paused(), run_aside(frame.module, self._hooks):
                return mixes_positions(frame, output, lengths)

        return self.once(("mixes", pattern_of(frame.path)), found)

    # -- what is kept ------------------------------------------------------------------------------

    def keeps(self, shape: tuple[int, int, int, int], element_size: int) -> bool:
        """Return whether the weights of an attention of this shape are kept."""
        if self._again is not None:
            return False
        if self.keep_graph or self._weights is True:
            return True
        if self._weights is False:
            return False
        size = shape[0] * shape[1] * shape[2] * shape[3] * element_size
        return max(self._held_bytes + size, size * self._expected) <= WEIGHTS_BUDGET_BYTES

    def mark_unreadable(self, path: str, why: str) -> None:
        """Note that a module mixed positions in a way that was not read, and what was seen."""
        if self._again is None:
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
        if self._again is not None:
            self._again.append(call)
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


def _is_one_layer(frame: Frame) -> bool:
    """Return whether the attention calls of a module stand side by side."""
    return len({call.depth for call in frame.calls}) <= 1


def _side_by_side(frame: Frame) -> bool:
    """Return whether a module holds several calls of one stack of layers side by side."""
    places = [(stack_of(call.name), call.cross) for call in frame.calls]
    return len(set(places)) < len(places)
