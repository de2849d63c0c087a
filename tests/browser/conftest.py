"""One JupyterLab on loopback and one Chromium per session; a new page per test."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.notebooks import TOKEN, Notebook, Pages
from tests.browser.served import served

expect.set_options(timeout=30_000)  # long, for busy machines; a passing test does not wait
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
    variables = {f"JUPYTER_{k}": str(home / v) for k, v in folders.items()} | {
        "HOME": os.environ["HOME"],  # its settings are named by the variables below
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with served(command, home, f"api/status?token={TOKEN}", **variables) as address:
        yield address.rstrip("/"), root


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


@pytest.fixture(scope="session")
def pages(server, chromium) -> Pages:
    """Return the pages of the session's server."""
    return Pages(server, chromium)


@pytest.fixture
def open_notebook(pages, request) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook with these cells in a host; an error in our code fails the test.

    Kernel and page may be those of the last test, without its variables, widgets and cells; with
    ``fresh=True`` they are new.
    """
    pages.errors.clear()
    yield lambda *cells, **options: pages.open(cells, **options)
    errors = list(pages.errors)
    pages.close(getattr(request.node, "failed", False) or bool(errors), request.node.name)
    assert not errors, errors


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
