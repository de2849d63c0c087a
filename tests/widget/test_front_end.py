"""Each request of a page gets one reply, with what the model computed."""

import threading
from dataclasses import asdict, replace

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.records import Tokens
from attn_widget.widget import request_queue
from attn_widget.widget.widget import AttentionWidget
from tests.conftest import capture_of, softmax_rows


@pytest.fixture
def widget(wire, capture):
    return AttentionWidget(capture)


def spec(widget, **changes):
    return asdict(replace(widget.picture_state().spec, **changes))


def test_hello_is_replied_to_with_the_capture_on_screen(widget, wire):
    reply, _ = wire.reply(widget, "hello")
    assert reply["data"] == {"capture_id": 0}


def test_a_frame_is_that_of_the_requested_spec_not_of_the_traits(widget, wire, attention):
    reply, arrays = wire.reply(widget, "frame", **spec(widget, layer=2))
    assert widget.layer == 0
    np.testing.assert_allclose(arrays["weights"], attention[2], atol=0.004)
    assert reply["data"]["layer_label"] == "layer 2"
    assert reply["data"]["keys"]["text"] == ["[CLS]", "key", "s", "turn", "[SEP]"]


def test_a_matrix_frame_is_of_the_chosen_head(widget, wire, attention):
    reply, arrays = wire.reply(widget, "frame", **spec(widget, view="matrix", layer=1, head=1))
    np.testing.assert_allclose(arrays["weights"], attention[1, 1], atol=0.004)
    assert reply["data"]["lanes"] == [{"head": 1, "name": "head 1"}]


@pytest.mark.parametrize("method", ["rollout", "flow"])
def test_a_joint_frame_is_that_methods_matrix(widget, wire, attention, method):
    reply, arrays = wire.reply(widget, "frame", **spec(widget, method=method, layer=2))
    expected = getattr(aw, method)(attention, layer=2)
    np.testing.assert_allclose(arrays["weights"][0], expected, atol=0.004)
    assert reply["data"]["lanes"] == [{"head": None, "name": method}]
    assert reply["data"]["layer_label"] == "layers 0–2"


def test_flow_frames_carry_their_bounds(widget, wire, attention):
    reply, arrays = wire.reply(widget, "frame", **spec(widget, method="flow", layer=2))
    assert (arrays["upper"] >= aw.flow(attention, layer=2) - 0.004).all()
    assert arrays["saturated"].shape == (5, 5)
    assert 0 <= reply["data"]["saturation"] <= 1


def test_a_hovered_row_is_exact_for_every_head(widget, wire, attention):
    _, arrays = wire.reply(widget, "row", **spec(widget, layer=1), side="query", index=3)
    np.testing.assert_array_equal(arrays["values"], attention[1][:, 3].astype(np.float32))


def test_a_hovered_column_is_exact_for_every_head(widget, wire, attention):
    _, arrays = wire.reply(widget, "row", **spec(widget, layer=1), side="key", index=3)
    np.testing.assert_array_equal(arrays["values"], attention[1][:, :, 3].astype(np.float32))


def test_one_row_of_flow_equals_the_whole_matrix_row(widget, wire, attention):
    _, arrays = wire.reply(
        widget, "row", **spec(widget, method="flow", layer=2), side="query", index=4
    )
    np.testing.assert_allclose(arrays["values"][0], aw.flow(attention, layer=2)[4], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer": 9}, "layer must be 0 to 2, got 9."),
        ({"head": 4, "view": "matrix"}, "head must be 0 to 1, got 4."),
        ({"capture_id": 5}, "capture_id must be 0, got 5."),
        ({"method": "nonsense"}, "method must be one of raw, rollout, flow"),
        ({"attention": "cross"}, "attention must be one of self, got 'cross'."),
        ({"layer": "1"}, "layer must be of type int, got '1'."),
    ],
)
def test_a_request_that_breaks_a_rule_gets_an_error_and_changes_nothing(
    widget, wire, changes, words
):
    reply = wire.answer(widget, "frame", **{**spec(widget), **changes})
    assert reply["error"]["message"].startswith(words)
    assert widget.layer == 0


def test_an_unknown_request_gets_an_error(widget, wire):
    reply = wire.answer(widget, "frames")
    assert (
        reply["error"]["message"]
        == "name must be one of hello, frame, detail, row, ablate, code, no_still, settled, "
        "region, export."
    )


@pytest.mark.parametrize(
    ("side", "index"), [("left", 0), ("query", 5), ("key", -1), ("key", "2"), ("query", None)]
)
def test_a_row_that_does_not_exist_gets_an_error(widget, wire, side, index):
    reply = wire.answer(widget, "row", **spec(widget), side=side, index=index)
    assert "must be" in reply["error"]["message"]


def test_a_click_is_read_in_python(widget, wire):
    wire.set(widget, query=[2], heads=[1])
    assert (widget.query, widget.heads) == ([2], [1])


def test_a_refused_change_of_the_page_is_sent_back_with_the_value_that_stands(widget, wire):
    wire.set(widget, layer=7, query=[1])
    assert (widget.layer, widget.query) == (0, [1])
    assert wire.updates("layer")[-1] == 0
    assert wire.updates("error")[-1]["message"] == "layer must be 0 to 2, got 7."


def test_a_wrong_type_from_the_page_is_refused_without_a_traceback(widget, wire):
    wire.set(widget, view=3)
    assert widget.view == "head"
    assert widget.error["message"]


class Slow:
    """A runner whose runs wait for the test, so a later text can finish first."""

    name = "slow"

    def __init__(self, capture):
        self.capture, self.go, self.ran = capture, threading.Event(), []

    def run(self, text, pair=None, **options):
        self.ran.append(text)
        assert self.go.wait(30.0)
        if text == "bad":
            raise InputError("text must be good, got 'bad'. Write another.")
        tokens = replace(self.capture.tokens, source=(text,))
        return replace(self.capture, streams={"": tokens})


def test_the_newest_text_wins(wire, capture):
    runner = Slow(capture)
    widget = AttentionWidget(capture, runner, query=[1])
    for text in ("first", "second", "third"):
        wire.deliver(widget, {"method": "update", "state": {"text": text}})
    runner.go.set()
    assert widget._front_end.wait(30.0)
    assert (widget.text, widget.capture_id, widget.query) == ("third", 1, [])
    # Which earlier text was running when a newer one came depends on the machine.
    assert runner.ran[-1] == "third"
    assert len(runner.ran) < 3
    assert widget.running == ""


def test_a_text_that_fails_keeps_the_last_picture_and_says_why(wire, capture):
    runner = Slow(capture)
    runner.go.set()
    widget = AttentionWidget(capture, runner)
    wire.set(widget, text="bad")
    assert (widget.text, widget.capture_id) == ("keys turn", 0)
    assert widget.error["message"] == "text must be good, got 'bad'."
    wire.set(widget, text="better")
    assert (widget.text, widget.error) == ("better", {})


def test_two_texts_typed_at_once_run_the_model_once(wire, capture):
    runner = Slow(capture)
    runner.go.set()
    widget = AttentionWidget(capture, runner)
    wire.set(widget, text="first", pair="second")
    assert runner.ran == ["first"]
    assert (widget.text, widget.pair, widget.capture_id) == ("first", "second", 1)


def test_python_sets_the_text_at_once_or_not_at_all(wire, capture):
    runner = Slow(capture)
    runner.go.set()
    widget = AttentionWidget(capture, runner)
    widget.text = "new"
    assert widget.capture.tokens.source == ("new",)
    with pytest.raises(InputError, match="text must be good"):
        widget.text = "bad"
    assert (widget.text, widget.capture.tokens.source) == ("new", ("new",))


def test_a_newer_request_replaces_an_older_one_and_both_get_a_reply(wire, capture):
    runner = Slow(capture)
    widget = AttentionWidget(capture, runner)
    wire.deliver(
        widget, {"method": "update", "state": {"text": "busy"}}
    )  # keeps the answering thread
    old = wire.ask(widget, "frame", wait=False, **spec(widget))
    other_page = wire.ask(widget, "frame", page="second", wait=False, **spec(widget))
    cancelled = wire.ask(widget, "row", wait=False, **spec(widget), side="query", index=0)
    wire.deliver(widget, {"method": "custom", "content": {"kind": "cancel", "id": cancelled}})
    new = wire.ask(widget, "frame", wait=False, **spec(widget, layer=1, capture_id=1))
    runner.go.set()
    assert widget._front_end.wait(30.0)
    outcome = {
        i: [m[0].get("error", {}).get("name") for m in wire.messages("reply", i)]
        for i in (old, cancelled, new)
    }
    assert outcome == {old: ["Cancelled"], cancelled: ["Cancelled"], new: [None]}
    assert len(wire.messages("reply", other_page)) == 1


@pytest.fixture
def long_widget(wire, monkeypatch):
    """A widget whose flow takes long enough to be watched, reporting after every row."""
    monkeypatch.setattr(request_queue, "PROGRESS_EVERY_S", 0.0)
    n = 60
    weights = softmax_rows(np.random.default_rng(3), 4, 2, n, n)
    return AttentionWidget(
        capture_of(weights, Tokens(tuple(f"t{i}" for i in range(n)))), view="matrix"
    )


def test_long_work_shows_its_bounds_at_once_and_exact_rows_as_they_come(long_widget, wire):
    asked = wire.ask(long_widget, "frame", **spec(long_widget, method="flow", layer=3))
    steps = [s for s in wire.messages("progress", asked) if s[0]["what"] == "flow" and s[1]]
    done = [s[0]["done"] for s in steps]
    assert done == sorted(done)
    ((_, final),) = wire.messages("reply", asked)
    early = steps[0][1]
    assert 0 <= early["exact"].sum() < 60
    open_rows = early["exact"] == 0
    assert (early["weights"][open_rows] >= final["weights"][open_rows] - 0.004).all()
    np.testing.assert_allclose(
        early["weights"][~open_rows], final["weights"][~open_rows], atol=0.004
    )


def test_long_work_stops_when_it_is_cancelled(long_widget, wire, monkeypatch):
    sent = long_widget.send
    asked: list[str] = []

    def cancel_at_once(message, buffers=None):
        if message["kind"] == "progress" and asked:
            long_widget._front_end.on_message(
                long_widget, {"kind": "cancel", "id": message["id"]}, []
            )
        sent(message, buffers)

    monkeypatch.setattr(long_widget._front_end._queue, "_send", cancel_at_once)
    asked.append("now")
    request_id = wire.ask(long_widget, "frame", **spec(long_widget, method="flow", layer=3))
    ((reply, _),) = wire.messages("reply", request_id)
    assert reply["error"]["name"] == "Cancelled"
    assert len(wire.messages("progress", request_id)) < 60


def test_a_region_of_a_pooled_matrix_is_sent_in_full_resolution(widget, wire, attention):
    asked = spec(widget, view="matrix", layer=1, head=1) | {
        "pool": 1,
        "rows": [2, 5],
        "columns": [0, 4],
    }
    reply, arrays = wire.reply(
        widget, "region", **asked
    )  # nothing was drawn before: only these rows are computed
    np.testing.assert_allclose(arrays["weights"], attention[1][1][2:5, :4], atol=0.004)
    wire.reply(widget, "frame", **spec(widget, view="matrix", layer=1, head=1))
    again, known = wire.reply(widget, "region", **asked)
    np.testing.assert_array_equal(known["weights"], arrays["weights"])
    assert again["data"] == reply["data"]
    wrong = wire.answer(widget, "region", **asked | {"rows": [2, 6]})
    assert wrong["error"]["message"].startswith("rows must be [start, stop] within 0 to 5")


def test_a_broken_kernels_weights_are_drawn_as_missing_and_never_break_the_message(
    wire, attention, tokens
):
    broken = attention.copy()
    broken[0, 1, 2, 0] = np.nan
    capture = capture_of(broken, tokens)
    widget = AttentionWidget(capture)
    reply, arrays = wire.reply(widget, "frame", **spec(widget, view="head"))
    assert reply["data"]["missing"] == 1
    assert np.argwhere(np.isnan(arrays["weights"])).tolist() == [[1, 2, 0]]
    row, numbers = wire.reply(widget, "row", **spec(widget, view="head"), side="query", index=2)
    assert np.isnan(numbers["values"][1, 0])
    assert row["data"]["sum"][1] is None
    for view in ("model", "matrix", "text"):
        wire.reply(widget, "frame", **spec(widget, view=view, head=1))
    assert "image/png" in widget._repr_mimebundle_()[0]


def test_cheap_numbers_are_dropped_when_the_last_page_closes(widget, wire, attention):
    def leave(page):
        wire.deliver(widget, {"method": "custom", "content": {"kind": "bye", "id": page}})
        assert widget._front_end.wait(60.0)

    for page in ("left", "right"):
        wire.ask(widget, "hello", page=page)
    wire.ask(widget, "frame", page="left", **spec(widget))
    state = widget.picture_state()
    assert state.pictures.is_cached(state.spec)
    leave("left")
    assert state.pictures.is_cached(state.spec)  # one page still shows it
    leave("right")
    assert not state.pictures.is_cached(state.spec)
    # a page that opens again gets the same numbers
    _, arrays = wire.reply(widget, "frame", **spec(widget))
    np.testing.assert_allclose(arrays["weights"], attention[0], atol=0.004)
