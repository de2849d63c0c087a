"""Small known attention in a real browser: the exact colour and place of each cell and line.

Two layers of two heads, three queries and four keys: a swapped axis, head, layer or neighbour
changes the picture.
"""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_widget.pictures import palettes
from tests.browser.test_lab import ROW, TOP, drawn, settled

N_QUERIES, N_KEYS = 3, 4
# js/src/views/matrix/layout.js: the margins of short names, the largest cell.
LIGHT = palettes.THEMES["light"]
X0, Y0, CELL = 92, 56, 24
LEFT, ABOVE, GAP, THUMB = 26, 20, 5, 42  # js/src/views/model/layout.js
# (layer, head): the query and key of its only line.
LINES = {(0, 0): (0, 2), (0, 1): (2, 1), (1, 0): (1, 0), (1, 1): (0, 3)}
CODE = """import numpy as np, attn_widget as aw
shares = np.array({shares})
lines = np.zeros((2, 2, 3, 4))
for (layer, head), pair in {lines}.items():
    lines[layer, head][pair] = 1
axes = dict(tokens=["q0", "q1", "q2"], key_tokens=["k0", "k1", "k2", "k3"])
w = aw.AttentionWidget(aw.from_arrays(shares, **axes), theme="light", view="matrix")
w"""


def shares() -> np.ndarray:
    """Return weights that all differ, in rows that sum to at most 1."""
    values = np.linspace(0, 0.24, 48).reshape(2, 2, N_QUERIES, N_KEYS)
    values[..., 1] += np.array(
        [[[0.0, 0.1, 0.2], [0.02, 0.04, 0.06]], [[0.0, 0.01, 0.02], [0.03, 0.02, 0.01]]]
    )
    return values


def pixel(canvas, x: float, y: float) -> tuple[int, ...]:
    """Return the colour at a point of the canvas, in CSS pixels at device pixel ratio 1."""
    return tuple(
        canvas.evaluate(
            "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
        )
    )


def sequential(value: float, *, root: bool) -> tuple[int, ...]:
    """Return the colour of a weight that was rounded to a byte for the message."""
    sent = (round(255 * np.sqrt(value)) / 255) ** 2
    return (*LIGHT.sequential[round(255 * (np.sqrt(sent) if root else sent))], 255)


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether two colours are equal up to one unit of rounding."""
    return all(abs(int(a) - int(b)) <= 1 for a, b in zip(found, wanted, strict=True))


@pytest.fixture
def page(open_notebook):
    notebook = open_notebook(CODE.format(shares=shares().tolist(), lines=LINES), width=1100)
    notebook.run(0)
    return notebook


def test_every_cell_and_line_has_the_colour_and_the_place_of_its_weight(page):
    widget = page.widget()
    for layer, head in [(1, 0), (0, 1)]:
        # The layer is set last, because drawn() waits for it.
        page.add(f"w.head, w.view, w.layer = {head}, 'matrix', {layer}")
        canvas = drawn(widget, "matrix", "raw", layer)
        for query in range(N_QUERIES):
            for key in range(N_KEYS):
                found = pixel(canvas, X0 + (key + 0.5) * CELL, Y0 + (query + 0.5) * CELL)
                wanted = sequential(shares()[layer, head, query, key], root=False)
                assert near(found, wanted), (layer, head, query, key, found, wanted)
    page.add("w.view = 'model'")
    canvas = drawn(widget, "model", "raw", 0)
    height = round(THUMB * N_QUERIES / N_KEYS)
    for layer, head, query, key in np.ndindex(shares().shape):
        x = LEFT + head * (THUMB + GAP) + (key + 0.5) * THUMB / N_KEYS
        y = ABOVE + layer * (height + GAP) + (query + 0.5) * height / N_QUERIES
        wanted = sequential(shares()[layer, head, query, key], root=True)
        found = pixel(canvas, x, y)
        assert near(found, wanted), (layer, head, query, key, found, wanted)
    page.add("w2 = aw.AttentionWidget(aw.from_arrays(lines, **axes), theme='light')\nw2")
    for layer in (1, 0):
        page.add(f"w2.layer = {layer}")
        canvas = drawn(page.widget(1), "head", "raw", layer)
        for head in (0, 1):
            assert ends(canvas, palettes.rgb(LIGHT.heads[head])) == LINES[layer, head], (
                layer,
                head,
            )


def ends(canvas, colour: tuple[int, ...]) -> tuple[int, int]:
    """Return the query and the key of a line: the rows of its colour's first and last pixel."""
    first, last = canvas.evaluate(
        """(c, [r, g, b]) => {
            const { data, width } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            let [first, last] = [null, null];
            for (let i = 0; i < data.length; i += 4) {
                const same = data[i] === r && data[i + 1] === g && data[i + 2] === b;
                if (!same || data[i + 3] !== 255) continue;
                const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
                if (!first || x < first[0]) first = [x, y];
                if (!last || x > last[0]) last = [x, y]; }
            return [first, last]; }""",
        [int(v) for v in colour],
    )
    return tuple(int((y - TOP) // ROW) for _, y in (first, last))


POOLED = """import numpy as np, attn_widget as aw
from attn_widget.pictures import frame
frame.MAX_MESSAGE_BYTES = 900  # too few for 100 × 120 pairs: each cell that is sent pools 4 × 4
a = np.random.default_rng(0).random((1, 1, 100, 120)) ** 6 / 40
axes = dict(tokens=[f"q{i}" for i in range(100)], key_tokens=[f"k{i}" for i in range(120)])
w = aw.AttentionWidget(aw.from_arrays(a, **axes), theme="light", view="matrix")
w"""


def test_zooming_into_a_pooled_matrix_comes_to_single_pairs(open_notebook):
    notebook = open_notebook(POOLED, width=1100)
    notebook.show_file_browser(False)
    notebook.run(0)
    widget = notebook.widget()
    canvas = drawn(widget, "matrix", "raw", 0)
    caption = widget.locator("[data-caption]")
    expect(caption).to_contain_text("100 × 120 pairs, each cell is the largest of 4 × 4")
    canvas.hover(position={"x": 200, "y": 150})
    first = widget.locator("[data-readout][data-exact='1']")
    first.wait_for()
    a = np.random.default_rng(0).random((100, 120)) ** 6 / 40

    def pair() -> tuple[int, int, float]:
        query, key = (first.locator(f"[data-{side}]").inner_text() for side in ("query", "key"))
        return int(query[1:]), int(key[1:]), float(first.get_attribute("data-value"))

    query, key, value = pair()
    block = a[query // 4 * 4 : query // 4 * 4 + 4, key // 4 * 4 : key // 4 * 4 + 4]
    assert value == pytest.approx(a[query, key], rel=1e-5)
    assert a[query, key] == block.max()
    widget.locator("[role=application]").press("+")  # 6 pixels per pair, without gaps
    expect(caption).to_contain_text("of 100 × 120 cells")
    seen = set()
    for x, y in [(101, 71), (333, 71), (333, 211), (187, 240)]:
        notebook.page.mouse.move(0, 0)
        first.wait_for(state="detached")
        colour = pixel(settled(canvas), x, y)
        canvas.hover(position={"x": x, "y": y})
        first.wait_for()
        query, key, value = pair()
        assert value == pytest.approx(a[query, key], rel=1e-5)
        assert near(colour, sequential(a[query, key], root=True)), (query, key, colour)
        seen.add((query, key))
    assert len(seen) == 4
