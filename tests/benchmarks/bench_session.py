"""Times and memory in a real JupyterLab: hovers, layer changes, many widgets, repeated runs.

Run by ``make bench-session``. The time of a hover is script time in the page, from the pointer's
move until the picture is painted on the canvas. A round trip is from the click until the new layer
is drawn, with kernel and transport.
"""

from __future__ import annotations

import json
import statistics

import pytest

from tests.benchmarks.bench_views import OURS
from tests.browser.conftest import chromium, open_notebook, pages, server  # noqa: F401
from tests.browser.test_lab import drawn

TABLES: dict[str, list[str]] = {}
HOVERS = 40
# Moves the pointer over the picture; returns the script time of each move: handlers and next frame.
HOVER = """async ([nth, count]) => {
    const root = document.querySelectorAll('.attn-widget')[nth].shadowRoot;
    const surface = root.querySelector('[data-ready]');
    const box = surface.getBoundingClientRect();
    const [width, height] = [Math.min(box.width, innerWidth), Math.min(box.height, innerHeight)];
    const real = window.requestAnimationFrame;
    let spent = 0;
    const timed = (work) => {
        const start = performance.now();
        work();
        spent += performance.now() - start; };
    window.requestAnimationFrame = (callback) => real((now) => timed(() => callback(now)));
    const words = surface.tagName === 'DIV' ? [...surface.querySelectorAll('[data-row]')] : null;
    const times = [];
    for (let i = 0; i < count; i++) {
        spent = 0;
        const at = { clientX: box.left + width * (0.1 + 0.5 * ((i * 7) % count) / count),
                     clientY: box.top + height * (0.1 + 0.8 * i / count),
                     bubbles: true, composed: true };
        const target = words ? words[(i * 37) % words.length] : surface;
        const event = new PointerEvent(words ? 'pointerover' : 'pointermove', at);
        timed(() => target.dispatchEvent(event));
        await new Promise((resolve) => real(() => real(resolve)));
        times.push(spent);
    }
    window.requestAnimationFrame = real;
    return times; }"""
# Clicks "next layer"; returns the milliseconds until that layer is drawn.
NEXT_LAYER = """(nth) => new Promise((resolve) => {
    const root = document.querySelectorAll('.attn-widget')[nth].shadowRoot;
    const layer = () => JSON.parse(root.querySelector('[data-ready]').dataset.frame).layer;
    const [before, start] = [layer(), performance.now()];
    const look = () => {
        if (layer() === before) return;
        watch.disconnect();
        resolve(performance.now() - start); };
    const watch = new MutationObserver(look);
    watch.observe(root, { subtree: true, childList: true, attributes: true });
    root.querySelector('[aria-label="next layer"]').click(); })"""


def table(title: str, head: str, *rows: str) -> None:
    """Store rows of a table; the last test prints all tables."""
    TABLES.setdefault(title, [head, "|".join(["---"] * head.count("|")).join("||")]).extend(rows)


def spread(times: list[float]) -> str:
    """Return the median and the slowest of a list of milliseconds, as two columns."""
    return f"{statistics.median(times):.1f} | {max(times):.1f}"


@pytest.mark.parametrize("view", ["head", "model", "matrix", "text", "neuron"])
def test_hover_at_2048_tokens(open_notebook, view):  # noqa: F811
    extra = "" if view != "neuron" else NEURON
    notebook = open_notebook(OURS.format(n=2048, distinct=1) + extra, fresh=True)
    notebook.run(0)
    notebook.add(f"w = aw.AttentionWidget(capture, view='{view}', query=[1000])\nw")
    drawn(notebook.widget(), view, "raw", 0)
    notebook.page.wait_for_timeout(1500)
    first, *times = notebook.page.evaluate(HOVER, [0, HOVERS])
    title = "Hover at 2,048 tokens, 12 heads: script ms (limit 8)"
    row = f"| {view} | {spread(times)} | {first:.1f} |"
    table(title, "| view | median | slowest | first |", row)


# Queries and keys for the neuron view.
NEURON = """
q, k = rng.normal(size=(2, 12, n, 64)).astype("float32")
s = q[0] @ k[0].T / 8
e = np.exp(np.where(np.tri(n, dtype=bool), s - s.max(-1, keepdims=True), -np.inf))
one = e / e.sum(-1, keepdims=True)
weights = np.broadcast_to(one.astype("float32"), (12, n, n))
vectors = dict(q=np.repeat(q[:1], 12, 0), k=np.repeat(k[:1], 12, 0), scaling=1 / 8)
layers = tuple(
    LayerAttention(f"l{i}", "self", "", i, 12, n, n, weights=weights, causal=True, **vectors)
    for i in range(12))
capture = Capture(layers, capture.streams, model_name="random")"""


@pytest.mark.parametrize("view", ["head", "matrix", "text"])
def test_layer_change_at_512_tokens(open_notebook, view):  # noqa: F811
    notebook = open_notebook(OURS.format(n=512, distinct=12), fresh=True)
    notebook.run(0)
    notebook.add(f"w = aw.AttentionWidget(capture, view='{view}')\nw")
    drawn(notebook.widget(), view, "raw", 0)
    times = [notebook.page.evaluate(NEXT_LAYER, 0) for _ in range(8)]
    title = "Layer change at 512 tokens, round trip in ms (limit 300)"
    table(title, "| view | median | slowest |", f"| {view} | {spread(times)} |")


def test_twenty_widgets_in_one_notebook(open_notebook):  # noqa: F811
    notebook = open_notebook(OURS.format(n=128, distinct=12), fresh=True)
    notebook.run(0)
    notebook.add("aw.AttentionWidget(capture)")
    start = notebook.page.evaluate("() => performance.now()")
    for _ in range(19):
        notebook.add("aw.AttentionWidget(capture)", wait=False)
        notebook.page.wait_for_timeout(50)
    notebook.page.evaluate(  # scrolls to each widget: the host draws only what is near the viewport
        """async () => {
            const widgets = () => [...document.querySelectorAll('.attn-widget')];
            const isDrawn = (widget) => widget.shadowRoot.querySelector('[data-ready]');
            while (widgets().filter(isDrawn).length < 20) {
                for (const cell of document.querySelectorAll('.jp-Cell')) {
                    cell.scrollIntoView();
                    await new Promise((resolve) => setTimeout(resolve, 20)); } } }"""
    )
    all_drawn = notebook.page.evaluate("() => performance.now()") - start
    last = notebook.page.locator(".attn-widget").count() - 1
    notebook.widget(last).scroll_into_view_if_needed()
    hover = notebook.page.evaluate(HOVER, [last, 20])
    layers = [notebook.page.evaluate(NEXT_LAYER, last) for _ in range(5)]
    table("20 widgets of 128 tokens in one notebook", "| what | median ms | slowest ms |",
          f"| 19 more cells run and drawn, per widget | {all_drawn / 19:.0f} | |",
          f"| hover in the last one, script | {spread(hover)} |",
          f"| layer change in the last one | {spread(layers)} |")  # fmt: skip


def test_a_cell_run_200_times(open_notebook):  # noqa: F811
    # Each run makes a new capture and widget, and drops the old ones.
    notebook = open_notebook(
        "import gc, json\n" + OURS.format(n=256, distinct=2),
        "w = aw.AttentionWidget(capture)\nw",
        fresh=True,
    )
    notebook.run(0)
    cdp = notebook.page.context.new_cdp_session(notebook.page)
    kernel = """gc.collect()
import ipywidgets
status = open("/proc/self/status").read()
rss_mib = int(status.split("VmRSS:")[1].split()[0]) / 1024
print(json.dumps([rss_mib, len(ipywidgets.widgets.widget._instances)]))"""
    cdp.send("Performance.enable")
    rows = []
    for run in range(1, 201):
        notebook.run(1)
        notebook.page.locator(".attn-widget").first.wait_for(state="attached")
        drawn(notebook.widget(), "head", "raw", 0)
        if run not in (10, 50, 100, 150, 200):
            continue
        for _ in range(3):
            cdp.send("HeapProfiler.collectGarbage")
        notebook.page.wait_for_timeout(500)
        found = {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}
        rss, widgets = json.loads(notebook.add(kernel))
        rows.append(
            f"| {run} | {found['JSHeapUsedSize'] / 2**20:.1f} | {found['Nodes']:.0f} "
            f"| {found['JSEventListeners']:.0f} | {rss:.0f} | {widgets} |"
        )
    head = "| runs | JS heap MiB | DOM nodes | listeners | kernel RSS MiB | widgets in the kernel |"
    table("One cell run again and again, 256 tokens", head, *rows)


def test_tables():
    """Print all tables."""
    for title, rows in TABLES.items():
        print(f"\n\n{title}\n")
        print("\n".join(rows))
