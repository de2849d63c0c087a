"""A widget in JupyterLab and Notebook 7: run again, reloaded, saved, restarted, nested."""

from __future__ import annotations

import copy

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.sign import NotebookNotary
from playwright.sync_api import Locator, Page, expect

from tests.browser.notebooks import READY, TOKEN
from tests.browser.test_lab import ROW, TOP, canvas_of, colours, drawn

MAKE = """import numpy as np, attn_widget as aw
scores = np.random.default_rng(0).normal(size=(3, 2, 8, 8)) * 2
weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
w = aw.AttentionWidget(aw.from_arrays(weights, list("abcdefgh")))"""


def pin(widget: Locator, index: int) -> None:
    """Click a token in the column of queries."""
    canvas_of(widget).click(position={"x": 80, "y": TOP + ROW * index + ROW / 2})


@pytest.mark.parametrize("host", ["lab/tree", "notebooks"], ids=["jupyterlab", "notebook7"])
def test_a_cell_is_run_again_and_the_page_loaded_again_and_python_and_picture_agree(
    open_notebook, host
):
    notebook = open_notebook(MAKE, "w", host=host, fresh=True)
    notebook.run(0)
    notebook.run(1)
    assert colours(drawn(notebook.widget(), "head", "raw", 0)) > 30
    pin(notebook.widget(), 3)
    notebook.widget().get_by_role("button", name="next layer").click()
    drawn(notebook.widget(), "head", "raw", 1)
    notebook.says("print(w.query, w.layer)", "[3] 1")

    notebook.run(1)  # the same widget again: its view comes back as it was
    drawn(notebook.widget(), "head", "raw", 1)
    expect(notebook.widget()).to_have_count(1)

    notebook.reload()
    drawn(notebook.widget(), "head", "raw", 1)
    pin(notebook.widget(), 5)
    notebook.widget().get_by_role("radio", name="rollout").click()
    drawn(notebook.widget(), "head", "rollout", 1)
    notebook.says("print(w.query, w.layer, w.method)", "[5] 1 rollout")
    notebook.add("w.layer = 2")
    drawn(notebook.widget(), "head", "rollout", 2)

    notebook.run(0)  # another widget under the same name
    notebook.run(1)
    drawn(notebook.widget(), "head", "raw", 0)
    expect(notebook.page.locator(".attn-widget")).to_have_count(1)


def test_after_a_kernel_restart_the_picture_stays_and_a_run_makes_it_live_again(open_notebook):
    notebook = open_notebook(MAKE, "w", fresh=True)
    notebook.run(0)
    notebook.run(1)
    canvas = drawn(notebook.widget(), "head", "raw", 0)
    notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"""
    )
    notebook.page.wait_for_function(READY, timeout=90_000)
    assert colours(canvas) > 30
    notebook.widget().get_by_role("button", name="next layer").click()  # without a kernel
    expect(notebook.widget().get_by_role("alert")).to_contain_text("No kernel answers.")
    expect(notebook.widget()).to_contain_text("Run the cell again.")
    assert colours(canvas) > 30
    notebook.run(0)
    notebook.run(1)
    drawn(notebook.widget(), "head", "raw", 0)
    pin(notebook.widget(), 2)
    notebook.says("print(w.query)", "[2]")


@pytest.mark.parametrize("host", ["lab/tree", "notebooks"], ids=["jupyterlab", "notebook7"])
def test_a_page_with_the_bundle_does_not_receive_it_again_and_one_without_requests_it(
    open_notebook, host
):
    notebook = open_notebook(MAKE, "w", host=host, fresh=True)
    notebook.run(0)
    notebook.run(1)
    drawn(notebook.widget(), "head", "raw", 0)
    notebook.add("other = aw.AttentionWidget(w.capture, layer=1)\nother")
    drawn(notebook.widget(1), "head", "raw", 1)
    first, second = notebook.add("print(len(w._esm), len(other._esm))").split()
    assert int(second) < 1_000 < 50_000 < int(first)
    pin(notebook.widget(1), 3)
    notebook.says("print(other.query)", "[3]")

    notebook.add("w.close()")  # nobody brings the code to the page that is loaded now
    notebook.reload()
    canvas = drawn(notebook.widget(), "head", "raw", 1)
    assert colours(canvas) > 30
    pin(notebook.widget(), 5)
    notebook.says("print(other.query)", "[5]")


LAYOUT = """import ipywidgets
other = aw.AttentionWidget(w.capture, view="matrix", layer=2)
slider = ipywidgets.IntSlider(max=2)
js = ipywidgets.jslink((slider, "value"), (w, "layer"))
python = ipywidgets.link((w, "method"), (other, "method"))
seen = []
other.observe(lambda change: seen.append(change["new"]), "method")
ipywidgets.Tab([ipywidgets.VBox([slider, w]), other])"""


def test_boxes_tabs_links_and_observers_hold_two_widgets(open_notebook):
    notebook = open_notebook(MAKE, LAYOUT)
    notebook.run(0)
    notebook.run(1)
    first, second = notebook.widget(0), notebook.widget(1)
    drawn(first, "head", "raw", 0)
    notebook.add("slider.value = 1")  # to the page, along the page's own link, and back
    drawn(first, "head", "raw", 1)
    first.get_by_role("radio", name="rollout").click()
    drawn(first, "head", "rollout", 1)
    notebook.says("print(w.layer, seen)", "1 ['rollout']")
    expect(second).not_to_be_visible()
    notebook.page.locator(".jupyter-widget-tab .lm-TabBar-tab").nth(1).click()
    canvas = drawn(second, "matrix", "rollout", 2)
    assert colours(canvas) > 10
    box, room = second.bounding_box(), notebook.page.locator(".jupyter-widget-tab").bounding_box()
    assert 0.9 * room["width"] < box["width"] <= room["width"]
    assert canvas.bounding_box()["height"] > 100


@pytest.fixture(scope="session")
def executed() -> nbformat.NotebookNode:
    """A notebook that was run and saved with the state of its widgets: one live, one static."""
    cells = [
        nbformat.v4.new_code_cell(source) for source in (MAKE, "w.layer = 1\nw", "w.show_static()")
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def without_kernel(
    server, page: Page, notebook: nbformat.NotebookNode, state: bool, trusted: bool
) -> None:
    """Open a saved notebook whose kernel is not installed here, and choose to have none."""
    base, root = server
    name = f"saved-{state}-{trusted}"
    notebook = copy.deepcopy(notebook)
    notebook.metadata |= {
        "kernelspec": {"name": "elsewhere", "display_name": "Elsewhere"},
        "name": name,
    }
    notebook.metadata.pop("language_info", None)  # or a kernel of the same language is started
    if not state:
        del notebook.metadata["widgets"]
    file = root / f"{name}.ipynb"
    nbformat.write(notebook, file)
    if trusted:
        NotebookNotary(data_dir=str(root.parent / "data")).sign(nbformat.read(file, as_version=4))
    page.goto(
        f"{base}/lab/workspaces/{name}/tree/{file.name}?token={TOKEN}",
        wait_until="domcontentloaded",
    )
    page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
@pytest.mark.parametrize("state", [True, False], ids=["state", "stateless"])
def test_a_saved_notebook_without_a_kernel_shows_what_its_host_lets_it(
    server, chromium, executed, state, trusted
):
    context = chromium.new_context(viewport={"width": 1200, "height": 1600})
    context.set_default_timeout(30_000)
    page = context.new_page()
    try:
        without_kernel(server, page, executed, state, trusted)
        live, static = page.locator(".jp-CodeCell").nth(1), page.locator(".jp-CodeCell").nth(2)
        # One picture each: the page where scripts may run, else the still one.
        still = static.locator("img")
        assert still.evaluate("(image) => image.naturalWidth") > 300
        if trusted:
            drawn(static.frame_locator("iframe").locator(".attn-widget"), "head", "raw", 1)
            expect(still).to_be_hidden()
        else:
            expect(still).to_be_visible()
            expect(static.locator("iframe")).to_have_count(0)
        # JupyterLab draws no widget without a kernel, also where it has the state.
        still = live.locator("img")
        expect(still).to_be_visible()
        assert still.evaluate("(image) => image.naturalWidth") > 300
        for line in ("Error displaying widget", "Loading widget"):
            expect(live.get_by_text(line)).not_to_be_visible()
    finally:
        context.close()


@pytest.mark.parametrize("host", ["lab/tree", "notebooks"], ids=["jupyterlab", "notebook7"])
def test_an_authors_own_notebook_shows_one_picture_live_and_opened_again(
    open_notebook, server, chromium, host
):
    base, root = server
    code = MAKE + "\nw.layer = 1\nother = aw.AttentionWidget(w.capture)"
    compared = "aw.compare(w.capture, w.capture)"
    notebook = open_notebook(code, "w", "other", compared, fresh=True)
    for cell in range(4):
        notebook.run(cell)
    cells = notebook.page.locator(".jp-CodeCell")
    for cell in (1, 2, 3):
        canvas_of(cells.nth(cell))
        expect(cells.nth(cell).locator("img[src^=data]")).to_have_count(1)
        expect(cells.nth(cell).locator("img[src^=data]")).to_be_hidden()
    notebook.page.wait_for_timeout(6_000)  # no page takes the picture for missing
    notebook.command("docmanager:save")
    saved = nbformat.read(notebook.file(root), as_version=4)
    assert "widgets" not in saved.metadata
    file = root / f"own-{host.split('/')[0]}.ipynb"
    nbformat.write(saved, file)
    NotebookNotary(data_dir=str(root.parent / "data")).sign(nbformat.read(file, as_version=4))
    page = chromium.new_context(viewport={"width": 1200, "height": 1600}).new_page()
    try:
        place = host.replace("lab/", f"lab/workspaces/{file.stem}/")
        page.goto(f"{base}/{place}/{file.name}?token={TOKEN}", wait_until="domcontentloaded")
        for cell in (1, 2, 3):
            shown = page.locator(".jp-CodeCell").nth(cell)
            expect(shown.locator("img")).to_be_visible()
            expect(shown.get_by_text("Error displaying widget")).to_have_count(1)
            expect(shown.get_by_text("Error displaying widget")).not_to_be_visible()
    finally:
        page.context.close()


@pytest.mark.parametrize("host", ["lab/tree", "notebooks"], ids=["jupyterlab", "notebook7"])
def test_a_notebook_saved_with_its_state_draws_the_picture_before_any_cell_runs(
    server, chromium, executed, host
):
    base, root = server
    name = f"kept-{host.split('/')[0]}"
    file = root / f"{name}.ipynb"
    nbformat.write(executed, file)
    NotebookNotary(data_dir=str(root.parent / "data")).sign(nbformat.read(file, as_version=4))
    context = chromium.new_context(viewport={"width": 1200, "height": 1600})
    context.set_default_timeout(30_000)
    page = context.new_page()
    try:
        place = host.replace("lab/", f"lab/workspaces/{name}/")
        page.goto(f"{base}/{place}/{file.name}?token={TOKEN}", wait_until="domcontentloaded")
        widget = page.locator(".jp-CodeCell").nth(1).locator(".attn-widget")
        canvas = drawn(widget, "head", "raw", 1)
        assert colours(canvas) > 30
        expect(widget).to_contain_text("saved picture; run the cell for the rest")
        canvas.hover(position={"x": 80, "y": TOP + ROW * 3 + ROW / 2})
        expect(widget.locator(".read")).to_contain_text("≈")  # rounded: no kernel has the exact row
        widget.get_by_role("button", name="next layer").click()
        expect(widget).to_contain_text("Still showing layer 1")
        assert colours(canvas) > 30
    finally:
        context.close()
