"""Notebooks exported to pages, opened with the kernel gone and the network off.

What such a page fetches from a CDN is answered from npm packages on this machine, or by nothing.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import marimo
from playwright.sync_api import Browser, Page, Route

from tests.browser.notebooks import ROOT

CDN = ROOT / ".venv" / "cdn"
# Addresses that do not have the form …/package@version/file.
OTHER_NAMES = (
    (r"cdnjs\.cloudflare\.com/ajax/libs/require\.js/.*", "requirejs/require.js"),
    (r"cdnjs\.cloudflare\.com/ajax/libs/jquery/[^/]+/(.*)", r"jquery/dist/\1"),
)
PACKAGE = re.compile(r"/((?:@[\w-]+/)?[\w.-]+)@[^/]*/(.*)$")


def file_of(url: str) -> Path | None:
    """Return the file that a CDN would send for an address; None for one that is not here."""
    address = url.split("://")[1].split("?")[0]
    for pattern, name in OTHER_NAMES:
        if re.fullmatch(pattern, address):
            return CDN / re.sub(pattern, name, address)
    found = PACKAGE.search("/" + address)
    if not found:
        return None
    package, path = found[1], found[2]
    if package == "@marimo-team/frontend":  # the wheel carries the same files
        return Path(marimo.__file__).parent / "_static" / path.removeprefix("dist/")
    file = CDN / package / path
    return next((f for f in (file, file.with_name(f"{file.name}.js")) if f.is_file()), None)


@contextmanager
def opened(chromium: Browser, file: Path, cdn: bool) -> Iterator[Page]:
    """Open a page from a file; ``cdn`` says whether its addresses are answered.

    A CDN minifies some files itself, so the check of their bytes is removed from the page.
    """
    file.write_text(re.sub(r'integrity="[^"]*"', "", file.read_text()))
    context = chromium.new_context(viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(30_000)

    def answer(route: Route) -> None:
        url = route.request.url
        if url.startswith(("file:", "data:", "blob:")):
            route.continue_()
            return
        found = file_of(url) if cdn else None
        if found is None or not found.is_file():
            route.abort()
            return
        kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(body=found.read_bytes(), content_type=kind, headers=headers)

    context.route("**/*", answer)
    page = context.new_page()
    try:
        page.goto(file.as_uri(), wait_until="domcontentloaded")
        yield page
    finally:
        context.close()
