"""The README's pictures are screenshots from this test; `make pictures` saves them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.notebooks import ROOT
from tests.browser.test_lab import MINILM, drawn, settled

FOLDER = ROOT / os.environ.get("PICTURES", "build/pictures")
SHOTS = {
    "head": ("w.view, w.method, w.layer, w.query = 'head', 'raw', 3, 9", ("head", "raw", 3)),
    "matrix": (
        "w.view, w.method, w.layer, w.query = 'matrix', 'flow', 5, 9",
        ("matrix", "flow", 5),
    ),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_readmes_pictures_are_taken_from_a_real_notebook(open_notebook, theme):
    notebook = open_notebook(MINILM, height=1400, width=1250, scale=1.5)
    notebook.show_file_browser(False)
    notebook.theme(theme)
    notebook.run(0)
    widget = notebook.widget()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (line, shown) in SHOTS.items():
        notebook.add(line)
        canvas = drawn(widget, *shown)
        widget.locator("[data-readout][data-exact='1']").wait_for()
        notebook.page.mouse.move(0, 0)
        settled(canvas)
        path = Path(FOLDER / f"{name}-{theme}.png")
        Image.open(io.BytesIO(widget.screenshot())).convert("RGB").save(path, optimize=True)
        assert path.stat().st_size > 20_000
