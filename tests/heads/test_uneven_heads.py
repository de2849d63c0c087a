"""Layers with different numbers of heads: NaN where there is no head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import attn_widget as aw
from attn_widget.errors import InputError

IDS = [5, 6, 7, 5, 9]
HEADS = (4, 2, 3)
MISSING = np.array([[h >= n for h in range(4)] for n in HEADS])


class Attention(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project, self.out = nn.Linear(16, heads * 12), nn.Linear(heads * 4, 16)
        self.off: int | None = None  # a head whose output is set to 0, for the oracle

    def forward(self, x):
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, 4)).permute(2, 0, 3, 1, 4)
        self.weights = (q @ k.mT / 2).softmax(-1)
        mixed = self.weights @ v
        if self.off is not None:
            mixed = mixed * (torch.arange(self.heads) != self.off)[:, None, None]
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(40, 16)
        self.layers = nn.ModuleList(map(Attention, HEADS))
        self.head = nn.Linear(16, 40)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


@pytest.fixture
def model():
    return Model().eval()


@pytest.fixture
def runner(model):
    return aw.ModelRunner(model)


def expected(model, of) -> np.ndarray:
    """A number of each head's weights, NaN where a layer has fewer heads."""
    with torch.no_grad():
        model(torch.tensor([IDS]))
    values = np.full((3, 4), np.nan)
    for i, layer in enumerate(model.layers):
        for head, weights in enumerate(layer.weights[0].numpy()):
            values[i, head] = of(weights)
    return values


def first(weights):
    return weights[:, 0].mean()


def entropy(weights):
    return -(weights * np.log2(weights)).sum(-1).mean()


def test_metrics_are_those_of_each_head_that_exists(model, runner):
    table = aw.head_metrics(runner.run(IDS), {"first": "first", "mine": lambda w: w.max((1, 2))})
    np.testing.assert_allclose(table["first"].values, expected(model, first), rtol=1e-5)
    np.testing.assert_allclose(table["mine"].values, expected(model, np.max), rtol=1e-5)
    assert len(table.top("first", 12)) == sum(HEADS)
    assert not any(MISSING[layer, head] for layer, head, _ in table.top("first", 12))
    assert table._repr_html_().count("none") >= MISSING.sum()


def test_a_search_ranks_the_heads_that_exist(model, runner):
    found = aw.search_heads(runner, [IDS, IDS], ["entropy", "first"])
    for name, of in (("entropy", entropy), ("first", first)):
        np.testing.assert_allclose(
            found.scores[name].values, expected(model, of), rtol=1e-5, atol=1e-6
        )
        assert (np.isnan(found.low[name].values) == MISSING).all()
    related = aw.search_heads(runner, [IDS], relation=[[(4, 0), (3, 1)]])

    def share(weights):
        return (weights[4, 0] + weights[3, 1]) / 2

    shares = expected(model, share)
    np.testing.assert_allclose(related.scores["share"].values, shares, rtol=1e-5)
    assert not MISSING[related.best]
    assert related.median("share") == pytest.approx(np.nanmedian(shares), rel=1e-5)


def test_a_results_file_keeps_them(runner, tmp_path):
    path = tmp_path / "a.jsonl"
    new = aw.search_heads(runner, [IDS, IDS[:3]], "entropy", file=path)
    again = aw.search_heads(runner, [IDS, IDS[:3]], "entropy", file=path)
    np.testing.assert_array_equal(new.scores["entropy"].values, again.scores["entropy"].values)


def test_ablation_changes_what_setting_a_head_to_zero_changes(model, runner):
    scan = aw.ablation_scan(runner, IDS, measure="logit", output=7)
    ids = torch.tensor([IDS])
    with torch.no_grad():
        before = float(model(ids)[0, -1, 7])
        for i, layer in enumerate(model.layers):
            for head in range(layer.heads):
                layer.off = head
                after = float(model(ids)[0, -1, 7])
                assert scan.values[i, head] == pytest.approx(after - before, abs=1e-4)
            layer.off = None
    assert (np.isnan(scan.values) == MISSING).all()


def test_a_head_that_a_layer_does_not_have_is_refused(runner):
    with pytest.raises(InputError, match=r"heads must name a head 0 to 1, got head 3 at layer 1"):
        aw.ablate(runner, IDS, heads=[(0, 3), (1, 3)])


def test_induction_is_measured_for_the_heads_that_exist(runner):
    scores = aw.induction_scores(runner, length=5, samples=2, vocabulary=range(40))
    assert (np.isnan(scores.values) == MISSING).all()


def test_a_list_of_texts_is_searched_and_elsewhere_refused_with_what_to_do(runner):
    texts = [IDS, IDS[:3]]
    assert aw.search_heads(runner, texts, "entropy").n_texts == 2
    with pytest.raises(InputError, match=r"must be one text, got a list of 2\. Give one after"):
        aw.ablate(runner, texts, heads=[(0, 0)])
    with pytest.raises(InputError, match=r"must be one text, got a list of 2\. Give one after"):
        aw.ablation_scan(runner, texts)
