"""A text that the model writes, recorded at each generation step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.build_capture import build_capture
from attn_widget.recording.capture import traced
from attn_widget.recording.inputs.decoder import GREEDY
from attn_widget.recording.inputs.encode import check_length
from attn_widget.recording.inputs.model_call import describe, is_encoder_decoder
from attn_widget.recording.inputs.prepare import encode_on_device
from attn_widget.recording.inputs.tokens import from_encoding
from attn_widget.recording.stitch_steps import release_tensors, stitch_steps
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.recorder import Recorder
from attn_widget.records import Capture, Progress, Report, Step, Tokens
from attn_widget.records.protocols import HoldsNamedModel
from attn_widget.records.runner_call import keeps_call

IDS = ("decoder_input_ids", "input_ids")


@keeps_call
def generate(
    runner: HoldsNamedModel,
    prompt: Any,
    *,
    max_new_tokens: int = 20,
    top: int = 5,
    weights: bool | str | None = None,
    images: Any = None,
    sampling_rate: int | None = None,
    progress: Report | None = None,
    **options: Any,
) -> Capture:
    """Return the capture of a prompt and what the model wrote after it, row by row as generated.

    Parameters
    ----------
    prompt
        What the model reads, as in `ModelRunner.run`. Tokens that the model wrote have ``segments``
        1; an encoder-decoder reads the prompt with its encoder and writes with its decoder.
    max_new_tokens
        How many tokens the model may write, at least 1.
    top
        How many of the likeliest tokens each generation step keeps.
    weights
        As in `capture`; omitted: the runner's.
    images, sampling_rate
        As in `ModelRunner.run`.
    progress
        Called after every generation step; may raise `Cancelled`.
    options
        How the model writes, by the names of its ``generation_config``: ``do_sample``,
        ``temperature``, ``repetition_penalty`` … Omitted: greedily.

    Returns
    -------
    Capture
        All tokens have rows. ``steps`` has one entry per generated token; the last one ended the
        text or would have come next. Probabilities are the model's, before any sampling rule.

    Raises
    ------
    InputError
        If the model cannot write, an option is unknown or asks for several sequences, or the text
        would grow beyond the model's positions.

    Notes
    -----
    One pass over the prompt and one step a token with a cache of keys and values, as without
    recording; memory as one capture of the final text.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> written = runner.generate([5, 6, 7], max_new_tokens=2)
    >>> len(written.tokens), len(written.steps)
    (5, 3)
    """
    model = runner.model
    settings = _settings(model, max_new_tokens, top, options)
    with runner.lock:
        ready = encode_on_device(
            model, runner.tokenizer, prompt, images=images, sampling_rate=sampling_rate
        )
        inputs, known = ready.inputs, dict(ready.options)
        image = known.pop("image", None)
        call = describe(model, inputs, **known)
        if (call.batch or 1) > 1:
            raise InputError(f"prompt must be one text to write after, got {call.batch}. Give one.")
        n_prompt = 0 if is_encoder_decoder(model) else (call.n_tokens or 0)
        if n_prompt:
            check_length(model, n_prompt + max_new_tokens, "prompt and max_new_tokens")
        recorder = StepRecorder(
            model, runner.weights if weights is None else weights, top, max_new_tokens, progress
        )
        with traced(call, recorder), recorder.following(model):
            result = model.generate(**inputs, generation_config=settings)
        ids = torch.cat(recorder.inputs, dim=1)
        tokenizer = known["tokenizer"]
        if n_prompt:
            final = {"input_ids": ids}
            known["tokens"] = _tokens(tokenizer, ids, n_prompt)
        else:
            final = {**{name: inputs[name] for name in inputs}, "decoder_input_ids": ids}
        capture = build_capture(
            recorder.joined_calls(),
            describe(model, final, **known),
            model_name=runner.name,
            image=image,
        )
        return replace(capture, answers=True, steps=recorder.steps(ids, result, tokenizer))


def _tokens(tokenizer: Any, ids: torch.Tensor, n_prompt: int) -> Tokens:
    """Return the tokens of prompt and continuation; those that the model wrote have segment 1."""
    tokens = from_encoding(tokenizer, {"input_ids": ids})
    text = "" if tokenizer is None else _decoded(tokenizer, ids[0])
    segments = (0,) * n_prompt + (1,) * (len(tokens) - n_prompt)
    return replace(tokens, segments=segments, spans=(), source=(text,))


def _decoded(tokenizer: Any, ids: Any) -> str:
    """Return the text of ids."""
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


class StepRecorder(Recorder):
    """Records each generation step of a model."""

    def __init__(
        self,
        model: torch.nn.Module,
        weights: bool | str,
        top: int,
        total: int,
        progress: Report | None,
    ) -> None:
        super().__init__(model, weights)
        self.inputs: list[torch.Tensor] = []  # the new ids that each step read
        self._likely: list[tuple[torch.Tensor, torch.Tensor]] = []  # shares, most likely ids
        # (module, number of its call within a step) -> its calls, step by step
        self._by_step: dict[tuple[str, int], list[AttentionCall]] = {}
        self._n_calls: dict[str, int] = {}
        self._top, self._total, self._progress = top, total, progress

    @contextlib.contextmanager
    def following(self, model: torch.nn.Module) -> Iterator[None]:
        """Take each call of the model inside as one generation step."""
        handles = [
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, model: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if self.on_thread():
            ids = next((kwargs[name] for name in IDS if kwargs.get(name) is not None), None)
            if ids is None or len(ids) != 1:
                raise InputError(
                    "generate must follow one sequence of ids, got another input. "
                    "Write one at a time."
                )
            n_known = sum(part.shape[1] for part in self.inputs)
            new = ids.shape[1] > n_known and self.inputs
            self.inputs.append(ids[:, n_known:] if new else ids)
            self._n_calls = {}

    def _end(self, model: Any, args: Any, output: Any) -> None:
        if self.on_thread():
            shares = output.logits[0, -1].float().softmax(-1)
            self._likely.append((shares, shares.topk(min(self._top, len(shares))).indices))
            if self._progress is not None:
                done = min(len(self._likely), self._total)
                self._progress(Progress("writing", done, self._total))

    def add(self, call: AttentionCall, output: Any = None) -> None:
        """Keep one step's call beside those of the steps before."""
        super().add(call, output)
        place = (call.name, self._n_calls.get(call.name, 0))
        self._n_calls[call.name] = place[1] + 1
        before = self._by_step.setdefault(place, [])
        if before:
            release_tensors(before[-1], keep_keys=False)
        before.append(call)
        self.calls.clear()

    def joined_calls(self) -> list[AttentionCall]:
        """Return one call per attention, with the rows of all steps, in the order they ran."""
        n_first, n_steps = self.inputs[0].shape[1], len(self.inputs)
        out = []
        for (name, _), parts in self._by_step.items():
            if len(parts) not in (1, n_steps):
                raise InputError(
                    f"generate must run the same attentions at every step, got others at {name}."
                )
            if len(parts) == n_steps and parts[0].shape[2] == n_first:
                release_tensors(parts[-1], keep_keys=True)
                out.append(stitch_steps(parts, n_first))
            else:
                out.extend(parts)  # an encoder's, which runs once
        return out

    def steps(self, ids: torch.Tensor, result: Any, tokenizer: Any) -> tuple[Step, ...]:
        """Return the chosen and the likeliest tokens of every step."""
        result = getattr(result, "sequences", result)
        chosen = [int(part[0, 0]) for part in self.inputs[1:]]
        # Some models return less than they wrote: then the last token is taken to be the likeliest.
        told = result.shape[1] > ids.shape[1]
        chosen.append(int(result[0, ids.shape[1]]) if told else int(self._likely[-1][1][0]))

        def named(i: int) -> str:
            return str(i) if tokenizer is None else _decoded(tokenizer, [i])

        first = self.inputs[0].shape[1] - 1
        return tuple(
            Step(
                position=first + i,
                token=named(token),
                id=token,
                probability=float(shares[token]),
                top=tuple((named(int(j)), float(shares[j])) for j in best),
            )
            for i, (token, (shares, best)) in enumerate(zip(chosen, self._likely, strict=True))
        )


def _settings(model: Any, max_new_tokens: int, top: int, options: dict[str, Any]) -> Any:
    """Return the model's generation settings with these options, every one checked."""
    able = getattr(model, "generation_config", None) is not None and hasattr(model, "generate")
    if not able or not getattr(model, "can_generate", lambda: True)():
        raise InputError(
            f"model must be able to write, got {type(model).__name__}. "
            "Load it with its language head."
        )
    for name, value in (("max_new_tokens", max_new_tokens), ("top", top)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} must be 1 or more, got {value!r}. Give a number of tokens.")
    settings = copy.deepcopy(model.generation_config)
    for name, value in options.items():
        if not hasattr(settings, name):
            raise InputError(
                f"options must be names of the generation config, got {name!r}. Check the spelling."
            )
        if name in ("num_beams", "num_return_sequences") and value not in (None, 1):
            raise InputError(
                f"{name} must be 1: a capture follows one sequence, got {value}. Omit it."
            )
    # One step more than tokens: the last token has a row too, and likely next tokens.
    settings.update(
        **{
            **GREEDY,
            **options,
            "max_new_tokens": max_new_tokens + 1,
            "max_length": None,
            "use_cache": True,
        }
    )
    return settings
