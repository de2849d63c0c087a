"""Comparison of two captures: the alignment of tokens, the difference, and invalid pairs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import attn_widget as aw
from attn_widget.figures.difference import layout_of, signed_colours
from attn_widget.figures.figure import MARGIN
from attn_widget.figures.sheet import Sheet
from attn_widget.pictures import palettes
from attn_widget.pictures.alignment import aligned
from attn_widget.records import Tokens
from tests import models
from tests.conftest import capture_of, softmax_rows


def words(text: str) -> Tokens:
    """Tokens of a text, one a word."""
    return Tokens(tuple(text.split()), source=(text,))


def toy(text: str, seed: int, layers: int = 3, heads: int = 2) -> aw.Capture:
    """A capture of random attention over a text's words."""
    n = len(text.split())
    return capture_of(softmax_rows(np.random.default_rng(seed), layers, heads, n, n), words(text))


SHE, HE = "the nurse said she was late", "The nurse said he was late"
LONGER = "then the old nurse said he was late"


@pytest.fixture(scope="module")
def minilm():
    return aw.ModelRunner(*models.minilm())


def test_equal_words_are_aligned_and_equal_numbers_of_words_between_them():
    rows = aligned(words(SHE), words(HE))
    assert rows.labels == ("the", "nurse", "said", "she | he", "was", "late")
    rows = aligned(words(SHE), words(LONGER))
    assert rows.labels == ("the", "nurse", "said", "she | he", "was", "late")
    assert rows.b.positions == ((1,), (3,), (4,), (5,), (6,), (7,))
    assert (rows.only_a, rows.only_b) == ((), ("then", "old"))


def test_pieces_of_a_word_are_aligned_together():
    a = Tokens(
        ("un", "kind", "words"),
        words=(0, 0, 1),
        spans=((0, 2), (2, 6), (7, 12)),
        source=("unkind words",),
    )
    rows = aligned(a, words("unkind words"))
    assert rows.labels == ("unkind", "words")
    assert rows.a.positions == ((0, 1), (2,))
    assert rows.b.positions == ((0,), (1,))


def test_by_position_tokens_at_the_same_position_are_aligned():
    rows = aligned(words("a b c"), words("a x y"), "position")
    assert rows.labels == ("a", "b | x", "c | y")


def test_the_difference_is_b_minus_a_over_aligned_rows():
    a, b = toy(SHE, 0), toy(LONGER, 1)
    c = aw.compare(a, b, layer=2, head=1)
    kept = [1, 3, 4, 5, 6, 7]
    expected = b.layers[2].weights[1][np.ix_(kept, kept)] - a.layers[2].weights[1]
    np.testing.assert_allclose(np.asarray(c.difference), expected, atol=1e-7)
    assert (c.difference.method, c.difference.layer, c.difference.unit) == ("raw", 2, "share")
    assert np.asarray(c.difference).min() < 0 < np.asarray(c.difference).max()
    swapped = aw.compare(b, a, layer=2, head=1)
    np.testing.assert_allclose(np.asarray(swapped.difference), -expected, atol=1e-7)


def test_words_of_several_tokens_are_averaged_as_queries_and_summed_as_keys(minilm):
    text = "The unkindness of the nurse."
    seen, other = minilm.run(text), minilm.run("The kindness of the nurse.")
    c = aw.compare(seen, other, layer=1, head=4)
    i = c.aligned_queries.labels.index("unkindness | kindness")
    group = list(c.aligned_queries.a.positions[i])
    assert len(group) > 1
    (j,) = c.aligned_queries.b.positions[i]
    whole, single = (np.asarray(s.layers[1].weights[4]) for s in (seen, other))
    expected = single[j, j] - whole[np.ix_(group, group)].sum(1).mean()
    assert np.asarray(c.difference)[i, i] == pytest.approx(expected, abs=1e-6)


def test_two_methods_of_one_capture_are_compared():
    a = toy(SHE, 0)
    c = aw.compare(a, a, method=("raw", "rollout"), layer=1)
    expected = np.asarray(aw.attribute(a, "rollout", layer=1)) - a.layers[1].weights[0]
    np.testing.assert_allclose(np.asarray(c.difference), expected, atol=1e-6)
    assert c.difference.method == "rollout minus raw"


def test_layer_head_and_pinned_token_are_one():
    c = aw.compare(toy(SHE, 0), toy(LONGER, 1))
    before = c._pictures["dark"].value
    c.a.layer = 2
    assert c.b.layer == 2
    assert c._pictures["dark"].value != before
    c.b.head = 1
    assert c.a.head == 1
    c.a.query = [3]
    assert c.b.query == [5]
    c.b.query = [2]  # "old" stands for nothing
    assert c.a.query == []
    c.b.key = [7]
    assert c.a.key == [5]
    c.a.view = "head"
    assert c.b.view == "head"
    c.a.method = "rollout"
    assert c.b.method == "raw"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_shows_more_and_less_in_two_colours(theme):
    values, look = np.array([[0.5, -0.5], [0.0, 0.25]]), palettes.THEMES[theme]
    colours = signed_colours(values, 0.5, look)
    assert (colours[0, 1] == look.diverging[0]).all()
    assert (colours[0, 0] == look.diverging[-1]).all()
    assert (colours[1, 0] == look.diverging[128]).all()
    c = aw.compare(toy(SHE, 0), toy(HE, 1))
    picture = Image.open(io.BytesIO(c._pictures[theme].value)).convert("RGB")
    assert picture.getpixel((1, 1)) == palettes.rgb(look.paper)
    assert picture.getpixel((1, picture.height - 1)) == palettes.rgb(look.paper)
    values = np.asarray(c.difference)
    place = layout_of(Sheet(look), c.aligned_queries.labels, c.aligned_keys.labels)
    largest = np.abs(values).max()
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    x = MARGIN + place.left + (column + 0.5) * place.cell
    y = MARGIN + place.above + (row + 0.5) * place.cell
    wanted = signed_colours(values, largest, look)[row, column].astype(int)
    assert np.abs(np.subtract(picture.getpixel((round(x), round(y))), wanted)).max() <= 1
    bundle = c._repr_mimebundle_()
    assert bundle["image/png"]
    assert "she was late" in bundle["text/plain"]


def test_a_widget_keeps_its_runner_and_a_new_text_is_aligned_again(minilm):
    w = aw.AttentionWidget(minilm.run("The nurse said that she was late."), minilm)
    c = aw.compare(w, minilm.run("The nurse said that he was late."), layer=2)
    assert c.a is w
    assert c.aligned_queries.labels[5] == "she | he"
    w.text = "The nurse said that they were late."
    assert c.aligned_queries.labels[5:7] == ("they | he", "were | was")
    w.text = "Nothing alike here"
    assert "must have a word in common" in c._message.value
    assert c._pictures["dark"].value == b""
    w.text = "The nurse said that she was late."
    assert c._message.layout.display == "none"
    assert c._pictures["dark"].value


def test_what_cannot_be_aligned_is_refused_with_the_reason(cross_capture):
    a = toy(SHE, 0)
    with pytest.raises(
        aw.InputError, match=r"b must have a word in common with a to be aligned by words, got none"
    ):
        aw.compare(a, toy("completely other text", 1))
    with pytest.raises(
        aw.InputError,
        match=r"b must have as many tokens as a to be aligned by position, got 8 and 6",
    ):
        aw.compare(a, toy(LONGER, 1), align="position")
    with pytest.raises(aw.InputError, match=r"b must have as many layers as a, got 2 and 3"):
        aw.compare(a, toy(HE, 1, layers=2))
    with pytest.raises(aw.InputError, match=r"b must have as many heads as a, got 4 and 2"):
        aw.compare(a, toy(HE, 1, heads=4))
    with pytest.raises(aw.InputError, match=r"b must have the attention of a, self, got cross"):
        aw.compare(a, cross_capture)
    with pytest.raises(aw.InputError, match=r"align must be one of words, position, got 'letters'"):
        aw.compare(a, toy(HE, 1), align="letters")
    with pytest.raises(aw.InputError, match=r"b must be a capture or a widget, got str"):
        aw.compare(a, "text")
    with pytest.raises(aw.InputError, match=r"method must be one method or two, got 3"):
        aw.compare(a, a, method=("raw", "flow", "rollout"))
    w = aw.AttentionWidget(a)
    with pytest.raises(aw.InputError, match=r"b must be another widget than a, got the same"):
        aw.compare(w, w)


def test_different_units_are_refused_with_the_option_that_makes_them_equal():
    a = toy(SHE, 0)
    c = aw.compare(a, a, method=("raw", "flow"), layer=1)
    with pytest.raises(aw.InputError, match=r"b must be in the unit of a, got flow and share"):
        c.difference  # noqa: B018
    assert "must be in the unit of a" in c._message.value
