"""A widget in exported pages: one picture each, with the CDN of the host answered or not."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, SlidesExporter
from playwright.sync_api import Page, expect

from tests.browser.exports import CDN, opened
from tests.browser.notebooks import ROOT
from tests.browser.test_hosts_jupyter import MAKE
from tests.browser.test_lab import colours, drawn

LATER = """from attn_widget.widget import loader
loader.mark_loaded()  # as in a live notebook, where a page runs the bundle
later = aw.AttentionWidget(w.capture, view="matrix", layer=2)
assert len(later._esm) < 2_000
later"""


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    """A notebook as `nbconvert --execute` leaves it: two live widgets and the state of both."""
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, "w.layer = 1\nw", LATER)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def exported(exporter, notebook: nbformat.NotebookNode, file: Path) -> Path:
    """Write a notebook as a page."""
    file.write_text(exporter.from_notebook_node(notebook)[0])
    return file


PNG = "img[src^='data:image/png']"


def is_live(page: Page, still: str = PNG) -> None:
    """Check that the page draws both widgets and hides both still pictures."""
    head, matrix = page.locator(".attn-widget").nth(0), page.locator(".attn-widget").nth(1)
    assert colours(drawn(head, "head", "raw", 1)) > 30
    assert colours(drawn(matrix, "matrix", "raw", 2)) > 10
    expect(head).to_contain_text("saved picture; run the cell for the rest")
    stills = page.locator(still)
    for i in range(stills.count()):
        expect(stills.nth(i)).to_be_hidden()


def is_still(page: Page, still: str = PNG) -> None:
    """Check that both still pictures stand, and no line of an error."""
    stills = page.locator(still)
    expect(stills).to_have_count(2)
    for i in range(2):
        expect(stills.nth(i)).to_be_visible()
        assert stills.nth(i).evaluate("(image) => image.naturalWidth") > 300
    expect(page.locator(".attn-widget")).to_have_count(0)
    expect(page.get_by_text("not found")).to_have_count(0)


EXPORTERS = {"page": HTMLExporter, "slides": SlidesExporter}


@pytest.mark.parametrize("kind", EXPORTERS)
def test_an_executed_notebook_is_live_on_its_page_and_still_without_a_cdn(
    chromium, executed, tmp_path, kind
):
    file = exported(EXPORTERS[kind](), executed, tmp_path / "page.html")
    with opened(chromium, file, cdn=True) as page:
        if kind == "slides":
            page.evaluate("document.querySelectorAll('section').forEach(s => s.hidden = false)")
        is_live(page)
    with opened(chromium, file, cdn=False) as page:
        is_still(page)


@pytest.mark.parametrize(
    ("state", "sanitised"),
    [(False, False), (False, True), (True, True)],
    ids=["stateless", "stateless-sanitised", "sanitised"],
)
def test_a_page_without_state_or_without_scripts_shows_the_still_pictures(
    chromium, executed, tmp_path, state, sanitised
):
    notebook = copy.deepcopy(executed)
    if not state:
        del notebook.metadata["widgets"]
    exporter = HTMLExporter(sanitize_html=sanitised)
    file = exported(exporter, notebook, tmp_path / "page.html")
    with opened(chromium, file, cdn=True) as page:
        is_still(page)


EMBED = f"""
{MAKE}
w.layer = 1
from ipywidgets.embed import embed_minimal_html
w._repr_mimebundle_()
{LATER}._repr_mimebundle_()
embed_minimal_html("page.html", views=[w, later], title="Embedded")
"""


def test_widgets_embedded_in_a_page_of_their_own_are_live(chromium, tmp_path):
    """The page that ipywidgets writes; Colab draws saved widgets with the same library."""
    run(EMBED, tmp_path)
    with opened(chromium, tmp_path / "page.html", cdn=True) as page:
        is_live(page)


MARIMO = """import marimo
app = marimo.App()

@app.cell
def _():
{make}
    w.layer = 1
    w
    return (w,)
"""


def test_an_exported_marimo_page_shows_the_picture(chromium, tmp_path):
    make = "\n".join(f"    {line}" for line in MAKE.splitlines())
    (tmp_path / "app.py").write_text(MARIMO.format(make=make))
    command = [sys.executable, "-m", "marimo", "export", "html", "app.py", "-o", "page.html"]
    env = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    with opened(chromium, tmp_path / "page.html", cdn=True) as page:
        widget = page.locator(".attn-widget")
        assert colours(drawn(widget, "head", "raw", 1)) > 30
        expect(widget).to_contain_text("saved picture; run the cell for the rest")


BOOK = """---
file_format: mystnb
kernelspec:
  name: python3
---
# A page of a book
```{{code-cell}}
{make}
w.layer = 1
w
```
```{{code-cell}}
{later}
```
"""
CONFIGURATION = """extensions = ["myst_nb"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
"""


def test_a_book_made_with_myst_nb_shows_one_picture_each(chromium, tmp_path):
    """Jupyter Book 1 writes the still pictures to files of their own."""
    pytest.importorskip("myst_nb", reason="run make test-hosts, which installs it")
    (tmp_path / "conf.py").write_text(CONFIGURATION)
    (tmp_path / "index.md").write_text(BOOK.format(make=MAKE, later=LATER))
    command = [sys.executable, "-m", "sphinx", "-q", ".", "out"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    file = tmp_path / "out" / "index.html"
    with opened(chromium, file, cdn=True) as page:
        is_live(page, "img[src*=_images]")
    with opened(chromium, file, cdn=False) as page:
        is_still(page, "img[src*=_images]")


MYST = f"""
{MAKE}
w.layer = 1
w.to_myst("picture.md")
"""
# What MyST's theme does with the directive, with its own model: writes to it throw.
MYST_PAGE = """<!doctype html><main></main><script type="module">
import { MystAnyModel } from "/models.js";
import widget from "/attn-widget.mjs";
const model = new MystAnyModel(await (await fetch("/picture.json")).json());
const el = document.createElement("div");
document.querySelector("main").attachShadow({ mode: "open" }).append(el);
globalThis.end = await (await widget()).render({ model, el });
</script>"""


def test_the_anywidget_directive_of_myst_draws_the_picture(chromium, tmp_path):
    run(MYST, tmp_path)
    opening, model, end = (tmp_path / "picture.md").read_text().splitlines()
    assert opening == "::::{anywidget} ./attn-widget.mjs"
    assert end == "::::"
    (tmp_path / "picture.json").write_text(model)
    (tmp_path / "index.html").write_text(MYST_PAGE)
    shutil.copy(CDN / "@myst-theme" / "anywidget" / "dist" / "models.js", tmp_path)
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.route("http://myst.test/*", lambda route: route.fulfill(
        path=tmp_path / (route.request.url.rsplit("/", 1)[1] or "index.html")
    ))  # fmt: skip
    try:
        page.goto("http://myst.test/")
        widget = page.locator(".attn-widget")
        canvas = drawn(widget, "head", "raw", 1)
        expect(widget).to_contain_text("saved picture; run the cell for the rest")
        before = colours(canvas)
        widget.locator(".head-toggle[data-head='0']").click()  # the page's own state still changes
        page.wait_for_timeout(500)
        assert colours(canvas) != before
        page.evaluate("globalThis.end()")
        expect(page.locator(".attn-widget")).to_have_count(0)
        assert not wrong, wrong
    finally:
        context.close()


def run(code: str, folder: Path) -> None:
    """Run Python code in a folder."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True)
