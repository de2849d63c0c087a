"""The effect of one head on the model's next tokens, for the button beside the head."""

from __future__ import annotations

from typing import Any

from attn_widget.errors import InputError
from attn_widget.heads.ablation import ablate
from attn_widget.pictures import PictureState, Spec
from attn_widget.records import Progress, Report, Runner


def ablation_reply(
    runner: Runner | None,
    state: PictureState,
    spec: Spec,
    step: int,
    mode: str,
    *,
    truncate: bool,
    progress: Report,
) -> dict[str, Any]:
    """Return the likeliest tokens with and without the head of a spec, as JSON.

    Parameters
    ----------
    runner
        Runs the model that is shown.
    state
        What is on screen.
    spec
        The attention, layer and head to ablate.
    step
        The generation step whose token is predicted again, if the model wrote the text.
    mode
        How to ablate the head, as in `ablate`.
    truncate
        Cut texts that are longer than the model allows.
    progress
        Called during the work; may raise `Cancelled` to stop it.

    Raises
    ------
    InputError
        If there is no runner, or its model gives no logits.
    """
    if runner is None or not state.traits["info"]["can_ablate"]:
        raise InputError(
            "runner must run a model that gives logits to ablate heads, got none. Use explore."
        )
    capture = state.capture
    text: Any = state.traits["text"]
    options: dict[str, Any]
    if capture.steps and len(capture.streams) == 1:
        # Token ids, because text that is decoded and encoded again may give other tokens.
        text = list(capture.tokens.ids or ())
        options = {"position": capture.steps[step].position}
    else:
        options = {"truncate": truncate}
        options["pair"] = state.traits["pair"] or None
    found = ablate(
        runner,
        text,
        [(spec.layer, spec.head)],
        mode=mode,
        attention=spec.attention,
        progress=progress,
        **options,
    )
    progress(Progress("ablating a head", 1, 1))
    return {
        "top": found.top(),
        "bits": found.divergence,
        "loss": found.loss,
        "position": found.before.position,
    }
