import numpy as np
import pytest

from attn_widget.errors import InputError
from attn_widget.widget.widget import AttentionWidget


@pytest.fixture
def widget(wire, capture):
    return AttentionWidget(capture)


def test_a_widget_starts_with_all_heads_of_the_first_layer(widget):
    assert (widget.view, widget.method, widget.layer, widget.heads) == ("head", "raw", 0, [0, 1])
    assert (widget.query, widget.key, widget.text) == ([], [], "keys turn")


def test_a_long_text_starts_in_the_matrix_view(wire):
    from attn_widget.records import Tokens
    from tests.conftest import capture_of

    n = 513
    long = capture_of(np.broadcast_to(np.eye(n), (1, 1, n, n)), Tokens(("x",) * n))
    assert AttentionWidget(long).view == "matrix"
    assert AttentionWidget(long, view="head").view == "head"


def test_one_position_may_be_assigned_and_becomes_a_list(widget):
    widget.query, widget.key = 3, np.int64(2)
    assert (widget.query, widget.key) == ([3], [2])
    widget.query = np.array([4, 1, 4])
    assert widget.query == [1, 4]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("layer", 3, "layer must be 0 to 2, got 3. Set w.layer to a layer that ran, 0 to 2."),
        ("layer", -1, "layer must be 0 to 2, got -1."),
        ("layer", 1.0, "layer must be an integer, got 1.0."),
        ("head", 2, "head must be 0 to 1, got 2. Choose heads that exist, 0 to 1."),
        ("heads", [0, 5], "heads must be 0 to 1, got 5."),
        ("heads", [], "heads must name at least one head, got []."),
        ("heads", "ab", "heads must be an integer or a list of integers, got 'ab'."),
        (
            "query",
            5,
            "query must be 0 to 4, got 5. Choose a position of the text, 0 to 4, or [] for none.",
        ),
        ("key", [-1], "key must be 0 to 4, got -1."),
        ("method", "roll", "method must be one of raw, rollout, flow"),
        ("view", "heads", "view must be one of head, "),
        ("attention", "cross", "attention must be one of self, got 'cross'."),
        ("residual", 1.5, "residual must be 0 to 1, got 1.5."),
        ("threshold", -0.1, "threshold must be 0 to 1, got -0.1."),
        ("theme", "blue", "theme must be one of auto, light, dark, got 'blue'."),
        ("reduce", "sum", "reduce must be one of mean, max, min, got 'sum'."),
        ("segments", "AB", "segments must be one of all, A-A, A-B, B-A, B-B, got 'AB'."),
        (
            "segments",
            "A-B",
            "segments must be all where there is one sentence, got 'A-B'. Give a pair.",
        ),
        (
            "metric",
            np.ones((2, 3)),
            "metric must have one number per layer and head, (3, 2), got shape (2, 3).",
        ),
        (
            "metric",
            np.ones(3),
            "metric must be HeadScores or finite numbers (layer, head), got an array of shape (3,)",
        ),
        (
            "metric",
            np.full((3, 2), np.inf),
            "metric must be HeadScores or finite numbers (layer, head), got an array",
        ),
        (
            "metric",
            "entropy",
            "metric must be HeadScores or finite numbers (layer, head), got 'entropy'.",
        ),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_and_changes_nothing(widget, name, value, words):
    before = getattr(widget, name)
    with pytest.raises(InputError) as error:
        setattr(widget, name, value)
    assert str(error.value).startswith(words)
    assert getattr(widget, name) == before


def test_a_refused_value_shows_its_error_in_the_widget(widget):
    with pytest.raises(InputError):
        widget.layer = 7
    assert widget.error["message"] == "layer must be 0 to 2, got 7."
    assert widget.error["remedy"] == "Set w.layer to a layer that ran, 0 to 2."
    assert widget.error["where"] == "request"


def test_a_misspelt_trait_lists_the_known_ones(wire, capture):
    with pytest.raises(
        InputError, match=r"traits must be among .*layer.*, got 'layers'. Use 'layer'."
    ):
        AttentionWidget(capture, layers=2)


def test_a_wrong_start_is_refused(wire, capture):
    with pytest.raises(InputError, match="layer must be 0 to 2, got 9"):
        AttentionWidget(capture, layer=9)


def test_text_without_a_runner_is_refused_with_the_line_that_fixes_it(widget):
    with pytest.raises(
        InputError, match="text must stay as it is on a widget without a runner, got 'other'"
    ) as error:
        widget.text = "other"
    assert error.value.code == "aw.explore(model, tokenizer, text)"
    assert widget.text == "keys turn"


def test_matrix_holds_exactly_the_selected_heads(widget, attention):
    widget.layer, widget.heads = 2, [1]
    np.testing.assert_array_equal(widget.matrix(), attention[2][[1]])
    widget.view, widget.head = "matrix", 1
    np.testing.assert_array_equal(widget.matrix(), attention[2][1])
    widget.view, widget.heads = "head", [0, 1]
    np.testing.assert_array_equal(widget.matrix(), attention[2])


def test_matrix_of_a_joint_method_is_that_methods_matrix(widget, attention):
    import attn_widget as aw

    widget.method, widget.layer = "rollout", 1
    np.testing.assert_allclose(widget.matrix(), aw.rollout(attention, layer=1))
    widget.residual = 0.25
    np.testing.assert_allclose(widget.matrix(), aw.rollout(attention, layer=1, residual=0.25))
    assert not np.allclose(widget.matrix(), aw.rollout(attention, layer=1))


def test_info_tells_the_page_what_can_be_chosen(widget, wire, cross_capture):
    (group,) = widget.info["groups"]
    assert (
        group["name"],
        group["layers"],
        group["heads"],
        group["n_queries"],
        group["n_keys"],
    ) == ("self", 3, 2, 5, 5)
    assert group["methods"][:3] == ["raw", "rollout", "flow"]
    (group,) = AttentionWidget(cross_capture).info["groups"]
    assert (group["name"], group["n_queries"], group["n_keys"]) == ("cross", 5, 7)


def test_closing_a_widget_ends_its_connection(widget):
    widget.close()
    assert widget.comm is None


def test_another_attention_with_fewer_layers_shows_one_that_it_has(wire):
    from tests.widget.test_every_change import capture

    widget = AttentionWidget(capture(), layer=2)
    widget.attention = "cross"  # has two layers
    assert widget.layer == 1
    assert widget.matrix().shape == (2, 5, 7)
    widget = AttentionWidget(capture(), attention="cross", layer=1)
    assert (widget.attention, widget.layer) == ("cross", 1)
