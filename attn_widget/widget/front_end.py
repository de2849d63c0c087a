"""The kernel's side of the messages: which request of a page is handled by what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from attn_widget import bundle
from attn_widget.errors import Cancelled, InputError
from attn_widget.pages.save_file import SavedFile, file_of
from attn_widget.pictures import Frame, PictureState, Spec
from attn_widget.pictures.region import Region
from attn_widget.pictures.validation import check
from attn_widget.pictures.views import FrameReport
from attn_widget.records import Capture, Progress, Report
from attn_widget.widget import loader
from attn_widget.widget.request_queue import Handler, Request, RequestQueue, Send


@dataclass(eq=False)
class FrontEnd:
    """Replies to the requests of every page that shows one widget.

    Attributes
    ----------
    send
        Sends a message to all pages that show the widget.
    state
        Returns what is on screen.
    run
        Runs the model on a text and a second text ("" for none), with what a method needs ("" for
        the one that is shown).
    accept
        Shows a capture of these texts, and the method if it is not "".
    show_error
        Shows an error; the second argument is where it belongs, ``request`` or ``run``.
    ablate
        Ablates the head of a spec at a generation step in a mode; returns the effect as JSON.
    keep
        Keeps a frame that is on screen, and its query, for hosts without a kernel.
    withdraw_still
        Empties the output with the still picture, which the page cannot hide.
    """

    send: Send
    state: Callable[[], PictureState]
    run: Callable[[str, str, str], Capture]
    accept: Callable[[Capture, str, str, str], None]
    show_error: Callable[[Exception, str], None]
    ablate: Callable[[Spec, int, str, Report], dict[str, Any]]
    keep: Callable[[Frame, int | None], None]
    withdraw_still: Callable[[], None]

    def __post_init__(self) -> None:
        self._queue = RequestQueue(self.send)
        self._handlers: dict[str, Handler] = {
            "hello": self._hello,
            "frame": self._frame,
            # A second picture beside the first: a request of its own name replaces neither.
            "detail": self._detail,
            "row": self._row,
            "ablate": self._ablate,
            "code": self._code,
            "no_still": self._no_still,
            "settled": self._settled,
            "region": self._region,
            "export": self._export,
        }
        self._pages: set[str] = set()  # pages that sent hello and not yet bye

    def close(self) -> None:
        """Cancel all work."""
        self._queue.cancel_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every request has its reply; return False after ``timeout_s`` seconds."""
        return self._queue.wait(timeout_s)

    def run_later(self, text: str, pair: str, method: str = "") -> None:
        """Run the model for a page, after the current request; the newest wins.

        ``method`` is one that was chosen and needs more of the model than the capture holds.
        """
        data = {"text": text, "pair": pair, "method": method}
        self._queue.put(Request("", "run", data, self._run))

    def on_message(self, _widget: object, message: Any, _buffers: object) -> None:
        """Handle a custom message of a page; the signature is that of ``Widget.on_msg``."""
        if not isinstance(message, dict):
            return
        kind, name = message.get("kind"), str(message.get("name"))
        if kind == "cancel":
            self._queue.cancel(str(message.get("id")))
        elif kind == "bye":
            self._pages.discard(str(message.get("id")))
            if not self._pages:
                self._queue.put(Request("", "drop", {}, self._drop))
        elif kind == "request":
            handler = self._handlers.get(name, self._unknown)
            request = Request(str(message.get("id")), name, message.get("data") or {}, handler)
            if name == "hello":
                self._pages.add(request.page)
                loader.mark_loaded()
            self._queue.put(request)

    # -- handlers ------------------------------------------------------------------------------

    def _unknown(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        raise InputError(f"name must be one of {', '.join(self._handlers)}. Reload the page.")

    def _hello(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        return {"capture_id": self.state().spec.capture_id}

    def _code(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        return {"code": bundle.text("widget.js")}

    def _settled(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        """Reply when all that was begun before is done."""
        return {}

    def _no_still(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        self.withdraw_still()
        return {}

    def _drop(self, _data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
        """Drop cheap cached values, so that re-running a cell does not grow the kernel."""
        if not self._pages:
            self.state().pictures.drop_cheap()
        return {}

    def _frame(self, data: dict[str, Any], report: FrameReport) -> Frame:
        frame = self._detail(data, report)

        def keep(_data: dict[str, Any], _report: FrameReport) -> dict[str, Any]:
            self.keep(frame, data.get("query"))
            return {}

        # After the reply: the page does not wait for what is kept.
        self._queue.put(Request("", "keep", {}, keep))
        return frame

    def _detail(self, data: dict[str, Any], report: FrameReport) -> Frame:
        state, spec = self._checked(data)
        query = None if data.get("query") is None else _integer(data, "query")
        return state.pictures.frame(spec, query, report)

    def _row(self, data: dict[str, Any], _report: FrameReport) -> Frame:
        state, spec = self._checked(data)
        return state.pictures.row(spec, str(data.get("side")), _integer(data, "index"))

    def _region(self, data: dict[str, Any], _report: FrameReport) -> Frame:
        state, spec = self._checked(data)
        return state.pictures.region(spec, Region.parse(data))

    def _ablate(self, data: dict[str, Any], report: FrameReport) -> dict[str, Any]:
        _, spec = self._checked(data)
        step, mode = int(data.get("step", -1)), str(data.get("mode", "zero"))
        return self.ablate(spec, step, mode, _without_frame(report))

    def _export(self, data: dict[str, Any], report: FrameReport) -> SavedFile:
        kind, theme = str(data.get("format")), str(data.get("theme"))
        return file_of(self.state(), kind, theme, _without_frame(report))

    def _run(self, data: dict[str, Any], report: FrameReport) -> dict[str, Any]:
        wanted = (data["text"], data["pair"], data["method"])
        try:
            capture = self.run(*wanted)
            report(Progress("running the model", 1, 1), None)  # raises if a newer text came
        except Cancelled:
            raise
        except Exception as error:
            # A text that breaks a rule leaves the picture; a model that fails leaves none.
            where = "request" if isinstance(error, InputError) else "run"
            self.show_error(error, where)
            raise
        self.accept(capture, *wanted)
        return {}

    def _checked(self, data: dict[str, Any]) -> tuple[PictureState, Spec]:
        """Return what is on screen and the spec of a request, which must be of this capture."""
        state, spec = self.state(), Spec.parse(data)
        if spec.capture_id != state.spec.capture_id:
            raise InputError(
                f"capture_id must be {state.spec.capture_id}, got {spec.capture_id}. "
                "Send the request again: another text is shown."
            )
        views = tuple(state.traits["views"])
        check("attention", spec.attention, state.capture, state.spec.attention, views)
        for name in ("view", "method", "layer", "part", "residual", "reduce"):
            check(name, getattr(spec, name), state.capture, spec.attention, views)
        check("head", spec.head, state.capture, spec.attention, views, spec.layer)
        return state, spec


def _without_frame(report: FrameReport) -> Report:
    """Return a callback for work that has no frame to show."""
    return lambda progress: report(progress, None)


def _integer(data: dict[str, Any], name: str) -> int:
    """Return an integer of a request."""
    value = data.get(name)
    if type(value) is not int:
        raise InputError(f"{name} must be an integer, got {value!r}. Send one.")
    return value
