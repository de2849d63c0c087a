"""The table of methods: each entry names the options that change its numbers, and no others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.attribution.methods import METHODS
from attn_widget.records import Capture
from tests.attribution.conftest import layer_of
from tests.conftest import HEADS, LAYERS, TOKENS, softmax_rows

OTHER_VALUES = {"residual": 0.3, "reduce": "max", "normalise": True, "baseline": True}


@pytest.fixture
def complete(tokens) -> Capture:
    """A causal capture that every method can be applied to, with rows that sum to less than 1."""
    rng = np.random.default_rng(6)
    weights = 0.9 * softmax_rows(rng, LAYERS, HEADS, TOKENS, TOKENS, causal=True)
    layers = tuple(
        layer_of(
            attention,
            i,
            causal=True,
            gradient=rng.normal(size=attention.shape),
            v=rng.normal(size=(HEADS, TOKENS, 3)),
            output_projection=rng.normal(size=(HEADS, 3, 4)),
        )
        for i, attention in enumerate(weights)
    )
    return Capture(layers, {"": tokens})


def with_other_head(capture: Capture, head: int) -> Capture:
    """The same capture with the attention of one head replaced in every layer."""
    layers = []
    for layer in capture.layers:
        weights = layer.weights.copy()
        weights[head] = 0.9 * np.eye(TOKENS)
        layers.append(replace(layer, weights=weights))
    return replace(capture, layers=tuple(layers))


def numbers(capture: Capture, method: str, **options: object) -> np.ndarray:
    return np.asarray(aw.attribute(capture, method, **options))


@pytest.mark.parametrize("option", OTHER_VALUES)
@pytest.mark.parametrize("method", METHODS)
def test_an_option_changes_the_numbers_or_is_refused_exactly_where_the_table_names_it(
    method, option, complete
):
    head = {"head": 0} if METHODS[method].per_head else {}
    before = numbers(complete, method, **head)
    try:
        after = numbers(complete, method, **head, **{option: OTHER_VALUES[option]})
        has_effect = not np.array_equal(before, after)
        assert option != "baseline" or METHODS[method].has_baseline
    except aw.InputError:
        has_effect = True
        assert option == "baseline"
        assert not METHODS[method].has_baseline
    assert has_effect == (option in METHODS[method].options)


def test_every_option_of_the_table_is_tried():
    assert {option for method in METHODS.values() for option in method.options} == {*OTHER_VALUES}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_keeps_heads_apart_exactly_where_the_table_says_so(method, complete):
    first = numbers(complete, method, head=0)
    differs = not np.array_equal(first, numbers(complete, method, head=1))
    independent = np.array_equal(first, numbers(with_other_head(complete, 1), method, head=0))
    assert (differs and independent) == METHODS[method].per_head
