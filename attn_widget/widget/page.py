"""A widget as a page that needs no kernel: what is shown, and all that fits, in a file or in one line of HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anywidget import AnyWidget

from attn_widget.attribution.methods import METHODS, PER_HEAD
from attn_widget.errors import InputError
from attn_widget.pages import html
from attn_widget.pages.coding import error_of
from attn_widget.pages.contents import JOINT_BITS, Contents, Report, Stock
from attn_widget.pages.payload import neuron_of, payload
from attn_widget.records import Progress
from attn_widget.widget import loader as code

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget

MAX_BYTES = 1_500_000


def static_html(
    widget: AttentionWidget,
    *,
    methods: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Report | None = None,
) -> str:
    """Return the interactive picture as one line of HTML, a sandboxed iframe that needs no kernel and no network."""
    title, height_px = _title(widget), _height_px(widget)
    return _fitting(
        widget, lambda page: html.iframe(page, title, height_px), methods, max_bytes, progress
    )


def static_page(
    widget: AttentionWidget,
    *,
    methods: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Report | None = None,
) -> str:
    """Return the interactive picture as a whole page."""
    return _fitting(widget, lambda page: page, methods, max_bytes, progress)


@contextmanager
def bar(shown: bool) -> Any:
    """Give a progress callback that draws a bar in the terminal or the cell, once work takes over a second."""
    from tqdm import tqdm

    with tqdm(disable=not shown, delay=1.0, leave=False, unit="") as line:

        def report(step: Progress) -> None:
            line.total = step.total
            line.set_description(step.what, refresh=False)
            line.update(step.done - line.n)

        yield report


def _fitting(
    widget: AttentionWidget,
    wrapped: Callable[[str], str],
    methods: Sequence[str] | None,
    max_bytes: int,
    progress: Report | None,
) -> str:
    """Return the page with the most in it that keeps below the size, in UTF-8, after wrapping."""
    for method in methods or ():
        if method not in METHODS:
            raise InputError(
                f"methods must be among {', '.join(METHODS)}, got {method!r}. Check the spelling."
            )
    scripts = [code.text(name) for name in ("widget.js", "static.js")]
    title = _title(widget)

    def whole(data: str, notes: Sequence[str]) -> str:
        return wrapped(html.page(data, *scripts, title, notes))

    room = (
        (max_bytes - len(whole("", []).encode())) * 3 // 4
    )  # base64 says three bytes in four letters
    if room < 0:
        raise InputError(
            f"max_bytes must leave room for the page's script, got {max_bytes}. Allow {MAX_BYTES}."
        )
    spec = widget._spec()
    neuron = neuron_of(widget._numbers, spec, room)
    stock = Stock(widget._numbers, spec, methods, progress or (lambda step: None))
    made: list[str] = []

    def fits(contents: Contents) -> bool:
        data = payload(
            _state(widget, contents, stock.refused), widget._numbers, spec, contents, neuron
        )
        made[:] = [whole(data, _notes(widget, contents, stock.refused, neuron[0]))]
        return len(made[0].encode()) <= max_bytes

    stock.fitting(stock.places(), fits, room)
    return made[0]


def _state(widget: AttentionWidget, contents: Contents, refused: dict[str, str]) -> dict[str, Any]:
    """Return the synced traits that are ours, with what is stored as what can be chosen."""
    names = {n for n in widget.traits(sync=True) if n[0] != "_"} - set(AnyWidget.class_traits())
    state = widget.get_state(sorted(names))
    groups = []
    for group in state["info"]["groups"]:
        there = {
            p.header["method"] for p in contents.pieces if p.header["attention"] == group["name"]
        }
        if there:
            methods = [m for m in METHODS if m in there]
            reasons = {
                m: refused.get(m, "not stored in this page") for m in METHODS if m not in there
            }
            groups.append(
                group | {"methods": methods, "reasons": reasons | group.get("reasons", {})}
            )
    info = state["info"] | {
        "model": widget.capture.title,
        "can_run": False,
        "can_ablate": False,
        "groups": groups,
    }
    return state | {"info": info, "error": {}, "running": ""}


def _notes(
    widget: AttentionWidget, contents: Contents, refused: dict[str, str], neuron: dict[str, Any]
) -> list[str]:
    """Return what a reader must know: how exact the numbers are, and what is not there."""
    headers = [piece.header for piece in contents.pieces]
    methods = [m for m in METHODS if m in {h["method"] for h in headers}]
    right = ", ".join(
        f"{v:g} is right to ±{error_of(v, contents.bits):.1g}" for v in (1, 0.1, 0.01)
    )
    notes = [
        f"This page holds {', '.join(methods).replace('_', ' ')} of {widget.capture.title or 'given arrays'}"
        f" in {contents.bits} bits a number on a square-root scale"
        + (
            f" ({contents.bits + JOINT_BITS} for methods that join heads)"
            if set(methods) - PER_HEAD
            else ""
        )
        + f": a share of {right}. Readouts say ≈."
    ]
    if neuron["why"] is None:
        notes += [
            f"The neuron view is that of layer {neuron['layer']}, head {neuron['head']}, in full precision."
        ]
    left_out = [*contents.left_out, *(f"{m} ({why})" for m, why in refused.items())]
    if left_out:
        notes += [f"Left out: {'; '.join(left_out)}."]
    return [*notes, "The text and the settings of joint methods are fixed: no model runs here."]


def _title(widget: AttentionWidget) -> str:
    return f"{widget.capture.title or 'attention'} · attn-widget"


def _height_px(widget: AttentionWidget) -> int:
    longest = max(len(tokens) for tokens in widget.capture.axes(widget.attention))
    return min(760, max(420, 320 + 22 * longest))
