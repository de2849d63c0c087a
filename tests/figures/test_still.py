import io

import numpy as np
import pytest
from PIL import Image

from attn_widget.figures.still import still_png
from attn_widget.pictures import palettes
from attn_widget.pictures.axes import displayed
from attn_widget.pictures.frame import Numbers, head_frame, matrix_frame
from attn_widget.pictures.lines import Selection
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Tokens

TOKENS = Tokens(tuple("abcde"))
AXIS = displayed(TOKENS)
LIGHT = palettes.THEMES["light"]
TOP, ROW = 46, 21  # of the first row, margin included; height of a row


def picture(frame, selection):
    data = still_png(frame, selection, ["a heading"])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def places(pixels, colour, within=6):
    """Return y and x of all pixels above the legend that have a colour."""
    height = TOP + 5 * ROW
    return np.argwhere(np.abs(pixels[:height] - np.array(colour)).max(axis=2) < within)


def one_link(query, key, head=0, heads=2):
    values = np.zeros((heads, 5, 5))
    values[head, query, key] = 1
    return Numbers(values, tuple(range(heads)))


def test_one_strong_link_is_a_line_between_its_two_tokens_in_its_heads_colour():
    frame = head_frame(Spec(), one_link(1, 4, head=1), AXIS, AXIS)
    at = places(picture(frame, Selection(heads=[0, 1])), palettes.rgb(LIGHT.heads[1]))
    assert at[:, 1].max() - at[:, 1].min() > 200
    start = at[at[:, 1] < at[:, 1].min() + 10, 0].mean()
    end = at[at[:, 1] > at[:, 1].max() - 10, 0].mean()
    assert abs(start - (TOP + 1.5 * ROW)) < 4
    assert abs(end - (TOP + 4.5 * ROW)) < 4


def test_the_seventeenth_head_has_the_colour_it_has_in_the_page():
    frame = head_frame(Spec(), one_link(1, 4, head=20, heads=32), AXIS, AXIS)
    pixels = picture(frame, Selection(heads=[20]))
    assert len(places(pixels, palettes.rgb(LIGHT.heads[0]))) > 50


def test_an_unselected_head_is_not_drawn():
    frame = head_frame(Spec(), one_link(1, 4, head=1), AXIS, AXIS)
    pixels = picture(frame, Selection(heads=[0]))
    assert len(places(pixels, palettes.rgb(LIGHT.heads[1]))) == 0
    assert (pixels[TOP : TOP + 5 * ROW, 60:270] == 255).all()


def test_a_weak_line_is_paler_and_thinner_than_a_strong_one():
    values = np.zeros((1, 5, 5))
    values[0, 0, 0], values[0, 4, 4] = 1.0, 0.1
    pixels = picture(head_frame(Spec(), Numbers(values, (0,)), AXIS, AXIS), Selection(heads=[0]))
    ink = 255 - pixels[TOP : TOP + 5 * ROW, 100:250].min(axis=2)
    strong, weak = ink[:ROW].sum(axis=0).mean(), ink[4 * ROW :].sum(axis=0).mean()
    assert strong > 3 * weak > 0


def test_a_cell_has_the_colour_of_its_value_in_its_row_and_column():
    frame = matrix_frame(Spec(view="matrix"), one_link(1, 3, heads=1), AXIS, AXIS)
    pixels = picture(frame, Selection())
    strong = places(pixels, LIGHT.sequential[-1])
    zero = places(pixels, LIGHT.sequential[0], within=1)
    side = np.ptp(strong, axis=0)
    assert abs(side[0] - side[1]) <= 2
    corner = np.quantile(zero, 0.02, axis=0)  # a few pixels of letters have the colour too
    assert ((strong.mean(axis=0) - corner) // 24).astype(int).tolist() == [1, 3]


def test_cells_above_the_diagonal_of_a_causal_model_have_the_paper_colour():
    values = np.tril(np.full((5, 5), 0.2))[None]
    frame = matrix_frame(Spec(view="matrix"), Numbers(values, (0,), causal=True), AXIS, AXIS)
    coloured = places(picture(frame, Selection()), LIGHT.sequential[51])
    rows, columns = (coloured - coloured.min(axis=0)).T // 24
    assert (columns <= rows).all()
    assert len(coloured) > 15 * 300


def test_nan_is_striped_and_counted_in_the_caption():
    values = np.full((1, 5, 5), 0.2)
    values[0, 2, 1] = np.nan
    frame = matrix_frame(Spec(view="matrix"), Numbers(values, (0,)), AXIS, AXIS)
    pixels = picture(frame, Selection())
    odd = len(places(pixels, LIGHT.sequential[51]))
    assert odd < 24.5 * 23 * 23
    for view in ("head", "matrix"):
        maker = {"head": head_frame, "matrix": matrix_frame}[view]
        frame = maker(Spec(view=view), Numbers(values, (0,)), AXIS, AXIS)
        assert picture(frame, Selection(heads=[0], query=[2])).size


@pytest.mark.parametrize("n", [1, 64, 200])
def test_any_length_makes_a_picture_of_bounded_size(n):
    axis = displayed(Tokens(tuple(f"t{i}" for i in range(n))))
    values = np.full((3, n, n), 1 / n)
    for maker in (head_frame, matrix_frame):
        frame = maker(Spec(view=maker.__name__[:-6]), Numbers(values, (0, 1, 2)), axis, axis)
        assert len(still_png(frame, Selection([0, 1, 2]), [])) < 1_000_000


def test_hostile_tokens_are_letters_in_a_picture():
    tokens = ("<script>alert(1)</script>", "\n\t", "\u202eabc", "👩‍🚀", "x" * 500)
    axis = displayed(Tokens(tokens))
    frame = head_frame(Spec(), one_link(0, 0), axis, axis)
    assert 400 < picture(frame, Selection([0, 1])).shape[1] < 900
