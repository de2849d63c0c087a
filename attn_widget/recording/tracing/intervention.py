"""`Intervention`: what a tracer asks before the output of an attention is passed on."""

from __future__ import annotations

from typing import Any

import torch

from attn_widget.recording.tracing.attention_call import AttentionCall


class Intervention:
    """May replace what heads mix while a model runs. This one replaces nothing."""

    def applies_to(self, call: AttentionCall) -> bool:
        """Return whether something of this call's output is replaced; called in their order."""
        return False

    def replace(self, call: AttentionCall, whole: torch.Tensor, values: Any = None) -> torch.Tensor:
        """Return weights, or where values are given what they mixed, with that replaced."""
        return whole


NO_INTERVENTION = Intervention()
