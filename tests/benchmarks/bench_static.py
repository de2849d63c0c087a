"""The costs of a page without a kernel: its size, the time to make it, and to draw it offline.

Run by ``make bench-static``. The time in the browser is from navigation until the first picture is
drawn, measured in the page.
"""

from __future__ import annotations

import json
import time

import nbformat
import numpy as np
import pytest

import attn_widget as aw
from attn_widget.records import Capture, LayerAttention, Tokens
from tests.browser.conftest import chromium  # noqa: F401
from tests.models import dinov2, minilm, photo, smollm2

WORDS = (
    "When Mara came back to the house she found the keys where her brother had left them, on "
    "the table in the hall. She had not expected him to remember, because he never did, and "
    "yet there they were beside a note in his small and careful hand. The note said that the "
    "boat would leave the harbour at six in the morning, and that he could not wait for her "
    "any longer than that. Outside, the rain had begun to fall on the roofs of the village, "
    "and the dog, which had been asleep by the stove, lifted its head and listened. It was the "
    "first storm of the autumn. "
)
MORE = (
    "The committee published its report on Tuesday after eleven months of hearings, in which "
    "more than two hundred witnesses were heard. It finds that the regulator knew of the "
    "faults in the turbines, but that warnings from engineers were passed from one office to "
    "another without anybody being made responsible. The company, which denies the charges, "
    "lost a fifth of its value within the hour. Its chairman said that he would remain in "
    "office until a successor was found; the opposition called for an inquiry led by a judge. "
    "Analysts expect high costs. "
)
READY = """() => new Promise((resolve) => {
    const look = () => {
        const root = document.querySelector('.attn-widget')?.shadowRoot;
        if (root?.querySelector('[data-ready]')) resolve(performance.now());
        else setTimeout(look, 4); };
    look(); })"""
ROWS: list[tuple] = []


def bert_sized(n: int = 128) -> aw.AttentionWidget:
    """Return 12 layers × 12 heads: MiniLM's 6 layers on two texts, with rows normalised again."""
    runner = aw.ModelRunner(*minilm())
    captures = [runner.run(text * 2, truncate=True) for text in (WORDS, MORE)]
    layers = []
    for capture in captures:
        for one in capture.layers:
            weights = np.asarray(one.weights_for())[:, :n, :n]
            weights = weights / weights.sum(-1, keepdims=True)
            kept = {
                "weights": weights,
                "q": one.q[:, :n],
                "k": one.k[:, :n],
                "scaling": one.scaling,
            }
            layers.append(LayerAttention(one.name, "self", "", len(layers), 12, n, n, **kept))
    return aw.AttentionWidget(
        Capture(tuple(layers), {"": Tokens(captures[0].tokens.text[:n])}, model_name="12 × 12"),
        layer=3,
        query=5,
    )


def noise(n: int = 128) -> aw.AttentionWidget:
    """Return independent noise of the same shape, the worst case for compression."""
    scores = np.random.default_rng(0).normal(size=(12, 12, n, n)) * 3
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return aw.AttentionWidget(aw.from_arrays(weights.astype("f4"), [f"t{i}" for i in range(n)]))


def words(n: int) -> str:
    return " ".join(((WORDS + MORE) * 8).split()[:n])


CASES = {
    "12 × 12 × 128, trained": bert_sized,
    "12 × 12 × 128, noise": noise,
    "MiniLM 6 × 12, 128 words": lambda: aw.explore(*minilm(), words(128)),
    "DINOv2 12 × 6, 257 patches": lambda: aw.AttentionWidget(
        aw.ModelRunner(*dinov2()).run(photo())
    ),
    "SmolLM2 30 × 9, 128 words": lambda: aw.explore(*smollm2(), words(128)),
    "SmolLM2 30 × 9, 400 words": lambda: aw.explore(*smollm2(), words(400)),
}


@pytest.mark.parametrize("name", CASES)
def test_page(chromium, tmp_path, name):  # noqa: F811
    widget = CASES[name]()
    start = time.perf_counter()
    path = widget.to_html(tmp_path / "page.html", progress=False)
    made = time.perf_counter() - start
    start = time.perf_counter()
    widget.to_html(tmp_path / "again.html", progress=False)
    again = time.perf_counter() - start
    start = time.perf_counter()
    still = widget._repr_mimebundle_()[0]["image/png"]
    shown = time.perf_counter() - start
    readies = []
    for _ in range(3):
        context = chromium.new_context(viewport={"width": 1000, "height": 900}, offline=True)
        page = context.new_page()
        page.goto(path.as_uri(), wait_until="commit")
        readies.append(page.evaluate(READY) / 1000)
        notes = page.locator("footer").inner_text()
        context.close()
    assert path.stat().st_size <= 1_500_000
    bits = notes.split(" bits a number")[0].split()[-1]
    left_out = [
        line.removeprefix("Left out: ")
        for line in notes.splitlines()
        if line.startswith("Left out")
    ]
    ROWS.append(
        (
            name,
            path.stat().st_size,
            bits,
            made,
            again,
            sorted(readies)[1],
            shown,
            len(still),
            *left_out,
        )
    )


def test_saved_notebook(tmp_path):
    """Measure a saved notebook with the live widget and the static page of 12 × 12 × 128."""
    from attn_widget.pages.page import static_html

    widget = bert_sized()
    live = {
        k: v for k, v in widget._repr_mimebundle_()[0].items() if isinstance(v, str) or "view" in k
    }
    outputs = [
        live,
        {"image/png": live["image/png"]},
        {"text/html": static_html(widget.picture_state())},
    ]
    cell = nbformat.v4.new_code_cell(
        "w.show_static()",
        outputs=[nbformat.v4.new_output("display_data", data) for data in outputs],
    )
    size = len(
        json.dumps(nbformat.v4.new_notebook(cells=[cell]), indent=1, ensure_ascii=False).encode()
    )
    ROWS.append(("saved notebook, 12 × 12 × 128", size))
    assert size < 2_000_000


def test_table():
    """Print every row."""
    times = "made | made again | in the browser | bundle adds"
    print(f"\n\n| what | size | bits | {times} | PNG | left out |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for name, size, *rest in ROWS:
        if not rest:
            print(f"| {name} | {size / 1e6:.2f} MB |")
            continue
        bits, made, again, ready, shown, still, *left = rest
        print(
            f"| {name} | {size / 1e6:.2f} MB | {bits} | {made:.1f} s | {again:.1f} s "
            f"| {ready:.2f} s | {shown:.2f} s | {still / 1e3:.0f} kB | {' '.join(left)} |"
        )
