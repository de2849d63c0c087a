"""The JavaScript module of a widget: the whole bundle at first, then a stub that finds it.

A host keeps the module of every widget, also of deleted ones: a cell that is run 200 times would
leave 200 copies of the bundle in the page, 20 MB of text. After a page has run the bundle, later
widgets send only a few lines that look it up (see ``js/src/wire/loader.js``).
"""

from __future__ import annotations

import os

from attn_widget import bundle

_bundle_is_loaded = False


def mark_loaded() -> None:
    """Note that a page has run the bundle."""
    global _bundle_is_loaded
    _bundle_is_loaded = True


def stub() -> str | None:
    """Return the module that looks up the bundle; None if the widget must send the bundle itself.

    A page that was reloaded does not have the bundle; the stub then requests it.
    """
    # anywidget's hot reload replaces the module of every widget when the file changes.
    hot_reload = os.environ.get("ANYWIDGET_HMR")
    return bundle.text("loader.js") if _bundle_is_loaded and not hot_reload else None
