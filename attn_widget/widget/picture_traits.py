"""The traits of one picture: their types, the check of every change, and their capture."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from attn_widget import bundle
from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import AttnWidgetError, MethodError
from attn_widget.pictures import VIEWS, Pictures, PictureState, Spec
from attn_widget.pictures.shown_heads import chosen, fitted, shown_heads
from attn_widget.pictures.validation import check, is_valid
from attn_widget.records import Capture, most_heads
from attn_widget.records.names import check_names
from attn_widget.widget import trait_values
from attn_widget.widget.request_queue import describe
from attn_widget.widget.traits import Indices, Integer, Metric, metric_json

HEADS = ("head", "heads")  # one follows the other: pictures/shown_heads.py
CHECKED = (
    "attention", "view", "method", "layer", "heads", "head", "query", "key",
    "residual", "reduce", "threshold", "theme", "step", "segments", "metric", "part",
)  # fmt: skip


class PictureTraits(anywidget.AnyWidget):
    """The synced traits of a picture of a capture, which are valid at all times.

    Parameters
    ----------
    capture
        What is shown.
    info
        What the page must know of the capture and its model; see `trait_values.info`.
    **traits
        Initial values of traits.
    """

    _esm: Any = bundle.FOLDER / "widget.js"

    # What a picture depends on has the defaults of Spec.
    view = t.Unicode(Spec.view).tag(sync=True)
    method = t.Unicode(Spec.method).tag(sync=True)
    attention = t.Unicode(Spec.attention).tag(sync=True)
    layer = Integer(Spec.layer).tag(sync=True)
    heads = Indices([0]).tag(sync=True)
    head = Integer(Spec.head).tag(sync=True)
    part = Integer(Spec.part).tag(sync=True)
    query = Indices([]).tag(sync=True)
    key = Indices([]).tag(sync=True)
    residual = t.Float(Spec.residual).tag(sync=True)
    reduce = t.Unicode(Spec.reduce).tag(sync=True)
    normalise = t.Bool(Spec.normalise).tag(sync=True)
    baseline = t.Bool(Spec.baseline).tag(sync=True)
    text = t.Unicode("").tag(sync=True)
    pair = t.Unicode("").tag(sync=True)
    threshold = t.Float(0.02).tag(sync=True)
    hide_special = t.Bool(Spec.hide_special).tag(sync=True)
    words = t.Bool(Spec.words).tag(sync=True)
    find = t.Unicode("").tag(sync=True)
    segments = t.Unicode(Spec.segments).tag(sync=True)
    hide_sinks = t.Bool(Spec.hide_sinks).tag(sync=True)
    metric = Metric(None, allow_none=True).tag(sync=True, to_json=metric_json)
    theme = t.Unicode("auto").tag(sync=True)
    step = Integer(-1).tag(sync=True)
    truncate = t.Bool(False)

    views = t.List(t.Unicode(), list(VIEWS), read_only=True).tag(sync=True)
    methods = t.List(t.Unicode(), list(METHODS), read_only=True).tag(sync=True)
    capture_id = t.Int(Spec.capture_id, read_only=True).tag(sync=True)
    info = t.Dict(read_only=True).tag(sync=True)
    error = t.Dict(read_only=True).tag(sync=True)
    running = t.Unicode("", read_only=True).tag(sync=True)
    # What a host draws where no kernel replies; pages do not copy it with the other traits.
    drawn = t.Dict(read_only=True).tag(sync=True, of_page=False)
    # By which the page finds the still picture beside its view: pages/outputs.py.
    still = t.Dict(read_only=True).tag(sync=True, of_page=False)

    def __init__(self, capture: Capture, info: dict[str, Any], **traits: Any) -> None:
        check_names("traits", traits, self._settable())
        self._pictures = Pictures(capture)
        super().__init__(**trait_values.initial(capture, traits))
        self.set_trait("info", info | {"traits": _own_traits(type(self))})

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute that exists, and what follows from it; refuse any other name."""
        if name[0] != "_" and not hasattr(type(self), name):
            check_names("attributes", [name], [*self._settable(), "runner"])
        super().__setattr__(name, value)
        if name in HEADS and self.info:
            self._choose_heads({name: getattr(self, name)})

    @property
    def capture(self) -> Capture:
        """Return the capture that is shown."""
        return self._pictures.capture

    def picture_state(self) -> PictureState:
        """Return what is on screen now, as a value that later changes do not affect.

        Figures, pages and comparisons are made of it.
        """
        return PictureState(
            pictures=self._pictures,
            spec=Spec(**{name: getattr(self, name) for name in Spec.__dataclass_fields__}),
            heads=tuple(self.heads),
            query=tuple(self.query),
            key=tuple(self.key),
            threshold=self.threshold,
            traits=self.get_state(_own_traits(type(self))),
        )

    @t.validate(*CHECKED)
    def _check(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        layer = min(self.layer, len(self.capture.group(self.attention)) - 1)
        try:
            if name == "method":
                self._make_ready(value)
            check(name, value, self.capture, self.attention, tuple(self.views), layer)
        except AttnWidgetError as error:
            self._show_error(error)
            raise
        return value

    def _refused(self, changes: dict[str, Any]) -> dict[str, Exception]:
        """Return the changes of a page that break a rule, and why."""
        attention = changes.get("attention", self.attention)
        layer = changes.get("layer", self.layer)
        there = attention in self.capture.groups
        if not there or not is_valid("layer", layer, self.capture, attention):
            layer = None  # refused itself
        refused: dict[str, Exception] = {}
        for name in [n for n in CHECKED if n in changes]:
            try:
                # Not `_validate`: it also checks against what is shown before these changes.
                trait, value = self.traits()[name], changes[name]
                if value is not None or not trait.allow_none:
                    value = trait.validate(self, value)
                check(name, value, self.capture, attention, tuple(self.views), layer)
            except (AttnWidgetError, t.TraitError, TypeError) as error:
                refused[name] = error
        return refused

    @t.observe("step")
    def _pin_query_of_step(self, change: Any) -> None:
        """Pin the query that predicted the token of this generation step."""
        if change["new"] >= 0:
            found = trait_values.query_of_step(self.capture, self.attention, change["new"])
            self.query = found or self.query

    def _make_ready(self, method: str) -> None:
        """Compute what a method needs and the capture lacks, where that is possible."""

    def _choose_heads(self, given: dict[str, Any]) -> None:
        """Set ``head`` and ``heads`` after a choice of one of them or of both."""
        for name, value in chosen(given, self.head).items():
            self.set_trait(name, value)

    @t.observe("layer")
    def _fit_to_layer(self, _change: Any) -> None:
        """Keep the heads that exist in another layer."""
        if self.info:
            n_heads = self.capture.group(self.attention)[self.layer].n_heads
            for name, value in fitted(self.heads, self.head, n_heads).items():
                self.set_trait(name, value)

    @t.observe("attention")
    def _fit_to_attention(self, _change: Any) -> None:
        """Keep the values that exist in another attention."""
        if self.info:  # not while the initial values are set: they were chosen together
            self._set_all(self._fitted(self.capture, self.attention))

    def _show(self, capture: Capture, info: dict[str, Any]) -> None:
        """Show another capture; what was pinned is released where its tokens are others."""
        before, self._pictures = self.capture, Pictures(capture)
        groups = capture.groups
        attention = self.attention if self.attention in groups else next(iter(groups))
        with self.hold_sync():
            self.set_trait("info", info | {"traits": _own_traits(type(self))})
            values = self._fitted(capture, attention)
            if not _same_tokens(before, capture):
                values |= {"query": [], "key": [], "step": -1}
            lost = "" if values["method"] == self.method else self.method
            self._set_all({"attention": attention} | values)
            self.set_trait("error", {})
            self.set_trait("capture_id", self.capture_id + 1)
        if lost:
            self._show_error(MethodError(applicable(capture, attention)[lost]))

    def _fitted(self, capture: Capture, attention: str) -> dict[str, Any]:
        """Return the values of traits that exist in this attention of a capture.

        Values that exist are kept; all heads are on if none of those that were on exists.
        """
        group = capture.group(attention)
        layer, most = min(self.layer, len(group) - 1), most_heads(group)
        there = shown_heads(self.heads, most) or list(range(most))
        part = min(self.part, capture.n_parts(attention) - 1)
        n_queries, n_keys = map(len, capture.at_part(part).axes(attention))
        values: dict[str, Any] = {
            "part": part,
            "layer": layer,
            **fitted(there, self.head, group[layer].n_heads),
            "query": [i for i in self.query if i < n_queries],
            "key": [i for i in self.key if i < n_keys],
        }
        defaults = {"method": next(iter(METHODS)), "step": -1, "segments": "all", "metric": None}
        for name, default in defaults.items():
            value = getattr(self, name)
            values[name] = value if is_valid(name, value, capture, attention) else default
        return values

    def _set_all(self, values: dict[str, Any]) -> None:
        with self.hold_sync():
            for name, value in values.items():
                self.set_trait(name, value)

    def _show_error(self, error: Exception, where: str = "request") -> None:
        number = self.error.get("id", 0) + 1
        self.set_trait("error", describe(error) | {"where": where, "id": number})

    def _settable(self) -> list[str]:
        """Return the names of the traits that a user may set."""
        mine = set(self.trait_names()) - set(anywidget.AnyWidget.class_trait_names())
        return sorted(name for name in mine if not self.traits()[name].read_only)


def _same_tokens(a: Capture, b: Capture) -> bool:
    """Return whether two captures are of the same tokens, so that positions mean the same."""
    of_a, of_b = (
        {name: (tokens.text, tokens.source) for name, tokens in one.streams.items()}
        for one in (a, b)
    )
    return of_a == of_b


def _own_traits(widget: type[PictureTraits]) -> list[str]:
    """Return the synced traits that not every widget has, and that pages copy."""
    inherited = set(anywidget.AnyWidget.class_trait_names())
    names = widget.class_trait_names(sync=True, of_page=lambda own: own is not False)
    return sorted(name for name in names if name not in inherited and name[0] != "_")
