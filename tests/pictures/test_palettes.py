import sys
from pathlib import Path

import numpy as np

from attn_widget.pictures import palettes
from attn_widget.pictures.drawing import DRAWING

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import make_palettes


def test_the_scales_in_the_data_file_are_those_of_their_stops():
    for name, themes in make_palettes.tables().items():
        assert DRAWING[name] == themes


def test_a_scale_begins_and_ends_at_its_stops_and_darkens_all_the_way():
    for theme in palettes.THEMES.values():
        stops = make_palettes.STOPS["sequential"][theme.name].split()
        assert palettes.hexadecimal(theme.sequential[0]) == stops[0]
        assert palettes.hexadecimal(theme.sequential[255]) == stops[-1]
    light = palettes.THEMES["light"].sequential.astype(int).sum(axis=1)
    assert (np.diff(light) <= 1).all()


def test_up_to_sixteen_heads_have_a_colour_each():
    theme = palettes.THEMES["light"]
    assert palettes.lane_colours(theme, range(16), [0]) == list(theme.heads)


def test_of_many_heads_those_that_are_on_have_the_colours():
    theme = palettes.THEMES["dark"]
    colours = palettes.lane_colours(theme, range(32), [30, 20])
    assert (colours[20], colours[30]) == theme.heads[:2]
    assert colours[0] == theme.ink_3


def test_with_more_heads_on_than_colours_all_lines_have_one_ink():
    theme = palettes.THEMES["light"]
    assert set(palettes.lane_colours(theme, range(32), range(17))) == {theme.ink_3}
