"""What the modules of a pass hold, measured once they have run.

Which axis of their attention holds heads, and which windows or pictures; and whether modules
without recorded attention mix positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from attn_widget.recording.run_aside import run_aside
from attn_widget.recording.tracing.attention_call import AttentionCall, Items
from attn_widget.recording.tracing.axis_probe import Measured, measure, note_positions
from attn_widget.recording.tracing.mixing_probe import mixes_positions
from attn_widget.recording.tracing.module_stack import Frame, ModuleStack, pattern_of, stack_of


class Measurements:
    """Measures modules as they end, at the outermost module that holds one layer.

    Parameters
    ----------
    stack
        The modules that run.
    calls
        The attention calls of the pass so far.
    mark
        Takes the path of a module that mixed positions unread, and what was seen.
    paused
        A context in which nothing is recorded.
    items
        Returns how many items the batch has.
    """

    def __init__(
        self,
        stack: ModuleStack,
        calls: Sequence[AttentionCall],
        mark: Callable[[str, str], None],
        paused: Callable[[], AbstractContextManager[None]],
        items: Callable[[], Items],
    ) -> None:
        self._stack = stack
        self._calls = calls
        self._mark = mark
        self._paused = paused
        self._items = items
        self._known: dict[Any, Any] = {}  # what was measured, by patterns of module paths
        self.again: list[AttentionCall] | None = None  # calls of a module that is run again
        self.own_hooks: set[int] = set()  # hooks that stay while a module is run again

    def settle(self, frame: Frame, output: Any) -> None:
        """Measure what the axes of a module's calls are, at the outermost module of one layer."""
        outer = self._stack.frames[-1] if self._stack.frames else None
        if not frame.calls:
            self._settle_unread(frame, outer, output)
            return
        for path, why in frame.suspects.items():
            self._mark(path, why)
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
            self._mark(frame.path, why)
        elif mixes is None and outer is not None:  # seen at the module around it
            outer.suspects.update(frame.suspects)
        elif mixes is None:
            for path, why in suspects.items():
                self._mark(path, why)

    def _measure_all(self, frames: list[Frame]) -> None:
        """Measure frames that turned out to be one layer each."""
        for frame in frames:
            self._measure(frame)
        frames.clear()

    def _measure(self, frame: Frame) -> None:
        """Measure the calls of one layer, or take what was measured of its like."""
        key = (pattern_of(frame.path), tuple((pattern_of(c.name), c.lead) for c in frame.calls))
        known: Measured | None = self._known.get(key)
        if known is None or known.has_parts or any(None is a for a in known.axes):
            known = measure(frame, self.run_again, self._items())
            if known is None:
                for call in frame.calls if len(frame.calls) > 1 else ():
                    call.siblings = "unknown"
                self._measure_all(frame.waiting)
                return
            self._known[key] = known
        for call, axes in zip(frame.calls, known.axes, strict=True):
            call.axes, call.siblings = axes, known.siblings
            call.windows, call.measured_in = known.windows, frame.number
        if any(c.shape[2] != c.shape[3] and not c.cross for c in frame.calls):
            note_positions(frame, self.run_again, known.channels)

    def run_again(
        self, frame: Frame, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[AttentionCall]:
        """Return the calls of a module on other arguments; nothing of them is kept."""
        self.again = []
        n_frames = len(self._stack.frames)
        try:
            with run_aside(frame.module, self.own_hooks):
                self._stack.push(frame.module, args, kwargs)
                frame.module.forward(*args, **kwargs)
            return self.again
        finally:
            del self._stack.frames[n_frames:]
            self.again = None

    def _mixes(self, frame: Frame, output: Any) -> bool | None:
        """Return whether a module mixes positions, measured once; None: it cannot be measured."""
        lengths = {n for call in self._calls for n in call.shape[2:]}

        def found() -> bool | None:
            with self._paused(), run_aside(frame.module, self.own_hooks):
                return mixes_positions(frame, output, lengths)

        key = ("mixes", pattern_of(frame.path))
        if key not in self._known:
            self._known[key] = found()
        return self._known[key]


def _is_one_layer(frame: Frame) -> bool:
    """Return whether the attention calls of a module stand side by side."""
    return len({call.depth for call in frame.calls}) <= 1


def _side_by_side(frame: Frame) -> bool:
    """Return whether a module holds several calls of one stack of layers side by side."""
    places = [(stack_of(call.name), call.cross) for call in frame.calls]
    return len(set(places)) < len(places)
