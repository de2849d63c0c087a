"""What hosts that cannot run here expect of a widget, by their documents: VS Code, Colab."""

from __future__ import annotations

import json
import re
import sys
import types

import anywidget._util
import numpy as np
import pytest

from attn_widget import bundle
from attn_widget.errors import InputError
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.views import VIEWS
from attn_widget.records import Tokens
from attn_widget.widget import loader
from attn_widget.widget.widget import AttentionWidget
from tests.conftest import capture_of, softmax_rows

WIDGET = "application/vnd.jupyter.widget-view+json"
MB = 1 << 20


@pytest.fixture
def large(wire) -> AttentionWidget:
    """12 layers × 12 heads × 128 tokens."""
    weights = softmax_rows(np.random.default_rng(0), 12, 12, 128, 128).astype(np.float32)
    return AttentionWidget(capture_of(weights, Tokens(tuple(f"token{i}" for i in range(128)))))


def test_the_state_that_hosts_copy_and_save_is_small_and_has_no_buffers(large):
    state = large.get_state()
    module = state.pop("_esm")
    assert len(str(module)) < 150_000
    assert len(json.dumps(state)) < 50_000  # JSON takes no bytes: a buffer would raise here


@pytest.mark.parametrize("view", [v for v in VIEWS if v != "neuron"])
def test_every_message_is_small_enough_for_hosts_that_copy_it(large, wire, view):
    data = {name: getattr(large, name) for name in Spec.__dataclass_fields__}
    wire.reply(large, "frame", **(data | {"view": view}))
    assert (
        max(len(json.dumps(content)) + sum(map(len, buffers)) for content, buffers in wire.sent)
        < 4 * MB
    )


def test_once_a_page_runs_the_bundle_later_widgets_send_a_stub_and_reply_with_the_bundle(
    wire, capture, monkeypatch
):
    monkeypatch.setattr(loader, "_bundle_is_loaded", False)
    first, second = AttentionWidget(capture), AttentionWidget(capture)
    whole = bundle.text("widget.js")
    assert first._esm == second._esm == whole
    wire.answer(first, "hello")
    later = AttentionWidget(capture)
    assert first._esm == whole
    assert len(later._esm) < 1_000
    mark = re.search(r'"(attn-widget \w+)"', later._esm)[1]
    assert f'"{mark}"' in whole  # what the lines look up is what this bundle leaves there
    assert wire.answer(later, "code")["data"]["code"] == whole
    monkeypatch.setenv("ANYWIDGET_HMR", "1")
    assert AttentionWidget(capture)._esm == whole


@pytest.mark.parametrize("name", ["widget.js", "static.js"])
def test_a_bundle_loads_nothing_by_address(name):
    """It is loaded from a blob, where relative addresses do not work: no imports or workers."""
    text = bundle.text(name)
    assert not re.findall(
        r"""\bimport\s*\(|(?:^|[;}])\s*import\s*["'{*]|import\.meta|new Worker""", text
    )
    assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}


def test_in_colab_the_custom_widget_manager_is_enabled_and_named_beside_the_picture(
    wire, capture, monkeypatch
):
    calls = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: calls.append(1)
    output._widgets = types.SimpleNamespace(_installed_url="https://manager")
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    anywidget._util.enable_custom_widget_manager_once.cache_clear()
    data, metadata = AttentionWidget(capture)._repr_mimebundle_()
    anywidget._util.enable_custom_widget_manager_once.cache_clear()
    assert calls == [1]
    assert metadata == {WIDGET: {"colab": {"custom_widget_manager": {"url": "https://manager"}}}}
    assert "image/png" in data


def test_a_host_finds_live_view_picture_and_text(wire, capture):
    """Hosts choose by their own ranking: all three, and no HTML that would outrank the picture."""
    data, _ = AttentionWidget(capture)._repr_mimebundle_()
    assert set(data) == {WIDGET, "image/png", "text/plain"}
    assert len(data["text/plain"]) < 120
    assert len(data["image/png"]) < MB // 2


def test_the_state_of_all_open_widgets_always_holds_the_bundle(wire, capture, monkeypatch):
    monkeypatch.setattr(loader, "_bundle_is_loaded", False)
    for name in ("_with_bundle", "_with_stub"):
        monkeypatch.setattr(loader, name, [])
    whole = bundle.text("widget.js")
    with pytest.raises(InputError, match="layer"):
        AttentionWidget(capture, layer=99)  # was never open
    first = AttentionWidget(capture)
    wire.answer(first, "hello")
    second, third = AttentionWidget(capture), AttentionWidget(capture)
    assert len(second._esm) < 1_000 > len(third._esm)
    second.close()
    assert len(third._esm) < 1_000
    first.close()
    assert third._esm == whole
    third.close()
    assert AttentionWidget(capture)._esm == whole
