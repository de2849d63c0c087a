"""The check that a runner has the methods that a function calls."""

from __future__ import annotations

from typing import Any

from attn_widget.errors import InputError


def check_runner(runner: Any, protocol: type, ability: str) -> None:
    """Refuse a runner that does not fit a protocol of `attn_widget.records.protocols`.

    Parameters
    ----------
    protocol
        Such as ``Ablates``; its methods are looked for by name.
    ability
        What the protocol's methods do, such as ``"ablate attention heads"``.

    Raises
    ------
    InputError
        If the runner lacks one of the protocol's methods.
    """
    if not isinstance(runner, protocol):
        raise InputError(
            f"runner must be able to {ability}, got {type(runner).__name__}. "
            "Give the runner of a model.",
            code="aw.ModelRunner(model, tokenizer)",
        )
