"""Many texts at a time: short texts leave most of a processor waiting, so several of a length share a pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError, NoAttentionError
from attn_widget.recording.building.build_capture import assemble
from attn_widget.recording.capture import capture, recording
from attn_widget.recording.inputs import tokens as token_makers
from attn_widget.recording.inputs.model_call import describe, is_encoder_decoder
from attn_widget.recording.tracing import transformers_interface as interface
from attn_widget.recording.tracing.attention_call import Recorder
from attn_widget.records import Capture

PASS_TOKENS = 512  # padding included: beyond, a longer pass is no faster per token
TEXT_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class RunsMany:
    """The part of a runner that runs many texts, and that can be sent to another process."""

    def run_many(self, texts: Sequence[Any]) -> Iterator[Capture | InputError]:
        """Return the captures of many texts in order; in place of one that cannot be run, the error that says why.

        Parameters
        ----------
        texts
            Texts, pairs ``(text, pair)``, or whatever else ``run`` takes first.

        Returns
        -------
        Iterator
            What ``run`` gives for each, to rounding. Captures are not remembered.

        Notes
        -----
        Texts of like length share a pass, the shorter ones padded; padding is dropped. What is no text, and what an
        encoder-decoder reads, has a pass of its own.
        """
        with self.lock:
            found: dict[int, Any] = {}
            ready = {}
            for i, text in enumerate(texts):
                two = (
                    isinstance(text, tuple)
                    and len(text) == 2
                    and all(isinstance(part, str) for part in text)
                )
                try:
                    ready[i] = self._ready(*text) if two else self._ready(text)
                except InputError as error:
                    found[i] = error
            for chunk in _passes({i: inputs for i, (inputs, _) in ready.items()}, self.model):
                seen = self._together([ready[i] for i in chunk])
                found.update(zip(chunk, seen, strict=True))
        for i in range(len(texts)):
            yield found.pop(i)

    def _together(self, ready: Sequence[tuple[Any, dict[str, Any]]]) -> list[Capture]:
        """Return the captures of texts that share one pass."""
        if len(ready) == 1:
            ((inputs, options),) = ready
            return [capture(self.model, inputs, **options)]
        pad = getattr(ready[0][1]["tokenizer"], "pad_token_id", None)
        inputs = _padded([one for one, _ in ready], 0 if pad is None else pad)
        recorder = Recorder(
            self.model,
            self.weights,
            keep_graph=False,
            expected=sum(map(interface.routes, self.model.modules())),
        )
        call = describe(self.model, inputs)
        with recording(self.model, recorder, call):
            output = call.run()
        if not recorder.records:
            raise NoAttentionError(
                f"model must take a softmax of q·kᵀ somewhere, got none in {self.name}."
            )
        logits = output.get("logits") if hasattr(output, "get") else getattr(output, "logits", None)
        read = {record.name for record in recorder.records}
        missing = [path for path in recorder.unreadable if path not in read]
        captures = []
        for item, (one, options) in enumerate(ready):
            source = options.get("source", ())
            tokens = token_makers.from_encoding(options["tokenizer"], one, source=source)
            given = describe(self.model, inputs, tokens=tokens, item=item)
            captures.append(
                assemble(
                    recorder.records, given, model_name=self.name, logits=logits, missing=missing
                )
            )
        return captures

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: the model and its tokenizer, no lock and nothing remembered."""
        return {
            name: value for name, value in vars(self).items() if name not in ("lock", "_remembered")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=threading.RLock(), _remembered=OrderedDict())


def _passes(inputs: dict[int, Any], model: torch.nn.Module) -> Iterator[list[int]]:
    """Return which texts share a pass, those of like length together."""
    alone, lengths = [], {}
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
    """Return the inputs of one pass: every text padded behind its end, where attention is masked."""
    n = max(one["input_ids"].shape[-1] for one in items)
    fill = {"input_ids": pad, "attention_mask": 0, "token_type_ids": 0}
    return {
        name: torch.cat(
            [
                torch.nn.functional.pad(one[name], (0, n - one[name].shape[-1]), value=fill[name])
                for one in items
            ]
        )
        for name in items[0]
    }
