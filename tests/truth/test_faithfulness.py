"""Rank correlations: the arithmetic against scipy, the table on a real model."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import attn_widget as aw
from attn_widget.truth.faithfulness import faithfulness, spearman
from attn_widget.truth.faithfulness_table import Faithfulness
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
    for a, b in [
        (rng.random(9), rng.random(9)),
        (rng.integers(0, 3, 12) / 3, rng.integers(0, 4, 12) / 4),
    ]:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_every_method_and_layer_is_correlated_with_every_reference(minilm):
    table = faithfulness(minilm, TEXT, methods=("raw", "flow", "relevance"), output=similarity)
    assert table.mean.shape == (2, 3, 6)
    assert np.nanmax(np.abs(table.mean)) <= 1
    truth = minilm.input_gradients(TEXT, output=similarity)
    capture = minilm.run(TEXT)
    flow = np.asarray(aw.attribute(capture, "flow", layer=2, query=0))[0]
    assert table.mean[1, 1, 2] == pytest.approx(
        spearmanr(flow.round(12), truth).statistic, abs=1e-6
    )
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
        minilm, texts, methods=("raw",), references=("input_gradients",), output=similarity,
        exclude_self=True, progress=lambda p: seen.append((p.done, p.total)),
    )  # fmt: skip
    each = [
        faithfulness(
            minilm,
            t,
            methods=("raw",),
            references=("input_gradients",),
            output=similarity,
            exclude_self=True,
        )
        for t in texts
    ]
    assert both.mean == pytest.approx(np.mean([one.mean for one in each], axis=0))
    assert both.deviation == pytest.approx(np.std([one.mean for one in each], axis=0))
    assert seen == [(0, 2), (1, 2)]


def test_a_constant_ranking_is_reported():
    table = Faithfulness(
        ("flow",), ("blank_out",), np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1)), 2, "row 0"
    )
    assert "constant" in str(table)


def small_table(n_texts=3):
    """Two references, two methods, three layers, every number another."""
    mean = np.linspace(-0.5, 0.6, 12).reshape(2, 2, 3)
    references = ("blank_out", "input_gradients")
    return Faithfulness(("raw", "flow"), references, mean, 0.1 + np.abs(mean) / 2, n_texts, "row 0")


def test_a_table_becomes_a_data_frame_with_a_row_for_every_number():
    frame = small_table().to_pandas()
    assert list(frame.columns) == ["reference", "method", "layer", "correlation", "deviation"]
    assert len(frame) == 12
    one = frame[
        (frame.reference == "input_gradients") & (frame.method == "raw") & (frame.layer == 2)
    ]
    assert one.correlation.item() == pytest.approx(small_table().mean[1, 0, 2])
    assert one.deviation.item() == pytest.approx(small_table().deviation[1, 0, 2])


def test_a_plot_has_a_panel_for_every_reference_and_a_line_for_every_method():
    from matplotlib import pyplot

    table = small_table()
    figure = table.plot()
    assert [axes.get_title() for axes in figure.axes] == ["blank out", "input gradients"]
    for r, axes in enumerate(figure.axes):
        lines = axes.get_lines()[:2]
        assert [line.get_label() for line in lines] == ["raw", "flow"]
        for m, (line, band) in enumerate(zip(lines, axes.collections, strict=True)):
            assert np.asarray(line.get_xydata()) == pytest.approx(
                np.stack([np.arange(3), table.mean[r, m]], axis=1)
            )
            low, high = (table.mean[r, m] + sign * table.deviation[r, m] for sign in (-1, 1))
            heights = band.get_paths()[0].vertices[:, 1]
            assert (heights.min(), heights.max()) == pytest.approx((low.min(), high.max()))
    assert not small_table(n_texts=1).plot().axes[0].collections
    assert pyplot.get_fignums() == []  # a notebook would draw what is left open a second time


@pytest.mark.parametrize(
    ("call", "missing", "words"),
    [
        (
            "to_pandas",
            "pandas",
            "pandas must be installed for to_pandas, got none. Install it, or read table.rows().",
        ),
        (
            "plot",
            "matplotlib.pyplot",
            "matplotlib must be installed for plot, got none. Install it, or print the table.",
        ),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    call, missing, words, monkeypatch
):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(aw.MethodError) as caught:
        getattr(small_table(), call)()
    assert caught.value.message.startswith(words)
    assert caught.value.code == f"pip install {missing.split('.')[0]}"


def test_invalid_arguments_are_refused_by_name(minilm):
    with pytest.raises(aw.InputError, match=r"methods must be among raw, rollout, .* got 'flwo'"):
        faithfulness(minilm, TEXT, methods=("flwo",))
    with pytest.raises(
        aw.InputError, match=r"references must be among blank_out, input_gradients, got 'truth'"
    ):
        faithfulness(minilm, TEXT, references=("truth",))
    with pytest.raises(aw.InputError, match=r"text must hold at least one text, got none"):
        faithfulness(minilm, [])
    with pytest.raises(aw.InputError, match=r"output must be a function of what the model returns"):
        faithfulness(minilm, TEXT)


class OnlyRuns:
    """A runner with `run` alone; it must not be called."""

    name = "mine"

    def run(self, text, pair=None, **options):
        raise AssertionError("refused before any work")


class TestARunnerThatLacksAMethod:
    def test_is_refused_before_any_work(self):
        with pytest.raises(
            aw.InputError, match="runner must be able to blank out tokens, got OnlyRuns"
        ):
            aw.faithfulness(OnlyRuns(), "a b c")
        with pytest.raises(
            aw.InputError, match="runner must be able to take gradients of its input, got OnlyRuns"
        ):
            aw.faithfulness(OnlyRuns(), "a b c", references=["input_gradients"])
        with pytest.raises(
            aw.InputError, match="runner must be able to take gradients by attention, got OnlyRuns"
        ):
            aw.faithfulness(OnlyRuns(), "a b c", references=[], methods=["relevance"])
        with pytest.raises(aw.InputError, match="runner must be able to run texts, got object"):
            aw.faithfulness(object(), "a b c")

    def test_is_enough_for_the_methods_that_are_used(self):
        with pytest.raises(AssertionError, match="refused before any work"):
            aw.faithfulness(OnlyRuns(), "a b c", references=[], methods=["raw"])


def test_the_old_name_of_output_is_taken_with_a_warning(minilm):
    options = {"methods": ("raw",), "references": ("input_gradients",)}
    with pytest.warns(DeprecationWarning, match="output="):
        old = faithfulness(minilm, TEXT, of=similarity, **options)
    assert np.array_equal(old.mean, faithfulness(minilm, TEXT, output=similarity, **options).mean)
