"""After any change of traits, the picture that the page shows has the numbers of `w.matrix()`."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import permutations

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.attribution.methods import METHODS
from attn_widget.errors import AttnWidgetError
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Capture, LayerAttention, Tokens
from attn_widget.widget.widget import AttentionWidget
from tests.conftest import softmax_rows

VIEWS = ("head", "matrix", "text")  # their frames hold weights between queries and keys
VALUES = {
    "view": VIEWS,
    "method": tuple(METHODS),
    "attention": ("decoder", "cross"),
    "layer": (0, 1, 2),
    "head": (0, 1),
    "part": (0, 1),
    "heads": ([0], [1], [0, 1]),
    "residual": (0.5, 0.2),
    "reduce": ("mean", "max", "min"),
    "normalise": (False, True),
    "baseline": (False, True),
    "hide_special": (False, True),
    "words": (False, True),
    "segments": ("all", "A-B", "B-B"),
    "hide_sinks": (False, True),
    "query": ([], [2]),
    "threshold": (0.0, 0.3),
}
CHANGES = [(name, value) for name, values in VALUES.items() for value in values]
SENTENCES = Tokens(
    ("<s>", "key", "s", "turn", "</s>"),
    special=(True, False, False, False, True),
    segments=(0, 0, 0, 1, 1),
    words=(None, 0, 0, 1, None),
    source=("keys", "turn"),
)
OTHERS = Tokens(
    tuple("ABCDEFG"), special=(True, *[False] * 6), segments=(0, 0, 0, 0, 1, 1, 1),
    words=(None, 0, 0, 0, 1, 2, 2), source=("ABCD", "EFG"),
)  # fmt: skip


def capture() -> Capture:
    """Return 3 decoder and 2 cross-attention layers of 2 heads, for which every method applies.

    The decoder's layers have two parts.
    """
    rng = np.random.default_rng(11)
    layers = []
    for i in range(3):
        for part in range(2):
            weights = softmax_rows(rng, 2, 5, 5, causal=True) * 0.9  # the rest is on a sink logit
            layers.append(replace(layer(rng, "self", i, weights), part=part, n_parts=2))
    for i in range(2):
        weights = softmax_rows(rng, 2, 5, 7) * 0.5
        weights[..., 5] += 0.4  # an attention sink
        layers.append(layer(rng, "cross", i, weights))
    streams = {"decoder": SENTENCES, "encoder": OTHERS}
    return Capture(tuple(layers), streams, {"decoder": "encoder"}, model_name="toy")


def layer(rng, kind, i, weights):
    """Return a layer with weights, values and gradients."""
    _, n_queries, n_keys = weights.shape
    return LayerAttention(
        f"{kind}.{i}", kind, "decoder", i, 2, n_queries, n_keys, weights,
        v=rng.normal(size=(2, n_keys, 3)), output_projection=rng.normal(size=(2, 3, 4)),
        gradient=rng.normal(size=weights.shape), causal=kind == "self",
    )  # fmt: skip


class Page:
    """A page that keeps every frame it received, by the rule that the kernel sent."""

    def __init__(self, wire, widget):
        self.wire, self.widget, self.frames = wire, widget, {}

    def frame(self):
        """Return the frame on screen; requests it only if the rule says that it is another."""
        widget = self.widget
        spec = asdict(widget.picture_state().spec)
        names = widget.info["rules"]["depends_on"][widget.view][widget.method]
        key = tuple((name, spec[name]) for name in names)
        if key not in self.frames:
            request = self.wire.ask(widget, "frame", **spec)
            (self.frames[key],) = self.wire.messages("reply", request)
            self.wire.sent.clear()
        return self.frames[key]


def computed(widget) -> np.ndarray:
    """Return the numbers on screen, computed anew by the attribution engine."""
    w, per_head = widget, METHODS[widget.method].per_head
    heads = [None] if not per_head else [w.head] if w.view == "matrix" else w.heads
    found = [
        aw.attribute(
            w.capture.at_part(w.part), w.method, attention=w.attention, layer=w.layer, head=head,
            residual=w.residual, reduce=w.reduce, normalise=w.normalise, baseline=w.baseline,
        ).values
        for head in heads
    ]  # fmt: skip
    return np.stack(found) if per_head and w.view != "matrix" else found[0]


def displayed(values: np.ndarray, frame: dict) -> np.ndarray:
    """Return values ``(lane, query, key)`` as a frame shows them: queries averaged, keys summed."""
    rows = [values[:, p].mean(axis=1) for p in frame["queries"]["positions"]]
    rows = np.stack(rows, axis=1)
    return np.stack([rows[:, :, p].sum(axis=2) for p in frame["keys"]["positions"]], axis=2)


def check(page: Page) -> None:
    """Compare the page's frame, `w.matrix()`, and the numbers computed anew."""
    widget = page.widget
    reply, arrays = page.frame()
    try:
        expected = computed(widget)
    except AttnWidgetError:
        assert "error" in reply
        with pytest.raises(AttnWidgetError):
            widget.matrix()
        return
    np.testing.assert_allclose(widget.matrix(), expected, atol=1e-12)
    frame = reply["data"]
    values = displayed(expected if expected.ndim == 3 else expected[None], frame)
    shown = arrays["weights"] if arrays["weights"].ndim == 3 else arrays["weights"][None]
    lanes = [lane["head"] for lane in frame["lanes"]]
    on = [i for i, head in enumerate(lanes) if len(lanes) == 1 or head in widget.heads]
    scale = max(1.0, arrays_scale(frame))
    half = 0.5 / 255  # of a step, on the square-root scale
    bound = (2 * half * np.sqrt(values / scale) + half**2) * scale
    assert (np.abs(shown[on] - values) <= bound + 1e-9).all(), widget.picture_state().spec
    if frame["divided_by"] is None:
        assert not widget.baseline
    for side, tokens in zip(("queries", "keys"), axes_expected(widget), strict=True):
        assert [i for p in frame[side]["positions"] for i in p] == tokens


def arrays_scale(frame: dict) -> float:
    """Return the scale of a frame's weights."""
    (entry,) = [entry for entry in frame["arrays"] if entry["name"] == "weights"]
    return entry.get("scale", 1.0)


def axes_expected(widget) -> list[list[int]]:
    """Return the positions that the traits leave on each axis."""
    kept = []
    letters = (None, None) if widget.segments == "all" else widget.segments.split("-")
    hides = widget.hide_sinks and widget.attention == "cross"  # self-attention has no sink here
    for tokens, letter, sinks in zip(
        widget.capture.axes(widget.attention), letters, (set(), {5}), strict=True
    ):
        hidden = sinks if hides else set()
        kept.append(
            [
                i
                for i in range(len(tokens))
                if i not in hidden
                and not (widget.hide_special and tokens.special[i])
                and letter in (None, "AB"[tokens.segments[i]])
            ]
        )
    return kept


@pytest.fixture
def page(wire):
    return Page(wire, AttentionWidget(capture()))


def change(page: Page, name: str, value: object, *, from_page: bool) -> None:
    """Change a trait from Python or from the page; a refused value changes nothing."""
    before = getattr(page.widget, name)
    if from_page:
        page.wire.set(page.widget, **{name: value})
        return
    try:
        setattr(page.widget, name, value)
    except AttnWidgetError:
        assert getattr(page.widget, name) == before


def test_after_each_of_200_random_changes_the_picture_has_the_numbers_of_matrix(page):
    rng = np.random.default_rng(12)
    for step in range(200):
        name, value = CHANGES[rng.integers(len(CHANGES))]
        change(page, name, value, from_page=bool(step % 2))
        check(page)


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUES)
def test_after_every_pair_of_changes_the_picture_has_the_numbers_of_matrix(page, name):
    start = {trait: values[0] for trait, values in VALUES.items()}
    for first, second in permutations(CHANGES, 2):
        if first[0] != name:
            continue
        for trait, value in start.items():
            setattr(page.widget, trait, value)
        for trait, value in (first, second):
            change(page, trait, value, from_page=False)
            check(page)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("method", METHODS)
def test_every_option_of_a_method_changes_the_matrix_and_the_picture(wire, view, method):
    for option in METHODS[method].options:
        if option == "baseline" and not METHODS[method].has_baseline:
            continue
        page = Page(wire, AttentionWidget(capture(), view=view, method=method, layer=2))
        before, (_, frame) = page.widget.matrix().copy(), page.frame()
        change(page, option, VALUES[option][1], from_page=False)
        assert not np.allclose(page.widget.matrix(), before), option
        _, after = page.frame()
        assert not np.allclose(after["weights"], frame["weights"]), option
        check(page)


def test_a_page_that_ignores_an_option_would_be_found(page):
    page.widget.info["rules"]["depends_on"]["head"]["raw"].remove("baseline")
    check(page)
    page.widget.baseline = True
    with pytest.raises(AssertionError):
        check(page)


def test_a_spec_has_no_field_that_is_not_tried():
    assert set(asdict(Spec())) - {"capture_id"} <= set(VALUES)
