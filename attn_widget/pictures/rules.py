"""What each picture depends on and which controls it uses: decided here, sent to the page, obeyed there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from attn_widget.attribution.methods import METHODS
from attn_widget.pictures.protocol import Spec

# Fields of a Spec that choose which displayed rows and columns there are.
AXES = ("hide_special", "words", "segments", "hide_sinks")


@dataclass(frozen=True)
class ViewRule:
    """What one view shows, and which controls above it have an effect."""

    one_head: bool = (
        False  # shows the trait `head`; other views show all heads, or those of `heads`
    )
    all_layers: bool = False  # does not depend on `layer`
    per_token: bool = False  # shows vectors, which are neither merged to words nor hidden
    needs_query: bool = False  # is of one query, which its request carries
    heads: bool = False  # `heads` selects what is drawn
    threshold: bool = False  # `threshold` selects what is drawn
    methods: tuple[str, ...] = tuple(METHODS)  # the methods that the view can show


VIEW_RULES: dict[str, ViewRule] = {
    "head": ViewRule(heads=True, threshold=True),
    "model": ViewRule(all_layers=True),
    "neuron": ViewRule(one_head=True, per_token=True, needs_query=True, methods=("raw",)),
    "matrix": ViewRule(one_head=True),
    "text": ViewRule(heads=True),
}


def numbers_depend_on(view: str, method: str) -> tuple[str, ...]:
    """Return the fields of a `Spec` that the numbers of a picture depend on."""
    rule, one = VIEW_RULES[view], METHODS[method]
    head = ("head",) if rule.one_head and (one.per_head or rule.per_token) else ()
    layer = () if rule.all_layers else ("layer",)
    return ("method", "attention", *layer, *head, *one.options)


def frame_depends_on(view: str, method: str) -> tuple[str, ...]:
    """Return the fields of a `Spec` that the whole frame depends on: its numbers, and its axes."""
    axes = () if VIEW_RULES[view].per_token else AXES
    return ("capture_id", "view", *numbers_depend_on(view, method), *axes)


def numbers_key(spec: Spec) -> tuple[Any, ...]:
    """Return what tells the numbers of this picture from other numbers of the same capture."""
    rule = VIEW_RULES[spec.view]
    names = numbers_depend_on(spec.view, spec.method)
    lanes = "one head" if rule.one_head else "all heads"
    return (lanes, *((name, getattr(spec, name)) for name in names))


def frame_key(spec: Spec) -> tuple[Any, ...]:
    """Return what tells the frame of this picture from any other frame."""
    return tuple((name, getattr(spec, name)) for name in frame_depends_on(spec.view, spec.method))


def rules() -> dict[str, Any]:
    """Return every rule that the page applies, as JSON: it keeps no list of its own."""
    return {
        "views": {view: asdict(rule) for view, rule in VIEW_RULES.items()},
        "methods": {name: {"per_head": one.per_head} for name, one in METHODS.items()},
        "depends_on": {
            view: {method: list(frame_depends_on(view, method)) for method in METHODS}
            for view in VIEW_RULES
        },
    }
