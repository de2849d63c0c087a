"""The picture on screen as a file that MyST Markdown draws with its ``anywidget`` directive."""

from __future__ import annotations

import base64
import json
import os
import pathlib
from typing import Any

from attn_widget import bundle
from attn_widget.pages.drawn import drawn
from attn_widget.pages.mime_bundle import shown_query
from attn_widget.pictures import PictureState

MODULE = "attn-widget.mjs"


def write_myst(state: PictureState, path: str | os.PathLike[str]) -> pathlib.Path:
    """Write the directive to a file and the module beside it; return the path of the file."""
    path = pathlib.Path(path).expanduser()
    # JSON is one line, so that no token can end the directive.
    text = json.dumps(_model(state), ensure_ascii=True)
    path.write_text(f"::::{{anywidget}} ./{MODULE}\n{text}\n::::\n", encoding="ascii")
    (path.parent / MODULE).write_text(bundle.text("widget.js"), encoding="utf-8")
    return path


def _model(state: PictureState) -> dict[str, Any]:
    """Return the traits, and the drawing data of what is on screen, as JSON."""
    query = shown_query(state)
    record = drawn(state.pictures.frame(state.spec, query), query)
    if "buffers" in record:
        record["buffers"] = [base64.b64encode(b).decode() for b in record["buffers"]]
    info = state.traits["info"] | {"can_run": False, "can_ablate": False}
    return dict(state.traits) | {"info": info, "error": {}, "running": "", "drawn": record}
