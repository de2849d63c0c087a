"""The picture on screen, and all that fits, as a page that needs neither kernel nor network."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from attn_widget import bundle
from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import InputError
from attn_widget.pages import html
from attn_widget.pages.coding import error_of
from attn_widget.pages.contents import JOINT_BITS, Contents, ContentsChooser
from attn_widget.pages.exact import EncodedFrame, NeuronParts, frame_on_screen, neuron_parts
from attn_widget.pages.mime_bundle import mime_bundle
from attn_widget.pages.outputs import hiding, marked
from attn_widget.pages.payload import PageParts, payload
from attn_widget.pages.progress import ignore, progress_bar, progress_in_output
from attn_widget.pictures import PictureState, Spec
from attn_widget.pictures.rules import VIEW_RULES
from attn_widget.records import Report

MAX_BYTES = 1_500_000
MOST_OF_STILL = 10  # a still picture takes at most a tenth of a page


def write_page(
    state: PictureState,
    path: str | os.PathLike[str],
    methods: Sequence[str] | None,
    max_bytes: int,
    progress: bool,
) -> pathlib.Path:
    """Write the page to a file and return its path; ``progress`` draws a bar."""
    with progress_bar(progress) as report:
        page = static_page(
            state, methods=methods, max_bytes=max_bytes, progress=report, with_still=True
        )
    path = pathlib.Path(path).expanduser()
    path.write_bytes(page.encode())  # bytes: line ends must not be converted
    return path


def display_page(state: PictureState, methods: Sequence[str] | None, max_bytes: int) -> None:
    """Display a still picture and the page in the cell that runs.

    Raises
    ------
    InputError
        If no notebook runs this.
    """
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        raise InputError(
            "show_static must run in a notebook, got none. Write a file: w.to_html(path)."
        )
    still, key = mime_bundle(state), uuid4().hex
    display(still | {"image/png": marked(still["image/png"], key)}, raw=True)
    output = display({"text/plain": "making the page …"}, raw=True, display_id=True)
    report = progress_in_output(output)
    page = static_html(state, hiding(key), methods=methods, max_bytes=max_bytes, progress=report)
    output.update({"text/html": page, "text/plain": still["text/plain"]}, raw=True)


def static_html(state: PictureState, style: str = "", **options: Any) -> str:
    """Return the page as one line of HTML, a sandboxed iframe; options as in `static_page`.

    ``style`` is a style sheet for what stands around the page.
    """
    title, height_px = _title(state), _height_px(state)

    def wrap(page: str) -> str:
        return html.iframe(page, title, height_px, style)

    return static_page(state, wrap=wrap, **options)


def static_page(
    state: PictureState,
    *,
    methods: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Report = ignore,
    wrap: Callable[[str], str] = str,
    with_still: bool = False,
) -> str:
    """Return the page with the most contents that fits ``max_bytes`` of UTF-8 after ``wrap``.

    Parameters
    ----------
    state
        What is on screen.
    methods, max_bytes
        As in `AttentionWidget.to_html`.
    progress
        Called during the work; may raise `Cancelled` to stop it.
    wrap
        Encloses the whole document.
    with_still
        Carry a still picture for where scripts may not run, if it takes little of the room.

    Raises
    ------
    InputError
        If a method does not exist, or nothing fits.
    """
    for method in methods or ():
        if method not in METHODS:
            raise InputError(
                f"methods must be among {', '.join(METHODS)}, got {method!r}. Check the spelling."
            )
    scripts = (bundle.text("widget.js"), bundle.text("static.js"))

    still = _still(state, max_bytes // MOST_OF_STILL) if with_still else None

    def document(data: str, notes: Sequence[str]) -> str:
        return wrap(html.page(data, *scripts, _title(state), notes, still))

    room = max_bytes - len(document("", []).encode())
    budget = room * 3 // 4  # base64 writes three bytes as four letters
    if budget < 0:
        raise InputError(
            f"max_bytes must leave room for the page's script, got {max_bytes}. Allow {MAX_BYTES}."
        )
    pictures, spec = state.pictures, state.spec
    neuron = neuron_parts(pictures, spec, budget)
    chooser = ContentsChooser(pictures, spec, methods, progress)
    pages: list[str] = []

    def opened(contents: Contents) -> Spec:
        return _opened(spec, _methods_of(contents, spec.attention))

    def fits(contents: Contents, shown: EncodedFrame | None = None) -> bool:
        traits = _traits(state, contents, chooser.refused, opened(contents))
        parts = PageParts(traits, contents, neuron, shown)
        notes = _notes(state, contents, chooser.refused, neuron)
        page = document(payload(pictures, spec, parts), notes)
        if len(page.encode()) > max_bytes:
            return False
        pages.append(page)
        return True

    contents = chooser.choose(fits, budget)
    if _methods_of(contents, spec.attention):
        first = frame_on_screen(pictures, opened(contents))
        fits(contents, first)  # not at the price of coarser numbers
    return pages[-1]


def _opened(spec: Spec, stored: Sequence[str]) -> Spec:
    """Return what the page shows first: what is on screen, with a method and view that it has."""
    method = spec.method if spec.method in stored or not stored else stored[0]
    views = (spec.view, *VIEW_RULES)
    view = next(name for name in views if method in VIEW_RULES[name].methods)
    return replace(spec, method=method, view=view)


def _methods_of(contents: Contents, attention: str) -> list[str]:
    """Return the methods that are stored for an attention, in menu order."""
    headers = [matrix.header for matrix in contents.matrices]
    stored = {h["method"] for h in headers if h["attention"] == attention}
    return [method for method in METHODS if method in stored]


def _traits(
    state: PictureState, contents: Contents, refused: dict[str, str], opened: Spec
) -> dict[str, Any]:
    """Return the traits with which the page opens; only stored methods can be chosen there."""
    groups = []
    for group in state.traits["info"]["groups"]:
        stored = _methods_of(contents, group["name"])
        if stored:
            reasons = {
                m: refused.get(m, "not stored in this page") for m in METHODS if m not in stored
            }
            # Not those of the live widget, whose runner can take gradients when they are asked for.
            refusals = applicable(state.capture, group["name"])
            reasons |= {m: why for m, why in refusals.items() if why}
            # One part is stored: there is none to choose.
            fixed = {"parts": group["parts"] | {"n": 1}, "on_demand": []}
            groups.append(group | {"methods": stored, "reasons": reasons} | fixed)
    info = state.traits["info"] | {
        "model": state.capture.title,
        "can_run": False,
        "can_ablate": False,
        "groups": groups,
    }
    first = {"method": opened.method, "view": opened.view}
    return dict(state.traits) | first | {"info": info, "error": {}, "running": ""}


def _notes(
    state: PictureState, contents: Contents, refused: dict[str, str], neuron: NeuronParts
) -> list[str]:
    """Return the notes below the page: how exact the numbers are, and what was left out."""
    stored = {matrix.header["method"] for matrix in contents.matrices}
    methods = ", ".join(m for m in METHODS if m in stored).replace("_", " ")
    joint = f" ({contents.bits + JOINT_BITS} for methods that join heads)"
    right = ", ".join(
        f"{v:g} is right to ±{error_of(v, contents.bits):.1g}" for v in (1, 0.1, 0.01)
    )
    joins = any(not METHODS[method].per_head for method in stored)
    notes = [
        f"This page holds {methods} of {state.capture.title or 'given arrays'}"
        f" in {contents.bits} bits a number on a square-root scale"
        f"{joint if joins else ''}: a share of {right}. Readouts say ≈."
    ]
    about = neuron.fields
    if about["why"] is None:
        notes.append(
            f"The neuron view is that of layer {about['layer']}, head {about['head']}, "
            "in full precision."
        )
    left_out = [
        *_other_parts(state),
        *contents.left_out,
        *(f"{m} ({why})" for m, why in refused.items()),
    ]
    if left_out:
        notes.append(f"Left out: {'; '.join(left_out)}.")
    return [*notes, "The text and the settings of joint methods are fixed: no model runs here."]


def _other_parts(state: PictureState) -> list[str]:
    """Return which windows, pictures or frames the page does not hold, for each attention."""
    capture, left_out = state.capture, []
    for name in capture.groups:
        n, several = capture.n_parts(name), len(capture.groups) > 1
        if n > 1:
            of = f" of {name}" if several else ""
            part = min(state.spec.part, n - 1) + 1
            left_out.append(f"all {capture.part_word(name)}s{of} but {part} of {n}")
    return left_out


def _still(state: PictureState, max_bytes: int) -> html.StillPicture | None:
    """Return the still picture of what is on screen; None if it is too large."""
    made = mime_bundle(state)
    png = made["image/png"]
    words = made["text/plain"].strip("<>")
    return html.StillPicture(png, words) if len(png) <= max_bytes else None


def _title(state: PictureState) -> str:
    return f"{state.capture.title or 'attention'} · attn-widget"


def _height_px(state: PictureState) -> int:
    longest = max(len(tokens) for tokens in state.capture.axes(state.spec.attention))
    return min(760, max(420, 320 + 22 * longest))
