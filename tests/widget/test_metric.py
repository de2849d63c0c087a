import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.widget.widget import AttentionWidget
from tests.conftest import HEADS, LAYERS, capture_of, softmax_rows

VALUES = np.arange(LAYERS * HEADS, dtype=float).reshape(LAYERS, HEADS)


@pytest.fixture
def widget(wire, capture):
    return AttentionWidget(capture)


def test_scores_of_every_head_reach_the_page_by_their_name(widget, wire):
    scores = aw.HeadScores("previous_token", VALUES, "self", "share")
    widget.metric = scores
    assert widget.metric is scores
    sent = wire.updates("metric")[-1]
    assert (sent["name"], sent["attention"], sent["unit"]) == ("previous_token", "self", "share")
    assert sent["values"] == VALUES.tolist()


def test_an_array_is_a_metric_too_and_a_head_without_a_number_has_none(widget, wire):
    values = VALUES.copy()
    values[2, 0] = np.nan
    widget.metric = values
    assert widget.metric.name == "metric"
    assert wire.updates("metric")[-1]["values"][2] == [None, 5.0]


def test_none_removes_the_metric(widget, wire):
    widget.metric = VALUES
    widget.metric = None
    assert wire.updates("metric")[-1] == {}


def test_the_page_cannot_set_a_metric(widget, wire):
    widget.metric = VALUES
    wire.set(widget, metric={"name": "x", "values": [[1]]})
    np.testing.assert_array_equal(widget.metric.values, VALUES)


def test_a_metric_stays_with_another_text_and_goes_with_another_size(wire, capture, tokens):
    small = capture_of(softmax_rows(np.random.default_rng(2), 2, 3, 5, 5), tokens)
    widget = AttentionWidget(capture, metric=VALUES)
    widget._accept(capture, "", "")
    assert widget.metric is not None
    widget._accept(small, "", "")
    assert widget.metric is None


def test_a_metric_of_an_attention_that_is_not_there_is_refused(widget):
    with pytest.raises(InputError, match="attention must be one of self, got 'cross'"):
        widget.metric = aw.HeadScores("x", VALUES, "cross")
