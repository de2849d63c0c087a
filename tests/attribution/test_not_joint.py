"""Layers that cannot be multiplied are refused by every method that would, with the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import InputError
from attn_widget.records import Capture
from tests.pages import stored_page

JOINT = [name for name, method in METHODS.items() if method.follows]
REASON = "the windows of layer 1 are shifted"


@pytest.fixture
def shifted(capture) -> Capture:
    return replace(capture, not_joint={"self": REASON})


@pytest.mark.parametrize("method", JOINT)
def test_a_method_that_joins_layers_is_refused_with_the_reason(shifted, method):
    with pytest.raises(InputError, match=f"attention must .*, got 'self': {REASON}. Use method="):
        aw.attribute(shifted, method)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in JOINT])
def test_a_method_of_one_layer_is_not(shifted, capture, method):
    assert applicable(shifted)[method] == applicable(capture)[method]
    if method == "raw":
        np.testing.assert_array_equal(
            aw.attribute(shifted, method, layer=1).values,
            aw.attribute(capture, method, layer=1).values,
        )


def test_the_graph_of_all_layers_is_refused(shifted):
    with pytest.raises(InputError, match=REASON):
        aw.to_networkx(shifted)


def test_a_widget_shows_the_methods_as_unavailable_with_the_reason(shifted):
    widget = aw.AttentionWidget(shifted)
    (group,) = widget.info["groups"]
    assert not set(JOINT) & set(group["methods"])
    assert all(REASON in group["reasons"][method] for method in JOINT)
    with pytest.raises(InputError, match=REASON):
        widget.method = "rollout"
    assert widget.method == "raw"
    with pytest.raises(InputError, match=REASON):
        aw.AttentionWidget(shifted, method="flow")


def test_figures_and_pages_refuse_them_too(shifted, tmp_path):
    with pytest.raises(InputError, match=REASON):
        aw.plot_heads(shifted, "rollout")
    widget = aw.AttentionWidget(shifted)
    with pytest.raises(InputError, match=REASON):
        widget.to_html(tmp_path / "a.html", methods=["rollout"], progress=False)
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("named", ["decoder", "cross"])
def test_streams_whose_layers_take_part_together_are_refused_together(named):
    capture = replace(stored_page.capture(), not_joint={named: REASON})
    for attention in ("decoder", "cross"):
        assert REASON in applicable(capture, attention)["rollout"]


def test_a_group_that_is_not_named_can_be_joined(capture):
    other = replace(capture, not_joint={"vision": REASON})
    np.testing.assert_array_equal(
        aw.attribute(other, "rollout").values, aw.attribute(capture, "rollout").values
    )
