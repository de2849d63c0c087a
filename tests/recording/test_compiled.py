"""Compiled and copied models give what the model inside gives; flex attention is recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attn_widget.recording.capture import capture
from attn_widget.recording.model_runner import ModelRunner
from tests.recording.families import GROUPED
from tests.recording.test_generate import writer

IDS = [5, 6, 7, 8, 9]
stances = pytest.mark.skipif(
    not hasattr(torch.compiler, "set_stance"), reason="before torch 2.6 it is refused"
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def outermost(model):
    return torch.compile(model, backend="eager")


def inner(model):
    model.model.layers[1] = torch.compile(model.model.layers[1], backend="eager")
    return model


def in_place(model):
    model.model.layers[0].compile(backend="eager")
    model.compile(backend="eager")
    return model


def function(model):
    attention = model.model.layers[1].self_attn
    attention.forward = torch.compile(attention.forward, backend="eager")
    return model


def copied(model):
    return nn.DataParallel(model)


def copied_and_compiled(model):
    return torch.compile(nn.DataParallel(torch.compile(model, backend="eager")), backend="eager")


HOLDERS = [outermost, inner, in_place, function, copied, copied_and_compiled]


@stances
@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
@pytest.mark.parametrize("ran_before", [False, True])
def test_a_compiled_model_gives_what_the_model_gives(holder, ran_before):
    ids = torch.tensor([IDS])
    plain = ModelRunner(writer("Llama", GROUPED))
    expected = plain.run(IDS)
    model = holder(writer("Llama", GROUPED))
    if ran_before:
        with torch.no_grad():
            model(ids)
    runner = ModelRunner(model)
    for seen in (capture(model, {"input_ids": ids}), runner.run(IDS)):
        assert seen.missing == ()
        assert seen.model_name in ("LlamaForCausalLM", "OptimizedModule")
        np.testing.assert_array_equal(seen.attention, expected.attention)
    gradients, right = (one.gradients(IDS, output=3) for one in (runner, plain))
    for a, b in zip(gradients.layers, right.layers, strict=True):
        torch.testing.assert_close(a.gradient, b.gradient)
    written, right = (one.generate(IDS, max_new_tokens=3) for one in (runner, plain))
    assert written.tokens.ids == right.tokens.ids
    np.testing.assert_allclose(written.attention, right.attention, atol=2e-6)
    ablated, right = (dict(one.ablate(IDS, [[(1, 2)]])) for one in (runner, plain))
    for heads, one in ablated.items():
        np.testing.assert_allclose(one.logits, right[heads].logits, atol=1e-5)
    with torch.no_grad():  # and it still runs
        np.testing.assert_allclose(
            model(ids).logits[0], plain.model(ids).logits[0], rtol=1e-4, atol=1e-4
        )


class Flex(nn.Module):
    """Attention by `flex_attention`, with grouped keys."""

    def __init__(self, change, mask, compiled=False, heads=4, key_heads=2):
        super().__init__()
        flex = pytest.importorskip("torch.nn.attention.flex_attention")
        self.create_block_mask = flex.create_block_mask
        self.flex = torch.compile(flex.flex_attention) if compiled else flex.flex_attention
        self.q, self.kv = nn.Linear(16, heads * 8), nn.Linear(16, key_heads * 16)
        self.change, self.mask = change, mask

    def heads(self, x):
        q = self.q(x).unflatten(-1, (-1, 8)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (-1, 16)).transpose(1, 2).chunk(2, -1)
        return q, k, v

    def forward(self, x):
        n, blocks = x.shape[1], None
        if self.mask is not None:
            blocks = self.create_block_mask(self.mask, None, None, n, n, device="cpu")
        q, k, v = self.heads(x)
        mixed = self.flex(q, k, v, score_mod=self.change, block_mask=blocks, enable_gqa=True)
        return mixed.transpose(1, 2).flatten(2)


CHANGES = {
    "none": (None, None),
    "causal": (None, lambda b, h, i, j: i >= j),
    "window": (None, lambda b, h, i, j: (i - j).abs() <= 2),
    "slopes": (lambda s, b, h, i, j: s - (h + 1) * 0.3 * (i - j), lambda b, h, i, j: i >= j),
    "capped": (lambda s, b, h, i, j: 2.0 * torch.tanh(s / 2.0), lambda b, h, i, j: i >= j),
    "scaled": (lambda s, b, h, i, j: s * (h + 1.0), None),
}


@stances
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_flex_attention_is_recorded_with_its_changes_of_scores_and_its_mask(
    name, compiled, weights
):
    torch.manual_seed(0)
    change, mask = CHANGES[name]
    model = Flex(change, mask, compiled).eval()
    x = 2 * torch.randn(1, 7, 16)
    with torch.no_grad():
        q, k, v = model.heads(x)
        k, v = (one.repeat_interleave(2, 1) for one in (k, v))
        scores = q @ k.mT / 8**0.5
        for h, i, j in np.ndindex(4, 7, 7):
            place = [torch.tensor(n) for n in (0, h, i, j)]
            if change is not None:
                scores[0, h, i, j] = change(scores[0, h, i, j], *place)
            if mask is not None and not mask(*place):
                scores[0, h, i, j] = -torch.inf
        expected = scores.softmax(-1)
    seen = capture(model, x, weights=weights)
    (layer,) = seen.layers
    assert (layer.weights is not None) == weights
    np.testing.assert_allclose(layer.weights_for(), expected[0], atol=2e-6)
    np.testing.assert_allclose(layer.weights_for([1], [2, 5]), expected[0][1:2, [2, 5]], atol=2e-6)
    np.testing.assert_allclose(layer.head_output(3), expected[0, 3] @ v[0, 3], atol=2e-6)
