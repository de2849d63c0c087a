"""The effect of one head on the model's next tokens, for the button beside the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from attn_widget.errors import InputError
from attn_widget.heads.ablation import ablate
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.state import PictureState
from attn_widget.records import Progress, Runner


@dataclass(frozen=True)
class AblationRequest:
    """Which head to ablate, and how."""

    spec: Spec  # its attention, layer and head
    step: int = -1  # the generation step whose token is predicted again
    mode: str = "zero"


def ablation_reply(
    runner: Runner | None,
    state: PictureState,
    request: AblationRequest,
    *,
    truncate: bool,
    progress: Callable[[Progress], None],
) -> dict[str, Any]:
    """Return the likeliest tokens with and without a head, as JSON.

    Raises
    ------
    InputError
        If there is no runner, or its model gives no logits.
    """
    if runner is None or not state.traits["info"]["can_ablate"]:
        raise InputError(
            "runner must run a model that gives logits to ablate heads, got none. Use explore."
        )
    capture, spec = state.capture, request.spec
    text: Any = state.traits["text"]
    options: dict[str, Any]
    if capture.steps and len(capture.streams) == 1:
        # Token ids, because text that is decoded and encoded again may give other tokens.
        text = list(capture.tokens.ids or ())
        options = {"position": capture.steps[request.step].position}
    else:
        options = {"truncate": truncate}
        options["pair"] = state.traits["pair"] or None
    found = ablate(
        runner,
        text,
        [(spec.layer, spec.head)],
        mode=request.mode,
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
