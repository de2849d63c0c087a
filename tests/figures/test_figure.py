"""Figures for print: known attention has the right place and colour, and tokens are plain text."""

import io
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError, MethodError
from attn_widget.figures import fonts
from attn_widget.figures.painters import marks
from attn_widget.pictures import palettes
from attn_widget.records import Tokens
from attn_widget.widget.widget import AttentionWidget
from tests import models
from tests.conftest import capture_of

LIGHT = palettes.THEMES["light"]
HOSTILE = (
    "$x_1^2$",
    "a\\b_{c",
    "<script>alert(1)</script>",
    "\u202eabc",
    "👩‍🚀漢字",
    "line\nbreak\x00\ud800",
    "x" * 500,
    "",
    "%",
    "$",
)


def one_link(query, key, *, heads=3, head=1, queries=4, keys=6, layers=2):
    """Attention to key 0 only, except for one large weight in the last layer."""
    weights = np.zeros((layers, heads, queries, keys))
    weights[..., 0] = 1
    weights[-1, head, query] = 0
    weights[-1, head, query, key] = 1
    return capture_of(weights, Tokens(tuple("abcd")), Tokens(tuple("uvwxyz")), kind="cross")


def shown(capture, **traits):
    return AttentionWidget(capture, **traits)


def labels(picture, text):
    return [t for t in picture.axes[0].texts if t.get_text() == text]


def words(picture):
    return " ".join(t.get_text() for t in picture.axes[0].texts)


def pixels(picture):
    """Return the figure as (row, column, rgb), one pixel per px."""
    out = io.BytesIO()
    picture.savefig(out, format="png", dpi=96)
    from PIL import Image

    return np.asarray(Image.open(out).convert("RGB")).astype(int)


def at(picture, x, y):
    """Return the colour at a point of the sheet."""
    (left, _), (_, top) = picture.axes[0].get_xlim(), picture.axes[0].get_ylim()
    return pixels(picture)[int(y - top), int(x - left)]


def close(colour, wanted):
    return np.abs(np.asarray(colour) - np.asarray(wanted)).max() <= 6


def svg_of(picture):
    out = io.BytesIO()
    picture.savefig(out, format="svg")
    return out.getvalue().decode()


# -- the head view


def lines(picture):
    """Return every line as (start height, end height, colour)."""
    found = []
    for collection in picture.axes[0].collections:
        paths, colours = collection.get_paths(), collection.get_edgecolors()
        if (
            len(paths) > 1
            or collection.get_paths()[0].vertices[-1][0] - paths[0].vertices[0][0] > 100
        ):
            found += [
                (p.vertices[0], p.vertices[-1], c) for p, c in zip(paths, colours, strict=True)
            ]
    return found


def test_a_strong_link_is_a_line_between_its_two_tokens_in_its_heads_colour():
    picture = shown(one_link(2, 4), layer=1, heads=[1]).to_figure()
    (a,), (y,) = labels(picture, "c"), labels(picture, "y")
    ends = [
        (start, end, colour)
        for start, end, colour in lines(picture)
        if abs(start[1] - a.get_position()[1]) < 3
    ]
    assert len(ends) == 1
    ((start, end, colour),) = ends
    assert abs(end[1] - y.get_position()[1]) < 3
    assert close(colour[:3] * 255, palettes.rgb(LIGHT.heads[1]))
    assert start[0] > a.get_position()[0]
    assert end[0] < y.get_position()[0]


def test_unselected_heads_and_shares_below_the_threshold_are_omitted_and_stated():
    weights = np.full((1, 2, 3, 3), 0.0)
    weights[:, 0] = [0.7, 0.29, 0.01]
    weights[:, 1] = [0.0, 0.0, 1.0]
    picture = shown(
        capture_of(weights, Tokens(tuple("abc"))), heads=[0], threshold=0.02
    ).to_figure()
    assert len(lines(picture)) == 6
    assert "6 of 9 lines drawn · left out: lines below 0.02, 1.0 % of the attention" in words(
        picture
    )
    assert {tuple(np.round(c[:3] * 255)) for *_, c in lines(picture)} == {
        palettes.rgb(LIGHT.heads[0])
    }


def test_the_caption_names_hidden_tokens_and_the_sentences(attention, tokens):
    two = replace(tokens, segments=(0, 0, 0, 1, 1))
    said = words(
        shown(
            capture_of(attention, two), hide_special=True, segments="A-B", threshold=0
        ).to_figure()
    )
    assert "sentence A → B" in said
    hidden = 1 - attention[0][:, 1:3, 3].sum() / attention[0][:, 1:3].sum()
    assert re.search(rf"hidden: .*, {100 * hidden:.1f} % of the attention", said)


def test_only_a_pinned_query_has_lines_and_its_shares_are_beside_the_keys():
    capture = one_link(2, 4)
    widget = shown(capture, layer=1, query=2, threshold=0)
    picture = widget.to_figure()
    assert len(lines(picture)) == 3
    (y,) = labels(picture, "y")
    beside = [
        t.get_text()
        for t in picture.axes[0].texts
        if abs(t.get_position()[1] - y.get_position()[1]) < 1
    ]
    assert number_of(widget.matrix()[:, 2, 4].mean()) in beside
    (pill,) = [t for t in labels(picture, "c") if t.get_color() == f"#{LIGHT.paper}"]
    assert pill.get_fontweight() == "bold"


def number_of(value):
    return f"{value:.3f}"


def test_a_long_text_is_cut_around_the_pinned_token_and_the_caption_says_so():
    n = 200
    weights = np.tril(np.ones((1, 1, n, n))) / np.arange(1, n + 1)[:, None]
    tokens = Tokens(tuple(f"t{i}" for i in range(n)))
    picture = shown(capture_of(weights, tokens), view="head", query=180, threshold=0).to_figure()
    assert labels(picture, "t180")
    assert not labels(picture, "t3")
    assert "rows 50–199 of 200" in words(picture)


def test_two_different_long_texts_are_each_cut_around_their_own_pinned_token():
    n = 200
    weights = np.full((1, 1, n, n), 1 / n)
    queries = Tokens(tuple(f"q{i}" for i in range(n)))
    keys = Tokens(tuple(f"k{i}" for i in range(n)))
    capture = capture_of(weights, queries, keys, kind="cross")
    picture = shown(capture, view="head", query=180, key=2).to_figure()
    assert labels(picture, "q180")
    assert labels(picture, "k2")
    assert not labels(picture, "k180")


# -- heat maps


def test_a_cell_of_the_matrix_has_the_colour_of_its_value_in_its_row_and_column():
    picture = shown(one_link(2, 4), view="matrix", layer=1, head=1).to_figure()
    row, column = labels(picture, "c")[0].get_position(), labels(picture, "y")[0].get_position()
    assert close(at(picture, column[0] + 2, row[1]), LIGHT.sequential[-1])
    empty = labels(picture, "x")[0].get_position()
    assert close(at(picture, empty[0] + 2, row[1]), LIGHT.sequential[0])
    assert close(
        at(picture, column[0] + 2, labels(picture, "b")[0].get_position()[1]),
        LIGHT.sequential[0],
    )


def test_cells_above_the_diagonal_of_a_causal_model_have_the_paper_colour():
    weights = np.tril(np.ones((1, 1, 5, 5))) / np.arange(1, 6)[:, None]
    picture = shown(capture_of(weights, Tokens(tuple("abcde"))), view="matrix").to_figure()
    image = picture.axes[0].images[0].get_array()
    assert close(image[2, -2], palettes.rgb(LIGHT.paper))
    assert not close(image[-2, 2], palettes.rgb(LIGHT.paper))


def test_every_head_of_a_rectangular_map_stands_in_its_row_and_column():
    picture = aw.plot_heads(one_link(2, 4, head=2))
    *maps, _legend = picture.axes[0].images
    assert len(maps) == 6
    (strong,) = [m for m in maps if close(cell(m, 2, 4), LIGHT.sequential[-1])]
    left, right, bottom, top = strong.get_extent()
    assert right - left > bottom - top  # six keys, four queries
    assert left < labels(picture, "2")[0].get_position()[0] < right  # head 2
    assert top < labels(picture, "1")[1].get_position()[1] < bottom  # layer 1


def cell(image, query, key, shape=(4, 6)):
    """Return the colour of one pair in a thumbnail."""
    rows, columns = image.get_array().shape[:2]
    return image.get_array()[
        int((query + 0.5) / shape[0] * rows), int((key + 0.5) / shape[1] * columns)
    ]


def test_only_the_layers_and_heads_asked_for_are_drawn_under_their_own_numbers():
    picture = aw.plot_heads(one_link(2, 4), layers=[-1], heads=[0, 2])
    assert len(picture.axes[0].images) - 1 == 2
    assert "layer 1 · heads 0, 2 · raw" in words(picture)
    assert not labels(picture, "head 1")


def test_methods_that_join_heads_have_one_map_per_layer(capture):
    picture = aw.plot_heads(capture, "flow", theme="dark")
    assert len(picture.axes[0].images) - 1 == 3
    assert "at the bound" in words(picture)
    assert "flow" in words(picture)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": [2]}, "layers must be 0 to 1, got 2. Choose one that exists."),
        ({"heads": [3]}, "heads must be 0 to 2, got 3. Choose one that exists."),
        ({"heads": []}, "heads must name at least one, got []. Leave it out for all."),
        ({"method": "folding"}, "method must be one of raw"),
        ({"attention": "self"}, "attention must be one of cross, got 'self'. Choose one of these."),
        ({"theme": "sepia"}, "theme must be one of light, dark, got 'sepia'. Choose one of these."),
        ({"residual": 2}, "residual must be 0 to 1, got 2. Give a share."),
    ],
)
def test_plot_heads_says_what_is_wrong(options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        aw.plot_heads(one_link(2, 4), **options)


def test_heads_cannot_be_chosen_where_a_method_joins_them(capture):
    with pytest.raises(
        InputError,
        match=re.escape("heads must be left out for rollout, got [0]. It joins the heads"),
    ):
        aw.plot_heads(capture, "rollout", heads=[0])


def test_a_method_without_what_it_needs_says_so(capture):
    with pytest.raises(MethodError, match="gradient must have been recorded"):
        aw.plot_heads(capture, "relevance")


# -- real models

SENTENCE = "The keys to the cabinet in the hall are on the table."


@pytest.fixture(scope="module")
def minilm():
    model, tokenizer = models.minilm()
    return aw.ModelRunner(model, tokenizer, name="all-MiniLM-L6-v2").run(SENTENCE)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["head", "model", "neuron", "matrix", "text"])
def test_every_view_has_a_figure_that_says_model_layer_and_method(minilm, view, theme):
    picture = shown(minilm, view=view, layer=3, head=1, query=9).to_figure(theme=theme)
    said = words(picture)
    assert "all-MiniLM-L6-v2 · " in said
    assert ("all layers" if view == "model" else "layer 3") in said
    assert view == "neuron" or "raw" in said
    assert view == "text" or f"“{SENTENCE}”" in said
    background = pixels(picture)[2, 2]
    assert close(background, palettes.rgb(palettes.THEMES[theme].paper))


def test_the_numbers_of_the_text_view_are_the_exact_ones(minilm):
    widget = shown(minilm, view="text", layer=3, query=9)
    shares = widget.matrix()[:, 9].mean(axis=0)
    shares[[0, -1]] = 0  # specials stand apart
    listed = [
        t.get_text()
        for t in widget.to_figure().axes[0].texts
        if re.fullmatch(r"0\.\d{3}", t.get_text())
    ]
    assert listed[0] == number_of(np.sort(shares)[-1])
    assert number_of(np.sort(shares)[-5]) in listed


def test_the_columns_of_the_neuron_view_lead_to_the_measured_weight(minilm):
    picture = shown(minilm, view="neuron", layer=3, head=1, query=9).to_figure()
    weight = minilm.attention[3, 1, 9]
    printed = [
        float(t.get_text())
        for t in picture.axes[0].texts
        if re.fullmatch(r"0\.\d{4}", t.get_text())
    ]
    assert np.allclose(printed, weight, atol=5.1e-5)
    assert "✓" in words(picture)


def test_the_strongest_word_has_the_deepest_shade(minilm):
    widget = shown(minilm, view="text", layer=3, heads=[1], query=9)
    picture = widget.to_figure()
    strong = labels(picture, "keys")[0].get_position()
    weak = labels(picture, "hall")[0].get_position()
    assert (
        at(picture, strong[0] + 2, strong[1] - 8).sum()
        < at(picture, weak[0] + 2, weak[1] - 8).sum()
    )


def test_patches_are_shaded_over_the_photograph_where_they_lie():
    weights = np.zeros((1, 1, 5, 5))
    weights[..., 3] = 1  # the third patch: second row, first column
    image = np.full((40, 40, 3), 120, np.uint8)
    capture = capture_of(
        weights, Tokens(("[CLS]", *"abcd"), special=(True, *[False] * 4), grid=(2, 2))
    )
    picture = shown(replace(capture, image=image), view="text", query=1).to_figure()
    drawn = picture.axes[0].images[0].get_array().astype(int)
    n = len(drawn) // 4
    assert drawn[3 * n, n].sum() < drawn[n, n].sum() - 100
    assert close(drawn[n, n], drawn[3 * n, 3 * n])


def test_sound_is_read_along_its_time():
    n = 40
    weights = np.zeros((1, 2, 3, n))
    weights[:, :, range(3), [4, 20, 36]] = 1
    keys = Tokens(tuple(str(i) for i in range(n)), seconds=0.5)
    picture = shown(
        capture_of(weights, Tokens(("the", "quick", "fox")), keys, kind="cross"), view="text"
    ).to_figure()
    drawn = picture.axes[0].images[0].get_array()
    rows, columns = drawn.shape[:2]
    assert close(drawn[rows // 2, round(20.5 / n * columns)], LIGHT.sequential[-1])
    assert close(drawn[rows // 6, round(20.5 / n * columns)], LIGHT.sequential[0])
    assert labels(picture, "20 s")


def test_cross_attention_of_a_trained_model_names_both_sides():
    model, tokenizer = models.annalog()
    capture = aw.ModelRunner(model, tokenizer, name="annalog").run("CC(=O)O", target="CCO")
    picture = shown(capture, attention="cross", layer=2, query=1).to_figure()
    said = words(picture)
    assert "annalog · cross · layer 2 · all 8 heads · raw" in said
    assert {"query", "key"} <= {t.get_text() for t in picture.axes[0].texts}


# -- files


@pytest.mark.parametrize("view", ["head", "model", "matrix", "text"])
@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_hostile_tokens_are_letters_in_every_form(view, form):
    n = len(HOSTILE)
    tokens = Tokens(HOSTILE, source=("$\\alpha$ " * 90 + "<script>alert(1)</script>",))
    weights = np.full((2, 2, n, n), 1 / n)
    widget = shown(
        replace(capture_of(weights, tokens), model_name="<b>$m$</b>"), view=view, query=2
    )
    out = io.BytesIO()
    widget.to_figure().savefig(out, format=form)
    if form == "svg":
        root = ET.fromstring(out.getvalue())
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
        texts = [e.text for e in root.iter() if e.tag.endswith("}text")]
        assert "<b>$m$</b> · " in " ".join(texts)
        assert not set("".join(texts)) & set("\u202e\x00\u200d")


def test_svg_text_stays_text_and_rc_settings_do_not_change_the_figure(capture):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    usual = svg_of(shown(capture).to_figure())
    assert dict(mpl.rcParams) == before
    assert re.search(r"<text[^>]*>turn</text>", usual)
    with mpl.rc_context(
        {"text.usetex": True, "font.size": 40, "figure.autolayout": True, "savefig.bbox": "tight"}
    ):
        other = svg_of(shown(capture).to_figure())
    strip = lambda svg: re.sub(r"<dc:date>.*?</dc:date>", "", svg)  # noqa: E731
    assert strip(other) == strip(usual)


def test_a_character_that_no_typeface_has_is_a_box_and_the_caption_says_so():
    tokens = Tokens(("a", "\U00016abc"))  # an assigned code point without a glyph in common fonts
    picture = shown(capture_of(np.full((1, 1, 2, 2), 0.5), tokens)).to_figure()
    assert labels(picture, fonts.NO_GLYPH)
    assert "□ stands for a character that no installed typeface has" in words(picture)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no glyph is missing
        pixels(picture)


def test_a_character_of_another_typeface_is_written_in_it():
    letters, names = fonts.writable("aא")
    assert letters == "aא"
    assert len(names) >= 1


def test_a_cell_shows_the_figure_without_pyplot(capture):
    data, size = shown(capture).to_figure()._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert size["width"] > 300


def test_figures_open_no_window_and_leave_pyplot_alone():
    code = (
        "import sys, numpy as np, attn_widget as aw\n"
        "aw.plot_heads(aw.from_arrays(np.full((1, 1, 2, 2), 0.5)))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_theme_of_a_figure_is_checked_in_words(capture):
    with pytest.raises(
        InputError,
        match=re.escape("theme must be one of light, dark, got 'auto'. Choose one of these."),
    ):
        shown(capture).to_figure(theme="auto")


def test_a_number_on_a_head_colour_is_black_or_white_whichever_contrasts_more():
    assert marks.readable("036095") == "ffffff"
    assert marks.readable("c9cb22") == "000000"


@pytest.mark.parametrize(("n", "index"), [(64, 64), (65, 128)])
def test_above_64_tokens_shares_are_drawn_on_a_square_root_scale(n, index):
    weights = np.zeros((1, 1, n, n))
    weights[0, 0, :, 0], weights[0, 0, :, 1] = 0.25, 0.75
    image = shown(aw.from_arrays(weights), view="matrix").to_figure().axes[0].images[0].get_array()
    colour = image[image.shape[0] // 2, 2]
    assert np.abs(colour.astype(int) - LIGHT.sequential[index].astype(int)).max() <= 4
