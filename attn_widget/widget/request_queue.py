"""Queue of the page's requests: exactly one reply to each, in order; each can be cancelled.

A newer request replaces an older one of the same page and name.

Long work must not run in the comm handler: a cancel message would wait behind the work that it
should stop. Each widget therefore works on a thread of its own, which ends when the queue is empty.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

from attn_widget.errors import AttnWidgetError, Cancelled
from attn_widget.pictures.views import FrameReport, MakeFrame
from attn_widget.records import Progress

PROGRESS_EVERY_S = 0.2  # seconds between two progress messages of one request

Send = Callable[[dict[str, Any], list[bytes]], None]


@runtime_checkable
class Encodable(Protocol):
    """A reply of JSON and binary buffers: a frame, or a file."""

    def encode(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the JSON and the buffers."""


Handler = Callable[[dict[str, Any], FrameReport], "Encodable | dict[str, Any]"]


@dataclass(eq=False)
class Request:
    """A request of a page, or an internal job (``id`` empty: no reply is sent)."""

    id: str
    name: str
    data: dict[str, Any]
    handler: Handler
    started: float = 0.0
    reported: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def page(self) -> str:
        """Return the page that sent the request: its id without the running number."""
        return self.id.rsplit("-", 1)[0]

    def replaces(self, other: Request) -> bool:
        """Return whether the other request is obsolete: same page, same name."""
        return (self.page, self.name) == (other.page, other.name)


class RequestQueue:
    """The requests of one widget.

    Parameters
    ----------
    send
        Sends a message with its buffers to the page.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[Request] = []
        self._current: Request | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def put(self, request: Request) -> None:
        """Add a request; an older one that it replaces is cancelled, waiting or running."""
        with self._changed:
            replaced = self._remove(request.replaces)
            if self._current is not None and request.replaces(self._current):
                self._current.cancelled.set()
            self._waiting.append(request)
            if self._thread is None:
                # Messages belong to the cell of the handler's context: the thread must keep it.
                context = contextvars.copy_context()
                self._thread = threading.Thread(target=context.run, args=(self._work,), daemon=True)
                self._thread.start()
        for other in replaced:
            self._fail(other, Cancelled("This request was replaced by a newer one."))

    def cancel(self, request_id: str) -> None:
        """Cancel one request by its id; an unknown id was replied to already and is ignored."""
        with self._changed:
            if self._current is not None and self._current.id == request_id:
                self._current.cancelled.set()
            removed = self._remove(lambda other: other.id == request_id)
        for other in removed:
            self._fail(other, Cancelled("This request was cancelled."))

    def cancel_all(self) -> None:
        """Cancel all requests, because the widget is closing."""
        with self._changed:
            self._waiting.clear()
            if self._current is not None:
                self._current.cancelled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the queue is empty; return False after ``timeout_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout_s)

    def _remove(self, which: Callable[[Request], bool]) -> list[Request]:
        """Remove waiting requests and return them; the caller holds the lock."""
        removed = [request for request in self._waiting if which(request)]
        self._waiting = [request for request in self._waiting if not which(request)]
        return removed

    def _work(self) -> None:
        while True:
            with self._changed:
                self._current = None
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                self._current = request = self._waiting.pop(0)
            self._handle(request)

    def _handle(self, request: Request) -> None:
        request.started = request.reported = time.monotonic()

        try:
            result = request.handler(request.data, partial(self._report, request))
        except Exception as error:  # a traceback in this thread would not be shown: reply with it
            self._fail(request, error)
            return
        data, buffers = (result, []) if isinstance(result, dict) else result.encode()
        if request.id:
            self._send({"kind": "reply", "id": request.id, "data": data}, buffers)

    def _report(self, request: Request, progress: Progress, frame: MakeFrame | None) -> None:
        """Send the progress at most every `PROGRESS_EVERY_S`; raise if the request is cancelled."""
        if request.cancelled.is_set():
            raise Cancelled("This request was cancelled.")
        now = time.monotonic()
        if not request.id or now - request.reported < PROGRESS_EVERY_S:
            return
        request.reported = now
        message = {
            "kind": "progress",
            "id": request.id,
            "what": progress.what,
            "done": progress.done,
            "total": progress.total,
            "elapsed_ms": round((now - request.started) * 1000),
        }
        if frame is None:
            self._send(message, [])
        else:
            data, buffers = frame().encode()
            self._send(message | {"data": data}, buffers)

    def _fail(self, request: Request, error: Exception) -> None:
        if request.id:
            self._send({"kind": "reply", "id": request.id, "error": describe(error)}, [])


def describe(error: Exception) -> dict[str, str | None]:
    """Return an error as the page shows it: message, remedy, and a line of code or None."""
    if not isinstance(error, AttnWidgetError):
        message = f"{type(error).__name__}: {error}".rstrip(".: ") + "."
        remedy, code = "This is a fault of the widget or the model.", None
    else:
        message, remedy = split_sentence(error.message)
        code = error.code
    return {"name": type(error).__name__, "message": message, "remedy": remedy, "code": code}


def split_sentence(message: str) -> tuple[str, str]:
    """Return the first sentence (rule and value) and the rest (what to do)."""
    head, dot, rest = message.partition(". ")
    return (head + ".", rest) if dot else (message, "")
