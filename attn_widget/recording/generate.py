"""A text that the model writes, recorded step by step as it was written."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.build_capture import assemble
from attn_widget.recording.capture import recording
from attn_widget.recording.inputs.encode import check_length, prepare
from attn_widget.recording.inputs.model_call import describe, is_encoder_decoder
from attn_widget.recording.inputs.tokens import from_encoding
from attn_widget.recording.stitch_steps import light, stitched
from attn_widget.recording.tracing.attention_call import Record, Recorder
from attn_widget.records import Capture, Progress, Step

GREEDY = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
FED = ("decoder_input_ids", "input_ids")


class Generates:
    """The part of a runner that lets the model write."""

    def generate(
        self,
        prompt: Any,
        *,
        max_new_tokens: int = 20,
        top: int = 5,
        weights: bool | str | None = None,
        images: Any = None,
        sampling_rate: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        **options: Any,
    ) -> Capture:
        """Return the capture of a prompt and what the model wrote after it, each row as measured at its own step.

        Parameters
        ----------
        prompt
            What the model reads, as in ``run``. Tokens that the model added have ``segments`` 1; an encoder-decoder
            reads the prompt with its encoder and writes with its decoder.
        max_new_tokens
            How many tokens the model may write, at least 1.
        top
            How many of the likeliest tokens each step keeps.
        weights
            As in `capture`; the runner's where left out.
        images, sampling_rate
            As in ``run``.
        progress
            Called after every step; may raise `Cancelled`.
        options
            How the model writes, by the names of its ``generation_config``: ``do_sample``, ``temperature``,
            ``repetition_penalty`` … Greedily where nothing is said.

        Returns
        -------
        Capture
            All tokens have rows. ``steps`` holds one entry per query that was asked for a next token: the last one's
            token ended the text or would have come next. Probabilities are the model's own, before any sampling rule.

        Raises
        ------
        InputError
            If the model cannot write, an option is unknown, several sequences are asked for, or the text would grow
            beyond the model's positions.

        Notes
        -----
        One pass over the prompt and one step a token with a cache of keys and values, as without recording; memory
        as one capture of the final text.
        """
        settings = _settings(self.model, max_new_tokens, top, options)
        with self.lock:
            ready = prepare(
                self.model, self.tokenizer, prompt, images=images, sampling_rate=sampling_rate
            )
            inputs = self._placed(ready.inputs)
            known = dict(ready.options)
            image = known.pop("image", None)
            known.setdefault("tokenizer", getattr(self.tokenizer, "tokenizer", self.tokenizer))
            call = describe(self.model, inputs, **known)
            if (call.batch or 1) > 1:
                raise InputError(
                    f"prompt must be one text to write after, got {call.batch}. Give one."
                )
            n_prompt = 0 if is_encoder_decoder(self.model) else (call.n_tokens or 0)
            if n_prompt:
                check_length(self.model, n_prompt + max_new_tokens, "prompt and max_new_tokens")
            writer = _Writer(self, weights, top, max_new_tokens, progress)
            with recording(self.model, writer, call), writer.following(self.model):
                result = self.model.generate(**inputs, generation_config=settings)
            records = writer.records_of_all()
            ids = torch.cat(writer.fed, dim=1)
            tokenizer = known["tokenizer"]
            if n_prompt:
                text = (
                    tokenizer.decode(ids[0], clean_up_tokenization_spaces=False)
                    if tokenizer is not None
                    else ""
                )
                tokens = from_encoding(tokenizer, {"input_ids": ids})
                new = len(tokens) - n_prompt
                known["tokens"] = replace(
                    tokens, segments=(0,) * n_prompt + (1,) * new, spans=(), source=(text,)
                )
                final = {"input_ids": ids}
            else:
                final = {**{name: inputs[name] for name in inputs}, "decoder_input_ids": ids}
            seen = assemble(
                records, describe(self.model, final, **known), model_name=self.name, image=image
            )
            return replace(seen, answers=True, steps=writer.steps(ids, result, tokenizer))


class _Writer(Recorder):
    """Records each step of a model that writes."""

    def __init__(self, runner: Any, weights: Any, top: int, total: int, progress: Any) -> None:
        weights = runner.weights if weights is None else weights
        super().__init__(runner.model, weights, keep_graph=False, expected=1)
        self.parts: dict[tuple[str, int], list[Record]] = {}  # of each attention, step by step
        self.fed: list[torch.Tensor] = []
        self.likely: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._calls: dict[str, int] = {}
        self._top, self._total, self._progress = top, total, progress

    def following(self, model: torch.nn.Module) -> Any:
        """Return a context in which each call of the model is a step."""
        stack = contextlib.ExitStack()
        for hook in (
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end),
        ):
            stack.callback(hook.remove)
        return stack

    def _begin(self, model: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if self.here():
            ids = next((kwargs[name] for name in FED if kwargs.get(name) is not None), None)
            if ids is None or len(ids) != 1:
                raise InputError(
                    "generate must follow one sequence of ids, got another input. Write one at a time."
                )
            n_known = sum(part.shape[1] for part in self.fed)
            self.fed.append(ids[:, n_known:] if ids.shape[1] > n_known and self.fed else ids)
            self._calls = {}

    def _end(self, model: Any, args: Any, output: Any) -> None:
        if self.here():
            shares = output.logits[0, -1].float().softmax(-1)
            self.likely.append((shares, shares.topk(min(self._top, len(shares))).indices))
            if self._progress is not None:
                self._progress(Progress("writing", min(len(self.likely), self._total), self._total))

    def add(self, record: Record, output: Any = None) -> None:
        """Note one step's record beside those of the steps before."""
        super().add(record, output)
        place = (record.name, self._calls.get(record.name, 0))
        self._calls[record.name] = place[1] + 1
        before = self.parts.setdefault(place, [])
        if before:
            light(before[-1], keep=False)
        before.append(record)
        self.records.clear()

    def records_of_all(self) -> list[Record]:
        """Return one record per attention, in the order they ran."""
        n_first, n_steps = self.fed[0].shape[1], len(self.fed)
        out = []
        for (name, _), parts in self.parts.items():
            if len(parts) not in (1, n_steps):
                raise InputError(
                    f"generate must run the same attentions at every step, got others at {name}."
                )
            if len(parts) == n_steps and parts[0].shape[2] == n_first:
                light(parts[-1], keep=True)
                out.append(stitched(parts, n_first))
            else:
                out.extend(parts)  # an encoder's, which runs once
        return out

    def steps(self, ids: torch.Tensor, result: Any, tokenizer: Any) -> tuple[Step, ...]:
        """Return what was asked and chosen at every step."""
        result = getattr(result, "sequences", result)
        chosen = [int(part[0, 0]) for part in self.fed[1:]]
        # Some models give back less than they wrote; a last token that is not told is the likeliest.
        told = result.shape[1] > ids.shape[1]
        chosen.append(int(result[0, ids.shape[1]]) if told else int(self.likely[-1][1][0]))

        def named(i: int) -> str:
            return (
                str(i)
                if tokenizer is None
                else tokenizer.decode([i], clean_up_tokenization_spaces=False)
            )

        first = self.fed[0].shape[1] - 1
        return tuple(
            Step(
                position=first + i,
                token=named(token),
                id=token,
                probability=float(shares[token]),
                top=tuple((named(int(j)), float(shares[j])) for j in best),
            )
            for i, (token, (shares, best)) in enumerate(zip(chosen, self.likely, strict=True))
        )


def _settings(model: Any, max_new_tokens: int, top: int, options: dict[str, Any]) -> Any:
    """Return the model's generation settings with these options, every one checked."""
    if not hasattr(model, "generate") or getattr(model, "generation_config", None) is None:
        raise InputError(
            f"model must be able to write, got {type(model).__name__}. Load it with its language head."
        )
    if hasattr(model, "can_generate") and not model.can_generate():
        raise InputError(
            f"model must be able to write, got {type(model).__name__}. Load it with its language head."
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
                f"{name} must be 1: a capture follows one sequence, got {value}. Leave it out."
            )
    # One step more than tokens: the last token has a row too, and what it would be followed by is known.
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
