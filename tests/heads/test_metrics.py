"""Head metrics against loops over every query and key, and on attention with known metrics."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import attn_widget as aw
from attn_widget.errors import InputError, MethodError
from attn_widget.heads import metrics
from attn_widget.heads.requested_metrics import METRICS
from attn_widget.records import Tokens
from tests import models
from tests.conftest import HEADS, LAYERS, TOKENS, capture_of, softmax_rows

REPEATING = Tokens(tuple("abcabcadb"), special=(True, *[False] * 7, True))


def by_loops(name: str, weights, tokens: Tokens) -> float:
    """Return a metric of one head from its definition; NaN if no query has such a key."""
    words, special, n = tokens.text, tokens.special, len(weights)

    def counts(query: int, key: int) -> bool:
        again = not special[query] and key < query
        return {
            "previous": key == query - 1,
            "next": key == query + 1,
            "same": key == query,
            "duplicate": again and not special[key] and words[key] == words[query],
            "induction": again
            and key > 0
            and not special[key - 1]
            and words[key - 1] == words[query],
        }[name]

    if name == "entropy":
        outcomes = [[*row, max(0.0, 1 - sum(row))] for row in weights]
        return sum(-p * math.log2(p) for row in outcomes for p in row if p > 1e-9) / n
    if name == "distance":
        return sum(weights[q][k] * abs(q - k) for q in range(n) for k in range(n)) / n
    if name == "first":
        return sum(row[0] for row in weights) / n
    if name == "special":
        return sum(row[k] for row in weights for k in range(n) if special[k]) / n
    if name == "sink":
        return sum(1 - sum(row) for row in weights) / n
    asking = [q for q in range(n) if any(counts(q, k) for k in range(n))]
    if not asking:
        return math.nan
    return sum(weights[q][k] for q in asking for k in range(n) if counts(q, k)) / len(asking)


def sample(causal: bool = False, sink: float = 0.0) -> np.ndarray:
    return softmax_rows(np.random.default_rng(3), LAYERS, HEADS, 9, 9, causal=causal) * (1 - sink)


@pytest.mark.parametrize("array", [np.asarray, torch.tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("block_bytes", [1, 300, 2**20], ids=["row by row", "in blocks", "at once"])
@pytest.mark.parametrize(("causal", "sink"), [(False, 0.0), (True, 0.0), (True, 0.25)])
def test_every_metric_equals_loops_over_queries_and_keys(
    monkeypatch, array, block_bytes, causal, sink
):
    monkeypatch.setattr(metrics, "BLOCK_BYTES", block_bytes)
    weights = sample(causal, sink)
    capture = capture_of([array(layer) for layer in weights], REPEATING)
    layers = tuple(dataclasses.replace(layer, causal=causal) for layer in capture.layers)
    table = aw.head_metrics(dataclasses.replace(capture, layers=layers))
    assert tuple(table) == METRICS
    for name, scores in table.items():
        plain = [[by_loops(name, head.tolist(), REPEATING) for head in layer] for layer in weights]
        np.testing.assert_allclose(scores.values, plain, rtol=1e-5, atol=1e-7, err_msg=name)


def test_known_attention_has_the_known_numbers():
    uniform, self_only, previous = np.full((8, 8), 1 / 8), np.eye(8), np.eye(8, k=-1)
    capture = capture_of(np.stack([uniform, self_only, previous])[None], Tokens(tuple("abcdabcd")))
    table = aw.head_metrics(capture)
    np.testing.assert_allclose(table["entropy"].values, [[3, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(table["same"].values, [[1 / 8, 1, 0]])
    np.testing.assert_allclose(table["previous"].values, [[1 / 8, 0, 1]])
    np.testing.assert_allclose(table["distance"].values, [[2.625, 0, 7 / 8]], rtol=1e-6)
    np.testing.assert_allclose(table["sink"].values, [[0, 0, 1 / 8]], atol=1e-7)


def test_a_head_that_completes_a_repetition_is_an_induction_head_and_no_duplicate_head():
    follows = np.eye(8, k=-3)
    table = aw.head_metrics(
        capture_of(follows[None, None], Tokens(tuple("abcdabcd"))), ["induction", "duplicate"]
    )
    assert table["induction"].values.tolist() == [[1.0]]
    assert table["duplicate"].values.tolist() == [[0.0]]


def test_a_text_without_repetition_has_no_induction_to_measure(capture):
    assert np.isnan(aw.head_metrics(capture, "induction")["induction"].values).all()


def test_a_recomputed_capture_gives_what_a_kept_one_gives():
    model, tokenizer = models.rxnmapper()
    text = "CC(=O)Cl.OCCN>>CC(=O)OCCN"
    kept, light = (aw.ModelRunner(model, tokenizer, weights=w).run(text) for w in (True, False))
    assert light.layers[0].weights is None
    for a, b in zip(aw.head_metrics(kept).values(), aw.head_metrics(light).values(), strict=True):
        np.testing.assert_allclose(a.values, b.values, rtol=1e-4, atol=1e-6)


def test_half_precision_is_summed_in_single():
    weights = torch.tensor(sample()).to(torch.bfloat16)
    layers = [
        dataclasses.replace(layer, row_tolerance=2e-2)
        for layer in capture_of(list(weights), REPEATING).layers
    ]
    table = aw.head_metrics(aw.Capture(tuple(layers), {"": REPEATING}))
    wide = weights.double().numpy()
    plain = [[by_loops("distance", head.tolist(), REPEATING) for head in layer] for layer in wide]
    np.testing.assert_allclose(table["distance"].values, plain, rtol=1e-5)
    assert table["sink"].values.max() == 0


def test_a_mask_a_function_and_names_of_ones_own_stand_beside_ours(capture, attention):
    mask = np.zeros((TOKENS, TOKENS))
    mask[1, 3], mask[4, 0] = 1, 2
    table = aw.head_metrics(
        capture, {"entropy": "entropy", "mine": mask, "peak": lambda w: w.max((-1, -2))}
    )
    assert list(table) == ["entropy", "mine", "peak"]
    np.testing.assert_allclose(
        table["mine"].values, (attention[..., 1, 3] + 2 * attention[..., 4, 0]) / 2, rtol=1e-6
    )
    np.testing.assert_allclose(table["peak"].values, attention.max((-1, -2)))
    assert [scores.name for scores in table.values()] == ["entropy", "mine", "peak"]


def test_several_masks_are_numbered(capture):
    assert list(aw.head_metrics(capture, [np.eye(TOKENS), np.eye(TOKENS, k=-1), "same"])) == [
        "mask",
        "mask 2",
        "same",
    ]


def test_a_mask_may_be_given_alone_as_an_array_or_as_lists(capture):
    array, lists = (
        aw.head_metrics(capture, np.eye(TOKENS)),
        aw.head_metrics(capture, np.eye(TOKENS).tolist()),
    )
    same = aw.head_metrics(capture, "same")["same"].values
    np.testing.assert_allclose(array["mask"].values, same)
    np.testing.assert_allclose(lists["mask"].values, same)


def test_attention_between_two_streams_has_only_what_compares_no_places(cross_capture):
    assert list(aw.head_metrics(cross_capture)) == ["entropy", "first", "special", "sink"]
    with pytest.raises(
        MethodError, match="previous must be measured on attention within one stream"
    ):
        aw.head_metrics(cross_capture, "previous")


def test_a_layer_with_fewer_heads_leaves_its_places_empty(tokens):
    wide, narrow = (softmax_rows(np.random.default_rng(0), n, TOKENS, TOKENS) for n in (3, 2))
    table = aw.head_metrics(capture_of([wide, narrow], tokens), ["same", "entropy"])
    for scores in table.values():
        assert np.isnan(scores.values).tolist() == [[False] * 3, [False, False, True]]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("entropie", "names must be among entropy, distance, .*, got 'entropie'"),
        ([], "names must name at least one metric, got none"),
        (3, "names must hold names, functions or masks"),
        (np.eye(4), r"mask must have shape \(query, key\) = \(5, 5\), got \(4, 4\)"),
        (np.full((5, 5), np.nan), "mask must be finite, got NaN or infinity"),
        (
            lambda w: w.sum(),
            r"<lambda> must return one number per head, shape \(2,\), got shape \(\)",
        ),
        ({"mine": "entropy"}, "names must call entropy by its own name, got 'mine'"),
    ],
    ids=lambda v: "",
)
def test_what_cannot_be_measured_is_refused(capture, names, words):
    with pytest.raises(InputError, match=words):
        aw.head_metrics(capture, names)


def test_a_value_that_is_not_a_capture_is_refused(attention):
    with pytest.raises(InputError, match="capture must be a Capture, got ndarray"):
        aw.head_metrics(attention)


class TestTable:
    @pytest.fixture
    def table(self, capture):
        return aw.head_metrics(capture, ["entropy", "same", "induction"])

    def test_names_the_strongest_heads_when_printed(self, table):
        layer, head, number = table.top("same")[0]
        assert number == table["same"].values.max() == table["same"].values[layer, head]
        line = next(line for line in str(table).splitlines() if line.startswith("same token"))
        assert f"{layer}.{head} {number:.3f}" in line
        assert "none" in str(table).splitlines()[-1]  # nothing repeats

    def test_becomes_a_data_frame_with_one_row_per_head(self, table):
        frame = table.to_pandas()
        assert list(frame.columns) == ["layer", "head", "entropy", "same", "induction"]
        assert (
            frame.loc[(frame.layer == 2) & (frame["head"] == 1), "same"].item()
            == table["same"].values[2, 1]
        )

    def test_is_drawn_as_one_map_per_metric(self, table):
        figure = table.plot()
        maps = [axes.images[0].get_array() for axes in figure.axes if axes.images]
        np.testing.assert_array_equal(maps[1], table["same"].values)
        figure.canvas.draw()

    def test_shows_names_in_html_as_text(self, capture):
        page = aw.head_metrics(capture, {"<img src=x>": np.eye(TOKENS)})._repr_html_()
        assert "<img" not in page
        assert "&lt;img src=x&gt;" in page
        assert page.count("<td") == LAYERS * HEADS

    def test_names_what_it_holds_when_asked_for_something_else(self, table):
        with pytest.raises(
            InputError, match="name must be one of entropy, same, induction, got 'sink'"
        ):
            table["sink"]
        assert "sink" not in table

    def test_sorts_the_model_view(self, table, capture):
        widget = aw.AttentionWidget(capture)
        widget.metric = table["same"]
        assert widget.metric.name == "same token"


class Copier:
    """A runner whose head 0 attends to what followed the same token before; head 1 to itself."""

    def __init__(self):
        self.tokenizer = None
        self.seen = []

    def run(self, ids):
        self.seen.append(ids)
        n = len(ids)
        attention = np.stack([np.eye(n, k=-(n // 2 - 1)), np.eye(n)])[None]
        return capture_of(attention, Tokens(tuple(map(str, ids)), ids=tuple(ids)))


def test_induction_is_found_on_random_tokens_that_stand_there_twice():
    runner = Copier()
    scores = aw.induction_scores(runner, length=6, samples=3, vocabulary=range(20))
    assert scores.values.tolist() == [[1.0, 0.0]]
    assert len(runner.seen) == 3
    for ids in runner.seen:
        assert ids[:6] == ids[6:]
        assert len(set(ids)) == 6
    assert runner.seen[0] != runner.seen[1]


def test_random_tokens_stand_between_the_special_tokens_of_the_model():
    model, tokenizer = models.rxnmapper()
    runner, texts = aw.ModelRunner(model, tokenizer), []
    run = runner.run
    runner.run = lambda ids: texts.append(ids) or run(ids)
    aw.induction_scores(runner, length=5, samples=1)
    assert texts[0][0] == tokenizer.cls_token_id
    assert texts[0][-1] == tokenizer.sep_token_id
    assert not set(texts[0][1:-1]) & set(tokenizer.all_special_ids)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 1}, "length must be a whole number of 2 or more, got 1"),
        ({"samples": 0}, "samples must be a whole number of 1 or more, got 0"),
        ({"length": 30}, "vocabulary must hold at least length = 30 different ids, got 20"),
        ({"vocabulary": None}, "vocabulary must be given for a runner without a tokenizer"),
    ],
    ids=lambda v: "",
)
def test_random_tokens_that_cannot_be_drawn_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        aw.induction_scores(Copier(), **{"vocabulary": range(20), **options})


@pytest.mark.slow
def test_smollm2_has_induction_heads():
    scores = aw.induction_scores(aw.ModelRunner(*models.smollm2()), samples=2)
    assert scores.values.max() > 0.6
    assert np.median(scores.values) < 0.05
