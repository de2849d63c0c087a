"""One JupyterLab on loopback and one Chromium per session; a new page per test."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
TOKEN = "attn"  # loopback only
expect.set_options(timeout=30_000)  # long, for busy machines; a passing test does not wait
READY = """() => {
    const notebook = window.jupyterapp?.shell?.currentWidget;
    return notebook?.sessionContext?.session?.kernel?.status === 'idle'; }"""
CHROMIUM_ARGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder: it needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Note whether the test failed, so that the fixture saves a screenshot of the page."""
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Start JupyterLab with its own settings; yield its address and its folder of notebooks."""
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "root"
    root.mkdir()
    # Written before the first page load: the news pop-up would cover the notebook.
    settings = (
        home
        / "settings"
        / "@jupyterlab"
        / "apputils-extension"
        / "notification.jupyterlab-settings"
    )
    settings.parent.mkdir(parents=True)
    settings.write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
    folders = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "run"}
    env = os.environ | {f"JUPYTER_{k}": str(home / v) for k, v in folders.items()}
    env |= {
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
    ]  # fmt: skip
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{base}/api/status?token={TOKEN}", timeout=2).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")
                time.sleep(0.2)
        yield base, root
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the browser that `make` found."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=False, args=CHROMIUM_ARGS
        )
        yield browser
        browser.close()


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

    def command(self, name: str, **arguments) -> object:
        """Run one of the host's commands."""
        return self.page.evaluate(
            "([c, a]) => window.jupyterapp.commands.execute(c, a)", [name, arguments]
        )

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


@pytest.fixture
def open_notebook(server, chromium, request) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook with these cells in a host; an error in our code fails the test."""
    base, root = server
    errors: list[str] = []
    contexts = []

    def is_ours(text: str) -> bool:
        return "blob:" in text or "anywidget" in text  # ignore errors that the host logs

    def go(
        *cells: str, host: str = "lab/tree", width: int = 1200, height: int = 1000, scale: float = 1
    ) -> Notebook:
        name = f"{request.node.name.replace('[', '_').replace(']', '')}{len(contexts)}.ipynb"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(c) for c in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, root / name)
        context = chromium.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "pageerror",
            lambda e: errors.append(f"{e}\n{e.stack}") if is_ours(f"{e} {e.stack}") else None,
        )
        page.on(
            "console",
            lambda m: (
                errors.append(m.text)
                if m.type == "error" and is_ours(m.text + str(m.location))
                else None
            ),
        )
        page.goto(f"{base}/{host}/{name}?token={TOKEN}&reset", wait_until="domcontentloaded")
        page.wait_for_function(READY, timeout=120_000)
        notebook = Notebook(page)
        notebook.theme("light")  # the host keeps the theme of the last test
        return notebook

    yield go
    failed = getattr(request.node, "failed", False)
    for i, context in enumerate(contexts):
        if failed and context.pages:
            context.pages[0].screenshot(
                path=ROOT / "build" / "failures" / f"{request.node.name}{i}.png"
            )
        context.close()
    _shut_down_kernels(base)  # each has a model in memory
    assert not errors, errors


def _shut_down_kernels(base: str) -> None:
    """Shut down every kernel of the server."""
    with urllib.request.urlopen(f"{base}/api/sessions?token={TOKEN}", timeout=30) as reply:
        sessions = json.load(reply)
    for session in sessions:
        url = f"{base}/api/sessions/{session['id']}?token={TOKEN}"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30).read()


@pytest.fixture
def open_file(chromium) -> Iterator[Callable[..., Page]]:
    """Open a file offline; any other request and any error of the page fails the test."""
    wrong: list[str] = []
    contexts = []

    def go(file: Path, width: int = 1000, dark: bool = False) -> Page:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            offline=True,
            color_scheme=scheme,
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on(
            "request",
            lambda r: (
                wrong.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None
            ),
        )
        page.goto(file.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert not wrong, wrong
