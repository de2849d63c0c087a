"""Which heads are shown follows one rule in every view, also where layers differ in heads."""

from __future__ import annotations

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.pages.page import static_page
from attn_widget.pictures.captions import caption
from attn_widget.pictures.lines import Selection, lanes_on
from attn_widget.pictures.rules import VIEW_RULES
from attn_widget.widget.widget import AttentionWidget
from tests import parts
from tests.conftest import capture_of, softmax_rows
from tests.pages.test_page import holds

VIEWS = ("head", "matrix", "text", "model")
WEIGHTS = softmax_rows(np.random.default_rng(4), 2, 4, 5, 5)


@pytest.fixture
def widget(wire, tokens):
    return AttentionWidget(capture_of(WEIGHTS, tokens))


def heads_shown(widget) -> list[int]:
    """Return the heads that the picture shows."""
    state = widget.picture_state()
    lanes = state.pictures.frame(state.spec).fields["lanes"]
    frame = state.pictures.frame(state.spec)
    if VIEW_RULES[widget.view].one_head:
        return [lane["head"] for lane in lanes]
    return [lanes[i]["head"] for i in lanes_on(frame, state.heads)]


@pytest.mark.parametrize("view", ["head", "matrix", "text"])
@pytest.mark.parametrize("given", [{"head": 3}, {"heads": [3]}, {"heads": 3}])
def test_one_head_given_at_the_start_is_the_head_shown_in_every_view(wire, tokens, view, given):
    widget = AttentionWidget(capture_of(WEIGHTS, tokens), view=view, **given)
    assert (widget.head, widget.heads, heads_shown(widget)) == (3, [3], [3])
    shown = widget.matrix() if view == "matrix" else widget.matrix()[0]
    np.testing.assert_array_equal(shown, WEIGHTS[0, 3])


@pytest.mark.parametrize("view", ["head", "matrix", "text"])
@pytest.mark.parametrize("head", [0, 2])
def test_one_head_set_later_is_the_head_shown_in_every_view(widget, view, head):
    widget.view, widget.head = view, head  # 0 is the head already: it is chosen alone all the same
    assert (widget.head, widget.heads, heads_shown(widget)) == (head, [head], [head])


def test_several_heads_keep_the_head_that_is_among_them(widget):
    widget.head = 2
    widget.heads = [1, 2]
    assert widget.head == 2
    widget.heads = [0, 3]
    assert widget.head == 0
    widget.view = "matrix"
    np.testing.assert_array_equal(widget.matrix(), WEIGHTS[0, 0])


def test_a_page_that_chooses_heads_follows_the_same_rule(widget, wire):
    wire.set(widget, heads=[1, 3])
    assert (widget.head, widget.heads) == (1, [1, 3])
    wire.set(widget, head=2)
    assert (widget.head, widget.heads) == (2, [2])
    assert wire.updates("heads")[-1] == [2]
    wire.set(widget, heads=[0, 1, 2, 3], head=1)  # a double-click on a toggle
    assert (widget.head, widget.heads) == (1, [0, 1, 2, 3])


def test_compared_widgets_show_the_same_heads_whatever_is_chosen(wire, tokens):
    both = aw.compare(capture_of(WEIGHTS, tokens), capture_of(WEIGHTS[::-1], tokens), head=1)
    assert (both.b.head, both.b.heads) == (1, [1])
    wire.set(both.a, heads=[0, 1, 2, 3], head=2)
    assert (both.a.head, both.a.heads) == (2, [0, 1, 2, 3])
    assert (both.b.head, both.b.heads) == (2, [0, 1, 2, 3])
    both.b.head = 0
    assert (both.a.head, both.a.heads) == (0, [0])


def test_a_head_that_is_not_among_the_heads_given_with_it_is_refused(wire, tokens):
    capture = capture_of(WEIGHTS, tokens)
    with pytest.raises(InputError, match=r"head must be one of heads, \[0, 1\], got 3."):
        AttentionWidget(capture, head=3, heads=[0, 1])
    widget = AttentionWidget(capture, head=1, heads=[0, 1])
    assert (widget.head, widget.heads) == (1, [0, 1])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("layer", range(3))
def test_layers_with_other_numbers_of_heads_give_their_own_numbers(wire, view, layer):
    capture = parts.uneven()
    given = capture.layers[layer].weights
    widget = AttentionWidget(capture, view=view)
    widget.layer = layer
    if view == "matrix":
        np.testing.assert_array_equal(widget.matrix(), given[0])
        return
    np.testing.assert_array_equal(widget.matrix(), given)
    state = widget.picture_state()
    frame = state.pictures.frame(state.spec)
    if view == "model":
        assert [(t["layer"], t["head"]) for t in frame.fields["tiles"]] == [
            (i, head) for i, n in enumerate((4, 2, 3)) for head in range(n)
        ]
    else:
        assert heads_shown(widget) == list(range(len(given)))


def test_a_layer_of_one_head_has_a_head_axis_like_the_others(wire):
    widget = AttentionWidget(parts.uneven((3, 1)), layer=1)
    assert widget.matrix().shape == (1, 3, 3)


def test_heads_that_a_layer_lacks_stay_chosen_for_the_layers_that_have_them(wire):
    widget = AttentionWidget(parts.uneven())
    widget.heads = [1, 3]
    widget.layer = 1
    assert (widget.heads, widget.head) == ([1, 3], 1)
    np.testing.assert_array_equal(widget.matrix(), widget.capture.layers[1].weights[[1]])
    widget.layer = 0
    np.testing.assert_array_equal(widget.matrix(), widget.capture.layers[0].weights[[1, 3]])


def test_a_layer_without_the_chosen_head_shows_its_last_one(wire):
    widget = AttentionWidget(parts.uneven(), view="matrix", head=3)
    widget.layer = 1
    assert (widget.head, widget.heads) == (1, [0, 1])
    np.testing.assert_array_equal(widget.matrix(), widget.capture.layers[1].weights[1])


@pytest.mark.parametrize("given", [{"head": 3}, {"heads": [2, 3]}])
def test_heads_that_the_layer_lacks_are_refused(wire, given):
    widget = AttentionWidget(parts.uneven(), layer=1)
    ((name, value),) = given.items()
    with pytest.raises(InputError, match=rf"{name} must be 0 to 1, got .* at layer 1."):
        setattr(widget, name, value)
    wire.set(widget, **given)
    assert (widget.head, widget.heads) == (0, [0, 1, 2, 3])
    wire.set(widget, layer=0, head=3)  # a click on a thumbnail
    assert (widget.layer, widget.head, widget.heads) == (0, 3, [3])


def test_a_caption_says_that_a_layer_has_fewer_heads(wire):
    widget = AttentionWidget(parts.uneven(), layer=1)
    state = widget.picture_state()
    assert "layer 1 has 2 heads, others up to 4" in caption(
        state.pictures.frame(state.spec), Selection(state.heads)
    )


def test_a_page_and_a_figure_hold_the_heads_of_each_layer(wire):
    heads = (2, 4, 3)
    widget = AttentionWidget(parts.uneven(heads), layer=1)
    page = holds(static_page(widget.picture_state(), methods=["raw"]))
    assert {(layer, head) for _, _, layer, head in page} == {
        (i, head) for i, n in enumerate(heads) for head in range(n)
    }
    assert widget.info["groups"][0]["layer_heads"] == [*heads]
    assert widget.to_figure().axes


def test_attention_of_uneven_layers_is_refused_with_the_line_that_works():
    capture = parts.uneven()
    with pytest.raises(InputError, match="attention must have the same") as error:
        _ = capture.attention
    code = str(error.value.code)
    assert [w.shape for w in eval(code, {"capture": capture})] == [(4, 3, 3), (2, 3, 3), (3, 3, 3)]


def test_the_reported_layers_of_4_and_2_heads_give_their_matrix():
    capture = aw.from_arrays([np.full((h, 3, 3), 1 / 3) for h in (4, 2)])
    widget = aw.AttentionWidget(capture)
    widget.layer = 1
    assert widget.matrix().shape == (2, 3, 3)
