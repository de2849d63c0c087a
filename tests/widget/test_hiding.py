"""Which positions are shown: the sentences of a pair, special tokens, attention sinks."""

from dataclasses import replace

import numpy as np
import pytest

from attn_widget.widget.widget import AttentionWidget
from tests.conftest import HEADS, LAYERS, capture_of, softmax_rows


@pytest.fixture
def pair_capture(attention, tokens):
    """Return two sentences: [CLS] key s | turn [SEP]."""
    return capture_of(
        attention, replace(tokens, segments=(0, 0, 0, 1, 1), source=("keys", "turn"), spans=())
    )


@pytest.fixture
def sink_capture(tokens):
    """Return heads that leave 60 % to the second token, which is not special."""
    weights = softmax_rows(np.random.default_rng(3), LAYERS, HEADS, 5, 5) * 0.4
    weights[..., 1] += 0.6
    return capture_of(weights, tokens)


def ask(widget, wire, view, name="frame", **more):
    """Return the fields and arrays of a reply."""
    spec = {"capture_id": widget.capture_id, "view": view, "layer": 1}
    header, arrays = wire.reply(widget, name, **(spec | more))
    return header["data"], arrays


@pytest.mark.parametrize(
    ("segments", "rows", "columns"),
    [
        ("A-B", [0, 1, 2], [3, 4]),
        ("B-A", [3, 4], [0, 1, 2]),
        ("A-A", [0, 1, 2], [0, 1, 2]),
        ("B-B", [3, 4], [3, 4]),
    ],
)
def test_queries_and_keys_can_be_of_different_sentences_and_the_rest_is_counted(
    wire, pair_capture, attention, segments, rows, columns
):
    widget = AttentionWidget(pair_capture, segments=segments)
    header, arrays = ask(widget, wire, "head", segments=segments)
    assert [p for (p,) in header["queries"]["positions"]] == rows
    assert [p for (p,) in header["keys"]["positions"]] == columns
    shown = attention[1][:, rows][:, :, columns]
    np.testing.assert_allclose(arrays["weights"], shown, atol=5e-3)
    np.testing.assert_allclose(arrays["hidden_mass"], 1 - shown.sum(-1), atol=1e-5)
    other = "B" if segments.endswith("A") else "A"
    assert header["keys"]["hidden"] == [f"sentence {other}"]


@pytest.mark.parametrize("view", ["head", "matrix", "text", "model"])
def test_every_view_shows_the_chosen_sentences(wire, pair_capture, view):
    widget = AttentionWidget(pair_capture)
    header, _ = ask(widget, wire, view, segments="B-A", hide_special=True)
    assert header["queries"]["text"] == ["turn"]
    assert header["keys"]["text"] == ["key", "s"]


def test_a_row_between_sentences_is_exact_and_its_sum_is_over_all_keys(
    wire, pair_capture, attention
):
    widget = AttentionWidget(pair_capture)
    header, arrays = ask(widget, wire, "head", "row", segments="A-B", side="query", index=2)
    np.testing.assert_allclose(arrays["values"], attention[1][:, 2, 3:], rtol=1e-6)
    np.testing.assert_allclose(header["sum"], 1, rtol=1e-6)


def test_the_page_is_offered_sentences_only_where_there_are_two(wire, capture, pair_capture):
    offered = [AttentionWidget(c).info["groups"][0]["segments"] for c in (capture, pair_capture)]
    assert offered == [["all"], ["all", "A-A", "A-B", "B-A", "B-B"]]


def test_another_text_without_a_second_sentence_shows_all_again(wire, capture, pair_capture):
    widget = AttentionWidget(pair_capture, segments="A-B")
    widget._accept(capture, "", "")
    assert widget.segments == "all"


def test_a_key_that_takes_most_of_the_attention_can_be_hidden_and_its_mass_is_kept(
    wire, sink_capture
):
    widget = AttentionWidget(sink_capture, hide_sinks=True)
    header, arrays = ask(widget, wire, "head", hide_sinks=True)
    assert header["keys"]["hidden"] == ["sink key (1)"]
    assert header["keys"]["text"] == header["queries"]["text"] == ["[CLS]", "s", "turn", "[SEP]"]
    weights = sink_capture.layers[1].weights
    np.testing.assert_allclose(arrays["hidden_mass"], weights[:, [0, 2, 3, 4], 1], atol=1e-5)


def test_special_tokens_and_sinks_are_hidden_by_one_mechanism(wire, sink_capture):
    widget = AttentionWidget(sink_capture)
    header, _ = ask(widget, wire, "matrix", hide_sinks=True, hide_special=True)
    assert header["keys"]["text"] == ["s", "turn"]
    assert header["keys"]["hidden"] == ["special tokens", "sink key (1)"]
