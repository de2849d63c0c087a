"""A widget as a page that needs no kernel: what is shown, stored in a file or in one line of HTML."""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anywidget import AnyWidget

from attn_widget.errors import AttnWidgetError
from attn_widget.export import html
from attn_widget.widget.drawings import VIEWS, Drawing

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget

MAX_BYTES = 1_500_000
_SCRIPT = pathlib.Path(__file__).parent / "static" / "static.js"


def static_html(widget: AttentionWidget, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the interactive picture as one line of HTML, a sandboxed iframe that needs no kernel and no network."""
    return html.iframe(static_page(widget, max_bytes=max_bytes), _title(widget), _height_px(widget))


def static_page(widget: AttentionWidget, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the interactive picture as a whole page."""
    return html.page(_payload(widget), _SCRIPT.read_text(encoding="utf-8"), _title(widget))


def _title(widget: AttentionWidget) -> str:
    return f"{widget.capture.model_name or 'attention'} · attn-widget"


def _height_px(widget: AttentionWidget) -> int:
    longest = max(len(tokens) for tokens in widget.capture.axes(widget.attention))
    return min(760, max(420, 240 + 22 * longest))


def _state(widget: AttentionWidget) -> dict[str, Any]:
    """Return the synced traits that are ours."""
    names = set(widget.traits(sync=True)) - set(AnyWidget.class_traits())
    state = {name: getattr(widget, name) for name in sorted(names)}
    return state | {"info": state["info"] | {"can_run": False}, "error": {}, "running": ""}


def _payload(widget: AttentionWidget) -> str:
    frames, buffers, views = [], [], []
    for view in VIEWS:
        spec = replace(widget._spec(), view=view, method="raw" if view == "neuron" else widget.method)
        try:
            header, parts = VIEWS[view](Drawing(widget._numbers, spec, {}, lambda *_: None)).encode()
        except AttnWidgetError:
            continue
        views.append(view)
        frames.append({"header": header, "sizes": [len(part) for part in parts]})
        buffers += parts
    data = base64.b64encode(gzip.compress(b"".join(buffers), 9, mtime=0)).decode()
    state = _state(widget) | {"views": views}
    payload = {"state": state, "frames": frames, "encoding": "gzip", "data": data}
    return json.dumps(payload).replace("<", "\\u003c")
