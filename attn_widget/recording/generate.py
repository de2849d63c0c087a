"""A text that the model writes, recorded at each generation step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.build_capture import build_capture
from attn_widget.recording.capture import traced
from attn_widget.recording.inputs.kinds import kind_of, plain
from attn_widget.recording.inputs.limits import check_length
from attn_widget.recording.inputs.model_call import describe
from attn_widget.recording.inputs.model_forward import reads_target
from attn_widget.recording.inputs.prepare import encode_on_device
from attn_widget.recording.inputs.readable import decoded
from attn_widget.recording.inputs.tokens import from_encoding
from attn_widget.recording.step_recorder import UNKNOWN, Reads, StepRecorder
from attn_widget.recording.writing import check_counts, writing_of
from attn_widget.records import Report, Tokens
from attn_widget.records.protocols import HoldsNamedModel
from attn_widget.records.runner_call import keeps_call


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
) -> Any:
    """Return the capture of a prompt and what the model wrote after it, row by row as generated.

    Parameters
    ----------
    prompt
        What the model reads, as in `ModelRunner.run`; of several texts a list. Tokens that the
        model wrote have ``segments`` 1; an encoder-decoder reads the prompt with its
        encoder and writes with its decoder.
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
        ``temperature``, ``repetition_penalty`` … Omitted: greedily. For a model with a loop of its
        own, ``generate(ids, max_new_tokens, …)``: the other arguments of that.

    Returns
    -------
    Capture, or list of Capture
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
    check_counts(max_new_tokens, top)
    options_of_all = {
        "max_new_tokens": max_new_tokens, "top": top, "weights": weights, "progress": progress,
        "sampling_rate": sampling_rate, **options,
    }  # fmt: skip
    prompt = plain(prompt)
    if kind_of(prompt, sampling_rate) == "several" and images is None:
        return [generate(runner, one, **options_of_all) for one in prompt]
    model = runner.model
    # One step more than tokens: the last token has a row too, and likely next tokens.
    write = writing_of(model, max_new_tokens + 1, options)
    with runner.lock:
        ready = encode_on_device(
            model, runner.tokenizer, prompt, images=images, sampling_rate=sampling_rate
        )
        known = dict(ready.options)
        image = known.pop("image", None)
        call = describe(model, ready.inputs, **known)
        if (call.batch or 1) > 1:
            raise InputError(f"prompt must be one text to write after, got {call.batch}. Give one.")
        if not reads_target(model) and call.n_tokens:
            check_length(model, call.n_tokens + max_new_tokens, "prompt and max_new_tokens")
        recorder = StepRecorder(
            model, runner.weights if weights is None else weights, top, max_new_tokens, progress
        )
        with traced(call, recorder), recorder.following(model):
            result = write(ready.inputs if hasattr(ready.inputs, "keys") else call.named)
        reads = recorder.steps_read()
        tokenizer = known["tokenizer"]
        if reads.target:
            final = {**call.named, "decoder_input_ids": reads.all_ids}
        else:
            final = {"input_ids": reads.all_ids}
            known["tokens"] = _tokens(tokenizer, reads, call.named.get("input_ids"))
        capture = build_capture(
            recorder.joined_calls(),
            describe(model, final, **known),
            model_name=runner.name,
            image=image,
        )
        steps = recorder.steps(result, partial(_named, tokenizer))
        return replace(capture, answers=True, steps=steps)


def _tokens(tokenizer: Any, reads: Reads, prompt: torch.Tensor | None) -> Tokens:
    """Return the tokens of prompt and continuation; those that the model wrote have segment 1.

    Positions at which the model read a vector that is of no id of the prompt are numbers.
    """
    n_prompt, n = reads.ids[0].shape[1], reads.all_ids.shape[1]
    segments = (0,) * n_prompt + (1,) * (n - n_prompt)
    ids = reads.all_ids[0].tolist()
    if reads.vectors is not None:
        ids[:n_prompt] = _ids_of_vectors(reads, prompt)
    known = [i for i in ids if i != UNKNOWN]
    tokens = from_encoding(tokenizer, {"input_ids": torch.tensor([known])})
    text = () if tokenizer is None else (decoded(tokenizer, known),)
    if len(known) == n:
        return replace(tokens, segments=segments, spans=(), source=text or ("",))
    labels = zip(tokens.text, tokens.special, strict=True)
    shown = [(str(at), False) if i == UNKNOWN else next(labels) for at, i in enumerate(ids)]
    return Tokens(
        text=tuple(label for label, _ in shown),
        special=tuple(special for _, special in shown),
        segments=segments,
    )


def _ids_of_vectors(reads: Reads, prompt: torch.Tensor | None) -> list[int]:
    """Return the id of the prompt whose embedding a position read; UNKNOWN where there is none."""
    assert reads.vectors is not None
    found = [UNKNOWN] * reads.vectors.shape[1]
    table: Any = getattr(reads.module, "get_input_embeddings", lambda: None)()
    if prompt is None or table is None:
        return found
    with torch.no_grad():
        rows = table(prompt)[0]
    place = 0  # in the prompt: its ids keep their order
    for at, vector in enumerate(reads.vectors[0]):
        same = [i for i in range(place, len(rows)) if torch.equal(rows[i], vector)]
        if same:
            found[at] = int(prompt[0, same[0]])
            place = same[0] + 1
    return found


def _named(tokenizer: Any, token: int) -> str:
    """Return the text of one id."""
    return str(token) if tokenizer is None else decoded(tokenizer, [token])
