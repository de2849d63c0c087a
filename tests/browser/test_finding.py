"""Finding a head or a token: heads sorted by a metric, scrolling to a pin or a search result."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Locator, expect

from tests.browser.test_lab import MINILM, drawn, settled

# The largest number is that of head 41; the numbers decrease from it by one per head.
HEADS = """import json, numpy as np
rank = (np.arange(72) - 41) % 72
w.view, w.metric = "model", (72 - rank).reshape(6, 12)"""
# js/src/views/model/layout.js: sorted heads, below 1,180 px.
TOP, LEFT, THUMB, GAP = 20, 26, 42, 10
LONG = """import attn_widget as aw, numpy as np
from attn_widget.records import Capture, LayerAttention
n = 600
rng = np.random.default_rng(0)
q, k = rng.normal(size=(2, 2, n, 16)).astype("float32")
scores = np.where(np.tri(n, dtype=bool), q @ k.transpose(0, 2, 1) / 4, -np.inf)
e = np.exp(scores - scores.max(-1, keepdims=True))
weights = (e / e.sum(-1, keepdims=True)).astype("float32")
streams = aw.from_arrays(weights[None], [f"t{i}" for i in range(n)]).streams
layer = LayerAttention(
    "l0", "self", "", 0, 2, n, n, weights=weights, q=q, k=k, scaling=0.25, causal=True)
w = aw.AttentionWidget(Capture((layer,), streams), view="head")
w"""
# The first and last row in the viewport: the canvas is as high as all rows.
SEEN = """(canvas) => {
    let box = canvas;
    while (box.scrollHeight <= box.clientHeight + 1) box = box.parentElement;
    const row = box.scrollHeight / 600;
    return [box.scrollTop / row, (box.scrollTop + box.clientHeight) / row]; }"""


def pixel(canvas: Locator, x: float, y: float) -> list[int]:
    """Return the colour of a point of a canvas."""
    return canvas.evaluate(
        """(c, [x, y]) => {
            const ratio = c.width / c.getBoundingClientRect().width;
            const at = [Math.round(x * ratio), Math.round(y * ratio)];
            return [...c.getContext('2d').getImageData(...at, 1, 1).data]; }""",
        [x, y],
    )


def test_heads_are_sorted_and_coloured_by_a_metric_and_joint_methods_read_exactly(
    open_notebook,
):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 0)
    notebook.add(HEADS)
    canvas = drawn(widget, "model", "raw", 0)
    widget.locator("[data-choice=order]").select_option("top 12 by metric")
    expect(widget.locator("[data-choice=order]")).to_have_value("top 12 by metric")
    at = {"x": LEFT + THUMB / 2, "y": TOP + THUMB / 2}
    canvas.click(position=at)
    notebook.says("print(w.layer, w.head)", "3 5")  # 41 = 3 * 12 + 5
    expect(widget.locator("[data-readout]")).to_contain_text("metric 72.000")
    canvas.click(position={"x": at["x"] + 3 * (THUMB + GAP), "y": at["y"]})
    expect(widget.locator("[data-readout]")).to_contain_text("metric 69.000")
    notebook.says("print(w.layer, w.head)", "3 8")
    widget.locator("[data-choice=show]").select_option("metric")
    settled(canvas)
    first, last = (pixel(canvas, LEFT + i * (THUMB + GAP) + 3, TOP + 3) for i in (0, 5))
    assert (
        sum(first[:3]) < sum(last[:3]) < 600
    )  # large values are dark; none has the colour of the background
    # Rows are sorted by their largest head: layer 3 with 72, then 4 with 65; head 5 before 6.
    widget.locator("[data-choice=order]").select_option("rows and columns by metric")
    for row, said in enumerate(("layer 3 · head 5", "layer 4 · head 5")):
        canvas.click(position={"x": LEFT + 3, "y": TOP + 3 + row * 50})
        expect(widget.locator("[data-readout]")).to_contain_text(said)
    notebook.says("print(w.layer, w.head)", "4 5")
    widget.locator("[data-choice=order]").select_option("by number")
    canvas.click(position={"x": LEFT + 10, "y": TOP + 10})
    expect(widget.locator("[data-readout]")).to_contain_text("layer 0 · head 0")
    notebook.says("print(w.layer, w.head)", "0 0")

    for method in ("rollout", "flow"):
        notebook.add(f"w.method, w.layer = {method!r}, 2")
        widget.locator(f'[data-frame*=\'"method":"{method}"\']').wait_for()
        expect(widget.locator("[data-readout]")).to_contain_text(f"{method}, layers 0–2")
        read = reading_of_joint(widget)
        code = f"""m = np.asarray(aw.attribute(w.capture, {method!r}, layer=2))
t = w.capture.tokens.text
pairs = [(i, j) for i in range(len(t)) for j in range(len(t)) if (t[i], t[j]) == {read[1:]!r}]
print(json.dumps([float(m[pair]) for pair in pairs]))"""
        values = json.loads(notebook.add(code))
        assert min(abs(read[0] - value) for value in values) < 1e-6, (method, read, values)


def reading_of_joint(widget: Locator) -> tuple[float, str, str]:
    """Return value, query and key in the read-out of a method that joins heads."""
    readout = widget.locator("[data-readout][data-exact='1']")
    readout.wait_for(timeout=30_000)
    tokens = [readout.locator(f"[data-{side}]").inner_text() for side in ("query", "key")]
    return float(readout.get_attribute("data-value")), *tokens


def test_a_pin_and_the_next_match_scroll_into_the_viewport(open_notebook):
    notebook = open_notebook(LONG)
    notebook.run(0)
    widget = notebook.widget()
    canvas = drawn(widget, "head", "raw", 0)
    assert canvas.evaluate(SEEN)[1] < 100
    find = widget.get_by_label("find a token")
    find.fill("t30")  # t30, t300 to t309
    following = widget.locator("[data-next]")
    expect(following).to_contain_text("11")
    for place in (1, 2):
        find.press("Enter")
        expect(following).to_contain_text(f"{place} of 11")
    low, high = canvas.evaluate(SEEN)
    assert low <= 300 < high
    expect(widget.locator("[data-readout] [data-query]")).to_have_text(re.compile("t300"))
    find.press("Shift+Enter")
    expect(following).to_contain_text("1 of 11")
    find.fill("")
    notebook.add("w.query = 500")
    expect(widget.locator("[data-readout] [data-query]")).to_have_text(re.compile("t500"))
    low, high = canvas.evaluate(SEEN)
    assert low <= 500 < high
    notebook.add("w.view = 'neuron'")
    canvas = settled(drawn(widget, "neuron", "raw", 0))
    low, high = canvas.evaluate(SEEN)
    assert low <= 500 < high


# Moves the pointer over the picture and counts the calls of putImageData.
IMAGES = """async (canvas) => {
    const proto = CanvasRenderingContext2D.prototype, own = proto.putImageData;
    const box = canvas.getBoundingClientRect();
    let made = 0;
    proto.putImageData = function (...args) { made += 1; return own.apply(this, args); };
    for (let i = 1; i < 12; i++) {
        const at = { clientX: box.left + box.width * i / 12,
                     clientY: box.top + Math.min(box.height, 300) * i / 12,
                     bubbles: true, composed: true };
        canvas.dispatchEvent(new PointerEvent('pointermove', at));
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
    proto.putImageData = own;
    return made; }"""


def test_a_hover_does_not_compute_the_image_again(open_notebook):
    notebook = open_notebook(LONG)
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 0)
    for view in ("model", "matrix"):
        notebook.add(f"w.view = {view!r}")
        canvas = settled(drawn(widget, view, "raw", 0))
        assert canvas.evaluate(IMAGES) == 0, view
