"""The JavaScript module of a widget: the whole bundle at first, then a stub that finds it.

A host keeps the module of every widget, also of deleted ones: a cell that is run 200 times would
leave 200 copies of the bundle in the page, 20 MB of text. After a page has run the bundle, later
widgets send only a few lines that look it up (see ``js/src/wire/loader.js``). At least one open
widget has the whole bundle, so that a host that saves the state of all widgets saves it too.
"""

from __future__ import annotations

import os
from typing import Any

from attn_widget import bundle

_bundle_is_loaded = False
_with_bundle: list[Any] = []  # open widgets; ipywidgets keeps them as long
_with_stub: list[Any] = []


def mark_loaded() -> None:
    """Note that a page has run the bundle."""
    global _bundle_is_loaded
    _bundle_is_loaded = True


def stub() -> str | None:
    """Return the module that looks up the bundle; None if a widget must send the bundle itself.

    A page that was reloaded does not have the bundle; the stub then waits for another widget of
    the page, or requests it.
    """
    # anywidget's hot reload replaces the module of every widget when the file changes.
    hot_reload = os.environ.get("ANYWIDGET_HMR")
    may = _bundle_is_loaded and _with_bundle and not hot_reload
    return bundle.text("loader.js") if may else None


def opened(widget: Any, has_stub: bool) -> None:
    """Note that a widget was opened."""
    (_with_stub if has_stub else _with_bundle).append(widget)


def let_go(widget: Any) -> None:
    """Note that a widget closes; if no other has the bundle, the newest open one gets it."""
    for widgets in (_with_bundle, _with_stub):
        widgets[:] = [one for one in widgets if one is not widget]
    if not _with_bundle and _with_stub:
        newest = _with_stub.pop()
        newest._esm = bundle.text("widget.js")
        _with_bundle.append(newest)
