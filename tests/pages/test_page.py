"""Pages without a kernel: their contents, what is omitted to fit the size, hostile tokens."""

from __future__ import annotations

import base64
import doctest
import html
import json
import re
import zlib

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.cli import main
from attn_widget.errors import InputError, MethodError
from attn_widget.pages.html import iframe, page
from attn_widget.pages.page import static_html, static_page
from attn_widget.widget import widget as widget_module
from tests.conftest import capture_of, softmax_rows
from tests.hostile import HOSTILE
from tests.pages import stored_page


def stored(text: str) -> dict:
    """Return the JSON that a page carries."""
    unpacked = inflated(text)
    length = int.from_bytes(unpacked[-4:], "little")
    return json.loads(unpacked[-4 - length : -4])


def inflated(text: str) -> bytes:
    """Return the payload of a page."""
    (data,) = re.findall(r'<script type="application/vnd\.attn-widget">([^<]*)</script>', text)
    return zlib.decompress(base64.b64decode(data, validate=True), -15)


def holds(text: str) -> set[tuple]:
    """Return attention, method, layer and head of every matrix of a page."""
    return {
        tuple(p[k] for k in ("attention", "method", "layer", "head"))
        for p in stored(text)["places"]
    }


def notes(text: str) -> str:
    """Return what the page says of itself."""
    (footer,) = re.findall(r"<footer>(.*?)</footer>", text)
    return html.unescape(re.sub(r"<[^>]*>", " ", footer))


@pytest.fixture
def widget(capture):
    """Three layers, 2 heads, 5 tokens, a word of two and two specials."""
    return aw.AttentionWidget(capture, layer=1, head=1)


@pytest.fixture(scope="module")
def larger():
    """4 layers × 3 heads × 70 tokens of noise, which deflates badly."""
    weights = softmax_rows(np.random.default_rng(4), 4, 3, 70, 70)
    return aw.AttentionWidget(
        aw.from_arrays(weights, [f"t{i}" for i in range(70)]), layer=2, head=1
    )


# -- what is there ---------------------------------------------------------------------------------


def test_the_stored_page_that_javascript_is_tested_with_is_what_python_makes():
    kept, made = json.loads(stored_page.FILE.read_text()), stored_page.made()
    assert stored_page.inflated(made["payload"]) == stored_page.inflated(kept["payload"])
    assert json.loads(json.dumps(made["frames"])) == kept["frames"]


def test_raw_rollout_and_flow_are_there_for_all_layers_and_heads(widget):
    raw = {("self", "raw", layer, head) for layer in range(3) for head in range(2)}
    joint = {("self", method, layer, None) for method in ("rollout", "flow") for layer in range(3)}
    text = static_page(widget.picture_state())
    assert holds(text) == raw | joint
    (group,) = stored(text)["state"]["info"]["groups"]
    assert group["methods"] == ["raw", "rollout", "flow"]
    assert not stored(text)["state"]["info"]["can_run"]


def test_further_methods_are_there_where_the_capture_allows_them():
    weights = softmax_rows(np.random.default_rng(5), 1, 2, 5, 5)[0]
    layer = aw.LayerAttention(
        "l",
        "self",
        "",
        0,
        2,
        5,
        5,
        weights,
        v=np.ones((2, 5, 3)),
        output_projection=np.ones((2, 3, 4)),
    )
    shown = aw.AttentionWidget(aw.Capture((layer,), {"": aw.Tokens(tuple("abcde"))}))
    assert ("self", "value_weighted", 0, 1) in holds(static_page(shown.picture_state()))


def test_every_attention_of_a_translator_is_there_with_the_methods_it_allows():
    shown = aw.AttentionWidget(stored_page.capture())
    found = holds(static_page(shown.picture_state()))
    assert {(attention, method) for attention, method, *_ in found} >= {
        ("decoder", "flow"),
        ("cross", "raw"),
    }
    assert ("cross", "raw", 2, 1) in found


def test_the_neuron_view_is_that_of_the_head_that_is_shown_and_a_layer_without_queries_says_why(
    widget,
):
    shown = aw.AttentionWidget(stored_page.capture(), layer=2, head=1)
    neuron = stored(static_page(shown.picture_state()))["neuron"]
    assert (neuron["attention"], neuron["layer"], neuron["head"], neuron["why"]) == (
        "decoder",
        2,
        1,
        None,
    )
    assert "The neuron view is that of layer 2, head 1" in notes(static_page(shown.picture_state()))
    assert (
        "must have recorded queries and keys"
        in stored(static_page(widget.picture_state()))["neuron"]["why"]
    )


def test_the_page_opens_with_the_traits_of_the_widget(widget):
    widget.set_trait("view", "matrix")
    widget.query, widget.method, widget.hide_special = 3, "rollout", True
    state = stored(static_page(widget.picture_state()))["state"]
    assert (state["view"], state["query"], state["method"], state["hide_special"]) == (
        "matrix",
        [3],
        "rollout",
        True,
    )
    assert set(state) == set(stored(static_page(widget.picture_state()))["state"])
    assert not [name for name in state if name.startswith("_")]  # the bundle is there already


def test_chosen_methods_alone_are_stored_and_unknown_ones_refused(widget):
    assert {
        method for _, method, *_ in holds(static_page(widget.picture_state(), methods=["rollout"]))
    } == {"rollout"}
    with pytest.raises(
        InputError, match=r"methods must be among raw, .*, got 'rolout'. Check the spelling."
    ):
        static_page(widget.picture_state(), methods=["rolout"])


def test_a_folder_is_named_by_its_last_part_only(capture, tmp_path):
    object.__setattr__(capture, "model_name", str(tmp_path / "tiny"))
    text = static_page(aw.AttentionWidget(capture).picture_state())
    assert stored(text)["state"]["info"]["model"] == "tiny"
    assert str(tmp_path) not in text + json.dumps(stored(text))


@pytest.mark.parametrize(
    "traits",
    [
        {"view": "head", "words": True},
        {"view": "matrix", "method": "flow", "residual": 0.25},
        {"view": "model", "method": "rollout"},
        {"view": "text", "hide_special": True},
    ],
)
def test_the_page_has_the_frame_on_screen_as_the_live_page_has_it(widget, traits):
    for name, value in traits.items():
        setattr(widget, name, value)
    state = widget.picture_state()
    text = static_page(state)
    header, buffers = state.pictures.frame(state.spec).encode()
    shown, data = stored(text)["shown"], inflated(text)
    assert shown["header"] == json.loads(json.dumps(header))
    assert [data[at : at + size] for at, size in shown["at"]] == buffers


def test_a_page_without_the_method_on_screen_opens_on_one_that_it_has(widget):
    widget.method = "rollout"
    page = stored(static_page(widget.picture_state(), methods=["raw"]))
    assert (page["state"]["method"], page["state"]["view"]) == ("raw", "head")
    assert page["shown"]["header"]["spec"]["method"] == "raw"
    assert page["state"]["info"]["groups"][0]["methods"] == ["raw"]
    widget.method, widget.view = "raw", "neuron"  # the neuron view shows raw attention only
    page = stored(static_page(widget.picture_state(), methods=["rollout"]))
    assert (page["state"]["method"], page["state"]["view"]) == ("rollout", "head")
    assert page["shown"]["header"]["spec"]["method"] == "rollout"


def test_a_method_that_does_not_apply_is_refused_where_a_page_is_to_hold_it(widget):
    with pytest.raises(MethodError, match="gradient must have been recorded"):
        static_page(widget.picture_state(), methods=["raw", "relevance"])


def test_the_frame_on_screen_is_left_out_if_it_needs_a_query(widget):
    state = widget.picture_state()
    assert stored(static_page(state))["shown"] is not None
    widget.view = "neuron"
    assert stored(static_page(widget.picture_state()))["shown"] is None


def test_the_frame_on_screen_is_never_stored_at_the_price_of_numbers(larger, monkeypatch):
    state, sizes = larger.picture_state(), range(170_000, 234_000, 4_000)
    found = [stored(static_page(state, max_bytes=size)) for size in sizes]
    with_frame = [page["shown"] is not None for page in found]
    assert with_frame[-1]
    assert not all(with_frame)
    monkeypatch.setattr("attn_widget.pages.page.frame_on_screen", lambda *_: None)
    without = [stored(static_page(state, max_bytes=size)) for size in sizes]
    assert [page["places"] for page in found] == [page["places"] for page in without]


# -- what fits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [static_page, static_html])
@pytest.mark.parametrize("max_bytes", [230_000, 182_000, 174_000, 172_000])
def test_the_cap_holds_for_the_whole_file(larger, wrapped, max_bytes):
    text = wrapped(larger.picture_state(), max_bytes=max_bytes)
    assert len(text.encode()) <= max_bytes


def test_precision_is_reduced_before_matrices_are_omitted_and_both_are_stated(larger):
    def look(text):
        bits = {p["bits"] for p in stored(text)["places"] if p["head"] is not None}
        return bits, len(holds(text)), notes(text)

    seen = [
        look(static_page(larger.picture_state(), max_bytes=size))
        for size in range(164_000, 234_000, 4_000)
    ]
    whole = len(seen[-1]) and seen[-1][1]
    assert whole == 4 * 3 + 2 * 4
    order = [(n, min(bits)) for bits, n, _ in seen]
    assert order == sorted(order)  # more room never holds less, nor coarser numbers of as much
    assert {(whole, 6), (whole, 5), (whole, 4)} <= set(order)
    for bits, n, said in seen:
        assert f"in {min(bits)} bits a number" in said
        assert ("Left out" in said) == (n < whole)
    partial = next(said for _, n, said in seen if n == 3 + 8)
    assert "Left out: heads of layers other than layer 2." in partial


def test_a_limit_too_small_for_a_page_is_refused_before_any_work(widget):
    with pytest.raises(
        InputError, match=r"max_bytes must leave room for the page's script, got 50000\."
    ):
        static_page(widget.picture_state(), max_bytes=50_000)


def test_flow_that_takes_long_is_left_out_unless_it_is_named_or_known(widget, monkeypatch):
    monkeypatch.setattr("attn_widget.pages.contents.FLOW_STEPS", 5**3 * 6 - 1)
    text = static_page(widget.picture_state())
    assert "flow" not in {method for _, method, *_ in holds(text)}
    assert "Left out: flow (flow of this text takes long" in notes(text)
    reasons = stored(text)["state"]["info"]["groups"][0]["reasons"]
    assert reasons["flow"].startswith("flow of this text takes long")
    assert "flow" in {
        method
        for _, method, *_ in holds(static_page(widget.picture_state(), methods=["raw", "flow"]))
    }
    monkeypatch.setattr("attn_widget.pages.contents.FLOW_STEPS", 5**3 * 6)
    assert "flow" in {method for _, method, *_ in holds(static_page(widget.picture_state()))}


def test_long_work_is_reported_and_can_be_stopped(attention, tokens):
    steps = []
    static_page(
        aw.AttentionWidget(capture_of(attention, tokens)).picture_state(), progress=steps.append
    )
    assert {"storing", "flow"} <= {step.what for step in steps}
    assert all(0 <= step.done <= max(step.total, 1) for step in steps)

    def stop(step):
        raise aw.Cancelled("Stopped.")

    with pytest.raises(aw.Cancelled):
        static_page(
            aw.AttentionWidget(capture_of(attention, tokens)).picture_state(), progress=stop
        )


def test_a_method_that_turns_out_not_to_apply_is_left_out_with_its_reason(widget):
    shown = aw.AttentionWidget(stored_page.capture(), attention="decoder")
    shown.baseline = True  # of causal attention only: cross-attention has none
    text = static_page(shown.picture_state())
    assert {a for a, *_ in holds(text)} == {"decoder"}


# -- what no token can do --------------------------------------------------------------------------


def hostile_widget() -> aw.AttentionWidget:
    n = len(HOSTILE)
    weights = softmax_rows(np.random.default_rng(6), 2, 3, n, n)
    return aw.AttentionWidget(aw.from_arrays(weights, HOSTILE))


def test_hostile_tokens_are_in_the_page_and_nowhere_in_its_markup():
    text = static_page(hostile_widget().picture_state())
    assert stored(text)["axes"][0]["text"] == list(HOSTILE)
    assert text.count("<script") - text.count('"<script') >= 3
    before, _, after = text.partition('<script type="application/vnd.attn-widget">')
    assert (
        "onerror"
        not in before + after.partition("</script>")[2].partition('<script type="module">')[0]
    )
    assert not re.search(r"[\u200b\u202e\u2066]", before)


def test_an_iframe_is_one_line_that_gives_the_page_back_exactly():
    text = static_page(hostile_widget().picture_state())
    line = iframe(text, 'a "title"\n<b>', 500)
    assert not re.search(r"[\r\n]", line)
    (srcdoc,) = re.findall(r'srcdoc="([^"]*)"', line)
    assert html.unescape(srcdoc) == text
    assert 'sandbox="allow-scripts allow-downloads"' in line
    assert "<b>" not in line


def test_a_page_has_nothing_to_fetch_and_forbids_it():
    text = static_page(hostile_widget().picture_state())
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert re.findall(r"https?://[^\s\"'`<)]+", text) in ([], ["http://www.w3.org/2000/svg"])


def test_scripts_that_hold_their_own_end_do_not_end_there():
    text = page("", 'const a="</script><!--";var b=1;export{b as default};', "0", "t", ["n"])
    assert 'a="<\\/script><\\!--"' in text
    assert "globalThis.attn_widget=b;" in text


def test_a_bundle_without_one_default_export_is_refused():
    with pytest.raises(RuntimeError, match=r"widget.js must end in one default export"):
        page("", "var a=1;", "", "t", [])


# -- files, cells, commands ------------------------------------------------------------------------


def test_to_html_writes_a_file_and_returns_its_path(widget, tmp_path):
    path = widget.to_html(str(tmp_path / "a.html"), progress=False)
    assert path == tmp_path / "a.html"
    assert path.read_bytes() == static_page(widget.picture_state(), with_still=True).encode()


def test_show_static_needs_a_notebook(widget):
    with pytest.raises(
        InputError, match=r"show_static must run in a notebook, got none. Write a file: w.to_html"
    ):
        widget.show_static()


def test_the_examples_of_the_exports_run():
    assert doctest.testmod(widget_module).failed == 0


def test_the_command_line_writes_a_page(tmp_path, capsys):
    from tests.models import MINILM

    out = tmp_path / "page.html"
    assert (
        main(["html", MINILM, "The keys are on the table.", "-o", str(out), "--method", "rollout"])
        == 0
    )
    assert str(out) in capsys.readouterr().out
    assert stored(out.read_text())["state"]["method"] == "rollout"
    assert main(["html", MINILM, "The keys.", "-o", str(out), "--layer", "9"]) == 1
    assert "layer must be 0 to 5, got 9" in capsys.readouterr().err


def test_errors_of_a_capture_are_said_by_name():
    with pytest.raises((InputError, MethodError)):
        aw.AttentionWidget(stored_page.capture(), attention="encoder")


def test_a_page_carries_the_still_picture_only_if_it_takes_little_of_the_room(widget):
    text = static_page(widget.picture_state(), with_still=True)
    png = text.split("data:image/png;base64,")[1].split('"')[0]
    assert base64.b64decode(png).startswith(b"\x89PNG")
    assert "data:image/png" not in static_page(widget.picture_state())
    small = static_page(widget.picture_state(), with_still=True, max_bytes=10 * len(png) - 1)
    assert "data:image/png" not in small
