"""A misspelt trait, attribute or option is refused with the nearest right name."""

from __future__ import annotations

import ipywidgets
import pytest

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.widget.widget import AttentionWidget


@pytest.fixture
def widget(wire, capture):
    return AttentionWidget(capture)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("veiw", "view"), ("Layer", "layer"), ("head_", "head"), ("methods_", "method"),
        ("hide_specials", "hide_special"), ("runer", "runner"), ("resudual", "residual"),
    ],
)  # fmt: skip
def test_a_misspelt_attribute_is_refused_with_the_nearest_name(widget, given, right):
    with pytest.raises(InputError, match=rf"got '{given}'. Use '{right}'."):
        setattr(widget, given, "matrix")
    assert not hasattr(widget, given)


def test_a_name_like_no_other_is_refused_with_the_names_there_are(widget):
    with pytest.raises(InputError, match=r"attributes must be among .*view.*, got 'zzz'. Check"):
        widget.zzz = 1


def test_private_names_and_those_of_every_widget_can_be_set(widget):
    widget._mine = 3
    assert widget._mine == 3
    widget.layout = ipywidgets.Layout(width="50%")
    assert widget.layout.width == "50%"
    widget.add_class("mine")
    widget.tooltip = None
    widget.runner = None
    widget.add_traits()
    widget.view = "matrix"
    assert widget.view == "matrix"


@pytest.mark.parametrize("make", [aw.AttentionWidget, aw.compare])
def test_a_misspelt_argument_is_refused_with_the_nearest_name(wire, capture, make):
    captures = (capture,) if make is aw.AttentionWidget else (capture, capture)
    with pytest.raises(InputError, match=r"got 'veiw'. Use 'view'."):
        make(*captures, veiw="matrix")


@pytest.mark.parametrize(
    ("call", "given", "right"),
    [
        (lambda w: w.to_html("a.html", mehtods=["raw"]), "mehtods", "methods"),
        (lambda w: w.to_html("a.html", max_byte=10), "max_byte", "max_bytes"),
        (lambda w: w.to_figure(themes="dark"), "themes", "theme"),
        (lambda w: w.show_static(method=["raw"]), "method", "methods"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest_name(widget, call, given, right):
    with pytest.raises(InputError, match=rf"got '{given}'. Use '{right}'."):
        call(widget)
