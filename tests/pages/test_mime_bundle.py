import base64
import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from attn_widget.pictures import views
from attn_widget.pictures.frame import matrix_frame
from attn_widget.records import Tokens
from attn_widget.widget.widget import AttentionWidget
from tests.conftest import capture_of, softmax_rows
from tests.hostile import HOSTILE

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.mark.parametrize("traits", [{}, {"view": "matrix"}, {"method": "rollout", "layer": 2}])
def test_a_displayed_widget_brings_its_picture_along(wire, capture, traits):
    data, _ = AttentionWidget(capture, **traits)._repr_mimebundle_()
    assert set(data) == {WIDGET, "image/png", "text/plain"}
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert len(picture.getcolors(1 << 20)) > 10
    assert data["text/plain"].startswith("<AttentionWidget: toy · layer")


def test_displaying_a_long_text_does_not_wait_for_flow(wire):
    n = 70
    weights = np.tril(np.ones((2, 1, n, n))) / np.arange(1, n + 1)[:, None]
    widget = AttentionWidget(capture_of(weights, Tokens(("x",) * n)), method="flow", layer=1)
    data, _ = widget._repr_mimebundle_()
    assert "· raw" in data["text/plain"]
    widget.matrix()
    data, _ = widget._repr_mimebundle_()
    assert "· flow" in data["text/plain"]


@pytest.mark.parametrize("view", ["head", "model", "neuron", "matrix", "text"])
def test_any_tokens_have_a_still_picture_and_a_text(wire, view):
    n = len(HOSTILE)
    capture = capture_of(softmax_rows(np.random.default_rng(0), 2, 3, n, n), Tokens(HOSTILE))
    data, _ = AttentionWidget(capture, view=view, query=3)._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width < 2000
    assert len(picture.getcolors(1 << 20)) > 10
    assert "\n" not in data["text/plain"]
    assert len(data["text/plain"]) < 120


def test_a_frame_is_made_once_for_the_still_picture_and_the_page(wire, capture, monkeypatch):
    widget, made = AttentionWidget(capture, view="matrix"), []
    monkeypatch.setattr(
        views, "matrix_frame", lambda *args: made.append(args) or matrix_frame(*args)
    )
    widget._repr_mimebundle_()
    _, first = wire.reply(widget, "frame", **asdict(widget.picture_state().spec))
    assert len(made) == 1
    _, other = wire.reply(widget, "frame", **asdict(replace(widget.picture_state().spec, head=1)))
    assert len(made) == 2
    assert not np.array_equal(first["weights"], other["weights"])
