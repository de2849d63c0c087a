"""Messages without a browser: records what a widget sends, and delivers messages of a page."""

from __future__ import annotations

import itertools
from typing import Any

import comm
import numpy as np
import pytest
from comm.base_comm import BaseComm

from tests.oracles import from_sqrt8


class Wire:
    """Both directions between widgets and a simulated page."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict, list[bytes]]] = []
        self._ids = itertools.count()

    def deliver(self, widget: Any, data: dict) -> None:
        """Deliver a comm message to the widget, as ipywidgets does."""
        widget._handle_msg({"content": {"data": {"buffer_paths": [], **data}}, "buffers": []})

    def set(self, widget: Any, **state: Any) -> None:
        """Change traits from the page, and wait until all its effects are complete."""
        self.deliver(widget, {"method": "update", "state": state})
        assert widget._front_end.wait(60.0)

    def ask(
        self, widget: Any, name: str, page: str = "page", wait: bool = True, **data: Any
    ) -> str:
        """Send a request; return its id."""
        request_id = f"{page}-{next(self._ids)}"
        content = {"kind": "request", "id": request_id, "name": name, "data": data}
        self.deliver(widget, {"method": "custom", "content": content})
        if wait:
            assert widget._front_end.wait(60.0)
        return request_id

    def messages(self, kind: str, request_id: str) -> list[tuple[dict, dict[str, np.ndarray]]]:
        """Return the messages of a kind to a request, with their arrays decoded."""
        found = [
            (c, b) for c, b in self.sent if c.get("kind") == kind and c.get("id") == request_id
        ]
        return [(content, decode(content.get("data") or {}, buffers)) for content, buffers in found]

    def answer(self, widget: Any, name: str, **data: Any) -> dict:
        """Send a request and return its one reply, error or not."""
        (reply,) = self.messages("reply", self.ask(widget, name, **data))
        return reply[0]

    def reply(self, widget: Any, name: str, **data: Any) -> tuple[dict, dict[str, np.ndarray]]:
        """Send a request and return its one reply with its arrays; it must not be an error."""
        (reply,) = self.messages("reply", self.ask(widget, name, **data))
        assert "error" not in reply[0], reply[0]["error"]
        return reply

    def updates(self, name: str) -> list[Any]:
        """Return every value of a trait that was sent to the page."""
        return [c["state"][name] for c, _ in self.sent if name in c.get("state", {})]


def decode(header: dict, buffers: list[bytes]) -> dict[str, np.ndarray]:
    """Return the arrays of a frame."""
    arrays = {}
    for entry, buffer in zip(header.get("arrays", []), buffers, strict=True):
        array = np.frombuffer(buffer, entry["dtype"]).reshape(entry["shape"])
        arrays[entry["name"]] = (
            from_sqrt8(array, entry["scale"]) if entry["encoding"] == "sqrt8" else array
        )
    return arrays


@pytest.fixture
def wire(monkeypatch) -> Wire:
    """Connect every widget made in a test to a simulated page."""
    wire = Wire()

    class Comm(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            data = data or {}
            content = data["content"] if data.get("method") == "custom" else data
            wire.sent.append((content, [bytes(b) for b in buffers or []]))

    monkeypatch.setattr(comm, "create_comm", Comm)
    return wire
