"""What the widget shows now, as a figure for print: its frame with exact numbers, and the caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attn_widget.attribution.methods import PER_HEAD
from attn_widget.export.figure import figure
from attn_widget.export.png import Picked
from attn_widget.frames.frame import exact
from attn_widget.frames.protocol import Frame, Spec
from attn_widget.records import Capture
from attn_widget.widget.drawings import VIEWS, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attn_widget.widget.widget import AttentionWidget

NO_WEIGHTS = ("model", "neuron")  # views whose frames hold no weights of one layer


def figure_of(widget: AttentionWidget, theme: str) -> Figure:
    """Return the figure of what a widget shows."""
    spec = widget._spec()
    data = {"query": widget.query[0]} if widget.query else {}
    drawing = Drawing(widget._numbers, spec, data, lambda *_: None)
    frame = VIEWS[spec.view](drawing)
    if spec.view not in NO_WEIGHTS:
        frame = exact(frame, widget._numbers.whole(spec), *drawing.axes())
    picked = Picked(widget.heads, widget.query, widget.key, widget.threshold)
    return figure(frame, picked, caption(widget.capture, spec, frame, widget.heads), theme=theme)


def caption(capture: Capture, spec: Spec, frame: Frame, heads: Sequence[int]) -> list[str]:
    """Return what a picture is of: model, attention, layer, heads and method in one line, the text in the next."""
    lanes = frame.fields.get("lanes", [])
    named = [lane["head"] for lane in lanes if lane["head"] in heads] if len(lanes) > 1 else []
    parts = [
        capture.model_name,
        spec.attention if len(capture.groups) > 1 else "",
        frame.fields["layer_label"],
        _heads(named, len(lanes)),
        lanes[0]["name"] if len(lanes) == 1 and lanes[0]["head"] is not None else "",
        f"head {spec.head}" if spec.view == "neuron" else "",
        "" if spec.view == "neuron" else _method(spec),
    ]
    source = " / ".join(text for text in capture.tokens.source if text)
    return [" · ".join(part for part in parts if part), *([f"“{source}”"] if source else [])]


def _heads(heads: Sequence[int], n: int) -> str:
    """Return heads in words: runs as a range."""
    if not heads:
        return ""
    if len(heads) == 1:
        return f"head {heads[0]}"
    if len(heads) == n:
        return f"all {n} heads"
    runs: list[list[int]] = []
    for head in heads:
        if runs and head == runs[-1][-1] + 1:
            runs[-1].append(head)
        else:
            runs.append([head])
    return "heads " + ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def _method(spec: Spec) -> str:
    """Return the method and what of it is not as usual."""
    usual = Spec()
    names = {"residual": "residual {:g}", "reduce": "{} over heads", "normalise": "rows divided by their sum"}
    extra = [say.format(getattr(spec, n)) for n, say in names.items() if getattr(spec, n) != getattr(usual, n)]
    return " · ".join([spec.method.replace("_", " "), *(extra if spec.method not in PER_HEAD else [])])
