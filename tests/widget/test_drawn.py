"""The drawing data in the widget's state: what a host without a kernel draws."""

import base64
import json

import numpy as np
import pytest
from ipywidgets.widgets.widget import _remove_buffers

import attn_widget as aw
from attn_widget.pages.drawn import MAX_BYTES
from attn_widget.pages.mime_bundle import shown_query
from attn_widget.pictures import VIEWS
from tests.models import minilm


def capture(n=8, layers=3, heads=2):
    scores = np.random.default_rng(0).normal(size=(layers, heads, n, n)) * 2
    return aw.from_arrays(np.exp(scores) / np.exp(scores).sum(-1, keepdims=True))


def test_a_displayed_widget_keeps_the_frame_that_is_on_screen():
    w = aw.AttentionWidget(capture(), layer=1, view="matrix")
    assert w.drawn == {}
    w._repr_mimebundle_()
    state = w.picture_state()
    header, buffers = state.pictures.frame(state.spec).encode()
    assert header.pop("keys") == header["queries"]  # of one text: kept once
    assert w.drawn["header"] == header
    assert w.drawn["buffers"] == buffers
    assert w.drawn["header"]["spec"]["layer"] == 1
    assert "drawn" in w.get_state()


def test_a_text_too_long_for_lines_keeps_its_frame_too():
    w = aw.AttentionWidget(capture(n=100, layers=1), view="matrix")
    w._repr_mimebundle_()
    assert w.drawn["header"]["view"] == "matrix"


def test_what_a_page_requests_is_kept_and_what_stands_beside_it_is_not():
    w = aw.AttentionWidget(capture())
    spec = {"capture_id": w.capture_id, "view": "head", "method": "rollout", "layer": 2}
    for name in ("frame", "detail"):
        data = spec | ({"layer": 0} if name == "detail" else {})
        message = {"kind": "request", "id": f"page-{name}", "name": name, "data": data}
        w._front_end.on_message(w, message, [])
        assert w._front_end.wait(20)
    kept = w.drawn["header"]["spec"]
    assert (kept["method"], kept["layer"]) == ("rollout", 2)


def frame_of(w):
    state = w.picture_state()
    return state.pictures.frame(state.spec, shown_query(state))


@pytest.mark.parametrize("view", VIEWS)
def test_a_long_text_is_kept_coarser_in_every_view(view):
    if view == "neuron":  # needs queries and keys
        w = aw.explore(*minilm(), text="word " * 500, view=view, query=3)
    else:
        w = aw.AttentionWidget(capture(n=700, layers=12, heads=12), view=view)
    w._keep_drawn(frame_of(w), shown_query(w.picture_state()))
    state, _, buffers = _remove_buffers(w.get_state("drawn"))
    saved = len(json.dumps(state)) + sum(len(base64.b64encode(b)) for b in buffers)
    assert 40_000 < saved <= MAX_BYTES
    assert w.drawn["header"]["view"] == view


def test_a_text_that_no_coarse_picture_can_show_says_so_instead():
    w = aw.AttentionWidget(aw.from_arrays(np.full((1, 1, 12_000, 2), 0.5, np.float32)))
    w._keep_drawn(frame_of(w), None)
    assert set(w.drawn) == {"format", "version", "query"}


def test_pages_do_not_copy_the_drawing_data_with_the_other_traits():
    w = aw.AttentionWidget(capture())
    assert "drawn" not in w.info["traits"]
    assert "layer" in w.info["traits"]


def test_a_page_of_its_own_holds_the_whole_module_of_a_later_widget():
    from ipywidgets.embed import embed_data

    from attn_widget.widget import loader

    loader.mark_loaded()
    w = aw.AttentionWidget(capture())
    w._repr_mimebundle_()
    saved = embed_data([w], drop_defaults=False)["manager_state"]["state"]
    state = saved[w.model_id]["state"]
    assert len(w._esm) < 2000
    assert len(state["_esm"]) > 50_000
    assert state["drawn"]["header"]["view"] == "head"
