"""A widget in a real marimo server: drawn, clicked, and its value used in another cell."""

from __future__ import annotations

import sys

import pytest
from playwright.sync_api import expect

from tests.browser.served import served
from tests.browser.test_lab import ROW, TOP, colours, drawn

APP = """import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo, numpy as np, attn_widget as aw
    scores = np.random.default_rng(0).normal(size=(3, 2, 8, 8)) * 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    w = aw.AttentionWidget(aw.from_arrays(weights, list("abcdefgh")))
    return mo, w

@app.cell
def _(mo, w):
    shown = mo.ui.anywidget(w)
    shown
    return (shown,)

@app.cell
def _(mo, shown, w):
    mo.md(f"value {shown.value['query']} {shown.value['method']}, kernel {w.query} {w.method}")
    return
"""


@pytest.fixture
def app(tmp_path):
    """Start marimo on the app above; yield its address."""
    (tmp_path / "app.py").write_text(APP)
    command = "marimo run app.py --headless --host=127.0.0.1 --port={port} --no-token"
    variables = {"MARIMO_SKIP_UPDATE_CHECK": "1"}
    with served(
        [sys.executable, "-m", *command.split()], tmp_path, "health", **variables
    ) as address:
        yield address


def test_a_click_in_marimo_reaches_python_and_the_cells_that_depend_on_it(app, chromium):
    page = chromium.new_context(viewport={"width": 1200, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        page.goto(app)
        widget = page.locator(".attn-widget")
        expect(widget).to_be_visible(timeout=60_000)
        canvas = drawn(widget, "head", "raw", 0)
        assert colours(canvas) > 30
        canvas.click(position={"x": 80, "y": TOP + ROW * 3 + ROW / 2})
        expect(page.get_by_text("value [3] raw, kernel [3] raw")).to_be_visible()
        # Only the kernel can compute this picture.
        widget.get_by_role("radio", name="rollout").click()
        drawn(widget, "head", "rollout", 0)
        expect(page.get_by_text("value [3] rollout, kernel [3] rollout")).to_be_visible()
        # An exact number is a message of its own, with a buffer.
        widget.locator("[data-readout][data-exact='1']").wait_for()
        assert not wrong, wrong
    finally:
        page.context.close()
