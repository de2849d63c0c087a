"""What was not recorded is said under every picture: live, static, and in figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

import attn_widget as aw
from attn_widget.pages.page import static_page
from attn_widget.pictures import Pictures, Spec
from attn_widget.pictures.captions import caption
from attn_widget.pictures.lines import Selection
from tests.pages import stored_page
from tests.pages.test_page import stored

MISSING = tuple(f"encoder.block.{i}.layer.0.SelfAttention" for i in range(6))
SENTENCE = "not recorded: encoder.block.0.layer.0.SelfAttention and 5 more"


@pytest.mark.parametrize("view", ["head", "matrix", "model", "neuron", "text"])
def test_every_caption_names_the_first_module_and_counts_the_others(view):
    capture = replace(stored_page.capture(), missing=MISSING)
    frame = Pictures(capture).frame(Spec(view=view, attention="decoder"))
    assert caption(frame, Selection([0]))[-1] == SENTENCE
    one = replace(capture, missing=MISSING[:1])
    frame = Pictures(one).frame(Spec(view=view, attention="decoder"))
    assert caption(frame, Selection([0]))[-1] == SENTENCE.removesuffix(" and 5 more")
    none = replace(capture, missing=())
    frame = Pictures(none).frame(Spec(view=view, attention="decoder"))
    assert not any("not recorded" in words for words in caption(frame, Selection([0])))


def test_figures_and_pages_say_it(capture):
    lacking = replace(capture, missing=MISSING)
    widget = aw.AttentionWidget(lacking)
    for figure in (widget.to_figure(), aw.plot_heads(lacking)):
        written = " ".join(text.get_text() for text in figure.axes[0].texts)
        assert SENTENCE in written
    page = stored(static_page(widget.picture_state()))
    assert page["shown"]["header"]["notes"] == [SENTENCE]
    assert page["groups"]["self"]["notes"]["raw"]["layers"] == [[SENTENCE]] * 3
