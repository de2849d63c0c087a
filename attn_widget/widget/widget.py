"""AttentionWidget: the traits, and what happens when one changes. It computes nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets as t

from attn_widget.errors import AttnWidgetError, InputError
from attn_widget.pictures import validation as checks
from attn_widget.pictures.numbers import NumbersOf
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.views import VIEWS
from attn_widget.records import Capture, Runner
from attn_widget.widget import loader as code
from attn_widget.widget import mime_bundle as snapshot
from attn_widget.widget import state
from attn_widget.widget.answers import FrontEnd
from attn_widget.widget.exports import Exports
from attn_widget.widget.requests import describe
from attn_widget.widget.traits import Indices, Metric, Whole, metric_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG_TEXT = 512  # from here on lines say less than a heat map


class AttentionWidget(Exports, anywidget.AnyWidget):
    """What a capture's model attended to, as a picture in a cell that stays in step with Python.

    Parameters
    ----------
    capture
        A `Capture`: from ``runner.run``, ``aw.capture`` or ``aw.from_arrays``.
    runner
        A `Runner`, so that setting ``text`` runs the model again. Without one, setting ``text`` raises.
    **traits
        Any trait below, e.g. ``view="matrix"``, ``method="rollout"``, ``layer=3``.

    Attributes
    ----------
    view, method, attention : str
        What is drawn; which attribution; which of the capture's attentions.
    layer : int
        0 nearest the input (papers count from 1).
    heads : list of int
        The heads that are on, in views of all heads.
    head : int
        The one head that the matrix view shows.
    query, key : list of int
        Pinned positions: what a click put there. One integer may be assigned.
    residual, reduce, normalise, baseline
        How joint matrices are made: share of the residual (0 to 1), heads by ``mean``, ``max`` or
        ``min``, rows of flow divided by their sum, divided by the same method on uniform causal attention.
    text, pair : str
        The sentence (and the second one); setting either runs the model.
    threshold, hide_special, words, find, theme
        How it is drawn: shares below are left out, special tokens hidden, tokens merged to words,
        tokens that contain this are marked, ``auto``, ``light`` or ``dark``.
    segments : str
        ``all``, or for a pair ``A-A``, ``A-B``, ``B-A``, ``B-B``: the sentence that asks, the sentence that answers.
    hide_sinks : bool
        Leave out keys that take more than 30 % of all attention (see `attn_widget.pictures.attention_sinks`).
    metric : HeadScores, array (layer, head), or None
        What the model view can sort, filter and colour its heads by.
    step : int
        Which token that the model wrote is explained: its row is pinned. −1 for none; needs ``runner.generate``.
    truncate : bool
        Cut texts that are longer than the model's positions instead of refusing them.

    Raises
    ------
    InputError
        If a trait is given a value that breaks its rule; the widget keeps what it had.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["a", "b"])
    >>> w = aw.AttentionWidget(capture, view="matrix")
    >>> w.matrix()
    array([[0.75, 0.25],
           [0.5 , 0.5 ]])
    """

    _esm = code.STATIC / "widget.js"

    view = t.Unicode("head").tag(sync=True)
    method = t.Unicode("raw").tag(sync=True)
    attention = t.Unicode("self").tag(sync=True)
    layer = Whole(0).tag(sync=True)
    heads = Indices([0]).tag(sync=True)
    head = Whole(0).tag(sync=True)
    query = Indices([]).tag(sync=True)
    key = Indices([]).tag(sync=True)
    residual = t.Float(0.5).tag(sync=True)
    reduce = t.Unicode("mean").tag(sync=True)
    normalise = t.Bool(False).tag(sync=True)
    baseline = t.Bool(False).tag(sync=True)
    text = t.Unicode("").tag(sync=True)
    pair = t.Unicode("").tag(sync=True)
    threshold = t.Float(0.02).tag(sync=True)
    hide_special = t.Bool(False).tag(sync=True)
    words = t.Bool(False).tag(sync=True)
    find = t.Unicode("").tag(sync=True)
    segments = t.Unicode("all").tag(sync=True)
    hide_sinks = t.Bool(False).tag(sync=True)
    metric = Metric(None, allow_none=True).tag(sync=True, to_json=metric_json)
    theme = t.Unicode("auto").tag(sync=True)
    step = Whole(-1).tag(sync=True)
    truncate = t.Bool(False)

    views = t.List(t.Unicode(), list(VIEWS), read_only=True).tag(sync=True)
    methods = t.List(t.Unicode(), read_only=True).tag(sync=True)
    capture_id = t.Int(0, read_only=True).tag(sync=True)
    info = t.Dict(read_only=True).tag(sync=True)
    error = t.Dict(read_only=True).tag(sync=True)
    running = t.Unicode("", read_only=True).tag(sync=True)

    def __init__(self, capture: Capture, runner: Runner | None = None, **traits: Any) -> None:
        self._check_names(traits)
        self.runner = runner
        self._settled = state.texts(capture)
        self._next_capture: Capture | None = None
        self._receive(capture)
        long_text = max(len(a) for a in capture.axes(traits.get("attention"))) > LONG_TEXT
        given = {
            "attention": next(iter(capture.groups)),
            "view": "matrix" if long_text else "head",
        } | traits
        start = state.start(capture, given["attention"]) | given
        start |= dict(zip(("text", "pair"), self._settled, strict=True))
        if shorter := code.module():
            self._esm = shorter
        super().__init__(**start)
        self.set_trait("methods", state.method_names())
        self.set_trait("info", state.info(capture, runner=runner))
        self._front_end = FrontEnd(self)

    # -- what the user reads ------------------------------------------------------------------------

    @property
    def capture(self) -> Capture:
        """Return the capture that is shown."""
        return self._numbers.capture

    def matrix(self) -> np.ndarray:
        """Return the numbers on screen, exactly: ``(query, key)``, or ``(head, query, key)`` for several heads.

        Heads that are off are left out; hidden tokens and merged words are not applied: rows and columns
        are token positions.
        """
        numbers = self._numbers.whole(self._spec())
        if len(numbers.lanes) > 1:
            return numbers.values[self.heads]
        return numbers.values[0]

    def to_figure(self, *, theme: str = "light") -> Figure:
        """Return what is shown as a matplotlib figure with legend and caption; ``savefig`` writes SVG, PDF or PNG.

        ``theme`` is ``light`` or ``dark``. Text stays text. matplotlib comes with ``attn-widget[figures]``.
        """
        from attn_widget.widget.figures import figure_of

        return figure_of(self, theme)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        """Return the live view, and beside it a still picture for viewers that run no scripts."""
        live = super()._repr_mimebundle_(**options)
        if live is None:
            return None
        data, metadata = live
        return data | snapshot.bundle(self), metadata

    def close(self) -> None:
        """End the widget: cancel what is being computed and close the connection to the page."""
        if hasattr(self, "_front_end"):
            self._front_end.close()
        super().close()

    # -- what happens when a trait changes ----------------------------------------------------------

    @t.validate(*state.CHECKED)
    def _check(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            checks.check(name, value, self.capture, self.attention, tuple(self.views))
        except AttnWidgetError as error:
            self._show_error(error)
            raise
        return value

    @t.validate("text", "pair")
    def _run_before_change(self, proposal: dict[str, Any]) -> str:
        """Run the model on a new text before the trait changes, so that a failed run changes nothing."""
        name, value = proposal["trait"].name, proposal["value"]
        texts = (value, self.pair) if name == "text" else (self.text, value)
        if texts != self._settled:
            try:
                self._next_capture = self._run(*texts)
            except AttnWidgetError as error:
                self._show_error(error)
                raise
            self._settled = texts
        return value

    @t.observe("text", "pair")
    def _show_run(self, _change: Any) -> None:
        capture, self._next_capture = self._next_capture, None
        if capture is not None:
            self._show(capture)

    @t.observe("step")
    def _show_step(self, change: Any) -> None:
        """Pin the query that asked for a step's token: its row is what the model looked at when it wrote it."""
        if change["new"] >= 0:
            self.query = state.row_of(self.capture, self.attention, change["new"]) or self.query

    @t.observe("attention")
    def _fit_to_attention(self, _change: Any) -> None:
        """Another attention may have fewer layers, heads and tokens: keep what still exists."""
        if self.capture_id:
            self._set_all(state.fitted(self, self.capture, self.attention))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take a front end's changes: refused ones are answered with the value that stands, and said."""
        refused = {}
        for name in [n for n in state.CHECKED if n in sync_data]:
            try:
                value = self.traits()[name]._validate(self, sync_data[name])
                checks.check(
                    name,
                    value,
                    self.capture,
                    sync_data.get("attention", self.attention),
                    tuple(self.views),
                )
            except (AttnWidgetError, t.TraitError, TypeError) as error:
                refused[name] = error
        texts = tuple(sync_data.get(name, getattr(self, name)) for name in ("text", "pair"))
        kept = {
            n: v for n, v in sync_data.items() if n not in refused and n not in ("text", "pair")
        }
        super().set_state(kept)
        if texts != self._settled:
            self._front_end.run_later(*texts)
        if refused:
            self.send_state(list(refused))
            self._show_error(next(iter(refused.values())))

    # -- inside ------------------------------------------------------------------------------------

    def _run(self, text: str, pair: str) -> Capture:
        if self.runner is None:
            raise InputError(
                f"text must stay as it is on a widget without a runner, got {text!r}. Make the widget from a model.",
                code="aw.explore(model, tokenizer, text)",
            )
        self.set_trait("running", "running the model")
        try:
            return self.runner.run(text, pair or None, truncate=self.truncate)
        finally:
            self.set_trait("running", "")

    def _accept(self, capture: Capture, text: str, pair: str) -> None:
        """Show a capture that a front end's text led to."""
        self._settled = (text, pair)
        with self.hold_sync():
            self._show(capture)
            self.text, self.pair = text, pair

    def _show(self, capture: Capture) -> None:
        """Put another capture in place; pinned positions meant other tokens and are let go."""
        self._receive(capture)
        attention = (
            self.attention if self.attention in capture.groups else next(iter(capture.groups))
        )
        with self.hold_sync():
            self.set_trait("info", state.info(capture, runner=self.runner))
            fitted = state.fitted(self, capture, attention)
            self._set_all({"attention": attention} | fitted | {"query": [], "key": []})
            self.set_trait("error", {})
            self.set_trait("capture_id", self.capture_id + 1)

    def _receive(self, capture: Capture) -> None:
        self._numbers = NumbersOf(capture)

    def _set_all(self, values: dict[str, Any]) -> None:
        with self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    def _spec(self) -> Spec:
        return Spec(**{name: getattr(self, name) for name in Spec.__dataclass_fields__})

    def _show_error(self, error: Exception, where: str = "request") -> None:
        self.set_trait(
            "error", describe(error) | {"where": where, "id": self.error.get("id", 0) + 1}
        )

    def _check_names(self, traits: dict[str, Any]) -> None:
        mine = set(self.trait_names()) - set(anywidget.AnyWidget.class_trait_names())
        known = sorted(n for n in mine if not self.traits()[n].read_only)
        for name in traits:
            if name not in known:
                raise InputError(
                    f"traits must be among {', '.join(known)}, got {name!r}. Check the spelling."
                )
