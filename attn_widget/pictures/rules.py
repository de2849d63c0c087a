"""The options that each picture depends on and the controls that it uses; the page obeys them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from attn_widget.attribution.methods import METHODS
from attn_widget.pictures.protocol import Spec

# Fields of a Spec that the displayed rows and columns depend on.
AXES = ("hide_special", "words", "segments", "hide_sinks")


@dataclass(frozen=True)
class ViewRule:
    """The traits and controls that have an effect on one view."""

    one_head: bool = (
        False  # shows the trait `head`; other views show all heads, or those of `heads`
    )
    all_layers: bool = False  # does not depend on `layer`
    per_token: bool = False  # shows vectors, which are neither merged to words nor hidden
    needs_query: bool = False  # shows one query, which its request names
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
    return ("method", "attention", "part", *layer, *head, *one.options)


def frame_depends_on(view: str, method: str) -> tuple[str, ...]:
    """Return the fields of a `Spec` that the whole frame depends on: its numbers, and its axes."""
    axes = () if VIEW_RULES[view].per_token else AXES
    return ("capture_id", "view", *numbers_depend_on(view, method), *axes)


def numbers_key(spec: Spec) -> tuple[Any, ...]:
    """Return the cache key of the numbers of this picture, within one capture."""
    rule = VIEW_RULES[spec.view]
    names = numbers_depend_on(spec.view, spec.method)
    lanes = "one head" if rule.one_head else "all heads"
    return (lanes, *((name, getattr(spec, name)) for name in names))


def frame_key(spec: Spec) -> tuple[Any, ...]:
    """Return the cache key of the frame of this picture, within one capture."""
    return tuple((name, getattr(spec, name)) for name in frame_depends_on(spec.view, spec.method))


def rules() -> dict[str, Any]:
    """Return every rule that the page applies, as JSON; the page has no lists of its own."""
    return {
        "views": {view: asdict(rule) for view, rule in VIEW_RULES.items()},
        "methods": {name: {"per_head": one.per_head} for name, one in METHODS.items()},
        "depends_on": {
            view: {method: list(frame_depends_on(view, method)) for method in METHODS}
            for view in VIEW_RULES
        },
    }
