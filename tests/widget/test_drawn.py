"""The drawing data in the widget's state: what a host without a kernel draws."""

import numpy as np

import attn_widget as aw
from attn_widget.widget.drawn import MAX_BYTES


def capture(n=8, layers=3, heads=2):
    scores = np.random.default_rng(0).normal(size=(layers, heads, n, n)) * 2
    return aw.from_arrays(np.exp(scores) / np.exp(scores).sum(-1, keepdims=True))


def test_a_displayed_widget_keeps_the_frame_that_is_on_screen():
    w = aw.AttentionWidget(capture(), layer=1, view="matrix")
    assert w.drawn == {}
    w._repr_mimebundle_()
    state = w.picture_state()
    header, buffers = state.pictures.frame(state.spec).encode()
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


def test_a_picture_too_large_for_a_notebook_is_not_kept():
    w = aw.AttentionWidget(capture(n=300, layers=1, heads=12), view="head")
    message = {"kind": "request", "id": "page-1", "name": "frame", "data": {
        "capture_id": w.capture_id, "view": "head", "method": "raw", "layer": 0,
    }}  # fmt: skip
    w._front_end.on_message(w, message, [])
    assert w._front_end.wait(20)
    held = sum(map(len, w.drawn.get("buffers", [])))
    assert held <= MAX_BYTES


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
