"""An exported page where scripts or inline styles are not allowed, and for screen readers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.notebooks import ROOT
from tests.browser.test_lab import colours, drawn
from tests.pages.test_page import hostile_widget

FOLDER = ROOT / "build" / "policies"
VIOLATIONS = """globalThis.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
    refused.push(`${event.effectiveDirective} ${event.target.nodeName}`));"""


@pytest.fixture
def page_of(chromium, tmp_path):
    """Open an exported page with this policy of its host, or without scripts."""
    file = hostile_widget().to_html(tmp_path / "page.html")
    contexts = []

    def go(policy: str = "", scripts: bool = True, width: int = 1000):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts
        )
        contexts.append(context)
        headers = {"content-type": "text/html"}
        if policy:
            headers["content-security-policy"] = policy
        context.add_init_script(VIOLATIONS)
        context.route("http://page.test/", lambda r: r.fulfill(path=file, headers=headers))
        page = context.new_page()
        page.goto("http://page.test/")
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [390, 1000])
@pytest.mark.parametrize("how", ["switched-off", "blocked"])
def test_a_page_that_may_run_no_script_shows_the_still_picture_and_says_why(page_of, how, width):
    options = {"scripts": False} if how == "switched-off" else {"policy": "script-src 'none'"}
    page = page_of(width=width, **options)
    image = page.locator("figure img")
    expect(image).to_be_visible()
    box = image.bounding_box()
    assert 300 < box["width"] <= width - 32
    assert "layer 0" in image.get_attribute("alt")
    expect(page.locator("figcaption")).to_contain_text("may not run here")
    expect(page.locator(".attn-widget")).to_have_count(0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=FOLDER / f"{how}-{width}.png")


def test_a_page_that_may_run_its_script_shows_one_picture_with_landmarks_and_a_heading(page_of):
    page = page_of()
    canvas = drawn(page.locator(".attn-widget"), "head", "raw", 0)
    assert colours(canvas) > 10
    expect(page.locator("figure")).to_have_count(0)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("contentinfo")).to_have_count(1)
    assert page.get_by_role("main").locator(".attn-widget").count() == 1
    page.screenshot(path=FOLDER.parent / "page-with-script.png")


STYLES = """(root) => [".aw", ".tabs", ".head-toggle", ".mass i", ".below"].map((name) => {
    const { display, width, height, backgroundColor, fontSize } =
        getComputedStyle(root.shadowRoot.querySelector(name));
    return [display, width, height, backgroundColor, fontSize]; })"""


def test_a_policy_without_inline_styles_leaves_the_widget_as_it_looks(page_of):
    looks = []
    for policy in ("", "style-src 'none'"):
        page = page_of(policy)
        widget = page.locator(".attn-widget")
        drawn(widget, "head", "raw", 0)
        # The page's own style sheet, which sets its margins, is refused; nothing of the widget is.
        page.evaluate("document.body.style.cssText = 'margin: 0; width: 900px'")
        page.evaluate("document.querySelector('main').style.padding = 0")
        page.wait_for_timeout(300)
        looks.append(widget.evaluate(STYLES))
    assert looks[0] == looks[1]
    assert page.evaluate("refused") == ["style-src-elem STYLE"]
