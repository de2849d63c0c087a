"""Answers the front end: a request in, exactly one reply out, newest first, cancellable.

Long work must not sit in the comm handler, where the cancel message that should end it would wait
behind it. Each widget therefore answers on one thread of its own, which ends when nothing is waiting.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from attn_widget.errors import AttnWidgetError, Cancelled
from attn_widget.pictures.protocol import Frame
from attn_widget.records import Progress

PROGRESS_EVERY_S = 0.2

Send = Callable[[dict[str, Any], list[bytes]], None]
Report = Callable[[Progress, Frame | None], None]


class Encoded(Protocol):
    """A frame, or a file: what crosses the wire as JSON and bytes."""

    def encode(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the JSON and the buffers."""


Answer = Callable[[dict[str, Any], Report], Encoded | dict[str, Any]]


@dataclass(eq=False)
class Request:
    """One question from the front end, or one job of our own (``id`` empty: nobody waits for a reply)."""

    id: str
    name: str
    data: dict[str, Any]
    answer: Answer
    started: float = 0.0
    reported: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def asker(self) -> tuple[str, str]:
        """Return who asked what: a newer request of the same asker makes this one worthless."""
        return self.id.rsplit("-", 1)[0], self.name


class Answers:
    """The queue of one widget."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[Request] = []
        self._current: Request | None = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def put(self, request: Request) -> None:
        """Queue a request; an older one of the same asker is cancelled, wherever it stands."""
        superseded = []
        with self._changed:
            for other in [*self._waiting]:
                if other.asker == request.asker:
                    self._waiting.remove(other)
                    superseded.append(other)
            if self._current is not None and self._current.asker == request.asker:
                self._current.cancelled.set()
            self._waiting.append(request)
            if self._thread is None:
                # The handler's context carries the cell that messages belong to; the thread must keep it.
                context = contextvars.copy_context()
                self._thread = threading.Thread(target=context.run, args=(self._work,), daemon=True)
                self._thread.start()
        for other in superseded:
            self._fail(other, Cancelled("This request was replaced by a newer one."))

    def cancel(self, request_id: str) -> None:
        """Cancel one request by its id; unknown ids are ignored, they were answered already."""
        dropped = None
        with self._changed:
            if self._current is not None and self._current.id == request_id:
                self._current.cancelled.set()
            for other in self._waiting:
                if other.id == request_id:
                    dropped = other
            if dropped is not None:
                self._waiting.remove(dropped)
        if dropped is not None:
            self._fail(dropped, Cancelled("This request was cancelled."))

    def cancel_all(self) -> None:
        """Cancel everything: the widget is closing."""
        with self._changed:
            self._waiting.clear()
            if self._current is not None:
                self._current.cancelled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything asked for is answered; return whether it was, in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._current = None
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                self._current = request = self._waiting.pop(0)
            self._answer(request)

    def _answer(self, request: Request) -> None:
        request.started = request.reported = time.monotonic()
        try:
            result = request.answer(
                request.data, lambda progress, frame=None: self._report(request, progress, frame)
            )
        except (
            Exception
        ) as error:  # a traceback in a handler is seen by nobody: everything is answered
            self._fail(request, error)
            return
        data, buffers = (result, []) if isinstance(result, dict) else result.encode()
        if request.id:
            self._send({"kind": "reply", "id": request.id, "data": data}, buffers)

    def _report(
        self, request: Request, progress: Progress, frame: Callable[[], Frame] | Frame | None
    ) -> None:
        """Tell the front end how far the work has come, a few times a second; stop it if it was cancelled."""
        if request.cancelled.is_set():
            raise Cancelled("This request was cancelled.")
        now = time.monotonic()
        if not request.id or now - request.reported < PROGRESS_EVERY_S:
            return
        request.reported = now
        made = frame() if callable(frame) else frame
        data, buffers = made.encode() if made is not None else (None, [])
        message = {
            "kind": "progress",
            "id": request.id,
            "what": progress.what,
            "done": progress.done,
        }
        message |= {"total": progress.total, "elapsed_ms": round((now - request.started) * 1000)}
        self._send(message | ({"data": data} if data is not None else {}), buffers)

    def _fail(self, request: Request, error: Exception) -> None:
        if request.id:
            self._send({"kind": "reply", "id": request.id, "error": describe(error)}, [])


def describe(error: Exception) -> dict[str, str | None]:
    """Return an error as the front end shows it: what is wrong, then the remedy, perhaps a line of code."""
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
