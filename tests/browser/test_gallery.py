"""Screenshots of every view: both themes, short and long texts, wide and narrow cells."""

from __future__ import annotations

import pytest

from tests.browser.notebooks import ROOT
from tests.browser.test_lab import MINILM, colours, drawn, settled

FOLDER = ROOT / "build" / "gallery"
LONG = """sentence = "Sentence {} tells of the boat, the harbour and the storm."
w.text = " ".join(sentence.format(i) for i in range(%d))"""
VIEWS = ["head", "model", "neuron", "matrix", "text"]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 860, 1200])
def test_every_view_is_drawn(open_notebook, theme, width):
    notebook = open_notebook(MINILM, width=width + 190, height=1500)
    notebook.show_file_browser(False)
    notebook.theme(theme)
    notebook.run(0)
    widget = notebook.widget()
    FOLDER.mkdir(parents=True, exist_ok=True)
    notebook.add("w.layer, w.head, w.query = 3, 1, 9")
    for length, line in [("short", ""), ("long", LONG % 9), ("longer", LONG % 36)]:
        notebook.add(line)
        capture_id = int(notebook.add("print(w.capture_id)"))
        for view in VIEWS:
            notebook.add(f"w.view, w.query = '{view}', 9")
            canvas = settled(drawn(widget, view, "raw", 3, capture_id))
            widget.screenshot(path=FOLDER / f"{view}-{theme}-{width}-{length}.png")
            if view == "text":
                assert canvas.locator("span[data-row]").count() > 5
            else:
                assert colours(canvas) > 20
