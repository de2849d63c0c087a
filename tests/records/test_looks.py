"""What a person sees who leaves a capture on a cell's last line."""

import attn_widget as aw
from tests import models


def test_a_capture_is_one_line_with_the_shape_of_each_group():
    seen = aw.ModelRunner(*models.annalog()).run("CC(=O)O", target="CCO")
    queries, keys = (len(axis) for axis in seen.axes("cross"))
    assert f"encoder (3, 8, {keys}, {keys}), decoder (3, 8, {queries}, {queries}), cross (3, 8, " in repr(seen)
    assert repr(seen).endswith(f"cross (3, 8, {queries}, {keys})>")
    assert seen.model_name in repr(seen)


def test_a_layer_is_one_line_that_says_whether_its_weights_are_kept():
    runner = aw.ModelRunner(*models.minilm())
    layer = runner.run("Keys.").layers[1]
    assert repr(layer) == f"<LayerAttention {layer.name}: self, layer 1, weights (12, 4, 4) kept>"
    model, tokenizer = models.minilm()
    light = aw.capture(model, tokenizer("Keys.", return_tensors="pt"), weights=False).layers[1]
    assert repr(light) == f"<LayerAttention {layer.name}: self, layer 1, weights (12, 4, 4) recomputed when asked>"
