"""Requests to save a file: the reply, its progress, cancellation and errors."""

from __future__ import annotations

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.pages import save_file
from tests.conftest import capture_of, softmax_rows


@pytest.fixture
def widget(wire, capture):
    return aw.AttentionWidget(capture, layer=1)


@pytest.mark.parametrize(
    ("kind", "mime", "starts"),
    [
        ("html", "text/html", b"<!doctype html>"),
        ("svg", "image/svg+xml", b"<?xml"),
        ("png", "image/png", b"\x89PNG"),
    ],
)
def test_each_format_comes_back_as_one_file(wire, widget, kind, mime, starts):
    request = wire.ask(widget, "export", format=kind, theme="dark")
    ((content, buffers),) = [
        (c, b) for c, b in wire.sent if c.get("id") == request and c["kind"] == "reply"
    ]
    assert content["data"] == {"mime": mime}
    assert len(buffers) == 1
    assert buffers[0].startswith(starts)


def test_dark_figures_are_dark(wire, widget):
    files = {
        theme: save_file.file_of(widget.picture_state(), "svg", theme, lambda step: None).data
        for theme in ("dark", "light")
    }
    assert files["dark"] != files["light"]


def test_an_unknown_format_is_refused_in_a_sentence(wire, widget):
    error = wire.answer(widget, "export", format="gif")["error"]
    assert error["message"] == "format must be one of png, svg, html, got 'gif'."


def test_a_file_too_large_for_a_message_is_refused_with_the_line_that_writes_it(
    wire, widget, monkeypatch
):
    monkeypatch.setattr(save_file, "MAX_MESSAGE_BYTES", 1000)
    error = wire.answer(widget, "export", format="svg")["error"]
    assert error["message"].startswith("file must have at most")
    assert error["code"] == 'w.to_figure().savefig("attention.svg")'


def test_saving_reports_how_far_it_is_and_stops_when_cancelled(wire, tokens, monkeypatch):
    monkeypatch.setattr("attn_widget.widget.request_queue.PROGRESS_EVERY_S", 0.0)
    weights = softmax_rows(np.random.default_rng(0), 3, 2, 5, 5)
    widget = aw.AttentionWidget(capture_of(weights, tokens))
    request = wire.ask(widget, "export", format="html")
    steps = [content for content, _ in wire.messages("progress", request)]
    assert {"storing", "flow"} <= {step["what"] for step in steps}
    assert all(0 <= step["done"] <= step["total"] for step in steps)

    def cancelled(step):
        raise aw.Cancelled("This request was cancelled.")

    with pytest.raises(aw.Cancelled):
        save_file.file_of(widget.picture_state(), "html", "light", cancelled)
