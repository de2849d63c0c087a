"""One contract for every method, and what an Attribution carries besides its values."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.records import Capture, LayerAttention, Tokens
from tests import oracles
from tests.attribution.conftest import DECODER, ENCODER, layer_of
from tests.conftest import capture_of


def validate(answer, capture, rows=None):
    """Check what holds for any method: shapes, signs, bounds, row sums and names."""
    queries, keys = (len(axis) for axis in capture.axes(answer.attention))
    rows = tuple(range(queries)) if rows is None else rows
    values = np.asarray(answer)
    assert answer.rows == rows
    assert values.shape == (len(rows), keys)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    if answer.unit == "share":
        assert (values.sum(-1) <= 1 + 1e-4).all()
        other = 0 if answer.other_mass is None else np.asarray(answer.other_mass)
        assert np.asarray(answer.sink_mass) == pytest.approx(1 - values.sum(-1) - other, abs=1e-6)
    if answer.lower is not None:
        assert (np.asarray(answer.lower) <= values + 1e-9).all()
    if answer.upper is not None:
        assert (np.asarray(answer.upper) >= values - 1e-9).all()
    if answer.saturation is not None:
        assert 0 <= answer.saturation <= 1


def usable(capture, attention=None):
    return [name for name, reason in applicable(capture, attention).items() if not reason]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [None, (3,), (4, 0)])
def test_every_method_keeps_the_contract(method, rows, capture):
    if method in usable(capture):
        validate(aw.attribute(capture, method, query=rows), capture, rows)


@pytest.mark.parametrize("attention", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_contract_on_every_attention_of_a_translator(
    method, attention, translator
):
    if method in usable(translator, attention):
        validate(aw.attribute(translator, method, attention=attention), translator)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_changes_the_capture(method, capture):
    before = capture.attention.copy()
    if method in usable(capture):
        aw.attribute(capture, method, normalise=True)
    assert np.array_equal(capture.attention, before)


@pytest.mark.parametrize("method", METHODS)
def test_rows_asked_for_one_by_one_are_rows_of_all(method, capture):
    if method in usable(capture):
        whole = np.asarray(aw.attribute(capture, method))
        one_by_one = [
            np.asarray(aw.attribute(capture, method, query=i))[0] for i in range(len(whole))
        ]
        assert np.stack(one_by_one) == pytest.approx(whole, abs=1e-12)


def test_raw_is_the_layer_itself_of_one_head_or_their_mean(capture):
    assert np.array_equal(
        np.asarray(aw.attribute(capture, "raw", layer=1, head=1)), capture.attention[1, 1]
    )
    assert np.asarray(aw.attribute(capture, "raw", layer=1)) == pytest.approx(
        capture.attention[1].mean(0)
    )
    assert aw.attribute(capture, "raw").layer == 2


def test_a_capture_gives_the_same_rollout_and_flow_as_its_arrays(capture):
    for layer in (2, 0, 1):
        rollout, flow = (
            aw.attribute(capture, method, layer=layer) for method in ("rollout", "flow")
        )
        assert np.asarray(rollout) == pytest.approx(
            aw.rollout(capture.attention, layer=layer), abs=1e-15
        )
        assert np.array_equal(np.asarray(flow), aw.flow(capture.attention, layer=layer))


def test_options_are_never_mixed_up_by_what_is_cached(capture):
    options = [
        {}, {"residual": 0.2}, {"reduce": "max"}, {"head": 1}, {"start_layer": 1}, {"layer": 1},
        {"head": 1, "reduce": "isolated"}, {"head": 0, "reduce": "isolated"}, {"head": 0}, {},
    ]  # fmt: skip
    for method, function in (("rollout", aw.rollout), ("flow", aw.flow)):
        for chosen in options:
            expected = function(capture.attention, **chosen)
            assert np.asarray(aw.attribute(capture, method, **chosen)) == pytest.approx(
                expected, abs=1e-14
            ), chosen


def test_layers_that_are_recomputed_on_demand_give_the_same_numbers(capture):
    asked = []

    def recompute(layer, heads, rows):
        asked.append((layer.layer, rows))
        kept = capture.layers[layer.layer]
        return kept.weights_for(heads, rows)

    light = replace(
        capture,
        layers=tuple(replace(layer, weights=None, recompute=recompute) for layer in capture.layers),
    )
    for method in ("raw", "rollout", "flow"):
        expected = np.asarray(aw.attribute(capture, method))
        assert np.asarray(aw.attribute(light, method)) == pytest.approx(expected, abs=1e-14)
    once = len(asked)
    aw.attribute(light, "flow", query=1)
    aw.attribute(light, "rollout", query=[2])
    assert len(asked) == once


def test_layers_too_large_to_cache_are_streamed_in_blocks_of_rows(capture, monkeypatch):
    from attn_widget.attribution import cache, reduce_heads, rollout

    expected = {
        rows: np.asarray(aw.attribute(capture, "rollout", query=rows)) for rows in (None, (1, 3))
    }
    monkeypatch.setattr(cache, "BYTES_PER_CAPTURE", 10)
    monkeypatch.setattr(reduce_heads, "BLOCK_BYTES", 100)
    monkeypatch.setattr(rollout, "BLOCK_BYTES", 100)
    asked = []

    def recompute(layer, heads, rows):
        asked.append(rows)
        return capture.layers[layer.layer].weights_for(heads, rows)

    layers = tuple(replace(layer, weights=None, recompute=recompute) for layer in capture.layers)
    light = replace(capture, layers=layers)
    for rows, values in expected.items():
        assert np.asarray(aw.attribute(light, "rollout", query=rows)) == pytest.approx(
            values, abs=1e-14
        )
    assert max(len(rows) for rows in asked if rows is not None) < 5


def test_one_row_of_rollout_over_a_long_text_never_holds_a_matrix_of_all_pairs(monkeypatch):
    from attn_widget.attribution import cache, reduce_heads, rollout

    n, block = 1500, 2**19
    monkeypatch.setattr(cache, "BYTES_PER_CAPTURE", 0)
    monkeypatch.setattr(reduce_heads, "BLOCK_BYTES", block)
    monkeypatch.setattr(rollout, "BLOCK_BYTES", block)

    def recompute(layer, heads, rows):
        seen = np.arange(n) <= np.array(rows)[:, None]
        return np.repeat((seen / seen.sum(-1, keepdims=True)).astype(np.float32)[None], 2, axis=0)

    layers = tuple(
        LayerAttention(f"layers.{i}", "self", "", i, 2, n, n, causal=True, recompute=recompute)
        for i in range(3)
    )
    long = Capture(layers, {"": Tokens(("a",) * n)})
    tracemalloc.start()
    try:
        row = np.asarray(aw.attribute(long, "rollout", query=n - 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert peak < 4 * n * n / 2  # half a matrix of float32


def test_rollout_is_never_above_flow_and_flow_never_above_its_cuts(capture, causal_attention):
    for one in (capture, capture_of(causal_attention, capture.tokens)):
        answer = aw.attribute(one, "flow")
        assert np.asarray(answer.lower) == pytest.approx(np.asarray(aw.attribute(one, "rollout")))
        assert (answer.lower <= np.asarray(answer) + 1e-12).all()
        assert (np.asarray(answer) <= answer.upper + 1e-12).all()
        assert (answer.upper <= 1 + 1e-12).all()


def test_deep_flow_says_that_it_no_longer_depends_on_the_query(tokens):
    rng = np.random.default_rng(5)
    deep = capture_of(rng.dirichlet(np.ones(5), size=(12, 2, 5)), tokens)
    assert aw.attribute(deep, "flow").saturation == 1.0
    assert aw.attribute(deep, "flow", layer=0).saturation < 0.5
    answer = aw.attribute(deep, "flow")
    columns = np.minimum(1, oracles.joint(deep.attention)[0].sum(0))
    assert np.asarray(answer) == pytest.approx(np.tile(columns, (5, 1)))


def test_sink_mass_is_what_no_key_took(attention, tokens):
    answer = aw.attribute(capture_of(0.5 * attention, tokens), "raw", layer=1)
    assert answer.sink_mass == pytest.approx(np.full(5, 0.5))
    assert aw.attribute(
        capture_of(0.5 * attention, tokens), "rollout", layer=0
    ).sink_mass == pytest.approx(np.full(5, 0.25))


@pytest.mark.parametrize(("method", "uniform"), [("rollout", aw.rollout), ("flow", aw.flow)])
def test_a_baseline_divides_by_the_same_method_on_uniform_causal_attention(
    method, uniform, causal_attention, tokens
):
    capture = capture_of(causal_attention, tokens)
    even = np.tril(np.ones((4, 1, 5, 5))) / np.arange(1, 6)[:, None]
    base = uniform(even)
    for rows in (None, (3,)):
        plain, divided = (
            aw.attribute(capture, method, baseline=b, query=rows) for b in (False, True)
        )
        chosen = base if rows is None else base[list(rows)]
        seen = chosen > 0
        assert np.asarray(divided)[seen] == pytest.approx((np.asarray(plain)[seen]) / chosen[seen])
        assert not np.asarray(divided)[~seen].any()
        assert divided.baseline == "uniform causal attention"
        assert divided.unit == "ratio"
        assert plain.baseline is None


@pytest.mark.parametrize(("method", "uniform"), [("rollout", aw.rollout), ("flow", aw.flow)])
@pytest.mark.parametrize(("layer", "start_layer"), [(3, 1), (2, 2), (2, 0)])
def test_a_baseline_has_as_many_layers_as_take_part(
    method, uniform, layer, start_layer, causal_attention, tokens
):
    capture = capture_of(causal_attention, tokens)
    plain, divided = (
        np.asarray(
            aw.attribute(capture, method, layer=layer, start_layer=start_layer, baseline=baseline)
        )
        for baseline in (False, True)
    )
    even = np.tril(np.ones((4, 1, 5, 5))) / np.arange(1, 6)[:, None]
    base = uniform(even, layer=layer, start_layer=start_layer)
    lower = np.tril(np.ones((5, 5), bool))
    assert divided[lower] == pytest.approx(plain[lower] / base[lower])


def test_uniform_causal_attention_is_its_own_baseline(tokens):
    even = np.tril(np.ones((3, 1, 5, 5))) / np.arange(1, 6)[:, None]
    for method in ("raw", "rollout", "flow"):
        answer = aw.attribute(capture_of(even, tokens), method, baseline=True)
        assert np.asarray(answer) == pytest.approx(np.tril(np.ones((5, 5))))


def test_a_translators_tokens_share_between_both_sentences(translator):
    def mean(i):
        return translator.layers[i].weights.mean(0)

    blocks = [("encoder", mean(0)), ("encoder", mean(1)), ("decoder", mean(2)), ("cross", mean(3))]
    blocks += [("decoder", mean(4)), ("cross", mean(5))]
    matrices = oracles.block_matrices(blocks, ENCODER, DECODER, 0.5)
    product = np.linalg.multi_dot(matrices[::-1])
    cross = aw.attribute(translator, "rollout", attention="cross")
    assert np.asarray(cross) == pytest.approx(product[ENCODER:, :ENCODER])
    assert cross.other_mass == pytest.approx(product[ENCODER:, ENCODER:].sum(-1))
    assert cross.sink_mass == pytest.approx(np.zeros(DECODER), abs=1e-12)
    below = np.linalg.multi_dot(matrices[:5][::-1])
    decoder = aw.attribute(translator, "rollout", attention="decoder")
    assert np.asarray(decoder) == pytest.approx(below[ENCODER:, ENCODER:])
    for rows in (None, [2, 0]):
        flow = aw.attribute(translator, "flow", attention="cross", query=rows)
        expected = oracles.flow_by_networkx(matrices)[ENCODER:, :ENCODER]
        assert np.asarray(flow) == pytest.approx(expected if rows is None else expected[rows])
    assert aw.attribute(translator, "rollout", attention="cross", query=[1]) == pytest.approx(
        product[ENCODER + 1 : ENCODER + 2, :ENCODER]
    )
    encoder = aw.attribute(translator, "rollout", attention="encoder")
    assert np.asarray(encoder) == pytest.approx(
        np.linalg.multi_dot(matrices[:2][::-1])[:ENCODER, :ENCODER]
    )


def test_a_start_layer_above_the_first_leaves_the_encoder_out(translator):
    blocks = [
        ("decoder", translator.layers[4].weights.mean(0)),
        ("cross", translator.layers[5].weights.mean(0)),
    ]
    matrices = oracles.block_matrices(blocks, ENCODER, DECODER, 0.5)
    cross = aw.attribute(translator, "rollout", attention="cross", start_layer=1)
    assert np.asarray(cross) == pytest.approx((matrices[1] @ matrices[0])[ENCODER:, :ENCODER])
    own = aw.attribute(translator, "rollout", attention="decoder", start_layer=1)
    assert np.asarray(own) == pytest.approx(matrices[0][ENCODER:, ENCODER:])


def test_layers_of_different_lengths_leave_raw_and_say_why(attention, tokens):
    layers = (layer_of(attention[0], 0), layer_of(attention[1][:, :4, :4], 1))
    pooled = Capture(layers, {"": tokens})
    reasons = applicable(pooled)
    assert reasons["raw"] == ""
    assert "as many keys as queries in every layer" in reasons["flow"]
    assert np.asarray(aw.attribute(pooled, "raw", layer=1)).shape == (4, 4)
    with pytest.raises(
        aw.MethodError, match=r'got 5×5 at model.0.self, 4×4 at model.1.self. Use method="raw"'
    ):
        aw.attribute(pooled, "rollout")


def test_the_first_methods_are_raw_rollout_and_flow():
    assert list(METHODS)[:3] == ["raw", "rollout", "flow"]
