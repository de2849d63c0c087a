"""Banded attention laid out densely is the masked softmax that it stands for."""

from __future__ import annotations

import math

import pytest
import torch

from attn_widget.recording.capture import capture
from attn_widget.recording.tracing.banded import dense
from tests.recording.families import FAMILIES, build, feed

LONGFORMER = next(one for one in FAMILIES if one.name == "longformer")
WINDOW, TOKENS, HEADS = 2, 11, 3


def by_hand(attention, hidden, layer_mask, n):
    """The dense attention of one Longformer layer from its own matrices, without bands."""
    d = attention.head_dim

    def heads(states):
        return states.reshape(len(hidden), HEADS, d).transpose(0, 1)

    q, k = heads(attention.query(hidden)) / math.sqrt(d), heads(attention.key(hidden))
    places = torch.arange(len(hidden))
    near = (places[:, None] - places[None]).abs() <= WINDOW
    special = layer_mask > 0
    seen = (near | special[None]) & (layer_mask >= 0)[None]
    weights = (q @ k.mT).masked_fill(~seen, -1e9).softmax(-1)
    q, k = heads(attention.query_global(hidden)) / math.sqrt(d), heads(attention.key_global(hidden))
    whole = (
        (q @ k.mT).masked_fill(~(layer_mask >= 0)[None, None].expand_as(weights), -1e9).softmax(-1)
    )
    weights[:, special] = whole[:, special]
    return weights[:, :n, :n]


@pytest.mark.parametrize("global_at", [(), (0,), (0, 6)])
@pytest.mark.parametrize("item", [0, 1])
def test_a_band_laid_out_is_the_softmax_over_near_and_global_keys(global_at, item):
    model, inputs = build(LONGFORMER), feed(LONGFORMER)
    inputs["global_attention_mask"] = torch.zeros_like(inputs["input_ids"])
    inputs["global_attention_mask"][:, list(global_at)] = 1
    given = []

    def note(module, args, kwargs):
        given.append((args[0] if args else kwargs["hidden_states"], kwargs["attention_mask"]))

    handles = [
        layer.attention.self.register_forward_pre_hook(note, with_kwargs=True)
        for layer in model.encoder.layer
    ]
    seen = capture(model, inputs, item=item)
    for handle in handles:
        handle.remove()
    n = 8 if item == 0 else TOKENS
    for layer, block, (hidden, mask) in zip(seen.layers, model.encoder.layer, given, strict=True):
        with torch.no_grad():
            expected = by_hand(block.attention.self, hidden[item], mask[item].flatten(), n)
        assert layer.weights.shape == (HEADS, n, n)
        assert torch.allclose(layer.weights, expected, atol=1e-6)
        assert torch.allclose(layer.weights.sum(-1), torch.ones(HEADS, n), atol=1e-6)


def test_a_band_of_known_numbers_lands_where_it_belongs():
    # Two heads, three queries, window 1; column 0 is the global key at position 2.
    band = torch.zeros(3, 2, 1 + 3)
    band[0, 0] = torch.tensor([0.5, 0.0, 0.2, 0.3])  # query 0: global 2, itself, key 1
    band[1, 1] = torch.tensor([0.1, 0.6, 0.3, 0.0])  # query 1: global 2, key 0, itself
    rows = torch.zeros(2, 1, 3)
    rows[:, 0] = torch.tensor([0.7, 0.2, 0.1])
    weights = dense(band, 1, torch.tensor([2]), rows)
    assert weights[0, 0].tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert weights[1, 1].tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert weights[1, 2].tolist() == pytest.approx([0.7, 0.2, 0.1])


def test_the_caller_of_a_banded_module_gets_what_it_always_gets():
    model, inputs = build(LONGFORMER), feed(LONGFORMER)
    outputs = []
    handle = model.encoder.layer[0].attention.self.register_forward_hook(
        lambda m, a, output: outputs.append(output)
    )
    with torch.no_grad():
        plain = model(**inputs)[0]
    capture(model, inputs)
    with torch.no_grad():
        shown = model(**inputs, output_attentions=True)
    handle.remove()
    assert torch.equal(plain, shown[0])
    assert len(outputs[0]) == len(outputs[-1]) - 1
