"""`capture`: one forward pass of any PyTorch model, recorded; afterwards the model is as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.errors import InputError, NoAttentionError
from attn_widget.recording.building.build_capture import build_capture
from attn_widget.recording.building.missing import no_attention, written_modules
from attn_widget.recording.compiled import running_eagerly
from attn_widget.recording.eval_mode import ONE_AT_A_TIME, evaluating
from attn_widget.recording.inputs.model_call import ModelCall, describe
from attn_widget.recording.nested import tensors_in
from attn_widget.recording.output import find_logits
from attn_widget.recording.tracing.attention_call import AttentionCall, Items
from attn_widget.recording.tracing.attention_lookup import looks_up_attention
from attn_widget.recording.tracing.banded import trace_banded
from attn_widget.recording.tracing.function_mode import FunctionTracer
from attn_widget.recording.tracing.intervention import NO_INTERVENTION, Intervention
from attn_widget.recording.tracing.kernelised import trace_implied
from attn_widget.recording.tracing.recorder import Recorder
from attn_widget.recording.tracing.transformers_interface import trace_interface
from attn_widget.recording.unwrap_model import without_holder
from attn_widget.records import Capture, Tokens


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

    ``attention = softmax(scaling · q kᵀ + bias + mask)`` of each layer, as the model computed it.

    Parameters
    ----------
    model
        Any ``torch.nn.Module``. It runs in eval mode; every module's ``training`` flag is put back.
    inputs
        What the model is called with: a mapping (a tokenizer's output), a tuple, or one tensor.
    tokens
        What stands along the axes: `Tokens`, or labels; a mapping ``{stream: tokens}`` where there
        are several streams. Omitted: read from the inputs where possible.
    tokenizer
        Makes the ids of ``inputs`` readable.
    weights
        ``True`` keeps attention ``(head, query, key)``; ``False`` keeps queries and keys only, from
        which weights are recomputed; ``"auto"`` keeps weights while all of them fit 256 MiB.
    keep_graph
        Keep weights differentiable:
        ``torch.autograd.grad(x, [layer.weights for layer in capture.layers])``.
        One item without padding.
    item
        Which item of the batch. Padding of that item is dropped, on either side.
    window
        Which window of an item, for models that attend inside windows (Swin).
    name
        Name of the model for titles; omitted: its class.
    image
        The picture that the model reads, ``(row, column, rgb)`` uint8, to be drawn under patches.
    source
        The text, or the two texts of a pair, that the ids were made from.
    seconds
        Length of the sound that the inputs were made from, in seconds.
    implied
        Paths of submodules ``(q, k, v) -> output`` whose attention has no softmax (kernelised,
        clustered): recorded as the matrix they imply, with the identity as values.

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
    Modules that mixed positions and were not recorded are named in ``capture.missing``; nothing is
    filled in. Where the shapes of a model do not tell which axis holds heads, and which windows or
    pictures, its blocks run again with one position of their input changed, and it is measured.

    Examples
    --------
    >>> import torch
    >>> from transformers import BertConfig, BertModel
    >>> small = BertConfig(
    ...     hidden_size=8, num_attention_heads=2, num_hidden_layers=3, intermediate_size=8
    ... )
    >>> recorded = capture(BertModel(small), {"input_ids": torch.tensor([[5, 6, 7, 8]])})
    >>> recorded.attention.shape
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
    model = without_holder(model)
    _refuse_scripts(model)
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
    if any(t.device.type == "meta" for t in tensors_in((call.args, call.kwargs))):
        raise InputError(
            "inputs must hold numbers, got a tensor on the meta device. Make them on the device "
            "that the model runs on, and load the model's weights."
        )
    if keep_graph and (call.batch or 1) > 1:
        raise InputError(
            f"inputs must hold one item with keep_graph, got {call.batch}. Give the item alone."
        )
    recorded = record_pass(call, weights, keep_graph=keep_graph, implied=implied)
    return recorded.capture_of(call, name=name or type(model).__name__, image=image)


@dataclass(frozen=True)
class RecordedPass:
    """The attention calls of one forward pass of a batch, and its logits."""

    calls: Sequence[AttentionCall]
    logits: Any
    # Modules that mixed positions and were not read, and what was seen there.
    missing: Mapping[str, str]

    def capture_of(self, call: ModelCall, *, name: str, image: Any = None) -> Capture:
        """Return the capture of the item that a `ModelCall` chooses."""
        return build_capture(
            self.calls, call, model_name=name, logits=self.logits, image=image, missing=self.missing
        )


def record_pass(
    call: ModelCall, weights: bool | str, *, keep_graph: bool = False, implied: Sequence[str] = ()
) -> RecordedPass:
    """Run the model once and return what was recorded of the whole batch."""
    model = call.model
    expected = sum(looks_up_attention(module) for module in model.modules())
    recorder = Recorder(model, weights, keep_graph=keep_graph, expected=expected)
    with traced(call, recorder, implied=implied):
        output = call.run()
        recorder.finish((call.args, dict(call.kwargs)))
    missing = written_modules(model, recorder.unreadable)
    # Where a module's attention was read in part, a call of some of its queries is no layer.
    calls = [
        one
        for one in recorder.calls
        if one.name not in recorder.unreadable or one.cross or one.shape[2] == one.shape[3]
    ]
    if not calls:
        raise NoAttentionError(no_attention(type(model).__name__, missing))
    return RecordedPass(calls, find_logits(output, model), missing)


@contextlib.contextmanager
def traced(
    call: ModelCall,
    recorder: Recorder,
    intervention: Intervention = NO_INTERVENTION,
    implied: Sequence[str] = (),
) -> Iterator[None]:
    """Trace every attention of the model that runs inside; afterwards the model is as it was."""
    # no_grad, not inference mode: tables that a model builds on its first run would stay inference
    # tensors and break its training later.
    grad = torch.enable_grad() if recorder.keep_graph else torch.no_grad()
    model = call.model
    with contextlib.ExitStack() as stack:
        stack.enter_context(ONE_AT_A_TIME)
        stack.enter_context(running_eagerly())
        stack.enter_context(evaluating(model))
        stack.enter_context(recorder.watching(model))
        stack.enter_context(trace_interface(model, recorder, intervention))
        stack.enter_context(trace_banded(model, recorder, intervention, call.n_tokens))
        stack.enter_context(trace_implied(model, recorder, implied))
        given = [t for t in tensors_in((call.args, call.kwargs)) if t.ndim > 2]
        # A picture has colours on its second axis, a sequence may have its items there.
        sizes = frozenset(n for t in given for n in t.shape[: 2 if t.ndim == 3 else 1])
        recorder.items = Items(call.batch, call.likely_batch, sizes)
        stack.enter_context(FunctionTracer(model, recorder, intervention))
        stack.enter_context(grad)
        yield


def _refuse_scripts(model: torch.nn.Module) -> None:
    """Refuse TorchScript: what it computes inside cannot be followed."""
    for path, module in model.named_modules():
        at = f" at {path}" if path else ""
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"model must be Python code, got TorchScript{at}. "
                "Give the module it was traced or scripted from: it holds the same weights."
            )
