"""Time to the first draw, compared with other tools: 12 layers × 12 heads, causal, random.

Run by ``make bench-views``. Pages of other tools are opened from files, and npm packages replace
their CDN; their time is from navigation until the last element exists. Our widgets run in a real
JupyterLab; their time is from the start of the cell until the canvas is drawn, with kernel and
transport.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.conftest import chromium, open_notebook, pages, server  # noqa: F401
from tests.browser.notebooks import ROOT
from tests.browser.test_lab import drawn

PEERS = ROOT / "build" / "peers"
CDN = {
    "require.min.js": "requirejs/require.js",
    "d3.min.js": "d3/dist/d3.min.js",
    "jquery.min.js": "jquery/dist/jquery.min.js",
}
MAKE = """
import sys; sys.path.insert(0, {peers!r})
import warnings; warnings.filterwarnings("ignore")
import numpy as np, torch
n, layers, heads = {n}, 12, 12
rng = np.random.default_rng(0)
scores = np.where(np.tri(n, dtype=bool), rng.normal(size=(layers, heads, n, n)) * 3, -np.inf)
a = np.exp(scores - scores.max(-1, keepdims=True))
a = (a / a.sum(-1, keepdims=True)).astype("float32")
tokens = [f"t{{i}}" for i in range(n)]
t = [torch.from_numpy(x)[None] for x in a]
{code}
open({out!r}, "w").write("<!doctype html><meta charset=utf-8><body>" + page)
"""
CODE = {
    "bertviz head": (
        "from bertviz import head_view\npage = head_view(t, tokens, html_action='return').data"
    ),
    "bertviz model": (
        "from bertviz import model_view\npage = model_view(t, tokens, html_action='return').data"
    ),
    "attnview": "import attnview; page = attnview.render_html(a.reshape(-1, n, n), tokens=tokens)",
    "inspectus": """import IPython.display
parts = []
IPython.display.display = lambda thing: parts.append(thing.data)
import inspectus
inspectus.attention(t, tokens)
page = "".join(parts)""",
}
# The elements of a complete picture: a tag, and their number for n tokens.
DRAWN = {
    "bertviz head": ("line", lambda n: 12 * n * n),
    "bertviz model": ("line", lambda n: 144 * n * n),
    "inspectus": ("svg", lambda n: 1),
    "attnview": ("td", lambda n: 1),
}
# Seconds until these exist and the page has not changed for two seconds.
SETTLED = """([element, count]) => new Promise((resolve) => {
    let last = performance.now();
    new MutationObserver(() => { last = performance.now(); })
        .observe(document, { subtree: true, childList: true, attributes: true });
    const look = () => {
        const here = document.getElementsByTagName(element).length >= count;
        const quiet = performance.now() - last > 2000;
        if (here && quiet && document.readyState === 'complete') resolve(last / 1000);
        else setTimeout(look, 50); };
    setTimeout(look, 50); })"""
OURS = """import numpy as np, attn_widget as aw
n = {n}
rng = np.random.default_rng(0)
scores = np.where(np.tri(n, dtype=bool), rng.normal(size=({distinct}, 12, n, n)) * 3, -np.inf)
a = np.exp(scores - scores.max(-1, keepdims=True))
a = (a / a.sum(-1, keepdims=True)).astype("float32")
from attn_widget.records import Capture, LayerAttention, Tokens
layers = tuple(
    LayerAttention(f"l{{i}}", "self", "", i, 12, n, n, weights=a[i % {distinct}])
    for i in range(12))
tokens = Tokens(tuple(f"t{{i}}" for i in range(n)))
capture = Capture(layers, {{"": tokens}}, model_name="random")"""
# One row each: tool and view, tokens, page size, seconds to the first draw.
ROWS: list[tuple[str, int, str, float]] = []


def npm_packages() -> Path:
    """Install the libraries that other tools load from a CDN; return the folder."""
    folder = PEERS / "npm"
    if not (folder / "node_modules" / "d3").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        packages = ["requirejs@2.3.6", "d3@5.7.0", "jquery@2.2.4"]
        subprocess.run(
            ["npm", "install", "--silent", "--prefix", str(folder), *packages], check=True
        )
    return folder / "node_modules"


def peer_page(name: str, n: int) -> Path:
    """Make the page of another tool in a separate process; return the file."""
    target = PEERS / "site"
    if not target.is_dir():
        requirements = str(Path(__file__).parent / "peers.txt")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command = [*pip, "--target", str(target), "-r", requirements]
        subprocess.run(command, check=True)
    out = PEERS / f"{name.replace(' ', '-')}-{n}.html"
    if not out.is_file():
        code = MAKE.format(peers=str(target), n=n, code=CODE[name], out=str(out))
        subprocess.run([sys.executable, "-c", code], check=True)
    return out


PEER_RUNS = [("bertviz head", 128), ("bertviz model", 128), ("inspectus", 128), ("attnview", 128)]


@pytest.mark.parametrize(("name", "n"), PEER_RUNS)
def test_peer(chromium, name, n):  # noqa: F811
    page_file, packages = peer_page(name, n), npm_packages()
    context = chromium.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(400_000)

    def from_npm(route):
        wanted = route.request.url.rsplit("/", 1)[1]
        route.fulfill(path=packages / CDN[wanted]) if wanted in CDN else route.abort()

    page.route("https://**/*", from_npm)
    page.goto(page_file.as_uri(), wait_until="commit")
    element, count = DRAWN[name]
    seconds = page.evaluate(SETTLED, [element, count(n)])
    ROWS.append((name, n, f"{page_file.stat().st_size / 1e6:.1f} MB", seconds))
    context.close()


def measure(notebook, view: str, code: str) -> float:
    """Run a cell that shows a widget; return seconds until it is drawn."""
    before = notebook.page.locator(".attn-widget").count()
    start = notebook.page.evaluate("() => performance.now()")
    notebook.add(code, wait=False)
    widget = notebook.page.locator(".attn-widget").nth(before)
    drawn(widget, view, "raw", 0)
    at = widget.locator("[data-ready]").first.evaluate(
        "(e) => Number(e.dataset.at || performance.now())"
    )
    return (at - start) / 1000


@pytest.mark.parametrize(
    ("view", "n", "distinct"),
    [
        ("head", 128, 12), ("model", 128, 12), ("matrix", 128, 12), ("head", 512, 12),
        ("model", 32, 12),
        ("head", 2048, 1), ("model", 2048, 1), ("matrix", 2048, 1), ("text", 2048, 1),
    ],
)  # fmt: skip
def test_ours(open_notebook, view, n, distinct):  # noqa: F811
    notebook = open_notebook(OURS.format(n=n, distinct=distinct), fresh=True)
    notebook.run(0)
    # The first widget loads modules.
    notebook.add("aw.AttentionWidget(aw.from_arrays(np.eye(2)[None, None], ['a', 'b']))")
    seconds = measure(notebook, view, f"w = aw.AttentionWidget(capture, view='{view}')\nw")
    ROWS.append((f"ours {view}", n, "", seconds))


LONG = """import attn_widget as aw
from tests.models import smollm2
runner = aw.ModelRunner(*smollm2())
text = " ".join(f"Sentence {i} tells of the boat, the harbour and the storm." for i in range(900))
tokens = runner.tokenizer(text)["input_ids"][:8192]
capture = runner.run(runner.tokenizer.decode(tokens))
print(len(capture.tokens))"""


def test_ours_at_8192_tokens(open_notebook):  # noqa: F811
    """Measure a trained model at 8,192 tokens, after a capture that takes minutes."""
    notebook = open_notebook(LONG, fresh=True)
    n = int(notebook.run(0).splitlines()[-1])
    notebook.add("aw.AttentionWidget(aw.from_arrays([[[[1.0]]]], ['a']))")
    seconds = measure(notebook, "matrix", "w = aw.AttentionWidget(capture, view='matrix')\nw")
    ROWS.append(("ours matrix, SmolLM2, after the capture", n, "", seconds))
    notebook.add("w.layer = 7")
    widget = notebook.widget(1)
    canvas = drawn(widget, "matrix", "raw", 7)
    canvas.hover(position={"x": 100, "y": 300})
    start = notebook.page.evaluate("() => performance.now()")
    widget.locator("[role=application]").press("+")
    widget.locator("[data-readout][data-exact='1']").wait_for()
    ROWS.append(("ours matrix, SmolLM2, zoomed in and read", n, "", since(notebook, start)))


def since(notebook, start: float) -> float:
    """Return seconds since a moment of the page's clock."""
    return (notebook.page.evaluate("() => performance.now()") - start) / 1000


def circuitsvis() -> str:
    """Return why CircuitsVis has no row: its page needs an npm package."""
    found = subprocess.run(
        ["npm", "view", "circuitsvis", "version"], capture_output=True, text=True, check=False
    )
    there = found.stdout.strip()
    return (
        f"npm has {there}: not measured here"
        if there
        else "its page loads the npm package circuitsvis: not found"
    )


def test_table():
    """Print every row, with its ratio to our time for the same view and length."""
    ours = {(name.removeprefix("ours "), n): s for name, n, _, s in ROWS if name.startswith("ours")}
    print("\n\n| tool | tokens | page | first draw | slower than ours |\n|---|---:|---:|---:|---:|")
    for name, n, size, seconds in ROWS:
        base = ours.get((name.split()[-1], n)) or ours.get(("model", n))
        ratio = "" if name.startswith("ours") or not base else f"{seconds / base:.0f}×"
        print(f"| {name} | {n} | {size} | {seconds:.2f} s | {ratio} |")
    print(f"| CircuitsVis | | | {circuitsvis()} | |")
