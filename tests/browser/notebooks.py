"""Notebooks in a real JupyterLab: run their cells, find their widgets, use them again."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[2]
TOKEN = "attn"  # loopback only
READY = """() => {
    const notebook = window.jupyterapp?.shell?.currentWidget;
    return notebook?.sessionContext?.session?.kernel?.status === 'idle'; }"""


class Notebook:
    """An open notebook: run its cells, find its widgets."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, cell: int) -> str:
        """Run one cell, fail on a Python error, return what it printed."""
        outputs = self.page.evaluate(
            """async (cell) => {
                const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
                notebook.activeCellIndex = cell; notebook.deselectAll();
                await app.commands.execute('notebook:run-cell');
                return notebook.widgets[cell].model.sharedModel.toJSON().outputs; }""",
            cell,
        )
        errors = [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]
        assert not errors, errors
        return "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream").strip()

    def add(self, source: str, wait: bool = True) -> str:
        """Append a cell, run it, and return what it printed (nothing without waiting)."""
        last = self.page.evaluate(
            """async (source) => {
                const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
                notebook.activeCellIndex = notebook.widgets.length - 1; notebook.deselectAll();
                await app.commands.execute('notebook:insert-cell-below');
                notebook.activeCell.model.sharedModel.setSource(source);
                return notebook.activeCellIndex; }""",
            source,
        )
        if wait:
            return self.run(last)
        self.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-cell')")
        return ""

    def says(self, source: str, wanted: str) -> None:
        """Assert what a cell prints; retry, as a change in the page takes time to reach Python."""
        for _ in range(20):
            printed = self.add(source)
            if printed == wanted:
                return
        assert printed == wanted

    def start_again(self, cells: tuple[str, ...]) -> None:
        """Delete variables, widgets and cells of the last test, and put these cells in."""
        self.page.wait_for_function(READY, timeout=120_000)
        self.add("from ipywidgets import Widget; Widget.close_all(); get_ipython().reset()")
        self.page.evaluate(
            """(sources) => {
                const shared = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
                shared.deleteCellRange(0, shared.cells.length);
                const cells = sources.map((source) => ({ cell_type: "code", source }));
                shared.insertCells(0, cells); }""",
            cells,
        )
        self.show_file_browser(True)

    def file(self, root: Path) -> Path:
        """Return the file of this notebook in the server's folder."""
        return root / self.page.evaluate("window.jupyterapp.shell.currentWidget.context.path")

    def command(self, name: str, **arguments) -> object:
        """Run one of the host's commands."""
        return self.page.evaluate(
            "([c, a]) => window.jupyterapp.commands.execute(c, a)", [name, arguments]
        )

    def show_file_browser(self, shown: bool) -> None:
        """Show or hide what stands left of the notebook."""
        name = "expandLeft" if shown else "collapseLeft"
        self.page.evaluate("(name) => window.jupyterapp.shell[name]()", name)

    def theme(self, name: str) -> None:
        """Choose the host's light or dark theme."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name.title()}")
        is_light = str(name == "light").lower()
        self.page.wait_for_function("(v) => document.body.dataset.jpThemeLight === v", arg=is_light)

    def reload(self) -> None:
        """Save, and load the page again; the kernel keeps running."""
        self.command("docmanager:save")
        self.page.goto(self.page.url.replace("&reset", ""), wait_until="domcontentloaded")
        self.page.wait_for_function(READY, timeout=120_000)

    def widget(self, nth: int = 0) -> Locator:
        """Return the nth widget on the page."""
        return self.page.locator(".attn-widget").nth(nth)


class Pages:
    """The pages of one server; the last one with a notebook is kept for the next test.

    Opening JupyterLab, starting a kernel and importing torch take longer than most tests.
    """

    def __init__(self, server: tuple[str, Path], chromium: Browser) -> None:
        self.base, self.root = server
        self.chromium = chromium
        self.kept: Notebook | None = None
        self.opened: list[Notebook] = []
        self.errors: list[str] = []  # of our code, on any page

    def open(
        self,
        cells: tuple[str, ...],
        *,
        host: str = "lab/tree",
        width: int = 1200,
        height: int = 1000,
        scale: float = 1,
        fresh: bool = False,
    ) -> Notebook:
        """Open a notebook with these cells, or put them into the notebook that is kept."""
        like_kept = host == "lab/tree" and scale == 1 and not fresh
        if self.kept and like_kept and not self.opened:
            notebook = self.kept
            notebook.page.set_viewport_size({"width": width, "height": height})
            notebook.start_again(cells)
        else:
            notebook = self._new(cells, host, width, height, scale)
        self.opened.append(notebook)
        if like_kept:
            self.kept = notebook
        notebook.theme("light")  # the host keeps the theme of the last test
        return notebook

    def close(self, failed: bool, name: str) -> None:
        """Close what a test opened, but for a notebook that the next test may use."""
        for i, notebook in enumerate(self.opened):
            if failed and not notebook.page.is_closed():
                notebook.page.screenshot(path=ROOT / "build" / "failures" / f"{name}{i}.png")
        if failed or any(notebook is not self.kept for notebook in self.opened):
            for notebook in {*self.opened, self.kept} - {None}:
                notebook.page.context.close()
            self.kept = None
            self._shut_down_kernels()  # each has a model in memory
        self.opened = []

    def _new(
        self, cells: tuple[str, ...], host: str, width: int, height: int, scale: float
    ) -> Notebook:
        name = f"notebook{len(list(self.root.glob('*.ipynb')))}.ipynb"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(c) for c in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, self.root / name)
        context = self.chromium.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("pageerror", lambda e: self._note(f"{e}\n{e.stack}"))
        page.on(
            "console",
            lambda m: self._note(m.text, str(m.location)) if m.type == "error" else None,
        )
        page.goto(f"{self.base}/{host}/{name}?token={TOKEN}&reset", wait_until="domcontentloaded")
        page.wait_for_function(READY, timeout=120_000)
        return Notebook(page)

    def _note(self, text: str, where: str = "") -> None:
        """Note an error of our code; ignore those that the host logs."""
        if any(word in text + where for word in ("blob:", "anywidget")):
            self.errors.append(text)

    def _shut_down_kernels(self) -> None:
        """Shut down every kernel of the server."""
        url = f"{self.base}/api/sessions"
        with urllib.request.urlopen(f"{url}?token={TOKEN}", timeout=30) as reply:
            sessions = json.load(reply)
        for session in sessions:
            one = f"{url}/{session['id']}?token={TOKEN}"
            request = urllib.request.Request(one, method="DELETE")
            urllib.request.urlopen(request, timeout=30).read()
