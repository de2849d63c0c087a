"""Unusual data: tokens that look like markup, and numbers that no softmax computes."""

from __future__ import annotations

import re

from tests.browser.notebooks import ROOT
from tests.browser.test_lab import colours, drawn, settled

FOLDER = ROOT / "build" / "bad-input"
VIEWS = ["head", "model", "neuron", "matrix", "text"]
CODE = """import numpy as np, attn_widget as aw
from attn_widget.records import Capture, LayerAttention, Tokens
tokens = ["<img src=x onerror=window.hacked=1>", "</script><script>window.hacked=1</script>",
          "<svg onload=window.hacked=1>", "</style><style>*{display:none}</style>",
          '"onmouseover="window.hacked=1', "${window.hacked=1}", "javascript:window.hacked=1",
          "\\u202eabc", "שלום", "مرحبا", "👩‍🚀", "e\\u0301\\u0327", "Z\\u0351\\u036b\\u0343\\u036a",
          "\\u200b", "a\\nb\\tc", "\\t", "\\n", " ", "", "x" * 500, "&lt;b&gt;"]
n = len(tokens)
rng = np.random.default_rng(0)
q, k = rng.normal(size=(2, 3, n, 8)).astype("float32")
def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True)); return e / e.sum(-1, keepdims=True)
def made(weights, axis, key_axis=None, **more):
    kind = "self" if key_axis is None else "cross"
    layers = tuple(
        LayerAttention(f"l{i}", kind, "", i, *weights.shape, weights=weights, **more)
        for i in range(2))
    streams = {"": axis} | ({} if key_axis is None else {"keys": key_axis})
    return Capture(layers, streams, {} if key_axis is None else {"": "keys"}, model_name="made up")
ends = [0, *np.cumsum([len(token) for token in tokens]).tolist()]
hostile = Tokens(tuple(tokens), source=("".join(tokens),), spans=tuple(zip(ends, ends[1:])))
weights = softmax(q @ k.transpose(0, 2, 1) / 8**0.5)
w = aw.AttentionWidget(made(weights, hostile, q=q, k=k, scaling=8**-0.5))
w"""
MADE = """() => {
    const roots = [...document.querySelectorAll('.attn-widget')].map((host) => host.shadowRoot);
    const markup = 'img, script, iframe, object, embed, a, style ~ style, ' +
        '[onerror], [onload], [onmouseover]';
    return roots.map((root) => root.querySelectorAll(markup).length); }"""


def test_tokens_are_always_text_in_every_view(open_notebook):
    notebook = open_notebook(CODE, width=1050, height=1300)
    notebook.show_file_browser(False)
    notebook.run(0)
    widget = notebook.widget()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        notebook.add(f"w.view, w.query, w.key, w.find = '{view}', 1, [], '<'")
        canvas = drawn(widget, view, "raw", 0)
        canvas.hover(position={"x": 60, "y": 60})
        settled(canvas)
        widget.screenshot(path=FOLDER / f"tokens-{view}.png")
        assert notebook.page.evaluate(MADE) == [0], view
        if view == "text":
            words = canvas.locator("p").inner_text()
            assert "</script><script>window.hacked=1</script>" in words
            assert "x" * 500 in words.replace("\n", "")
        else:
            assert colours(canvas) > 10
    assert notebook.page.evaluate("() => window.hacked") is None


SOFTMAX = "softmax(3 * rng.normal(size={}))"
SHAPES = {  # name: weights, queries, keys where they are others
    "one-token": ("np.ones((3, 1, 1))", 1, 0),
    "one-head": (SOFTMAX.format((1, 7, 7)), 7, 0),
    "heads-64": (SOFTMAX.format((64, 9, 9)), 9, 0),
    "tall": (SOFTMAX.format((3, 40, 5)), 40, 5),
    "wide": (SOFTMAX.format((3, 5, 40)), 5, 40),
    "zeros": ("np.zeros((3, 6, 6))", 6, 0),
    "broken": ("np.where(np.eye(8) > 0, np.nan, " + SOFTMAX.format((3, 8, 8)) + ")", 8, 0),
}


def test_every_shape_is_drawn_and_missing_numbers_are_counted(open_notebook):
    notebook = open_notebook(CODE.rsplit("\n", 1)[0], width=1050, height=1300)
    notebook.show_file_browser(False)
    notebook.run(0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for nth, (name, (weights, queries, keys)) in enumerate(SHAPES.items()):
        notebook.add(
            "names = lambda side, n: Tokens(tuple(f'{side}{i}' for i in range(n)))\n"
            f"axes = [names(*axis) for axis in [('q', {queries}), ('k', {keys})] if axis[1]]\n"
            f"v = aw.AttentionWidget(made({weights}, *axes))\nv"
        )
        widget = notebook.widget(nth)
        for view, missing in [("head", 24), ("model", 48), ("matrix", 8), ("text", 24)]:
            notebook.add(f"v.view, v.query = '{view}', [0]")
            drawn(widget, view, "raw", 0)
            widget.locator("[data-readout][data-exact='1']").wait_for()
            widget.screenshot(path=FOLDER / f"{name}-{view}.png")
            said = widget.locator("[data-missing]").all_inner_texts()
            assert said == ([f"{missing} weights not a number"] if name == "broken" else []), (
                name,
                view,
            )


def test_focus_is_visible_keys_stay_in_the_widget_and_the_reading_is_announced(open_notebook):
    notebook = open_notebook(CODE)
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 0)
    stage = widget.locator("[role=application]")
    widget.locator("[role=tab]").first.focus()
    for _ in range(60):  # Tab goes through toolbar, filters and stage
        notebook.page.keyboard.press("Tab")
        if stage.evaluate("(e) => e.matches(':focus-visible')"):
            break
    ring = stage.evaluate(
        "(e) => [getComputedStyle(e).outlineStyle, getComputedStyle(e).outlineWidth]"
    )
    assert ring == ["solid", "2px"]
    for view in ("head", "matrix", "text", "model"):
        notebook.add(f"w.view, w.query, w.key, w.layer = '{view}', [8], [], 0")
        drawn(widget, view, "raw", 0)
        cells = notebook.page.locator(".jp-Cell").count()
        stage.focus()
        for key in ("ArrowDown", "ArrowUp", "d", "d", "a", "b", "x", "z", "m", "c", "v", "j", "k"):
            notebook.page.keyboard.press(key)
        assert notebook.page.locator(".jp-Cell").count() == cells, view
        widget.locator("[data-readout][data-exact='1']").wait_for()
        read = widget.locator("[data-readout]")
        number = read.locator("[data-number]").inner_text()
        spoken = widget.locator("[role=status]").text_content() or ""
        assert re.match(rf"שלום to .+: {re.escape(number)}, ", spoken), (view, spoken)
