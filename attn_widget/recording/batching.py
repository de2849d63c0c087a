"""Many texts: those of similar length share a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.capture import capture, record_pass
from attn_widget.recording.inputs import tokens as token_makers
from attn_widget.recording.inputs.encode import Prepared
from attn_widget.recording.inputs.model_call import describe, is_encoder_decoder
from attn_widget.recording.inputs.prepare import prepare
from attn_widget.records import Capture
from attn_widget.records.protocols import HoldsNamedModel
from attn_widget.records.runner_call import TEXT_INPUTS

PASS_TOKENS = 512  # padding included: beyond, a longer pass is no faster per token
# Rows of all items in one pass of equal texts: enough for matrix products to run at full speed, few
# enough that a processor's cache holds them.
ROWS = {"cpu": 640}
ROWS_ELSEWHERE = 16384
PASS_LOGITS_BYTES = 256 * 2**20


def run_many(runner: HoldsNamedModel, texts: Sequence[Any]) -> Iterator[Capture | InputError]:
    """Return the captures of many texts in order; in place of one that cannot be run, its error.

    Parameters
    ----------
    texts
        Texts, pairs ``(text, pair)``, or whatever else `ModelRunner.run` takes first.

    Returns
    -------
    Iterator
        What `ModelRunner.run` gives for each, to rounding.

    Notes
    -----
    Texts of similar length share a pass, the shorter ones padded; padding is dropped. Other inputs,
    and those of an encoder-decoder, have a pass of their own.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=50)
    >>> runner = aw.ModelRunner(transformers.GPT2Model(small))
    >>> [capture.attention.shape for capture in runner.run_many([[5, 6, 7], [5, 6]])]
    [(1, 2, 3, 3), (1, 2, 2, 2)]
    """
    with runner.lock:
        found: dict[int, Any] = {}
        ready: dict[int, Prepared] = {}
        for i, text in enumerate(texts):
            try:
                pair = text if _is_pair(text) else (text,)
                ready[i] = prepare(runner.model, runner.tokenizer, *pair)
            except InputError as error:
                found[i] = error
        for chunk in _passes({i: one.inputs for i, one in ready.items()}, runner.model):
            together = [ready[i] for i in chunk]
            found.update(zip(chunk, _run(runner, together), strict=True))
    for i in range(len(texts)):
        yield found.pop(i)


def items_per_pass(device: str, n_rows: int, logits_bytes: int, wanted: int | None = None) -> int:
    """Return how many equal texts share a pass.

    Parameters
    ----------
    device
        Type of the model's device.
    n_rows, logits_bytes
        Rows and bytes of logits of one text.
    wanted
        How many the caller wants; omitted: as many as run at full speed.
    """
    most = ROWS.get(device, ROWS_ELSEWHERE) // n_rows if wanted is None else wanted
    if logits_bytes:
        most = min(most, PASS_LOGITS_BYTES // logits_bytes)
    return max(1, most)


def _run(runner: HoldsNamedModel, ready: Sequence[Prepared]) -> list[Capture]:
    """Return the captures of texts that share one pass."""
    if len(ready) == 1:
        (one,) = ready
        options = {"weights": runner.weights, "name": runner.name, **one.options}
        return [capture(runner.model, one.inputs, **options)]
    pad = getattr(ready[0].options["tokenizer"], "pad_token_id", None)
    inputs = _padded([one.inputs for one in ready], 0 if pad is None else pad)
    recorded = record_pass(describe(runner.model, inputs), runner.weights)
    captures = []
    for item, one in enumerate(ready):
        tokens = token_makers.from_encoding(
            one.options["tokenizer"], one.inputs, source=one.options.get("source", ())
        )
        call = describe(runner.model, inputs, tokens=tokens, item=item)
        captures.append(recorded.capture_of(call, name=runner.name))
    return captures


def _is_pair(text: Any) -> bool:
    """Return whether this is two texts for a model of pairs."""
    return (
        isinstance(text, tuple) and len(text) == 2 and all(isinstance(part, str) for part in text)
    )


def _passes(inputs: dict[int, Any], model: torch.nn.Module) -> Iterator[list[int]]:
    """Return which texts share a pass, those of similar length together."""
    alone: list[int] = []
    lengths: dict[int, int] = {}
    for i, one in inputs.items():
        plain = hasattr(one, "keys") and {"input_ids", "attention_mask"} <= set(one) <= TEXT_INPUTS
        if plain and not is_encoder_decoder(model):
            lengths[i] = one["input_ids"].shape[-1]
        else:
            alone.append(i)
    yield from ([i] for i in alone)
    chunk: list[int] = []
    for i in sorted(lengths, key=lengths.__getitem__):
        if chunk and lengths[i] * (len(chunk) + 1) > PASS_TOKENS:
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _padded(items: Sequence[Any], pad: int) -> dict[str, torch.Tensor]:
    """Return the inputs of one pass: every text padded at its end, where attention is masked."""
    n = max(one["input_ids"].shape[-1] for one in items)
    fill = {"input_ids": pad, "attention_mask": 0, "token_type_ids": 0}

    def longer(name: str, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(values, (0, n - values.shape[-1]), value=fill[name])

    return {name: torch.cat([longer(name, one[name]) for one in items]) for name in items[0]}
