"""Constants and sentences of pictures, in two data files that Python and JavaScript both read.

``drawing.json`` holds colours, widths and limits, ``sentences.json`` every sentence of a caption.
The front end imports the same two files (js/src/paint/palettes.js, js/src/sentences.js).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent

DRAWING: dict[str, Any] = json.loads((_FOLDER / "drawing.json").read_text(encoding="utf-8"))
_SENTENCES: dict[str, Any] = json.loads((_FOLDER / "sentences.json").read_text(encoding="utf-8"))


def sentence(name: str, **values: object) -> str:
    """Return one sentence of a caption with its values filled in.

    Examples
    --------
    >>> sentence("rows", first=0, last=63, n=300)
    'rows 0–63 of 300'
    """
    return _SENTENCES[name].format(**values)


def mass_name(unit: str) -> str:
    """Return the name of the sum of a row: ``flow`` or ``attention``."""
    names = _SENTENCES["mass"]
    return names.get(unit, names["other"])
