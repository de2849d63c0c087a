"""The page's code: the whole bundle with the first widgets; a few lines with later ones, once a page has run it.

A host keeps the module of every widget, also of those that are gone: with the bundle in each, a cell that is run two
hundred times would leave 20 MB of text in the page.
"""

from __future__ import annotations

import os
from pathlib import Path

STATIC = Path(__file__).parent.parent / "bundle"

_has_arrived = False


def arrived() -> None:
    """Note that a page runs the bundle: what it is given from now on need not bring it."""
    global _has_arrived
    _has_arrived = True


def module() -> str | None:
    """Return the few lines that stand for the bundle; None where a widget must bring all of it.

    A page that does not have it after all, because it was loaded again, asks for it: see js/src/wire/loader.js.
    """
    # While anywidget follows the file, every widget is given it.
    return text("loader.js") if _has_arrived and not os.environ.get("ANYWIDGET_HMR") else None


def text(name: str) -> str:
    """Return one of the built files: ``widget.js`` is the bundle."""
    return (STATIC / name).read_text(encoding="utf-8")
