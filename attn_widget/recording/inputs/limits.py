"""Ids and positions that a model has: more are refused before any work."""

from __future__ import annotations

from typing import Any

import torch

from attn_widget.errors import InputError

# What tables of positions are called.
POSITION_WORDS = ("pos", "wpe")


def check_length(model: torch.nn.Module, n: int, argument: str = "text") -> None:
    """Refuse more tokens than the model has positions."""
    limit = positions_of(model)
    if limit is not None and n > limit:
        raise InputError(
            f"{argument} must have at most {limit} tokens for this model's positions, got {n}. "
            f"Shorten it, or pass truncate=True to keep the first {limit} tokens."
        )


def check_ids(model: Any, ids: torch.Tensor, tokenizer: Any = None) -> None:
    """Refuse ids that the model has no embedding for."""
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (AttributeError, NotImplementedError):
        return
    worst, least = int(ids.max()), int(ids.min())
    if worst >= rows or least < 0:
        worst = worst if worst >= rows else least
        named = tokenizer is not None and hasattr(tokenizer, "convert_ids_to_tokens")
        shown = f" ({tokenizer.convert_ids_to_tokens(worst)!r})" if named and worst >= 0 else ""
        raise InputError(
            f"tokenizer must fit the model, got id {worst}{shown} where the model's embedding has "
            f"{rows} rows. Use the tokenizer that this model was trained with."
        )


def positions_of(model: torch.nn.Module) -> int | None:
    """Return how many positions the model has, or None where nothing limits them."""
    limits = []
    config = getattr(model, "config", None)
    if config is not None:
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        stated = getattr(text, "max_position_embeddings", None)
        limits.append(stated if isinstance(stated, int) else 0)
    for path, module in model.named_modules():
        name = path.rsplit(".", 1)[-1].lower()
        vision = any(word in path.lower() for word in ("vision", "visual", "image", "audio"))
        if (
            isinstance(module, torch.nn.Embedding)
            and any(word in name for word in POSITION_WORDS)
            and "relative" not in name
            and not vision
        ):
            # Tables with a padding row begin counting after it.
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - offset)
    limits = [limit for limit in limits if limit > 0]
    return min(limits) if limits else None
