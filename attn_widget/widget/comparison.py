"""Two linked widgets side by side, and the matrix of their differences."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np

from attn_widget.errors import AttnWidgetError, InputError
from attn_widget.figures.difference import difference_png
from attn_widget.pictures.alignment import Alignment, aligned
from attn_widget.pictures.axes import Axis, merge
from attn_widget.pictures.frame import Numbers
from attn_widget.pictures.palettes import THEMES
from attn_widget.records import Attribution, Capture, most_heads
from attn_widget.widget.picture_traits import HEADS
from attn_widget.widget.widget import AttentionWidget

LINKED = ("view", "attention", "layer", "head", "heads", "part", "threshold", "theme")
# The traits that the difference depends on.
DEPENDS_ON = (
    "method", "layer", "head", "part", "attention", "residual", "reduce", "normalise", "baseline",
    "capture_id",
)  # fmt: skip
# There is a picture for each theme; the page shows the one of the theme of the widgets above.
THEME_STYLE = """<style>
.attn-comparison:has(.attn-widget[data-theme=dark]) .attn-in-light { display: none !important }
.attn-comparison:has(.attn-widget[data-theme=dark]) .attn-in-dark { display: block !important }
</style>"""
MOST_UNALIGNED = 12  # words of one side that the caption lists


class Comparison(ipywidgets.VBox):
    """Two linked widgets and the matrix of their differences; made by ``aw.compare``.

    Attributes
    ----------
    a, b : AttentionWidget
        They show the same layer, head, view and attention. A token pinned in one is pinned in the
        other, if it is aligned with one there.
    align : str
        ``words`` or ``position``.
    aligned_queries, aligned_keys : Alignment
        Which rows and columns are aligned; ``labels`` names them.
    difference : Attribution
        ``b − a`` of what both show now: ``values`` is ``(query, key)`` over aligned rows and
        columns, positive or negative.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> a = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
    >>> b = aw.from_arrays(np.array([[[[0.5, 0.5], [0.5, 0.5]]]]), ["big", "cat"])
    >>> aw.compare(a, b).difference.values
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]])
    """

    def __init__(self, a: AttentionWidget, b: AttentionWidget, align: str = "words") -> None:
        self.a, self.b, self.align = a, b, align
        self._copying = False  # traits are being copied from one widget to the other
        self._align()
        self._pictures = {theme: _image(theme) for theme in THEMES}
        style = ipywidgets.HTML(THEME_STYLE, layout={"display": "none"})
        self._difference_box = ipywidgets.VBox([style, *self._pictures.values()])
        self._message = ipywidgets.Label(layout={"display": "none"})
        sides = [
            ipywidgets.VBox(
                [ipywidgets.Label(self._title(w)), w],
                layout={"flex": "1 1 400px", "min_width": "0"},
            )
            for w in (a, b)
        ]
        row = ipywidgets.HBox(sides, layout={"flex_flow": "row wrap", "grid_gap": "24px"})
        super().__init__([row, self._message, self._difference_box])
        self.add_class("attn-comparison")
        self._copy(a, LINKED)
        for widget in (a, b):
            widget.observe(self._on_linked, names=list(LINKED))
            widget.observe(self._on_pin, names=["query", "key"])
            widget.observe(self._on_change, names=list(DEPENDS_ON))
        self._draw()

    @property
    def difference(self) -> Attribution:
        """Return ``b − a`` over aligned rows and columns.

        The queries of a word are averaged and its keys summed.
        """
        a, values_a = _merged(self.a, self.aligned_queries.a, self.aligned_keys.a)
        b, values_b = _merged(self.b, self.aligned_queries.b, self.aligned_keys.b)
        if a.unit != b.unit:
            raise InputError(
                f"b must be in the unit of a, got {b.unit} and {a.unit}. "
                "With flow, set normalise=True on both.",
                code="c.a.normalise = c.b.normalise = True",
            )
        methods = dict.fromkeys((self.a.method, self.b.method))
        return Attribution(
            method=" minus ".join(reversed(methods)),
            values=values_b.astype(np.float64) - values_a,
            rows=tuple(range(len(self.aligned_queries.labels))),
            layer=self.a.layer,
            attention=self.a.attention,
            unit=a.unit,
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the live view, and a still picture for viewers that run no scripts."""
        data = super()._repr_mimebundle_(**options)
        still = {"text/plain": f"<Comparison: {self._title(self.a)} | {self._title(self.b)}>"}
        if light := self._pictures["light"].value:
            still["image/png"] = base64.b64encode(light).decode()
        return dict(data or {}) | still

    def _ipython_display_(self) -> None:
        """Display the live view, and the still picture in an output of its own."""
        self.a.display_with_still((self._repr_mimebundle_(), {}))

    # -- linking -----------------------------------------------------------------------------

    def _align(self) -> None:
        """Check that the two can be compared, and align their rows and columns."""
        a, b = (widget.picture_state().capture for widget in (self.a, self.b))
        self.aligned_queries, self.aligned_keys = alignments(a, b, self.a.attention, self.align)

    def _other(self, widget: AttentionWidget) -> AttentionWidget:
        return self.b if widget is self.a else self.a

    def _set(self, widget: AttentionWidget, values: dict[str, Any]) -> None:
        """Set traits of one widget without copying them back."""
        self._copying = True
        try:
            with widget.hold_sync():
                for name, value in values.items():
                    setattr(widget, name, value)
        finally:
            self._copying = False

    def _copy(self, source: AttentionWidget, names: Iterable[str]) -> None:
        """Copy traits from one widget to the other."""
        self._set(self._other(source), {name: getattr(source, name) for name in names})

    def _on_linked(self, change: Any) -> None:
        if not self._copying:
            # One of the two follows the other, so both are copied, the one that follows last.
            name = change["name"]
            self._copy(change["owner"], HEADS if name in HEADS else [name])

    def _on_pin(self, change: Any) -> None:
        """Pin in the other widget the tokens that are aligned with the pinned ones."""
        if self._copying:
            return
        source, name = change["owner"], change["name"]
        rows = self.aligned_queries if name == "query" else self.aligned_keys
        mine, theirs = (rows.a, rows.b) if source is self.a else (rows.b, rows.a)
        pinned = set(change["new"])
        found = [
            position
            for own, other in zip(mine.positions, theirs.positions, strict=True)
            if pinned & set(own)
            for position in other
        ]
        self._set(self._other(source), {name: found})

    def _on_change(self, change: Any) -> None:
        if not self._copying:
            self._draw(realign=change["name"] in ("capture_id", "attention", "part"))

    # -- drawing -----------------------------------------------------------------------------

    def _draw(self, realign: bool = False) -> None:
        """Draw the difference of what is shown now, or show why there is none."""
        try:
            if realign:
                self._align()
            found = self.difference
        except AttnWidgetError as error:
            for picture in self._pictures.values():
                picture.value = b""
            self._difference_box.layout.display = "none"
            self._message.value, self._message.layout.display = error.message, None
            return
        axes = (self.aligned_queries.labels, self.aligned_keys.labels)
        caption = self._caption(found)
        for theme, picture in self._pictures.items():
            picture.value = difference_png(found.values, *axes, caption, theme)
        self._message.layout.display, self._difference_box.layout.display = "none", None

    def _caption(self, found: Attribution) -> list[str]:
        """Return what the picture shows, and the words that only one side has."""
        joined = " minus " in found.method or self.a.method == "rollout"
        head = "" if joined else f" · head {self.a.head}"
        unaligned = [
            f"only in {side}: {', '.join(words)}"
            for side in ("a", "b")
            if (words := self._only(side))
        ]
        lines = [
            f"b minus a · layer {found.layer}{head} · {found.method} · {found.unit}",
            "; ".join(unaligned),
        ]
        return [line for line in lines if line]

    def _only(self, side: str) -> Sequence[str]:
        """Return the first words that are not aligned with any of the other side."""
        alignments = (self.aligned_queries, self.aligned_keys)
        words = [word for one in alignments for word in getattr(one, f"only_{side}")]
        return list(dict.fromkeys(words))[:MOST_UNALIGNED]

    def _title(self, widget: AttentionWidget) -> str:
        """Return the title of one side: its name, its model if the models differ, and its text."""
        source = " / ".join(widget.capture.tokens.source)
        name = "a" if widget is self.a else "b"
        a, b = self.a.capture, self.b.capture
        titled = widget.capture.title if a.title != b.title else widget.capture.model_name
        model = "" if a.model_name == b.model_name else titled
        return " · ".join(part for part in (name, model, source) if part)


def alignments(a: Capture, b: Capture, attention: str, align: str) -> tuple[Alignment, Alignment]:
    """Return how the queries and the keys of two captures are aligned.

    Raises
    ------
    InputError
        If their attentions, layers or heads differ, or their texts cannot be aligned.
    """
    if attention not in b.groups:
        raise InputError(
            f"b must have the attention of a, {attention}, got {', '.join(b.groups)}. "
            "Compare models of one kind."
        )
    of_a, of_b = a.group(attention), b.group(attention)
    for what, n_a, n_b in (
        ("layers", len(of_a), len(of_b)),
        ("heads", most_heads(of_a), most_heads(of_b)),
        ("parts", a.n_parts(attention), b.n_parts(attention)),
    ):
        if n_a != n_b:
            raise InputError(
                f"b must have as many {what} as a, got {n_b} and {n_a}. Compare similar models."
            )
    (queries_a, keys_a), (queries_b, keys_b) = a.axes(attention), b.axes(attention)
    queries = aligned(queries_a, queries_b, align)
    if keys_a is queries_a and keys_b is queries_b:
        return queries, queries
    return queries, aligned(keys_a, keys_b, align)


def _merged(widget: AttentionWidget, queries: Axis, keys: Axis) -> tuple[Numbers, np.ndarray]:
    """Return the numbers of one head or method, and their values over these rows and columns."""
    state = widget.picture_state()
    spec = replace(state.spec, view="matrix", hide_special=False, words=False)
    numbers = state.pictures.numbers(spec)
    return numbers, merge(numbers.values[:1], queries, keys)[0]


def _image(theme: str) -> ipywidgets.Image:
    """Return an empty picture that is shown in one theme."""
    display = "none" if theme == "dark" else None
    layout = {"max_width": "100%", "width": "max-content", "display": display}
    image = ipywidgets.Image(format="png", layout=layout)
    image.add_class(f"attn-in-{theme}")
    return image
