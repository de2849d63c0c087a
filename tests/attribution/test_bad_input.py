"""Invalid input raises an error before any work, with the right message."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attn_widget as aw
from tests.conftest import capture_of

FUNCTIONS = [aw.rollout, aw.flow]


def spoiled(attention, value, place=(1, 0, 2, 3)):
    bad = attention.copy()
    bad[place] = value
    return bad


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "attention must be finite, got nan at layer 1, head 0, query 2, key 3."),
        (np.inf, "attention must be finite, got inf at layer 1, head 0, query 2, key 3."),
        (
            -0.25,
            "attention must be 0 or more, got -0.25 at layer 1, head 0, query 2, key 3. "
            "Give attention after",
        ),
    ],
)
def test_invalid_weights_are_named_with_their_position(function, value, words, attention):
    with pytest.raises(aw.InputError) as caught:
        function(spoiled(attention, value))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_above_one_are_refused_beyond_the_precision_of_their_type(function, attention):
    with pytest.raises(
        aw.InputError,
        match=r"rows that sum to at most 1, got 2 at layer 0, head 0",
    ):
        function(2 * attention)
    function(attention * (1 + 5e-5))
    function(torch.tensor(attention * 1.01, dtype=torch.bfloat16))
    with pytest.raises(aw.InputError, match=r"rows that sum to at most 1, got 1\.09"):
        function(torch.tensor(attention * 1.1, dtype=torch.bfloat16))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_number_of_axes_is_refused(function, attention):
    with pytest.raises(
        aw.InputError,
        match=r"must be \(layer, head, query, key\) or \(layer, query, key\), got 2 axes",
    ):
        function(attention[0, 0])
    with pytest.raises(aw.InputError, match=r"got 5 axes. Choose one item of a batch first"):
        function(attention[None])
    with pytest.raises(aw.InputError, match=r"got 4 axes at layer 0. Choose one item of a batch"):
        function([layer[None] for layer in attention])


def test_mismatched_layers_are_refused(attention):
    layers = [attention[0], attention[1][:, :4]]
    with pytest.raises(
        aw.InputError,
        match=r"same queries and keys in every layer, got \(4, 5\) at layer 1 and \(5, 5\)",
    ):
        aw.rollout(layers)


def test_empty_input_is_refused():
    with pytest.raises(aw.InputError, match="at least one layer, got none"):
        aw.rollout(np.zeros((0, 2, 3, 3)))
    with pytest.raises(aw.InputError, match=r"must not be empty, got shape \(2, 0, 0\) at layer 0"):
        aw.rollout(np.zeros((1, 2, 0, 0)))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"residual": 1.5}, "residual must be a number from 0 to 1, got 1.5. 0.5 is the paper's"),
        ({"residual": -0.1}, "residual must be a number from 0 to 1, got -0.1."),
        ({"residual": float("nan")}, "residual must be a number from 0 to 1, got nan."),
        ({"layer": 3}, "layer must be 0 to 2, got 3. Choose one that exists."),
        ({"layer": -4}, "layer must be 0 to 2, got -4."),
        ({"start_layer": 5}, "start_layer must be 0 to 2, got 5."),
        ({"layer": 0, "start_layer": 1}, "start_layer must not be above layer 0, got 1."),
        ({"query": 5}, "query must be 0 to 4, got 5."),
        ({"query": [0, 9]}, "query must be 0 to 4, got 9."),
        ({"query": []}, "query must name at least one row, got none."),
        ({"head": 2}, "head must be 0 to 1, got 2."),
        ({"reduce": "median"}, "reduce must be one of mean, max, min, isolated, got 'median'."),
        ({"reduce": "isolated"}, 'head must be given with reduce="isolated", got None.'),
    ],
)
def test_options_out_of_range_are_refused(function, options, words, attention, tokens):
    with pytest.raises(aw.InputError) as caught:
        function(attention, **options)
    assert str(caught.value).startswith(words)
    with pytest.raises(aw.InputError) as caught:
        aw.attribute(capture_of(attention, tokens), function.__name__, **options)
    assert str(caught.value).startswith(words)


def test_an_unknown_method_lists_the_known_ones(capture):
    with pytest.raises(
        aw.InputError, match=r"method must be one of raw, rollout, flow.*, got 'flwo'. Choose one"
    ):
        aw.attribute(capture, "flwo")


def test_an_unknown_attention_lists_the_known_ones(translator):
    with pytest.raises(
        aw.InputError, match="attention must be one of encoder, decoder, cross, got 'self'"
    ):
        aw.attribute(translator, "raw", attention="self")


def test_weights_of_a_capture_are_checked_too_and_named_by_their_module(attention, tokens):
    with pytest.raises(
        aw.InputError, match=r"got nan at layers.1 \(layer 1\), head 0, query 2, key 3"
    ):
        aw.attribute(capture_of(spoiled(attention, np.nan), tokens), "rollout")


def test_a_causal_baseline_is_refused_for_an_encoder(capture, translator):
    with pytest.raises(
        aw.InputError,
        match="baseline must be False for attention that is not causal, got True for 'self'",
    ):
        aw.attribute(capture, "rollout", baseline=True)
    with pytest.raises(aw.InputError, match="got True for 'cross'"):
        aw.attribute(translator, "rollout", attention="cross", baseline=True)


def test_flow_refuses_a_size_that_exceeds_memory_and_names_one_that_fits(monkeypatch, attention):
    from attn_widget.attribution import flow

    monkeypatch.setattr(flow, "MEMORY_BYTES", 900)
    with pytest.raises(
        aw.InputError, match=r"5 positions × 3 layers .* Use at most \d positions .*rollout"
    ):
        aw.flow(attention)


def test_raw_weights_may_have_nan_but_joint_methods_refuse_it(attention, tokens):
    capture = capture_of(spoiled(attention, np.nan), tokens)
    raw = np.asarray(aw.attribute(capture, "raw", layer=1, head=0))
    assert np.argwhere(np.isnan(raw)).tolist() == [[2, 3]]
    for options in (
        {"method": "raw"},
        {"method": "rollout"},
        {"method": "rollout", "reduce": "isolated", "head": 0},
    ):
        with pytest.raises(aw.InputError, match="attention must be finite, got nan"):
            aw.attribute(capture, layer=1, **options)
    with pytest.raises(aw.InputError, match="attention must be finite, got inf"):
        aw.attribute(capture_of(spoiled(attention, np.inf), tokens), "raw", layer=1, head=0)
