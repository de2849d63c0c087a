"""Layers in several parts (windows, pictures, frames): one is chosen, every picture counts it."""

from __future__ import annotations

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.figures.of_state import heading
from attn_widget.pages.page import static_page
from attn_widget.pictures.captions import caption
from attn_widget.pictures.lines import Selection
from attn_widget.records import LayerAttention
from attn_widget.widget.widget import AttentionWidget
from tests import parts
from tests.oracles import joint, rollout_by_paths
from tests.pages.test_page import notes, stored

VIEWS = ("head", "matrix", "text", "model")


@pytest.fixture
def widget(wire):
    return AttentionWidget(parts.windows(), layer=1)


def said(widget) -> list[str]:
    """Return the caption of what is on screen."""
    state = widget.picture_state()
    return caption(state.pictures.frame(state.spec), Selection(state.heads))


def test_the_first_part_is_shown_and_the_page_is_told_how_many_there_are(widget):
    assert widget.part == 0
    assert widget.info["groups"][0]["parts"] == {"n": 4, "word": "window"}
    np.testing.assert_array_equal(widget.matrix(), parts.weights()[1, 0])


@pytest.mark.parametrize("part", range(4))
def test_numbers_labels_and_frames_are_those_of_the_chosen_part(widget, wire, part):
    widget.part = part
    given = parts.weights()[1, part]
    np.testing.assert_array_equal(widget.matrix(), given)
    reply, arrays = wire.reply(widget, "frame", view="head", layer=1, part=part, attention="self")
    assert reply["data"]["queries"]["text"] == [f"{part}.{i}" for i in range(5)]
    np.testing.assert_allclose(arrays["weights"], given, atol=0.004)
    widget.view, widget.head = "matrix", 1
    np.testing.assert_array_equal(widget.matrix(), given[1])


@pytest.mark.parametrize("part", [0, 2])
def test_a_joint_method_goes_through_the_layers_of_one_part(widget, part):
    widget.part, widget.method, widget.layer = part, "rollout", 2
    expected = rollout_by_paths(joint(parts.weights()[:, part]))
    np.testing.assert_allclose(widget.matrix(), expected, atol=1e-12)


@pytest.mark.parametrize("view", VIEWS)
def test_every_caption_counts_the_parts_from_1(widget, view):
    widget.view, widget.part = view, 2
    assert "window 3 of 4" in said(widget)


@pytest.mark.parametrize("value", [4, -1])
def test_a_part_that_does_not_exist_is_refused(widget, value):
    with pytest.raises(InputError, match=f"part must be 0 to 3, got {value}. Choose one of the 4"):
        widget.part = value
    assert widget.part == 0


def test_a_part_is_refused_where_there_is_one(wire, capture):
    widget = AttentionWidget(capture)
    with pytest.raises(InputError, match="part must be 0 to 0, got 1"):
        widget.part = 1
    assert not any("window" in words or "part" in words for words in said(widget))


def test_a_capture_at_a_part_opens_on_it(wire):
    capture = parts.windows().at_part(3)
    assert AttentionWidget(capture).part == 3
    assert "window 4 of 4" in said(AttentionWidget(capture))


def test_a_page_holds_the_part_on_screen_and_says_that_the_others_are_left_out(widget):
    widget.part = 2
    page = static_page(widget.picture_state())
    assert "Left out: all windows but 3 of 4" in notes(page)
    described = stored(page)
    assert described["state"]["info"]["groups"][0]["parts"]["n"] == 1
    assert described["axes"][0]["text"] == [f"2.{i}" for i in range(5)]
    by_method = described["groups"]["self"]["notes"]
    assert by_method["raw"] == {"model": ["window 3 of 4"], "layers": [["window 3 of 4"]] * 3}


def test_a_figure_and_the_plot_of_all_heads_are_of_the_part(widget):
    widget.part = 1
    texts = {text.get_text() for text in widget.to_figure().axes[0].texts}
    assert {"1.0", "1.4"} <= texts
    assert any("window 2 of 4" in text for text in texts)
    drawn = aw.plot_heads(parts.windows().at_part(3)).axes[0].texts
    assert any("window 4 of 4" in text.get_text() for text in drawn)


def test_the_graph_of_networkx_has_the_tokens_of_the_part():
    graph = aw.to_networkx(parts.windows().at_part(2))
    assert graph.nodes[0, 1]["token"] == "2.1"


def test_layers_with_fewer_parts_are_said_where_all_layers_are_shown(wire):
    capture = parts.windows()
    whole = LayerAttention(
        "layers.3", "self", "vision", 3, 2, 5, 5, parts.weights(8)[0, 0], part=0, n_parts=1
    )
    widget = AttentionWidget(parts.without(capture, layers=(*capture.layers, whole)), part=2)
    widget.view = "model"
    assert said(widget)[-2:] == ["window 3 of 4", "layers with fewer windows show their last"]
    widget.view, widget.layer = "head", 3
    assert "window 3 of 4" not in said(widget)


def test_no_whole_picture_is_drawn_under_the_map_of_a_window(widget, wire):
    image = np.zeros((8, 8, 3), np.uint8)
    shown = AttentionWidget(parts.windows(image=image), view="text")
    state = shown.picture_state()
    assert "image" not in state.pictures.frame(state.spec).arrays
    assert stored(static_page(state))["groups"]["self"]["read"]["image"] is False


def test_the_attention_sinks_that_are_hidden_are_those_of_the_part(wire):
    def share(sink: int | None) -> np.ndarray:
        rows = np.full((2, 5, 5), 0.2)
        if sink is not None:
            rows[:] = 0.02
            rows[..., sink] = 0.92
        return rows

    layers = tuple(
        LayerAttention("x", "self", "", 0, 2, 5, 5, share(sink), part=part, n_parts=3)
        for part, sink in enumerate((1, 3, None))
    )
    tokens = parts.windows().streams["vision"]
    widget = AttentionWidget(parts.without(parts.windows(), layers=layers, streams={"": tokens}))
    hidden = []
    for part in (0, 1, 2):
        widget.part, widget.hide_sinks = part, True
        state = widget.picture_state()
        hidden.append(state.pictures.frame(state.spec).fields["keys"]["hidden"])
    assert hidden == [["sink 0.1 (1)"], ["sink 0.3 (3)"], []]


def test_two_captures_are_compared_part_by_part(wire):
    both = aw.compare(parts.windows(1), parts.windows(2), layer=1, head=1)
    both.a.part = 2
    assert both.b.part == 2
    expected = parts.weights(2)[1, 2, 1] - parts.weights(1)[1, 2, 1]
    np.testing.assert_allclose(both.difference.values, expected)


def test_the_heading_of_a_picture_names_the_model_and_the_layer(widget):
    state = widget.picture_state()
    assert heading(state, state.pictures.frame(state.spec))[0].startswith("toy · layer 1")
