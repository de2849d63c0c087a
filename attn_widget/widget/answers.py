"""The widget's end of the wire: which request is answered by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.errors import Cancelled, InputError
from attn_widget.heads.ablation import ablate
from attn_widget.pictures import validation as checks
from attn_widget.pictures.frame import cut, row_frame
from attn_widget.pictures.protocol import VERSION, Frame, Spec
from attn_widget.pictures.region import Region, members, region_frame
from attn_widget.pictures.views import VIEWS, Drawing
from attn_widget.records import Progress
from attn_widget.widget import loader as code
from attn_widget.widget.requests import Answers, Report, Request
from attn_widget.widget.save_file import File, file_of

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget


class FrontEnd:
    """Answers every view of one widget."""

    def __init__(self, widget: AttentionWidget) -> None:
        self._widget = widget
        self._answers = Answers(widget.send)
        # "detail" is a second picture beside the first: under its own name neither replaces the other.
        self._table = {
            "hello": self._hello,
            "frame": self._frame,
            "detail": self._frame,
            "row": self._row,
        }
        self._table |= {"ablate": self._ablate, "code": self._code}
        self._table |= {"region": self._region, "export": self._export}
        self._pages: set[str] = set()  # views in pages that said hello and not yet goodbye
        widget.on_msg(self._on_message)

    def close(self) -> None:
        """Cancel all work."""
        self._answers.cancel_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all is answered; return whether it was, in time."""
        return self._answers.wait(timeout_s)

    def run_later(self, text: str, pair: str) -> None:
        """Run the model for a text typed in a page, behind what is being answered; the newest text wins."""
        self._answers.put(Request("", "run", {"text": text, "pair": pair}, self._run))

    def _on_message(self, _widget: Any, message: Any, _buffers: Any) -> None:
        if not isinstance(message, dict):
            return
        kind, name = message.get("kind"), message.get("name")
        if kind == "cancel":
            self._answers.cancel(str(message.get("id")))
        elif kind == "bye":
            self._pages.discard(str(message.get("id")))
            if not self._pages:
                self._answers.put(Request("", "forget", {}, self._forget))
        elif kind == "request":
            answer = self._table.get(str(name), self._unknown)
            request = Request(str(message.get("id")), str(name), message.get("data") or {}, answer)
            if name == "hello":
                self._pages.add(request.asker[0])
                code.arrived()
            self._answers.put(request)

    def _unknown(self, _data: dict[str, Any], _report: Report) -> dict[str, Any]:
        raise InputError(
            f"name must be one of {', '.join(self._table)}. Reload the page: it is of another version."
        )

    def _hello(self, _data: dict[str, Any], _report: Report) -> dict[str, Any]:
        return {"version": VERSION, "capture_id": self._widget.capture_id}

    def _code(self, _data: dict[str, Any], _report: Report) -> dict[str, Any]:
        return {"code": code.text("widget.js")}

    def _forget(self, _data: dict[str, Any], _report: Report) -> dict[str, Any]:
        """Let go of what nobody looks at, so that a cell run again and again costs no more than once."""
        if not self._pages:
            self._widget._numbers.forget_cheap()
        return {}

    def _frame(self, data: dict[str, Any], report: Report) -> Frame:
        spec = self._checked(data)
        return VIEWS[spec.view](Drawing(self._widget._numbers, spec, data, report))

    def _row(self, data: dict[str, Any], _report: Report) -> Frame:
        spec, side, index = self._checked(data), data.get("side"), data.get("index")
        if side not in ("query", "key"):
            raise InputError(f"side must be query or key, got {side!r}. Ask again with one.")
        queries, keys = Drawing(self._widget._numbers, spec, data, _report).axes()
        axis = queries if side == "query" else keys
        if not isinstance(index, int) or not 0 <= index < len(axis):
            raise InputError(
                f"index must be 0 to {len(axis) - 1}, got {index!r}. Ask for a row that is shown."
            )
        numbers = self._widget._numbers.line(spec, side, axis.positions[index])
        return row_frame(spec, numbers, queries, keys, side=side, index=index)

    def _region(self, data: dict[str, Any], report: Report) -> Frame:
        """Answer with a part of a matrix that came pooled; only its rows are computed where they are not there."""
        spec = self._checked(data)
        queries, keys = Drawing(self._widget._numbers, spec, data, report).axes()
        region = Region.parse(data, len(queries), len(keys))
        numbers = self._widget._numbers.line(spec, "query", members(queries, region.queries))
        return region_frame(
            spec, cut(numbers, "key", members(keys, region.keys)), queries, keys, region
        )

    def _ablate(self, data: dict[str, Any], report: Report) -> dict[str, Any]:
        """Answer what the model says with one head off: its likeliest answers with and without it."""
        spec, widget = self._checked(data), self._widget
        if not widget.info["can_ablate"]:
            raise InputError(
                "runner must run a model that gives logits to switch heads off, got none. Use explore."
            )
        capture, text, options = widget.capture, widget.text, {"pair": widget.pair or None}
        step = int(data.get("step", -1))
        if (
            capture.steps and len(capture.streams) == 1
        ):  # the very tokens: decoded and read again they may be others
            text, options = list(capture.tokens.ids), {}
            options["position"] = capture.steps[step].position
        else:
            options["truncate"] = widget.truncate
        found = ablate(
            widget.runner, text, [(spec.layer, spec.head)], mode=str(data.get("how", "zero")),
            attention=spec.attention, progress=lambda step: report(step, None), **options,
        )  # fmt: skip
        report(Progress("ablating heads", 1, 1), None)
        return {
            "top": found.top(),
            "bits": found.divergence,
            "loss": found.loss,
            "position": found.before.position,
        }

    def _export(self, data: dict[str, Any], report: Report) -> File:
        return file_of(
            self._widget, data.get("format"), data.get("theme"), lambda step: report(step, None)
        )

    def _checked(self, data: dict[str, Any]) -> Spec:
        """Return the request's spec; one of a page that still shows another capture is refused, not drawn."""
        spec, widget = Spec.parse(data), self._widget
        if spec.capture_id != widget.capture_id:
            raise InputError(
                f"capture_id must be {widget.capture_id}, got {spec.capture_id}. Ask again: it changed."
            )
        views = tuple(widget.views)
        checks.check("attention", spec.attention, widget.capture, widget.attention, views)
        for name in ("view", "method", "layer", "head", "residual", "reduce"):
            checks.check(name, getattr(spec, name), widget.capture, spec.attention, views)
        return spec

    def _run(self, data: dict[str, Any], report: Report) -> dict[str, Any]:
        widget, texts = self._widget, (data["text"], data["pair"])
        try:
            capture = widget._run(*texts)
            report(
                Progress("running the model", 1, 1), None
            )  # a newer text may have come meanwhile
        except Cancelled:
            raise
        except Exception as error:
            # A text that breaks a rule leaves the picture as it is; a model that fails has none to show.
            widget._show_error(error, where="request" if isinstance(error, InputError) else "run")
            raise
        widget._accept(capture, *texts)
        return {}
