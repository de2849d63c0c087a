"""The built JavaScript: ``widget.js`` for notebooks, ``static.js`` for pages, ``loader.js``."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """Return the text of a built file."""
    return (FOLDER / name).read_text(encoding="utf-8")
