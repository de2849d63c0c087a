"""A trained model's attention in a real JupyterLab: drawn, hovered, clicked, read in Python."""

from __future__ import annotations

import json
import time

import pytest
from playwright.sync_api import Locator, expect

MINILM = """import attn_widget as aw
text = "The keys to the cabinet in the hall are on the table."
w = aw.explore("sentence-transformers/all-MiniLM-L6-v2", text=text)
w"""
SMOLLM2 = """import attn_widget as aw
text = "The keys to the cabinet in the hall are on the table"
w = aw.explore("HuggingFaceTB/SmolLM2-135M-Instruct", text=text)
w"""
# The attention that the model itself returns.
OWN = """import json, torch
runner = aw.ModelRunner({name!r})
model, tokenizer = runner.model, runner.tokenizer
model.set_attn_implementation("eager")
with torch.no_grad():
    out = model(**tokenizer(w.text, return_tensors="pt"), output_attentions=True).attentions
print(json.dumps(out[{layer}][0].float().tolist()))"""
TOP, ROW = 22, 23  # js/src/views/head/layout.js, for texts of up to 52 tokens


def canvas_of(widget: Locator) -> Locator:
    """Return the element of the picture: a canvas, or the paragraphs of the text view."""
    canvas = widget.locator("[data-ready]").first
    expect(canvas).to_be_visible()
    return canvas


def drawn(
    widget: Locator, view: str, method: str, layer: int, capture_id: int | None = None
) -> Locator:
    """Wait until the widget shows this picture; return its canvas, a new one for each view."""
    wanted = {"view": view, "method": method, "layer": layer}
    if capture_id is not None:
        wanted["capture_id"] = capture_id
    deadline = time.monotonic() + 30
    while True:
        canvas = canvas_of(widget)
        frame = json.loads(canvas.get_attribute("data-frame") or "{}")
        if {name: frame.get(name) for name in wanted} == wanted:
            return canvas
        assert time.monotonic() < deadline, f"shows {frame}, wanted {wanted}"
        widget.page.wait_for_timeout(50)


def colours(canvas: Locator) -> int:
    """Return how many colours the canvas holds: a drawn picture has many, an empty one has one."""
    return canvas.evaluate(
        """(c) => {
            const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            return new Set(new Uint32Array(data.buffer)).size; }"""
    )


HASH = """const hash = (c) => {
    if (!c.getContext) return c.innerHTML;
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    let h = 0;
    for (const p of new Uint32Array(data.buffer)) h = (Math.imul(h, 31) + p) | 0;
    return h; };"""


def fingerprint(canvas: Locator) -> int:
    """Return a number that changes when the picture does."""
    return canvas.evaluate(f"(c) => {{ {HASH} return hash(c); }}")


def settled(canvas: Locator) -> Locator:
    """Wait until the picture is the same in ten frames in a row; return its element."""
    canvas.evaluate(
        f"""async (c) => {{ {HASH}
            for (let same = 0, last = null; same < 10;) {{
                await new Promise(requestAnimationFrame);
                const now = hash(c);
                same = now === last ? same + 1 : 0;
                last = now;
            }} }}"""
    )
    return canvas


def changed(canvas: Locator, before: int) -> None:
    """Wait until the picture's fingerprint differs from `before`."""
    canvas.evaluate(
        f"""async (c, before) => {{ {HASH}
            while (hash(c) === before) await new Promise(requestAnimationFrame); }}""",
        before,
    )


def hover_query(canvas: Locator, index: int) -> None:
    canvas.hover(position={"x": 80, "y": TOP + ROW * index + ROW / 2})


def reading(widget: Locator) -> dict:
    """Wait for the exact numbers of the read-out and return them."""
    readout = widget.locator("[data-readout][data-exact='1']")
    readout.wait_for(timeout=30_000)
    return {
        "value": float(readout.get_attribute("data-value")),
        "query": readout.locator("[data-query]").inner_text(),
        "key": readout.locator("[data-key]").inner_text(),
        "head": int(readout.locator("[data-head]").inner_text().split()[-1]),
        "shown": readout.locator("[data-number]").inner_text(),
    }


@pytest.mark.parametrize(
    ("source", "name", "layer"),
    [
        (MINILM, "sentence-transformers/all-MiniLM-L6-v2", 3),
        # Slow to load.
        pytest.param(SMOLLM2, "HuggingFaceTB/SmolLM2-135M-Instruct", 7, marks=pytest.mark.slow),
    ],
    ids=["minilm", "smollm2"],
)
def test_a_hovered_weight_is_the_models_own(open_notebook, source, name, layer):
    notebook = open_notebook(source)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    assert colours(canvas) > 50
    notebook.add(f"w.layer = {layer}")
    drawn(widget, "head", "raw", layer)
    own = json.loads(notebook.add(OWN.format(name=name, layer=layer)))
    hover_query(canvas, 9)
    read = reading(widget)
    tokens = json.loads(notebook.add("print(json.dumps(w.capture.tokens.text))"))
    assert (read["query"], read["key"] in tokens) == (tokens[9], True)
    special = json.loads(notebook.add("print(json.dumps(w.capture.tokens.special))"))
    row = own[read["head"]][9]
    candidates = [
        row[k] for k, token in enumerate(tokens) if token == read["key"] and not special[k]
    ]
    assert min(abs(read["value"] - v) for v in candidates) < 1e-6
    largest = max(
        own[h][9][k] for h in range(len(own)) for k in range(len(tokens)) if not special[k]
    )
    assert abs(read["value"] - largest) < 1e-6
    assert read["shown"] == f"{read['value']:.4f}"


def test_a_hover_shows_a_rounded_number_within_a_frame(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    box = canvas.bounding_box()
    # Two frames are too few for a reply of the kernel, so the browser computes this number.
    answered = canvas.evaluate(
        """async (canvas, [x, y]) => {
            const root = canvas.getRootNode();
            const box = canvas.getBoundingClientRect();
            const at = {clientX: box.left + x, clientY: box.top + y, bubbles: true, composed: true};
            canvas.dispatchEvent(new PointerEvent('pointermove', at));
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            const readout = root.querySelector('[data-readout]');
            return [readout.dataset.state, readout.dataset.exact, readout.textContent]; }""",
        [80, TOP + ROW * 5 + ROW / 2],
    )
    assert box
    assert answered[0] == "reading"
    assert answered[1] == "1" or "≈" in answered[2]


def test_a_trait_set_in_python_changes_the_picture(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    seen = {fingerprint(canvas)}
    for line, view, method, layer in [
        ("w.layer = 4", "head", "raw", 4),
        ("w.heads = [2, 7]", "head", "raw", 4),
        ("w.query = 9", "head", "raw", 4),
        ("w.method = 'rollout'", "head", "rollout", 4),
        ("w.method = 'flow'", "head", "flow", 4),
        ("w.view = 'matrix'", "matrix", "flow", 4),
        ("w.method, w.head = 'raw', 5", "matrix", "raw", 4),
    ]:
        notebook.add(line)
        canvas = settled(drawn(widget, view, method, layer))  # after the cross-fade
        assert colours(canvas) > 30
        now = fingerprint(canvas)
        assert now not in seen, line
        seen.add(now)


def test_a_click_is_read_in_the_next_cell(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    canvas.click(position={"x": 80, "y": TOP + ROW * 9 + ROW / 2})
    widget.locator("[data-readout][data-state='reading']").wait_for()
    notebook.says("print(w.query, w.key)", "[9] []")
    widget.get_by_role("button", name="next layer").click()
    widget.get_by_role("radio", name="rollout").click()
    drawn(widget, "head", "rollout", 1)
    notebook.says("print(w.method, w.layer)", "rollout 1")
    widget.get_by_role("radio", name="raw").click()
    drawn(widget, "head", "raw", 1)
    widget.locator(".head-toggle[data-head='3']").dblclick()
    notebook.says("print(w.heads)", "[3]")


def test_keys_on_the_picture_move_the_pin_and_never_reach_the_notebook(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    canvas.click(position={"x": 80, "y": TOP + ROW * 4 + ROW / 2})
    cells = notebook.page.locator(".jp-Cell").count()
    for key in ("ArrowDown", "ArrowDown", "d", "d", "a", "b", "x"):
        notebook.page.keyboard.press(key)
    settled(canvas)
    assert notebook.page.locator(".jp-Cell").count() == cells
    notebook.says("print(w.query)", "[6]")


def test_the_text_box_runs_the_model_again(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas_of(widget)
    box = widget.locator("[data-trait='text']")
    box.fill("A shorter one.")
    box.press("Enter")
    drawn(widget, "head", "raw", 0, capture_id=1)
    assert notebook.add("print(w.text, w.capture.tokens.text)") == (
        "A shorter one. ('[CLS]', 'a', 'shorter', 'one', '.', '[SEP]')"
    )


def test_an_invalid_text_shows_its_error_and_leaves_the_picture(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas = canvas_of(widget)
    before = fingerprint(canvas)
    box = widget.locator("[data-trait='text']")
    box.fill("word " * 600)
    box.press("Enter")
    wrong = widget.locator("[data-readout] [role=alert]")
    expect(wrong).to_contain_text("text must have at most 512 tokens", timeout=30_000)
    assert fingerprint(canvas) == before


def test_a_kernel_error_shows_as_a_message(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas_of(widget)
    notebook.add(
        "def broken(*a, **k):\n    raise RuntimeError('the model is out of order')\n"
        "w.runner.run = broken"
    )
    box = widget.locator("[data-trait='text']")
    box.fill("Anything.")
    box.press("Enter")
    expect(widget.get_by_role("alert")).to_contain_text("the model is out of order", timeout=30_000)


def test_a_wrong_value_from_python_shows_its_error_in_the_widget(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas_of(widget)
    notebook.add("try:\n    w.layer = 7\nexcept ValueError as e:\n    print(e)")
    expect(widget.get_by_role("alert")).to_contain_text("layer must be 0 to 5, got 7.")


def test_a_second_view_of_the_same_widget_follows(open_notebook):
    notebook = open_notebook(MINILM, "w")
    notebook.run(0)
    canvas_of(notebook.widget(0))
    notebook.run(1)
    drawn(notebook.widget(1), "head", "raw", 0)
    notebook.widget(0).get_by_role("button", name="next layer").click()
    drawn(notebook.widget(1), "head", "raw", 1)
    drawn(notebook.widget(0), "head", "raw", 1)


def test_the_page_keeps_working_while_a_cell_runs(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    widget = notebook.widget()
    canvas_of(widget)
    notebook.add("import time; time.sleep(6); print('slept')", wait=False)
    widget.get_by_role("button", name="next layer").click()
    drawn(widget, "head", "raw", 1)
    assert "slept" not in notebook.page.locator(".jp-Notebook").inner_text().replace(
        "print('slept')", ""
    )


def test_hostile_tokens_are_text(open_notebook):
    notebook = open_notebook(
        """import numpy as np, attn_widget as aw
tokens = ["<img src=x onerror=window.hacked=1>", "</script><script>window.hacked=1</script>",
          "\\u202eabc", "👩‍🚀", "a\\nb\\tc", "x" * 500, "\\u200b", "e\\u0301"]
w = aw.AttentionWidget(aw.from_arrays(np.full((2, 3, 8, 8), 1 / 8), tokens))
w"""
    )
    notebook.run(0)
    widget = notebook.widget()
    for view in ("head", "matrix"):
        notebook.add(f"w.view, w.query, w.find = '{view}', 1, '<img'")
        drawn(widget, view, "raw", 0)
    assert notebook.page.evaluate("() => window.hacked") is None


def test_the_widget_follows_the_hosts_theme(open_notebook):
    notebook = open_notebook(MINILM)
    notebook.run(0)
    canvas = canvas_of(notebook.widget())
    light = fingerprint(canvas)
    notebook.theme("dark")
    changed(canvas, light)
    ink = canvas.evaluate(
        "(c) => getComputedStyle(c.getRootNode().host).getPropertyValue('--aw-ink-2').trim()"
    )
    assert ink == "#a9aeb6"
