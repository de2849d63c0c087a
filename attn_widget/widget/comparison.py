"""Two widgets side by side that show the same layer, head and token, and what differs between them."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np

from attn_widget.errors import AttnWidgetError, InputError
from attn_widget.figures.difference import difference_png
from attn_widget.pictures.alignment import Alignment, aligned
from attn_widget.pictures.axes import merge
from attn_widget.records import Attribution, most_heads
from attn_widget.widget.widget import AttentionWidget

LINKED = ("view", "attention", "layer", "head", "heads", "threshold", "theme")
SHOWN = (
    "method",
    "layer",
    "head",
    "attention",
    "residual",
    "reduce",
    "normalise",
    "baseline",
    "capture_id",
)
# Two pictures, and the one shown is that of the theme which the widgets above have found or were given.
FOLLOWS = """<style>
.attn-comparison:has(.attn-widget[data-theme=dark]) .attn-in-light { display: none !important }
.attn-comparison:has(.attn-widget[data-theme=dark]) .attn-in-dark { display: block !important }
</style>"""


class Comparison(ipywidgets.VBox):
    """Two linked widgets and the matrix of their differences; ``aw.compare`` makes it.

    Attributes
    ----------
    a, b : AttentionWidget
        Their layer, head, view and attention are one; a token pinned in one is pinned in the other where it has one.
    align : str
        ``words`` or ``position``.
    aligned_queries, aligned_keys : Alignment
        Which rows and columns stand for each other; ``labels`` names them.
    difference : Attribution
        ``b − a`` of what both show now, with sign: ``values`` is ``(query, key)`` over aligned rows and columns.
    """

    def __init__(self, a: AttentionWidget, b: AttentionWidget, align: str = "words") -> None:
        self.a, self.b, self.align = a, b, align
        self._following = False
        self._realign()
        self._pictures = {}
        for theme, display in (("light", None), ("dark", "none")):
            layout = {"max_width": "100%", "width": "max-content", "display": display}
            self._pictures[theme] = ipywidgets.Image(format="png", layout=layout)
            self._pictures[theme].add_class(f"attn-in-{theme}")
        self._frame = ipywidgets.VBox(
            [ipywidgets.HTML(FOLLOWS, layout={"display": "none"}), *self._pictures.values()]
        )
        self._said = ipywidgets.Label(layout={"display": "none"})
        sides = [
            ipywidgets.VBox(
                [ipywidgets.Label(self._title(w)), w],
                layout={"flex": "1 1 400px", "min_width": "0"},
            )
            for w in (a, b)
        ]
        row = ipywidgets.HBox(sides, layout={"flex_flow": "row wrap", "grid_gap": "24px"})
        super().__init__([row, self._said, self._frame])
        self.add_class("attn-comparison")
        self._take(a, LINKED)
        for widget in (a, b):
            widget.observe(self._on_linked, names=list(LINKED))
            widget.observe(self._on_pin, names=["query", "key"])
            widget.observe(self._on_shown, names=list(SHOWN))
        self._draw()

    @property
    def difference(self) -> Attribution:
        """Return ``b − a`` over the aligned rows and columns: queries of a word averaged, its keys summed."""
        sides = []
        for widget, side in ((self.a, "a"), (self.b, "b")):
            spec = replace(widget._spec(), view="matrix", hide_special=False, words=False)
            numbers = widget._numbers.whole(spec)
            sides.append(
                (
                    numbers,
                    merge(
                        numbers.values[:1],
                        *(getattr(x, side) for x in (self.aligned_queries, self.aligned_keys)),
                    )[0],
                )
            )
        (of_a, values_a), (of_b, values_b) = sides
        if of_a.unit != of_b.unit:
            raise InputError(
                f"b must be in the unit of a, got {of_b.unit} and {of_a.unit}. With flow, set normalise=True on both.",
                code="c.a.normalise = c.b.normalise = True",
            )
        methods = dict.fromkeys((self.a.method, self.b.method))
        return Attribution(
            method=" minus ".join(reversed(methods)),
            values=values_b.astype(np.float64) - values_a,
            rows=tuple(range(len(self.aligned_queries.labels))),
            layer=self.a.layer,
            attention=self.a.attention,
            unit=of_a.unit,
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the live view, and beside it the picture for viewers that run no scripts."""
        data = super()._repr_mimebundle_(**options)
        still = {"text/plain": f"<Comparison: {self._title(self.a)} | {self._title(self.b)}>"}
        if light := self._pictures["light"].value:
            still["image/png"] = base64.b64encode(light).decode()
        return dict(data or {}) | still

    # -- inside ---------------------------------------------------------------------------------------------

    def _realign(self) -> None:
        """Check that the two can be compared, and find which rows stand for each other."""
        self.aligned_queries, self.aligned_keys = alignments(
            self.a, self.b, self.a.attention, self.align
        )

    def _take(self, source: AttentionWidget, names: Any) -> None:
        """Set the other widget's traits as this one's."""
        other = self.b if source is self.a else self.a
        self._following = True
        try:
            with other.hold_sync():
                for name in names:
                    setattr(other, name, getattr(source, name))
        finally:
            self._following = False

    def _on_linked(self, change: Any) -> None:
        if not self._following:
            self._take(change["owner"], [change["name"]])

    def _on_pin(self, change: Any) -> None:
        """Pin in the other widget what stands for the pinned token."""
        if self._following:
            return
        source, name = change["owner"], change["name"]
        rows: Alignment = self.aligned_queries if name == "query" else self.aligned_keys
        mine, theirs = (rows.a, rows.b) if source is self.a else (rows.b, rows.a)
        pinned = set(change["new"])
        found = [
            p
            for own, other in zip(mine.positions, theirs.positions, strict=True)
            if pinned & set(own)
            for p in other
        ]
        self._following = True
        try:
            setattr(self.b if source is self.a else self.a, name, found)
        finally:
            self._following = False

    def _on_shown(self, change: Any) -> None:
        if self._following:
            return
        self._draw(again=change["name"] in ("capture_id", "attention"))

    def _draw(self, again: bool = False) -> None:
        """Draw the difference of what is shown now, or say why there is none."""
        try:
            if again:
                self._realign()
            found = self.difference
        except AttnWidgetError as error:
            for picture in self._pictures.values():
                picture.value = b""
            self._frame.layout.display = "none"
            self._said.value, self._said.layout.display = error.message, None
            return
        head = (
            ""
            if " minus " in found.method or self.a.method == "rollout"
            else f" · head {self.a.head}"
        )
        left = [
            f"only in {n}: {', '.join(w)}"
            for n, w in (("a", self._only("a")), ("b", self._only("b")))
            if w
        ]
        lines = [
            f"b minus a · layer {found.layer}{head} · {found.method} · {found.unit}",
            "; ".join(left),
        ]
        axes = (self.aligned_queries.labels, self.aligned_keys.labels)
        for theme, picture in self._pictures.items():
            picture.value = difference_png(found.values, *axes, [x for x in lines if x], theme)
        self._said.layout.display, self._frame.layout.display = "none", None

    def _only(self, side: str) -> tuple[str, ...]:
        """Return the words that have no counterpart."""
        return tuple(
            dict.fromkeys(
                getattr(self.aligned_queries, f"only_{side}")
                + getattr(self.aligned_keys, f"only_{side}")
            )
        )[:12]

    def _title(self, widget: AttentionWidget) -> str:
        """Return what a side is of, in a line."""
        source = " / ".join(widget.capture.tokens.source)
        name = "a" if widget is self.a else "b"
        # What is the same on both sides would only push aside what is not.
        of_a, of_b = self.a.capture, self.b.capture
        titled = widget.capture.title if of_a.title != of_b.title else widget.capture.model_name
        model = "" if of_a.model_name == of_b.model_name else titled
        return " · ".join(part for part in (name, model, source) if part)


def alignments(
    a: AttentionWidget, b: AttentionWidget, attention: str, align: str
) -> tuple[Alignment, Alignment]:
    """Return how the queries and the keys of two widgets stand for each other.

    Raises
    ------
    InputError
        If they have not the same attention, layers or heads, or their texts cannot be aligned.
    """
    if attention not in b.capture.groups:
        known = ", ".join(b.capture.groups)
        raise InputError(
            f"b must have the attention of a, {attention}, got {known}. Compare models of one kind."
        )
    layers = [widget.capture.group(attention) for widget in (a, b)]
    for what, counts in (
        ("layers", [len(x) for x in layers]),
        ("heads", [most_heads(x) for x in layers]),
    ):
        if counts[0] != counts[1]:
            raise InputError(
                f"b must have as many {what} as a, got {counts[1]} and {counts[0]}. Compare models alike."
            )
    (queries_a, keys_a), (queries_b, keys_b) = (widget.capture.axes(attention) for widget in (a, b))
    queries = aligned(queries_a, queries_b, align)
    return queries, queries if keys_a is queries_a and keys_b is queries_b else aligned(
        keys_a, keys_b, align
    )
