"""A picture whose capture is made again when a text is set, or a method needs more of the model."""

from __future__ import annotations

from typing import Any

import traitlets as t

from attn_widget.errors import AttnWidgetError
from attn_widget.pages.drawn import drawn
from attn_widget.pages.outputs import Still
from attn_widget.pictures import Frame, Spec
from attn_widget.records import Capture, Report, Runner
from attn_widget.widget import new_captures, trait_values
from attn_widget.widget.front_end import FrontEnd
from attn_widget.widget.head_ablation import ablation_reply
from attn_widget.widget.picture_traits import HEADS, PictureTraits


class RunningPicture(PictureTraits):
    """The picture of a capture and the runner that makes its next capture; see `AttentionWidget`.

    Parameters
    ----------
    capture
        What is shown.
    runner
        Runs the model; None where there is none.
    **traits
        Initial values of traits.
    """

    runner: Runner | None = None

    def __init__(self, capture: Capture, runner: Runner | None = None, **traits: Any) -> None:
        self.runner = runner
        traits = trait_values.truncation(capture) | traits
        group = traits.get("attention", next(iter(capture.groups)))
        if group in capture.groups and traits.get("method") in new_captures.on_demand(
            capture, runner, group
        ):
            capture = new_captures.with_gradients(capture, runner, truncate=traits["truncate"])
        self._ran = trait_values.texts(capture)  # the texts of the capture that is shown
        self._next_capture: Capture | None = None
        super().__init__(capture, trait_values.info(capture, runner), **traits)
        own = (self._run, self._accept, self._show_error, self._ablate, self._keep_drawn)
        self._still = Still(lambda known: self.set_trait("still", known))
        self._front_end = FrontEnd(self.send, self.picture_state, *own, self._still.withdraw)
        self.on_msg(self._front_end.on_message)

    @t.validate("text", "pair")
    def _run_before_change(self, proposal: dict[str, Any]) -> str:
        """Run the model before the trait changes, so that a failed run changes nothing."""
        name, value = proposal["trait"].name, proposal["value"]
        if value != self._ran[("text", "pair").index(name)]:
            texts = (value, self.pair) if name == "text" else (self.text, value)
            try:
                self._next_capture = self._run(*texts)
            except AttnWidgetError as error:
                self._show_error(error)
                raise
            self._ran = texts
        return value

    @t.observe("text", "pair")
    def _show_run(self, _change: Any) -> None:
        capture, self._next_capture = self._next_capture, None
        if capture is not None:
            self._show(capture, trait_values.info(capture, self.runner))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Apply the changes of a page; refused ones are sent back with the values that stand."""
        texts = (sync_data.get("text", self.text), sync_data.get("pair", self.pair))
        method = sync_data.get("method", "")
        waits = method in self._on_demand()  # until the capture that it needs has been made
        given = {name: v for name, v in sync_data.items() if not (waits and name == "method")}
        refused = self._refused(given)
        left = {*refused, "text", "pair"}
        applied = {name: v for name, v in given.items() if name not in left}
        super().set_state(applied)
        self._choose_heads({name: applied[name] for name in HEADS if name in applied})
        if texts != self._ran or waits:
            self._front_end.run_later(*texts, method if waits else "")
        if refused or waits:
            self.send_state([*refused, *(["method"] if waits else [])])
        if refused:
            self._show_error(next(iter(refused.values())))

    def _on_demand(self) -> tuple[str, ...]:
        """Return the methods that apply once the runner has taken gradients."""
        return new_captures.on_demand(self.capture, self.runner, self.attention)

    def _make_ready(self, method: str) -> None:
        """Take gradients where a method needs them, before it is chosen."""
        if method in self._on_demand():
            capture = self._run(*self._ran, method)
            self._show(capture, trait_values.info(capture, self.runner))

    def _run(self, text: str, pair: str, method: str = "") -> Capture:
        """Return the capture of these texts, with gradients for a method that needs them."""
        texts = None if (text, pair) == self._ran else (text, pair)
        words = "taking gradients" if method else "running the model"
        self.set_trait("running", words)
        try:
            return new_captures.repeated(
                self.capture, self.runner, texts, truncate=self.truncate, gradients=bool(method)
            )
        finally:
            self.set_trait("running", "")

    def _accept(self, capture: Capture, text: str, pair: str, method: str = "") -> None:
        """Show the capture of texts that were typed, or of a method that was chosen, in a page."""
        self._ran = (text, pair)
        with self.hold_sync():
            self._show(capture, trait_values.info(capture, self.runner))
            self.text, self.pair = text, pair
            if method:
                self.method = method

    def display_with_still(self, live: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Display a live view that contains this one, and its still picture in another output."""
        self._still.display(live)

    def _keep_drawn(self, frame: Frame, query: int | None) -> None:
        """Keep what a page draws in the widget's state."""
        self.set_trait("drawn", drawn(frame, query))

    def _ablate(self, spec: Spec, step: int, mode: str, progress: Report) -> dict[str, Any]:
        state, truncate = self.picture_state(), self.truncate
        return ablation_reply(
            self.runner, state, spec, step, mode, truncate=truncate, progress=progress
        )
