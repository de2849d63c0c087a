"""The queue of requests: throttled progress, one reply to each request."""

from itertools import pairwise

import pytest

from attn_widget.errors import InputError
from attn_widget.pictures.protocol import Frame
from attn_widget.records import Progress
from attn_widget.widget import request_queue
from attn_widget.widget.request_queue import Request, RequestQueue, describe


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(request_queue, "time", clock)
    return clock


def replies(handler, request_id="page-1"):
    """Run one request; return what was sent."""
    sent = []
    queue = RequestQueue(lambda message, buffers: sent.append(message))
    queue.put(Request(request_id, "frame", {}, handler))
    assert queue.wait(10.0)
    return sent


def test_progress_is_sent_at_most_every_fifth_of_a_second(clock):
    made = []

    def frame():
        made.append(clock.now)
        return Frame({})

    def handler(_data, report):
        for done in range(100):  # 0.05 s each: 5 s of work
            clock.now += 0.05
            report(Progress("flow", done, 100), frame)
        return {}

    sent = replies(handler)
    progress = [message for message in sent if message["kind"] == "progress"]
    assert 20 <= len(progress) <= 25
    assert len(made) == len(progress)  # frames are made only for messages that are sent
    elapsed = [message["elapsed_ms"] for message in progress]
    assert min(b - a for a, b in pairwise(elapsed)) >= 200
    assert sent[-1] == {"kind": "reply", "id": "page-1", "data": {}}


def test_quick_work_sends_only_its_reply(clock):
    def handler(_data, report):
        for done in range(100):
            report(Progress("flow", done, 100), None)
        return {"done": True}

    assert [message["kind"] for message in replies(handler)] == ["reply"]


def test_an_internal_job_sends_nothing(clock):
    def handler(_data, report):
        clock.now += 1.0
        report(Progress("running the model", 0, 1), None)
        return {}

    assert replies(handler, request_id="") == []


def test_an_error_is_a_rule_and_a_remedy_or_a_fault():
    error = describe(InputError("layer must be 0 to 2, got 7. Set w.layer to one.", code="w.layer"))
    assert error == {
        "name": "InputError",
        "message": "layer must be 0 to 2, got 7.",
        "remedy": "Set w.layer to one.",
        "code": "w.layer",
    }
    assert describe(ValueError("no such thing"))["message"] == "ValueError: no such thing."
