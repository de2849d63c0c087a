"""What a person sees who leaves a capture on a cell's last line."""

from dataclasses import replace

import numpy as np
import pytest

import attn_widget as aw
from tests import models


def test_a_capture_is_one_line_with_the_shape_of_each_group():
    seen = aw.ModelRunner(*models.annalog()).run("CC(=O)O", target="CCO")
    queries, keys = (len(axis) for axis in seen.axes("cross"))
    assert (
        f"encoder (3, 8, {keys}, {keys}), decoder (3, 8, {queries}, {queries}), cross (3, 8, "
        in repr(seen)
    )
    assert repr(seen).endswith(f"cross (3, 8, {queries}, {keys})>")
    assert seen.model_name in repr(seen)


def test_a_layer_is_one_line_that_says_whether_its_weights_are_kept():
    runner = aw.ModelRunner(*models.minilm())
    layer = runner.run("Keys.").layers[1]
    assert repr(layer) == f"<LayerAttention {layer.name}: self, layer 1, weights (12, 4, 4) kept>"
    model, tokenizer = models.minilm()
    light = aw.capture(model, tokenizer("Keys.", return_tensors="pt"), weights=False).layers[1]
    assert (
        repr(light)
        == f"<LayerAttention {layer.name}: self, layer 1, weights (12, 4, 4) recomputed on demand>"
    )


@pytest.mark.parametrize(
    ("name", "title"),
    [("/home/ann/runs/tuned-3", "tuned-3"), ("org/model", "org/model"), ("Bert", "Bert"), ("", "")],
)
def test_what_is_shown_of_a_folder_is_its_last_part(name, title):
    seen = replace(aw.from_arrays(np.full((1, 1, 2, 2), 0.5), ["a", "b"]), model_name=name)
    assert seen.title == title
    w = aw.AttentionWidget(seen)
    shown = [repr(seen), w._repr_mimebundle_()[0]["text/plain"], w.info["model"]]
    shown += [text.get_text() for text in w.to_figure().axes[0].texts]
    assert not any("ann" in text for text in shown)
    assert all(title in text for text in shown[:3])


def test_two_models_of_one_last_part_are_told_apart_where_they_are_compared():
    one = aw.from_arrays(np.full((1, 1, 2, 2), 0.5), ["a", "b"])
    names = ("/runs/1/last", "/runs/2/last")
    c = aw.compare(*(replace(one, model_name=name) for name in names))
    assert repr(c._repr_mimebundle_()["text/plain"]).count("/last") == 2
    c = aw.compare(*(replace(one, model_name=name) for name in ("/runs/first", "/runs/last")))
    assert "/" not in c._repr_mimebundle_()["text/plain"]
