"""New captures for a widget: the call that made the shown one, repeated with other texts."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, lacks_gradient
from attn_widget.errors import InputError
from attn_widget.records import Capture, Runner
from attn_widget.records.protocols import TakesGradients
from attn_widget.records.runner_call import RunnerCall

WITH_TRUNCATE = ("run", "gradients")  # the functions of a runner that take ``truncate``


def on_demand(capture: Capture, runner: Runner | None, attention: str | None) -> tuple[str, ...]:
    """Return the methods that apply once the runner has taken gradients of the same text.

    A text that the model wrote has none: its gradients would be of another pass.
    """
    call = capture.made_by
    if call is None or call.function != "run" or not isinstance(runner, TakesGradients):
        return ()
    return tuple(name for name in METHODS if lacks_gradient(capture, attention, name))


def with_gradients(capture: Capture, runner: Runner | None, *, truncate: bool) -> Capture:
    """Return the capture of the same text with gradients."""
    return repeated(capture, runner, None, truncate=truncate, gradients=True)


def repeated(
    capture: Capture,
    runner: Runner | None,
    texts: tuple[str, str] | None,
    *,
    truncate: bool,
    gradients: bool = False,
) -> Capture:
    """Return what the call that made a capture gives now.

    Parameters
    ----------
    capture
        What is shown. Where no runner made it, ``run`` is called.
    runner
        The widget's.
    texts
        A text and a second one ("" for none), to read instead. None: what was read.
    truncate
        Cut texts that are longer than the model allows.
    gradients
        Take gradients as well.

    Raises
    ------
    InputError
        If there is no runner, or another text would drop what was given beside the text.
    """
    if runner is None:
        shown = "" if texts is None else texts[0]
        raise InputError(
            f"text must stay as it is on a widget without a runner, got {shown!r}. "
            "Make the widget from a model.",
            code="aw.explore(model, tokenizer, text)",
        )
    call = capture.made_by or RunnerCall()
    if texts is not None:
        call = call.with_texts(*texts)
    if gradients:
        call = call.with_gradients()
    options: dict[str, Any] = {"truncate": truncate} if call.function in WITH_TRUNCATE else {}
    return call.make(runner, **options)
