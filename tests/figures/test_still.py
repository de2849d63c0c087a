import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attn_widget.figures import still as png
from attn_widget.figures.still import Picked
from attn_widget.pictures import palettes
from attn_widget.pictures.axes import displayed
from attn_widget.pictures.frame import Numbers, head_frame, matrix_frame
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Tokens

TOKENS = Tokens(tuple("abcde"))
AXIS = displayed(TOKENS)


def picture(frame, picked, caption="a caption"):
    return np.asarray(
        Image.open(io.BytesIO(png.png(frame, picked, caption))).convert("RGB")
    ).astype(int)


def close(colour, wanted):
    return np.abs(colour - np.array(wanted)).max() < 6


def one_link(query, key, head=0, heads=2):
    values = np.zeros((heads, 5, 5))
    values[head, query, key] = 1
    return Numbers(values, tuple(range(heads)))


def row_y(i):
    return round((i + 1.5) * png.ROW_PX)


def test_one_strong_link_is_a_line_between_its_two_tokens_in_its_heads_colour():
    pixels = picture(head_frame(Spec(), one_link(1, 4, head=1), AXIS, AXIS), Picked(heads=[0, 1]))
    colour = palettes.head_colour(1)
    column = lambda x: [y for y in range(pixels.shape[0] - 50) if close(pixels[y, x], colour)]  # noqa: E731
    starts, ends = column(png._LABEL_PX + 8), column(png.WIDTH_PX - png._LABEL_PX - 8)
    assert starts
    assert ends
    assert abs(np.mean(starts) - row_y(1)) < 4
    assert abs(np.mean(ends) - row_y(4)) < 4


def test_a_head_that_is_off_is_not_drawn():
    frame = head_frame(Spec(), one_link(1, 4, head=1), AXIS, AXIS)
    band = picture(frame, Picked(heads=[0]))[30:130, png._LABEL_PX + 5 : -png._LABEL_PX - 5]
    assert (band == 255).all()


def test_a_cell_has_the_colour_of_its_value_in_its_row_and_column():
    pixels = picture(
        matrix_frame(Spec(view="matrix"), one_link(1, 3, heads=1), AXIS, AXIS), Picked()
    )
    cell = png.ROW_PX
    at = lambda q, k: pixels[round(90 + (q + 0.5) * cell), round(png._LABEL_PX + (k + 0.5) * cell)]  # noqa: E731
    assert close(at(1, 3), palettes.rgb(palettes.SEQUENTIAL[-1]))
    assert close(at(3, 1), palettes.rgb(palettes.SEQUENTIAL[0]))
    assert close(at(2, 2), palettes.rgb(palettes.SEQUENTIAL[0]))


def test_what_a_causal_model_cannot_see_stays_paper():
    values = np.tril(np.full((5, 5), 0.2))[None]
    frame = matrix_frame(Spec(view="matrix"), Numbers(values, (0,), causal=True), AXIS, AXIS)
    pixels = picture(frame, Picked())
    assert close(
        pixels[round(90 + 0.5 * png.ROW_PX), round(png._LABEL_PX + 2.5 * png.ROW_PX)],
        (255, 255, 255),
    )


@pytest.mark.parametrize("n", [1, 64, 200])
def test_any_length_makes_a_picture_of_bounded_size(n):
    tokens = Tokens(tuple(f"t{i}" for i in range(n)))
    values = np.full((3, n, n), 1 / n)
    axis = displayed(tokens)
    for maker in (head_frame, matrix_frame):
        data = png.png(
            maker(Spec(view=maker.__name__[:-6]), Numbers(values, (0, 1, 2)), axis, axis),
            Picked([0, 1, 2]),
            "",
        )
        assert len(data) < 1_000_000


def test_hostile_tokens_are_letters_in_a_picture():
    tokens = Tokens(("<script>alert(1)</script>", "\n\t", "\u202eabc", "👩‍🚀", "x" * 500))
    axis = displayed(tokens)
    assert (
        picture(head_frame(Spec(), one_link(0, 0), axis, axis), Picked([0, 1])).shape[1]
        == png.WIDTH_PX
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_are_those_of_the_page(theme):
    script = (Path(__file__).parents[2] / "js" / "src" / "paint" / "palettes.js").read_text()
    ours = palettes.THEMES[theme]
    for name in ("heads", "sequential", "diverging"):
        block = re.search(rf"{name.upper()} = \{{(.*?)\}};", script, re.DOTALL)[1]
        theirs = re.search(rf"{theme}: list\(\s*\"([0-9a-f ]+)\"", block)[1]
        assert theirs.split() == list(getattr(ours, name))


def test_the_scale_runs_through_its_stops():
    table = palettes.sequential_table()
    assert close(table[0], palettes.rgb(palettes.SEQUENTIAL[0]))
    assert close(table[-1], palettes.rgb(palettes.SEQUENTIAL[-1]))
    assert (np.diff(table.astype(int).sum(1)) <= 1).all()  # darker all the way
