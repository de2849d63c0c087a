"""`capture`: one forward pass of any PyTorch model, recorded, and everything put back as it was."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError, NoAttentionError
from attn_widget.recording.building.build_capture import assemble
from attn_widget.recording.inputs.model_call import Call, describe
from attn_widget.recording.tracing import transformers_interface as interface
from attn_widget.recording.tracing.attention_call import Recorder
from attn_widget.recording.tracing.banded import laid_out
from attn_widget.recording.tracing.function_mode import Interceptor
from attn_widget.recording.tracing.kernelised import implied as implying
from attn_widget.records import Capture, Tokens

# Configurations and training flags belong to the model, which threads share: captures run one at a time.
ONE_AT_A_TIME = threading.RLock()


def capture(
    model: Any,
    inputs: Any,
    *,
    tokens: Tokens | Sequence[Any] | Mapping[str, Any] | None = None,
    tokenizer: Any = None,
    weights: bool | str = "auto",
    keep_graph: bool = False,
    item: int = 0,
    window: int = 0,
    name: str | None = None,
    image: Any = None,
    source: Sequence[str] = (),
    seconds: float | None = None,
    implied: Sequence[str] = (),
) -> Capture:
    """Return what every attention of the model computed in one forward pass.

    ``attention = softmax(scaling · q kᵀ + bias + mask)`` of each layer, as the model itself evaluated it.

    Parameters
    ----------
    model
        Any ``torch.nn.Module``. It runs in eval mode; every module's ``training`` flag is put back.
    inputs
        What the model is called with: a mapping (a tokenizer's output as it is), a tuple, or one tensor.
    tokens
        What stands along the axes: `Tokens`, or labels; a mapping ``{stream: tokens}`` where there are
        several streams. Left out, it is read from the inputs as far as they tell.
    tokenizer
        Makes the ids of ``inputs`` readable.
    weights
        ``True`` keeps attention ``(head, query, key)``, ``False`` keeps queries and keys only and recomputes what is
        asked for, ``"auto"`` keeps them while all of them fit 256 MiB.
    keep_graph
        Keep weights differentiable: ``torch.autograd.grad(x, [layer.weights for layer in capture.layers])``.
        One item without padding.
    item
        Which item of the batch. Padding of that item is dropped, on either side.
    window
        Which window of an item, for models that attend inside windows (Swin).
    name
        Name of the model for titles; its class where left out.
    image
        The picture that was shown, ``(row, column, rgb)`` uint8, to be drawn under the patches.
    source
        The text, or the two texts of a pair, that the ids were made from.
    seconds
        How long the sound is that the inputs were made from.
    implied
        Paths of submodules ``(q, k, v) -> output`` whose attention has no softmax (kernelised, clustered): they are
        recorded as the matrix they imply, by giving them the identity as values.

    Returns
    -------
    Capture
        Layers in the order they ran. Rows of attention sum to 1; to less where the head has a sink.

    Raises
    ------
    InputError
        If the inputs cannot be given to the model, or an argument breaks its rule.
    NoAttentionError
        If nothing in the model took a softmax of q·kᵀ.

    Notes
    -----
    Memory ``layer × head × query × key`` with weights, ``layer × head × token × channel`` without.
    Attention whose layout holds no one weight per query and key is named in ``capture.missing``; nothing is
    ever filled in.

    Examples
    --------
    >>> import torch
    >>> from transformers import BertConfig, BertModel
    >>> small = BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=3, intermediate_size=8)
    >>> seen = capture(BertModel(small), {"input_ids": torch.tensor([[5, 6, 7, 8]])})
    >>> seen.attention.shape
    (3, 2, 4, 4)
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Load the model first."
        )
    if weights not in (True, False, "auto"):
        raise InputError(
            f'weights must be True, False or "auto", got {weights!r}. Choose one of these.'
        )
    _refuse_compiled(model)
    call = describe(
        model,
        inputs,
        tokens=tokens,
        tokenizer=tokenizer,
        item=item,
        window=window,
        source=source,
        seconds=seconds,
    )
    if keep_graph and (call.batch or 1) > 1:
        raise InputError(
            f"inputs must hold one item with keep_graph, got {call.batch}. Give the item alone."
        )
    expected = sum(interface.routes(module) for module in model.modules())
    recorder = Recorder(model, weights, keep_graph=keep_graph, expected=expected)
    with recording(model, recorder, call, implied) as seen:
        output = call.run()
    if not recorder.records:
        raise NoAttentionError(_why_none(model, recorder, seen))
    logits = (
        output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    )
    read = {record.name for record in recorder.records}
    return assemble(
        recorder.records,
        call,
        model_name=name or type(model).__name__,
        logits=logits,
        image=image,
        missing=[path for path in recorder.unreadable if path not in read],
    )


@contextlib.contextmanager
def recording(
    model: torch.nn.Module, recorder: Recorder, call: Call, implied: Sequence[str] = ()
) -> Iterator[set[str]]:
    """Show a recorder every attention that runs inside, by all routes; afterwards all is as it was.

    Yields the names of the torch functions that were called.
    """
    # no_grad, not inference mode: tables that a model builds on its first run would stay inference tensors
    # and break its training later.
    grad = torch.enable_grad() if recorder.keep_graph else torch.no_grad()
    with contextlib.ExitStack() as stack:
        for part in (
            ONE_AT_A_TIME,
            _evaluating(model),
            recorder.watching(model),
            interface.routed(model, recorder),
        ):
            stack.enter_context(part)
        stack.enter_context(laid_out(model, recorder, call.n_tokens))
        stack.enter_context(implying(model, recorder, implied))
        seen = stack.enter_context(Interceptor(model, recorder, call.likely_batch)).seen
        stack.enter_context(grad)
        yield seen


def _why_none(model: torch.nn.Module, recorder: Recorder, seen: set[str]) -> str:
    """Return why nothing was recorded, from what the forward pass was seen to do."""
    unread = ", ".join(recorder.unreadable)
    if unread:
        reason = (
            f"its attention at {unread} is split into hashed, chunked or sparse blocks, "
            "which hold no one weight per query and key"
        )
    elif "scan" in seen or {"cumsum", "exp"} <= seen or {"conv1d", "exp"} <= seen:
        reason = "it mixes tokens by a state-space or other recurrence, where no query weighs a key"
    else:
        reason = "it mixes tokens without any product of queries and keys (convolution, pooling, Fourier or recurrence)"
    return (
        f"model must take a softmax of q·kᵀ somewhere, got none in {type(model).__name__}: {reason}. "
        "Show a model with softmax attention, or give weights you computed to aw.from_arrays."
    )


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Run in eval mode; afterwards every module has the flag it had, which need not be the same everywhere."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def _refuse_compiled(model: torch.nn.Module) -> None:
    """Refuse compiled models: their kernels are fused and hold no scores that could be read."""
    for path, module in model.named_modules():
        if hasattr(module, "_orig_mod"):
            raise InputError(
                f"model must not be compiled, got {type(module).__name__}{f' at {path}' if path else ''}. "
                "Give the module it was compiled from: it holds the same weights.",
                code="aw.capture(model._orig_mod, inputs)",
            )
        if getattr(module, "_compiled_call_impl", None) is not None:
            raise InputError(
                f"model must not be compiled, got {type(module).__name__}.compile(){f' at {path}' if path else ''}. "
                "Load the model again without compile().",
            )
