"""The sweep's own checks turn red: a record that is changed by hand is never called exact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import attn_widget as aw
from tests.sweep.judge import compare, examine
from tests.sweep.result import Result
from tests.sweep.running import build, first_that_runs, observe

pytestmark = pytest.mark.filterwarnings("ignore")  # the warnings are the families' own


@pytest.fixture(scope="module")
def bert():
    """A small model, its input, its output, and every softmax that ran."""
    import transformers

    model = build("bert", transformers.BertModel)
    inputs, plain = first_that_runs(model)
    return model, inputs, plain, observe(model, inputs)


def why_with(bert, change):
    """What the sweep says when each capture is changed before it is compared."""
    model, inputs, plain, observed = bert
    result = Result("bert", "BertModel", "exact")

    def record(model, inputs, **more):
        return change(aw.capture(model, inputs, **more))

    compare(result, model, inputs, plain, observed, record)
    return result.outcome, result.why


def with_first_layer(capture, change):
    """A capture with one change in its first layer's weights, where they are kept."""
    first, *others = capture.layers
    if first.weights is not None:
        first = replace(first, weights=change(first.weights))
    return replace(capture, layers=(first, *others))


def test_a_record_as_it_is_is_exact(bert):
    assert why_with(bert, lambda capture: capture) == ("exact", "")


def test_a_weight_that_was_not_computed_is_wrong(bert):
    def shift(weights):
        changed = weights.clone()
        changed[1, 2, 3:5] += torch.tensor([2e-5, -2e-5])
        return changed

    outcome, why = why_with(bert, lambda c: with_first_layer(c, shift))
    assert outcome == "wrong"
    assert "is no softmax that ran" in why


def test_heads_in_another_order_are_wrong(bert):
    outcome, _ = why_with(bert, lambda c: with_first_layer(c, lambda w: w[[1, 0, 2, 3]]))
    assert outcome == "wrong"


def test_queries_and_keys_that_change_places_are_wrong(bert):
    outcome, _ = why_with(bert, lambda c: with_first_layer(c, lambda w: w.mT))
    assert outcome == "wrong"


def test_a_layer_that_is_left_out_is_wrong_unless_it_is_named(bert):
    def leave_out(capture):
        return replace(capture, layers=capture.layers[1:])

    def name(capture):
        return replace(leave_out(capture), missing=(capture.layers[0].name,))

    outcome, why = why_with(bert, leave_out)
    assert outcome == "wrong"
    assert "neither shown nor named" in why
    assert why_with(bert, name)[0] == "exact, parts refused"


def test_a_head_that_is_left_out_is_wrong(bert):
    def leave_out(capture):
        layers = [replace(one, n_heads=3, weights=None if one.weights is None else one.weights[:3],
                          q=one.q[:3], k=one.k[:3]) for one in capture.layers]  # fmt: skip
        return replace(capture, layers=tuple(layers))

    outcome, why = why_with(bert, leave_out)
    assert outcome == "wrong"
    assert "3 of 4 maps shown" in why


@pytest.mark.parametrize("family", ["gpt2", "t5", "vit", "gpt_oss"])
def test_families_of_every_layout_are_exact(family):
    assert {one.outcome for one in examine(family)} == {"exact"}


def test_a_model_without_attention_is_said_to_have_none():
    (result,) = examine("resnet")
    assert result.outcome == "no attention"
