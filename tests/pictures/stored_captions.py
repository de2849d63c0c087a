"""Frames with the lines and captions that Python makes of them; JavaScript must make the same.

``python -m tests.pictures.stored_captions`` writes the file that the node tests read; a test here
compares it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.pictures.captions import caption
from attn_widget.pictures.lines import Selection, lines_of
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.rules import rules
from attn_widget.pictures.views import VIEWS, Pictures
from attn_widget.recording.from_arrays import from_arrays
from tests.pages import stored_page

FILE = Path(__file__).parents[2] / "js" / "test" / "frames" / "captions.json"
SELECTIONS = (
    Selection(heads=[0, 1], threshold=0.02, layer=1, head=1),
    Selection(heads=[1], threshold=0.0),
    Selection(heads=[0, 1], query=[2], threshold=0.15),
    Selection(heads=[0], query=[1, 2], key=[3], threshold=0.05),
    Selection(heads=[0, 1], key=[1], threshold=0.02),
)
TOGGLES = (
    {},
    {"hide_special": True},
    {"words": True, "hide_sinks": True},
    {"normalise": True, "baseline": True},
)


def cases() -> list[dict[str, Any]]:
    """Return every view, method and toggle of a small capture and of one with many tokens."""
    found = []
    capture = stored_page.capture()
    pictures = Pictures(capture)
    for attention, view, toggles in product(capture.groups, VIEWS, TOGGLES):
        for method in ("raw", "rollout", "flow", "value_weighted"):
            if applicable(capture, attention)[method] or (attention, view) == ("cross", "neuron"):
                continue
            if toggles.get("baseline") and (
                attention == "cross" or not METHODS[method].has_baseline
            ):
                continue
            if view == "neuron" and (method != "raw" or toggles):
                continue
            spec = Spec(view=view, method=method, attention=attention, layer=1, head=1, **toggles)
            found += _cases(pictures, spec)
    return found + _long()


def _long() -> list[dict[str, Any]]:
    weights = np.random.default_rng(3).dirichlet(np.full(70, 0.1), (1, 3, 70))
    pictures = Pictures(from_arrays(weights * 0.999))
    return _cases(pictures, Spec(), SELECTIONS[:3]) + _cases(pictures, Spec(view="matrix"))


def _cases(pictures: Pictures, spec: Spec, selections: Any = SELECTIONS) -> list[dict[str, Any]]:
    frame = pictures.frame(spec, 3)
    header, buffers = frame.encode()
    several = selections if spec.view in ("head", "text") else selections[:1]
    return [
        {
            "header": header,
            "buffers": [base64.b64encode(b).decode() for b in buffers],
            "selections": [
                asdict(replace(one, heads=list(one.heads)))
                | {"caption": caption(frame, one)}
                | (_lines(frame, one) if spec.view == "head" else {})
                for one in several
            ],
        }
    ]


def _lines(frame: Any, selection: Selection) -> dict[str, Any]:
    lines = lines_of(frame, selection)
    triples = zip(lines.lane.tolist(), lines.query.tolist(), lines.key.tolist(), strict=True)
    return {"lines": sorted(map(list, triples))}


def stored() -> str:
    """Return the text of the file."""
    return json.dumps({"rules": rules(), "cases": cases()}, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(stored(), encoding="utf-8")
