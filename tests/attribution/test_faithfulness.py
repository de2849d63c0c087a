"""Rank correlations: the arithmetic against scipy, the table on a real model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import attn_widget as aw
from attn_widget.attribution.faithfulness import Faithfulness, faithfulness, spearman
from tests import models


@pytest.fixture(scope="module")
def minilm():
    return aw.ModelRunner(*models.minilm())


def similarity(output):
    """A score of a model without logits: how far the sentence points along one fixed direction."""
    mean = output.last_hidden_state[0].mean(0)
    return mean @ torch.linspace(-1, 1, len(mean)) / mean.norm()


TEXT = "The keys to the cabinet are old."


def test_rank_correlation_is_scipys_also_with_ties():
    rng = np.random.default_rng(0)
    for a, b in [(rng.random(9), rng.random(9)), (rng.integers(0, 3, 12) / 3, rng.integers(0, 4, 12) / 4)]:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_every_method_and_layer_is_correlated_with_every_reference(minilm):
    table = faithfulness(minilm, TEXT, methods=("raw", "flow", "relevance"), of=similarity)
    assert table.mean.shape == (2, 3, 6)
    assert np.nanmax(np.abs(table.mean)) <= 1
    truth = minilm.input_gradients(TEXT, of=similarity)
    capture = minilm.run(TEXT)
    flow = np.asarray(aw.attribute(capture, "flow", layer=2, query=0))[0]
    assert table.mean[1, 1, 2] == pytest.approx(spearmanr(flow.round(12), truth).statistic, abs=1e-6)
    assert table.references == ("blank_out", "input_gradients")
    assert not table.deviation.any()
    printed = str(table)
    assert "rank correlation with blank out, row of the first token, 1 text" in printed
    assert "relevance" in printed
    assert len(list(table.rows())) == 36


def test_several_texts_give_a_mean_and_a_deviation(minilm):
    texts = [TEXT, "A small boat crossed the lake."]
    seen = []
    both = faithfulness(
        minilm, texts, methods=("raw",), references=("input_gradients",), of=similarity,
        exclude_self=True, progress=lambda p: seen.append((p.done, p.total)),
    )  # fmt: skip
    each = [
        faithfulness(minilm, t, methods=("raw",), references=("input_gradients",), of=similarity, exclude_self=True)
        for t in texts
    ]
    assert both.mean == pytest.approx(np.mean([one.mean for one in each], axis=0))
    assert both.deviation == pytest.approx(np.std([one.mean for one in each], axis=0))
    assert seen == [(0, 2), (1, 2)]


def test_a_ranking_that_is_constant_is_said_to_be():
    table = Faithfulness(("flow",), ("blank_out",), np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1)), 2, "row 0")
    assert "constant" in str(table)


def test_what_cannot_be_asked_is_refused_by_name(minilm):
    with pytest.raises(aw.InputError, match=r"methods must be among raw, rollout, .* got 'flwo'"):
        faithfulness(minilm, TEXT, methods=("flwo",))
    with pytest.raises(aw.InputError, match=r"references must be among blank_out, input_gradients, got 'truth'"):
        faithfulness(minilm, TEXT, references=("truth",))
    with pytest.raises(aw.InputError, match=r"text must hold at least one text, got none"):
        faithfulness(minilm, [])
    with pytest.raises(aw.InputError, match=r"of must be a function of the output for a model without logits"):
        faithfulness(minilm, TEXT)
