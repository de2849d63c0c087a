"""The live widget of layers in parts, and of a method that is computed when it is clicked."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_lab import colours, drawn

FOLDER = Path(__file__).parents[2] / "build" / "parts"
VIEWS = ("head", "matrix", "model", "text")
WINDOWS = """import attn_widget as aw
from tests.parts import windows
missing = tuple(f"encoder.block.{i}.layer.0.SelfAttention" for i in range(6))
w = aw.AttentionWidget(windows(missing=missing), layer=1)
w"""
CLASSIFIER = """import attn_widget as aw, torch, transformers
from tests import models
tokenizer = models.minilm()[1]
torch.manual_seed(0)
small = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
config = transformers.BertConfig(**small, vocab_size=len(tokenizer))
model = transformers.BertForSequenceClassification(config).eval()
w = aw.explore(model, tokenizer, "The keys are on the table.")
w"""


@pytest.mark.parametrize("width", [320, 480, 1200])
def test_the_parts_of_a_layer_are_stepped_through_at_every_width(open_notebook, width):
    notebook = open_notebook(WINDOWS, width=width + 116, height=1300)
    notebook.show_file_browser(False)
    notebook.run(0)
    widget = notebook.widget()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        if width < 360 and view not in ("matrix", "text"):
            continue  # too narrow for these
        notebook.add(f"w.part = 0; w.view = {view!r}")
        drawn(widget, view, "raw", 1)
        step = widget.locator("[data-step=window]")
        expect(step).to_have_text("window ‹ 1 › of 4", use_inner_text=False)
        step.get_by_label("next window").click()
        expect(step.locator("b")).to_have_text("2")
        caption = widget.locator("[data-caption]")
        expect(caption).to_contain_text("window 2 of 4")
        expect(caption).to_contain_text(
            "not recorded: encoder.block.0.layer.0.SelfAttention and 5 more"
        )
        notebook.says("print(w.part, w.capture.at_part(w.part).tokens.text[0])", "1 1.0")
        widget.screenshot(path=FOLDER / f"{view}-{width}.png")
        box, room = step.bounding_box(), widget.bounding_box()
        assert box["x"] + box["width"] <= room["x"] + room["width"] + 1


def test_a_method_that_needs_gradients_is_computed_when_it_is_clicked(open_notebook):
    notebook = open_notebook(CLASSIFIER)
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 0)
    widget.get_by_label("more methods").select_option("relevance")
    canvas = drawn(widget, "head", "relevance", 0)
    assert colours(canvas) > 10
    notebook.says("print(w.method, w.capture.made_by.function)", "relevance gradients")
    box = widget.get_by_label("text; Enter runs the model", exact=True)
    box.fill("A door is open.")
    box.press("Enter")
    drawn(widget, "head", "relevance", 0, capture_id=2)
    notebook.says("print(w.method, w.text)", "relevance A door is open.")
