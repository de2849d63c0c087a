"""Attention without a softmax is shown as the matrix it implies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from attn_widget.recording.tracing.kernelised import implied_weights

HEADS, QUERIES, KEYS, CHANNELS = 2, 5, 7, 3


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(x):
    return nn.functional.elu(x) + 1


def kernelised(q, k, v):
    """Linear attention (Katharopoulos et al. 2020): no weights are ever formed."""
    q, k = features(q), features(k)
    return (q @ (k.mT @ v)) / (q @ k.sum(-2)[..., None])


def clustered(q, k, v):
    """Return attention shared by clusters of queries (Vyas et al. 2020), by one channel's sign."""
    member = (q[..., :1] > 0).float()
    out = 0
    for inside in (member, 1 - member):
        centre = (q * inside).sum(-2, keepdim=True) / inside.sum(-2, keepdim=True).clamp(min=1)
        out = out + inside * (torch.softmax(centre @ k.mT, -1) @ v)
    return out


def test_a_kernelised_attention_implies_the_normalised_product_of_features():
    q, k, v = (
        drawn(HEADS, QUERIES, CHANNELS),
        drawn(HEADS, KEYS, CHANNELS, seed=1),
        drawn(HEADS, KEYS, 4, seed=2),
    )
    expected = features(q) @ features(k).mT
    expected = expected / expected.sum(-1, keepdim=True)
    assert torch.allclose(implied_weights(kernelised, q, k, v), expected, atol=1e-6)


def test_queries_of_one_cluster_imply_equal_rows():
    q, k, v = (
        drawn(HEADS, QUERIES, CHANNELS),
        drawn(HEADS, KEYS, CHANNELS, seed=1),
        drawn(HEADS, KEYS, 4, seed=2),
    )
    weights = implied_weights(clustered, q, k, v)
    assert torch.allclose(weights.sum(-1), torch.ones(HEADS, QUERIES))
    for head in range(HEADS):
        inside = q[head, :, 0] > 0
        for rows in (weights[head][inside], weights[head][~inside]):
            assert torch.allclose(rows, rows[:1].expand_as(rows))
    assert not torch.allclose(weights[0, 0], weights[0, (q[0, :, 0] > 0) != (q[0, 0, 0] > 0)][0])


def test_what_is_not_linear_in_the_values_is_refused():
    q, k, v = drawn(QUERIES, CHANNELS), drawn(KEYS, CHANNELS), drawn(KEYS, 4)
    with pytest.raises(
        InputError, match="attention must be linear in the values and the same every time"
    ):
        implied_weights(lambda q, k, v: torch.softmax(q @ k.mT, -1) @ v.exp(), q, k, v)
    with pytest.raises(InputError, match=r"attention must imply weights of 0 or more, got -"):
        implied_weights(lambda q, k, v: (q @ k.mT) @ v, q, k, v)


class Mixer(nn.Module):
    """A core that takes queries, keys and values, as kernelised attentions are packaged."""

    def forward(self, q, k, v):
        return kernelised(q, k, v)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.qkv = nn.Linear(6, 18)
        self.core = Mixer()
        self.proj = nn.Linear(6, 6)

    def forward(self, x):
        q, k, v = self.qkv(x).reshape(len(x), -1, 3, HEADS, 3).permute(2, 0, 3, 1, 4)
        return self.proj(self.core(q, k, v).transpose(1, 2).reshape(x.shape))


def test_a_module_without_softmax_is_recorded_where_the_caller_points_at_it():
    model, x = Model(), drawn(2, QUERIES, 6)
    (layer,) = capture(model, {"x": x}, implied=["core"], item=1).layers
    q, k, _ = model.qkv(x[1]).reshape(QUERIES, 3, HEADS, 3).permute(1, 2, 0, 3)
    expected = features(q) @ features(k).mT
    assert torch.allclose(layer.weights, expected / expected.sum(-1, keepdim=True), atol=1e-6)
    total = (
        sum(layer.head_output(h) @ layer.output_projection[h] for h in range(HEADS))
        + model.proj.bias
    )
    assert torch.allclose(total, model(x)[1], atol=1e-5)


def test_a_path_that_does_not_exist_is_refused():
    with pytest.raises(
        InputError, match=r"implied must name modules of the model, got 'cor' \(none alike\)\."
    ):
        capture(Model(), {"x": drawn(1, QUERIES, 6)}, implied=["cor"])
