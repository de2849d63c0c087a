"""Model, neuron and text frames, on trained models: what is drawn is what the model computed."""

from dataclasses import replace

import numpy as np
import pytest

from attn_widget.errors import InputError, MethodError
from attn_widget.pictures.numbers import _is_causal
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.score_stages import stages_of
from attn_widget.pictures.views import Pictures
from attn_widget.recording.model_runner import ModelRunner
from attn_widget.records import to_numpy
from tests import models
from tests.oracles import from_sqrt8


@pytest.fixture(scope="module")
def minilm():
    return ModelRunner(*models.minilm()).run(
        "The keys to the cabinet in the hall are on the table."
    )


@pytest.fixture(scope="module")
def smollm2():
    return ModelRunner(*models.smollm2()).run("The keys to the cabinet are on the table")


def draw(capture, spec, query=None):
    return Pictures(capture).frame(spec, query)


def array(frame, name):
    values, encoding, scale = frame.arrays[name]
    return from_sqrt8(values, scale) if encoding == "sqrt8" else values


def test_the_model_view_has_a_thumbnail_for_every_head(minilm):
    frame = draw(minilm, Spec(view="model"))
    assert [(t["layer"], t["head"]) for t in frame.fields["tiles"]] == [
        divmod(i, 12) for i in range(72)
    ]
    np.testing.assert_allclose(
        array(frame, "tiles")[12 * 3 + 1], to_numpy(minilm.layers[3].weights)[1], atol=0.004
    )


def test_the_model_view_of_a_joint_method_has_a_thumbnail_for_every_layer(minilm):
    frame = draw(minilm, Spec(view="model", method="flow"))
    assert [(t["layer"], t["head"]) for t in frame.fields["tiles"]] == [
        (layer, None) for layer in range(6)
    ]
    assert frame.fields["tiles"][5]["saturation"] > 0.5


def test_thumbnails_of_a_long_text_are_pooled_by_their_largest_values(capture, monkeypatch):
    from attn_widget.pictures import model as tiles

    monkeypatch.setattr(tiles, "TILE_CELLS", 3)
    frame = draw(capture, Spec(view="model"))
    assert frame.fields["pool"] == [2, 2]
    cells = array(frame, "tiles")
    assert cells.shape == (6, 3, 3)
    expected = to_numpy(capture.layers[1].weights)[1][2:4, 0:2].max()
    assert abs(cells[3][1, 0] - expected) < 0.004


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_every_head_of_a_trained_model_adds_up_to_what_was_measured(name, request):
    capture = request.getfixturevalue(name)
    for layer in capture.layers:
        for head in range(layer.n_heads):
            stages = stages_of(layer, head, layer.n_queries - 2)
            assert np.abs(stages.softmax - stages.measured).max() < 1e-5, (layer.name, head)


def test_the_neuron_view_says_that_it_adds_up(smollm2):
    frame = draw(smollm2, Spec(view="neuron", layer=7, head=4), query=5)
    assert frame.fields["passed"] == 1
    assert [s["name"] for s in frame.fields["stages"]] == ["dot", "scaled", "mask", "softmax"]
    q, k, dot = (array(frame, n) for n in ("q", "k", "dot"))
    np.testing.assert_allclose(k @ q, dot, rtol=1e-4)
    np.testing.assert_allclose(array(frame, "scaled"), dot * frame.fields["scaling"], rtol=1e-5)
    assert np.isneginf(array(frame, "mask")[6:]).all()
    assert not array(frame, "mask")[:6].any()


def test_a_sum_that_does_not_reach_the_measured_weight_fails_visibly(minilm):
    layer = replace(minilm.layers[2], scaling=minilm.layers[2].scaling * 1.1)
    frame = draw(replace(minilm, layers=(layer,)), Spec(view="neuron", layer=0), query=1)
    assert frame.fields["passed"] == 0


def test_a_layer_without_queries_and_keys_says_why_it_has_no_neuron_view(capture):
    with pytest.raises(
        MethodError, match=r"layer must have recorded queries and keys .* got none at layers.0"
    ):
        draw(capture, Spec(view="neuron"), query=0)


@pytest.mark.parametrize("query", [99, -1])
def test_a_query_that_does_not_exist_is_refused(minilm, query):
    with pytest.raises(InputError, match=f"query must be 0 to 14, got {query!r}"):
        draw(minilm, Spec(view="neuron"), query=query)


def test_the_text_view_knows_where_its_tokens_stand_in_the_text(minilm):
    frame = draw(minilm, Spec(view="text", layer=5))
    (source,) = frame.fields["source"]
    spans = frame.fields["spans"]
    assert spans[0] is None
    assert [source[a:b] for _, a, b in spans[1:4]] == ["The", "keys", "to"]


def test_a_large_picture_is_made_small_for_the_page(minilm):
    picture = np.zeros((100, 2048, 3), np.uint8)
    frame = draw(replace(minilm, image=picture), Spec(view="text"))
    assert array(frame, "image").shape == (25, 512, 3)


@pytest.mark.parametrize("n", [2, 63, 64, 65, 130])
def test_causal_attention_is_detected_from_the_numbers_at_any_length(n):
    past = np.tril(np.ones((2, n, n)))
    assert _is_causal(past)
    for query, key in [(0, 1), (0, n - 1), (n - 2, n - 1)]:
        future = past.copy()
        future[1, query, key] = 1e-30
        assert not _is_causal(future)
