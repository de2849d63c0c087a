"""A widget in the real servers of Shiny, Panel, Voila and Solara: drawn, clicked, typed into.

Slow, and skipped where a host is not installed. Not all of it passes yet: Panel gives the widget
no width, and Shiny's `reactive_read` cannot be called from the thread that shows a typed text.
"""

from __future__ import annotations

import importlib.util
import re
import sys

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import served
from tests.browser.test_lab import ROW, TOP, colours, drawn

MAKE = """import attn_widget as aw
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
def make():
    return aw.explore(MODEL, text="The keys to the cabinet are on the table.", layer=1)
def said(w):
    return f"kernel {w.query} {w.method} {w.text}"
"""
SHINY = """from shiny.express import render
from shinywidgets import reactive_read, render_widget
@render_widget
def picture():
    return make()
@render.text
def words():
    w = picture.widget
    reactive_read(w, ["query", "method", "text"])
    return said(w)
"""
PANEL = """import panel as pn
pn.extension("ipywidgets")
w = make()
words = pn.pane.Str(said(w))
def show(change):
    words.object = said(w)
w.observe(show, ["query", "method", "text"])
pn.Column(w, words).servable()
"""
SOLARA = """import ipywidgets, solara
def with_words():
    w, words = make(), ipywidgets.Label()
    w.observe(lambda change: setattr(words, "value", said(w)), ["query", "method", "text"])
    return ipywidgets.VBox([w, words])
@solara.component
def Page():
    solara.display(solara.use_memo(with_words, []))
"""
VOILA = """import ipywidgets
w, words = make(), ipywidgets.Label()
w.observe(lambda change: setattr(words, "value", said(w)), ["query", "method", "text"])
ipywidgets.VBox([w, words])
"""
pytestmark = pytest.mark.slow
HOSTS = {
    "shiny": (SHINY, "shiny run app.py --port {port}", ("shiny", "shinywidgets")),
    "panel": (PANEL, "panel serve app.py --port {port}", ("panel", "ipywidgets_bokeh")),
    "solara": (
        SOLARA,
        "solara run app.py --host 127.0.0.1 --port {port} --production",
        ("solara",),
    ),
    "voila": (VOILA, "voila app.ipynb --no-browser --port {port}", ("voila",)),
}
PATH = {"panel": "app"}


@pytest.fixture(scope="module", params=list(HOSTS))
def host(request, tmp_path_factory):
    """Start a host with the app; yield its address."""
    name = request.param
    app, command, packages = HOSTS[name]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: install it to run this test")
    folder = tmp_path_factory.mktemp(name)
    (folder / "app.py").write_text(MAKE + app)
    cells = [nbformat.v4.new_code_cell(MAKE + app)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "app.ipynb")
    path = PATH.get(name, "")
    with served([sys.executable, "-m", *command.split()], folder, path) as address:
        yield address + path


@pytest.fixture
def page(host, chromium):
    """Open the app; an error of ours in the page fails the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(host)
    yield page
    context.close()
    assert not wrong, wrong


@pytest.mark.parametrize("load", ["first", "second", "third"])
def test_the_picture_is_drawn_and_a_click_reaches_python(page: Page, load):
    widget = page.locator(".attn-widget")
    canvas = drawn(widget, "head", "raw", 1)
    assert widget.bounding_box()["width"] > 600
    assert colours(canvas) > 30
    canvas.click(position={"x": 80, "y": TOP + ROW * 3 + ROW / 2})
    expect(page.get_by_text("kernel [3] raw")).to_be_visible()
    # An exact number is a reply of its own.
    widget.locator("[data-readout][data-exact='1']").wait_for()


def test_long_work_and_a_typed_text_appear_without_another_event(page: Page):
    widget = page.locator(".attn-widget")
    drawn(widget, "head", "raw", 1)
    widget.get_by_role("radio", name="flow").click()
    # A new installation first compiles the flow: bounds are shown meanwhile.
    canvas = drawn(widget, "head", "flow", 1)
    expect(canvas).to_have_attribute("data-frame", re.compile('"complete":true'), timeout=120_000)
    text = widget.locator("[data-trait=text]")
    text.fill("The cat that chased the mice was hungry.")
    text.press("Enter")
    drawn(widget, "head", "flow", 1, capture_id=1)
    expect(page.get_by_text("flow The cat that chased")).to_be_visible()
