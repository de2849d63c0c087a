"""The model inside what people hold it in: a pipeline, a parallel wrapper; and its tokenizer."""

from __future__ import annotations

from typing import Any

import torch

from attn_widget.recording.compiled import uncompiled

# Where pipelines and models keep what reads their inputs, the most complete first.
READERS = ("processor", "tokenizer", "image_processor", "feature_extractor")
PARALLEL = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)


def unwrapped(model: Any, reader: Any) -> tuple[Any, Any]:
    """Return a model and its reader from what holds them; other things unchanged.

    Parameters
    ----------
    model
        A module; an object with a module as ``model``, such as a pipeline; or a module that copies
        itself to several devices.
    reader
        What the caller gave; None: what the model, or its holder, has.
    """
    holder = model
    if not isinstance(model, torch.nn.Module) and isinstance(
        getattr(model, "model", None), torch.nn.Module
    ):
        model = model.model
    model = without_holder(model)
    if reader is None:
        found = (getattr(one, name, None) for one in (holder, model) for name in READERS)
        # A layer may be called "tokenizer"; it reads no text.
        reader = next(
            (r for r in found if r is not None and not isinstance(r, torch.nn.Module)), None
        )
    return model, reader


def without_holder(model: Any) -> Any:
    """Return the module inside one that copies it to several devices, or that it was compiled to.

    Copies run on threads of their own, and compiled code holds no scores. The module inside has
    the same weights.
    """
    inner = uncompiled(model)
    while isinstance(inner, PARALLEL):
        inner = uncompiled(inner.module)
    return inner
