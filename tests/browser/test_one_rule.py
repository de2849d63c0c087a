"""The page has the numbers of `w.matrix()`, and every medium shows the same picture of a state."""

from __future__ import annotations

import json
import time
from itertools import product
from pathlib import Path

import numpy as np
from playwright.sync_api import Locator

from tests.browser.notebooks import Notebook
from tests.browser.test_lab import canvas_of
from tests.browser.test_static import shown

TOY = """import json, numpy as np, attn_widget as aw
from attn_widget.errors import AttnWidgetError
from attn_widget.figures.of_state import selection_of
from attn_widget.pictures.axes import merge
from attn_widget.pictures.captions import caption
from attn_widget.pictures.rules import frame_depends_on
rng = np.random.default_rng(5)
scores = np.where(np.tri(7, dtype=bool), rng.normal(size=(3, 4, 7, 7)) * 2, -np.inf)
scores[..., 0] += 2
weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
tokens = aw.Tokens(("[CLS]", "the", "keys", "un", "lock", "it", "[SEP]"),
    special=(True, *[False] * 5, True), words=(None, 0, 1, 2, 2, 3, None))
w = aw.AttentionWidget(aw.from_arrays(weights, tokens))

def change(**traits):
    for name, value in traits.items():
        try:
            setattr(w, name, value)
        except AttnWidgetError:
            pass

def state():
    "What the page must show: the numbers of w.matrix(), as displayed."
    now = w.picture_state()
    spec = {name: getattr(now.spec, name) for name in frame_depends_on(w.view, w.method)}
    matrix = w.matrix() if w.view not in ("model", "neuron") else np.zeros((1, 1, 1))
    matrix = matrix[None] if matrix.ndim == 2 else matrix
    if w.view not in ("model", "neuron"):
        matrix = merge(matrix, *now.pictures.axes(now.spec))
    print(json.dumps({"spec": spec, "matrix": matrix.tolist(), "heads": w.heads}))

def said():
    "What Python says of the state on screen."
    now = w.picture_state()
    frame = now.pictures.frame(now.spec, now.query[0] if now.query else None)
    print(json.dumps(caption(frame, selection_of(now))))
w"""
WALK = {
    "view": ["head", "matrix", "text"],
    "method": ["raw", "rollout", "flow"],
    "layer": [0, 1, 2],
    "head": [0, 1, 2, 3],
    "heads": [[0, 1, 2, 3], [1], [0, 3]],
    "residual": [0.5, 0.2],
    "reduce": ["mean", "max"],
    "normalise": [False, True],
    "baseline": [False, True],
    "hide_special": [False, True],
    "hide_sinks": [False, True],
    "words": [False, True],
    "query": [[], [3], [1, 4]],
    "key": [[], [2]],
    "threshold": [0.02, 0.0, 0.2],
}
SHOWN = """(surface) => {
    const { frame } = surface, array = frame.arrays.weights;
    return { spec: frame.spec, complete: JSON.parse(surface.dataset.frame).complete, shape:
    array?.shape, scale: array?.scale,
      heads: frame.lanes?.map((lane) => lane.head),
      values: array && Array.from(array.data, (x) => (array.table ? array.table[x] : x)) }; }"""
RUN = """async (code) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const done = kernel.requestExecute({ code });
    let out = "";
    done.onIOPub = ({ header, content }) => {
      if (header.msg_type === "stream") out += content.text;
      if (header.msg_type === "error") out = `${content.ename}: ${content.evalue}`; };
    await done.done;
    return out; }"""


def run(notebook: Notebook, code: str) -> str:
    """Run code in the kernel without a cell; return what it printed."""
    return notebook.page.evaluate(RUN, code)


def in_step(widget: Locator, spec: dict) -> dict:
    """Return what the page holds, once it is the frame of this spec."""
    deadline = time.monotonic() + 30
    while True:
        held = canvas_of(widget).evaluate(SHOWN)
        if held["complete"] and all(held["spec"][name] == value for name, value in spec.items()):
            return held
        assert time.monotonic() < deadline, f"the page shows {held['spec']}, Python {spec}"
        widget.page.wait_for_timeout(20)


def assert_same_numbers(held: dict, state: dict) -> None:
    """Assert that the page's numbers are those of w.matrix(), within the rounding of sqrt8."""
    values, wanted = np.array(held["values"]).reshape(held["shape"]), np.array(state["matrix"])
    values = values if values.ndim == 3 else values[None]
    if held["heads"] and held["heads"][0] is not None and len(held["heads"]) > 1:
        values = values[state["heads"]]
    assert values.shape == wanted.shape
    scale = held["scale"]
    step = np.sqrt(wanted * scale) / 255 + scale / 255**2
    assert (np.abs(values - wanted) <= step).all(), state["spec"]


def test_after_any_of_200_random_changes_the_page_holds_the_numbers_of_w_matrix(open_notebook):
    notebook = open_notebook(TOY)
    notebook.run(0)
    widget, rng = notebook.widget(), np.random.default_rng(20)
    names = list(WALK)
    for _ in range(200):
        name = names[rng.integers(len(names))]
        value = WALK[name][rng.integers(len(WALK[name]))]
        state = json.loads(run(notebook, f"change({name}={value!r}); state()"))
        assert_same_numbers(in_step(widget, state["spec"]), state)


def test_the_link_in_the_caption_divides_the_numbers_by_the_baseline(open_notebook):
    notebook = open_notebook(TOY)
    notebook.run(0)
    widget = notebook.widget()
    run(notebook, "change(view='matrix', method='flow', layer=2)")
    widget.locator("[data-baseline]").click()
    widget.locator("[data-caption]", has_text="divided by").wait_for()
    widget.locator("[data-method='raw']").click()
    notebook.says("print(w.method, w.baseline)", "raw True")
    state = json.loads(run(notebook, "state()"))
    assert_same_numbers(in_step(widget, state["spec"]), state)


STATES = [
    {"view": view, "method": method, **toggles}
    for (view, method), toggles in product(
        product(["head", "matrix", "model", "text"], ["raw", "rollout", "flow"]),
        [
            {},
            {"hide_special": True},
            {"words": True, "threshold": 0.1, "heads": [1, 3]},
            {"query": [4], "threshold": 0.05},
            {"baseline": True, "normalise": True},
        ],
    )
]
USUAL = {
    "layer": 2, "heads": [0, 1, 2, 3], "hide_special": False, "words": False, "threshold": 0.02,
    "query": [], "baseline": False, "normalise": False,
}  # fmt: skip


def sentences(widget: Locator) -> list[str]:
    """Return the sentences of the caption in a page."""
    spans = widget.locator("[data-caption] > span")
    return [" ".join(text.split()) for text in spans.all_inner_texts() if text.strip()]


def caption_of(widget: Locator, wanted: list[str]) -> list[str]:
    """Return the caption once it is the expected one, else the caption after a timeout."""
    deadline = time.monotonic() + 10
    while (found := sentences(widget)) != wanted and time.monotonic() < deadline:
        widget.page.wait_for_timeout(20)
    return found


def lines_drawn(widget: Locator) -> dict:
    """Return the frame's weights as the page has them: the same numbers give the same lines."""
    held = canvas_of(widget).evaluate(SHOWN)
    return {"values": held["values"], "heads": held["heads"]}


def test_page_static_page_figure_and_still_picture_say_the_same(open_notebook, open_file, tmp_path):
    notebook = open_notebook(TOY)
    notebook.run(0)
    widget = notebook.widget()
    for i, traits in enumerate(STATES):
        run(notebook, f"change(**{USUAL | traits!r})")
        wanted = json.loads(run(notebook, "said()"))
        state = json.loads(run(notebook, "state()"))
        in_step(widget, state["spec"])
        assert caption_of(widget, wanted) == wanted, traits
        live = lines_drawn(widget)
        printed = json.loads(
            run(
                notebook,
                "figure = w.to_figure(); "
                "print(json.dumps(' '.join(t.get_text() for t in figure.axes[0].texts)))",
            )
        )
        assert " ".join(" · ".join(wanted).split()) in " ".join(printed.split()), traits
        path = Path(tmp_path) / f"{i}.html"
        run(notebook, f"w.to_html({str(path)!r}, progress=False)")
        page = open_file(path, width=1200)
        static = shown(page)
        assert caption_of(static, wanted) == wanted, traits
        assert lines_drawn(static) == live, traits
        page.context.close()
