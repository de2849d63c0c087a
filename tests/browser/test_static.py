"""Pages without a kernel, opened from files without a network: every view works."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attn_widget as aw
from attn_widget.cli import execute
from attn_widget.pages.coding import error_of
from attn_widget.pages.page import static_html, static_page
from tests.browser.notebooks import ROOT
from tests.browser.test_lab import ROW, TOP, changed, colours, drawn, fingerprint, settled
from tests.conftest import softmax_rows
from tests.hostile import HOSTILE
from tests.models import minilm

FOLDER = ROOT / "build" / "static"
VIEWS = ["head", "model", "neuron", "matrix", "text"]
TEXT = (
    "When Mara came back to the house she found the keys where her brother had left them, "
    "unbelievably late."
)


@pytest.fixture(scope="module")
def widget():
    return aw.explore(*minilm(), TEXT, layer=3, heads=range(12), head=1, query=9)


@pytest.fixture(scope="module")
def page_file(widget, tmp_path_factory) -> Path:
    return widget.to_html(tmp_path_factory.mktemp("static") / "page.html", progress=False)


def shown(page: Page) -> Locator:
    return page.locator(".attn-widget").first


def value(widget: Locator) -> float:
    """Return the number in the read-out, which must be marked as rounded."""
    readout = widget.locator("[data-readout][data-exact='0']")
    expect(readout).to_be_visible()
    assert readout.locator("[data-number]").inner_text().startswith("≈ ")
    return float(readout.get_attribute("data-value"))


def near(said: float, exact: float, bits: int = 6) -> bool:
    """Return whether a value is within the rounding error that the page states."""
    return abs(said - float(exact)) <= error_of(float(exact), bits) + error_of(float(exact), 8)


@pytest.mark.parametrize("width", [480, 1000])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_opens_from_a_file_with_no_network(page_file, open_file, width, dark):
    page = open_file(page_file, width, dark)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        page.locator(f"[data-view={view}]").click()
        canvas = drawn(shown(page), view, "raw", 3)
        if view == "text":
            assert "Mara" in canvas.inner_text()
        else:
            assert colours(canvas) > 20
        settled(canvas)
        page.screenshot(
            path=FOLDER / f"{view}-{width}-{'dark' if dark else 'light'}.png", full_page=True
        )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(17, 17, 17)" if dark else "rgb(255, 255, 255)")
    assert shown(page).get_attribute("data-theme") == ("dark" if dark else "light")


def test_a_hovered_token_reads_the_models_number_to_the_stated_precision(
    page_file, open_file, widget
):
    page = open_file(page_file)
    canvas = drawn(shown(page), "head", "raw", 3)
    exact = widget.capture.attention[3]
    special = np.array(widget.capture.tokens.special)
    for query in (2, 7, 15):
        canvas.hover(position={"x": 80, "y": TOP + ROW * query + ROW / 2})
        name = widget.capture.tokens.text[query]
        expect(shown(page).locator("[data-readout] [data-query]")).to_have_text(name)
        assert near(value(shown(page)), exact[:, query][:, ~special].max())
    seen = {1 / 255, value(shown(page))}
    assert len(seen) == 2


def test_methods_layers_and_heads_show_their_own_numbers(page_file, open_file, widget):
    page = open_file(page_file)
    root = shown(page)
    page.locator("[data-view=matrix]").click()
    row = widget.query[0]
    special = np.array(widget.capture.tokens.special)
    said = []
    for method in ("raw", "rollout", "flow"):
        page.locator(f"[data-method={method}]").click()
        for layer in (3, 4, 5):
            drawn(root, "matrix", method, layer)
            exact = np.asarray(
                aw.attribute(
                    widget.capture, method, layer=layer, head=1 if method == "raw" else None
                )
            )
            said.append(value(root))
            assert near(said[-1], exact[row][~special].max(), 6 if method == "raw" else 7), (
                method,
                layer,
            )
            if layer < 5:
                page.locator("[data-step=layer] button").last.click()
        for _ in range(2):
            page.locator("[data-step=layer] button").first.click()
        drawn(root, "matrix", method, 3)
    assert len(set(said)) > 6
    page.locator("[data-method=raw]").click()
    drawn(root, "matrix", "raw", 3)
    before = value(root)
    page.locator("[data-step=head] button").last.click()
    expect(root.locator("[data-readout]")).not_to_have_attribute("data-value", str(before))
    assert near(value(root), widget.capture.attention[3, 2, row][~special].max())


def test_specials_words_threshold_search_and_pins_work(page_file, open_file):
    page = open_file(page_file)
    root = shown(page)
    canvas = drawn(root, "head", "raw", 3)

    def redraws(act) -> None:
        before = fingerprint(canvas)
        act()
        changed(canvas, before)

    redraws(lambda: page.locator("[data-trait=hide_special]").check())
    expect(root.locator("[data-caption]")).to_contain_text("special")
    redraws(lambda: page.locator("[data-trait=words]").check())
    redraws(lambda: page.get_by_label("threshold").fill("0.15"))
    redraws(lambda: page.get_by_label("find a token").fill("keys"))
    redraws(lambda: page.locator(".head-toggle[data-head='0']").click())
    redraws(lambda: canvas.click(position={"x": 80, "y": TOP + ROW * 3 + ROW / 2}))
    page.mouse.move(5, 890)
    assert value(root) > 0
    page.locator("[data-theme-button]").click()
    expect(root).to_have_attribute("data-theme", "light")
    page.locator("[data-theme-button]").click()
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 17, 17)"


def test_the_neuron_view_adds_up_to_the_measured_weight(page_file, open_file, widget):
    page = open_file(page_file)
    root = shown(page)
    page.locator("[data-step=layer] button").first.click()
    drawn(root, "head", "raw", 2)
    page.locator("[data-view=neuron]").click()
    drawn(root, "neuron", "raw", 3)  # the layer whose queries are there
    readout = root.locator("[data-readout][data-value]")
    exact = widget.capture.attention[3, 1, 9].max()
    assert abs(float(readout.get_attribute("data-value")) - exact) < 2e-5
    expect(root.locator("[data-caption]")).to_contain_text("✓")
    page.locator("[data-step=head] button").last.click()
    expect(root.locator(".why")).to_contain_text("layer 3, head 1")


def test_the_page_says_how_exact_it_is_and_what_it_cannot_do(page_file, open_file):
    page = open_file(page_file)
    expect(page.locator("footer")).to_contain_text("6 bits a number on a square-root scale")
    expect(page.locator("footer")).to_contain_text("no model runs here")
    option = shown(page).locator("option[value=relevance]")
    expect(option).to_be_disabled()
    assert "gradient must have been recorded" in option.get_attribute("title")


def test_the_picture_and_the_page_can_be_saved_from_the_page(page_file, open_file, tmp_path):
    page = open_file(page_file)
    drawn(shown(page), "head", "raw", 3)
    with page.expect_download() as png:
        page.locator("[data-save]").select_option("PNG")
    assert png.value.suggested_filename == "head-raw-layer-3.png"
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as saved:
        page.locator("[data-save]").select_option("HTML")
    copy = tmp_path / "copy.html"
    saved.value.save_as(copy)
    again = open_file(copy)
    drawn(shown(again), "head", "raw", 3)
    assert again.locator(".attn-widget").count() == 1
    page.locator("[data-save]").select_option("SVG")
    expect(shown(page).locator("[data-readout]")).to_contain_text(
        "SVG of this view is drawn in the notebook only."
    )


def hostile() -> aw.AttentionWidget:
    n = len(HOSTILE)
    weights = softmax_rows(np.random.default_rng(0), 2, 3, n, n)
    return aw.AttentionWidget(aw.from_arrays(weights, HOSTILE), query=1)


@pytest.mark.parametrize("form", ["page", "iframe"])
def test_no_token_runs_a_script_in_any_view(open_file, tmp_path, form):
    file = tmp_path / "hostile.html"
    made = (
        static_page(hostile().picture_state())
        if form == "page"
        else f"<!doctype html><body>{static_html(hostile().picture_state())}"
    )
    file.write_text(made, encoding="utf-8")
    page = open_file(file)
    inside = page if form == "page" else page.frame_locator("iframe")
    frame = page.main_frame if form == "page" else page.frames[1]
    root = inside.locator(".attn-widget").first
    for view in ["head", "model", "matrix", "text"]:
        root.locator(f"[data-view={view}]").click()
        root.locator(f'[data-frame*=\'"view":"{view}"\']').first.wait_for()
        picture = root.locator("[data-ready]").first
        picture.hover(position={"x": 60, "y": 60})
        settled(picture)
        assert frame.evaluate("() => window.hacked") is None, view
        assert page.evaluate("() => window.hacked") is None, view
        assert root.locator("img, script, iframe, textarea").count() == 0
    assert frame.title() == "arrays · attn-widget"


def test_the_frame_reaches_nothing_outside_of_itself(open_file, tmp_path):
    file = tmp_path / "frame.html"
    file.write_text(
        f"<!doctype html><body>{static_html(hostile().picture_state())}", encoding="utf-8"
    )
    page = open_file(file)
    page.frame_locator("iframe").locator("[data-ready]").first.wait_for()
    assert (
        page.frames[1].evaluate(
            "() => { try { return parent.document.title } catch { return null } }"
        )
        is None
    )
    assert page.frames[1].evaluate("() => self.origin") == "null"


NOTEBOOK = """import numpy as np, attn_widget as aw
rng = np.random.default_rng(0)
scores = rng.normal(size=(2, 3, 8, 8)) * 2
weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
tokens = ["<img src=x onerror=window.hacked=1>", "</script>", *"abcdef"]
w = aw.AttentionWidget(aw.from_arrays(weights, tokens), layer=1)"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> nbformat.NotebookNode:
    """A notebook that was run: a live widget in one cell, a static one in the next."""
    folder = tmp_path_factory.mktemp("saved")
    cells = [nbformat.v4.new_code_cell(code) for code in (NOTEBOOK, "w", "w.show_static()")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "n.ipynb")
    return nbformat.read(execute(folder / "n.ipynb", folder / "out"), as_version=4)


def test_a_saved_cell_holds_a_picture_then_the_page_in_one_line(saved):
    still, page = saved.cells[2].outputs
    assert set(still.data) == {"image/png", "text/plain"}
    assert set(page.data) == {"text/html", "text/plain"}
    line = "".join(page.data["text/html"])
    assert line.startswith("<div ")
    assert "\n" not in line
    assert "image/png" in saved.cells[1].outputs[1].data


@pytest.mark.parametrize("sanitized", [False, True])
def test_a_converted_notebook_has_its_pictures_offline_and_the_page_where_scripts_may_run(
    saved, open_file, tmp_path, sanitized
):
    from nbconvert import HTMLExporter

    FOLDER.mkdir(parents=True, exist_ok=True)
    without_state = nbformat.from_dict(json.loads(json.dumps(saved)))
    without_state.metadata.pop("widgets", None)  # as notebooks are saved by default
    exporter = HTMLExporter(
        sanitize_html=sanitized, embed_images=True, require_js_url="", mathjax_url="", jquery_url=""
    )
    file = tmp_path / "converted.html"
    file.write_text(exporter.from_notebook_node(without_state)[0], encoding="utf-8")
    page = open_file(file)
    pictures = page.locator("img[src^='data:image/png']")
    assert pictures.count() == 2
    assert all(picture.evaluate("(i) => i.naturalWidth") > 300 for picture in pictures.all())
    frames = page.locator("iframe")
    assert frames.count() == (0 if sanitized else 1)
    said = page.locator("body").inner_text()
    assert "srcdoc" not in said  # no tag that was taken out stands there as text
    assert len(said) < 2000
    if not sanitized:
        root = page.frame_locator("iframe").locator(".attn-widget")
        root.locator("[data-view=matrix]").click()
        root.locator('[data-frame*=\'"view":"matrix"\']').first.wait_for()
    assert page.evaluate("() => window.hacked") is None
    page.screenshot(
        path=FOLDER / f"converted-{'sanitized' if sanitized else 'scripts'}.png", full_page=True
    )


def test_the_bar_of_a_live_widget_saves_what_the_kernel_draws(open_notebook):
    notebook = open_notebook(NOTEBOOK + "\nw")
    notebook.run(0)
    widget = notebook.widget()
    drawn(widget, "head", "raw", 1)
    for kind, starts in (("SVG", b"<?xml"), ("HTML", b"<!doctype html>"), ("PNG", b"\x89PNG")):
        with notebook.page.expect_download() as download:
            widget.locator("[data-save]").select_option(kind)
        assert download.value.suggested_filename == f"head-raw-layer-1.{kind.lower()}"
        assert Path(download.value.path()).read_bytes().startswith(starts), kind


@pytest.mark.parametrize("system_is_dark", [False, True])
def test_the_theme_of_vs_code_and_colab_overrides_the_systems(open_file, page_file, system_is_dark):
    """VS Code sets --vscode-* variables on the root element, Colab an attribute ``theme``."""
    page = open_file(page_file, dark=system_is_dark)
    expect(shown(page)).to_be_visible()
    host = page.locator("body div[data-theme]").first
    expect(host).to_have_attribute("data-theme", "dark" if system_is_dark else "light")
    for paper, wanted in [("#1e1e1e", "dark"), ("#ffffff", "light"), ("#1f1f1f", "dark")]:
        page.evaluate(
            "c => document.documentElement.style.setProperty('--vscode-editor-background', c)",
            paper,
        )
        expect(host).to_have_attribute("data-theme", wanted)
    page.evaluate(
        "() => document.documentElement.style.removeProperty('--vscode-editor-background')"
    )
    for wanted in ("light", "dark", "light"):
        page.evaluate("t => document.documentElement.setAttribute('theme', t)", wanted)
        expect(host).to_have_attribute("data-theme", wanted)
