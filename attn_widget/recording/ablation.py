"""Head ablation: what a model predicts with sets of its attention heads ablated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attn_widget.errors import InputError
from attn_widget.recording.ablation_session import AblationSession
from attn_widget.recording.capture import capture
from attn_widget.recording.head_mask import AblatedHeads
from attn_widget.recording.inputs.kinds import kind_of, plain, refuse_several
from attn_widget.recording.inputs.model_call import describe
from attn_widget.recording.inputs.prepare import prepare
from attn_widget.recording.output import OutputChoice
from attn_widget.recording.prediction import PredictionSpec
from attn_widget.records import (
    ABLATE_MODES,
    Capture,
    Prediction,
    Progress,
    Report,
    renamed_arguments,
)
from attn_widget.records.layers import HeadCall, LayerAttention
from attn_widget.records.protocols import HoldsModel

Head = tuple[int, int]


@renamed_arguments(of="output", how="mode")
def ablate(
    runner: HoldsModel,
    text: Any,
    sets: Sequence[Sequence[Head]] | None = None,
    pair: str | None = None,
    *,
    mode: str = "zero",
    attention: str | None = None,
    output: OutputChoice = None,
    position: int | None = None,
    loss: bool | None = False,
    batch: int | None = None,
    progress: Report | None = None,
    **options: Any,
) -> Iterator[tuple[tuple[Head, ...], Prediction]]:
    """Return what the model predicts unchanged, then with each set of heads ablated.

    In place of ``weights · v``, an ablated head gives: nothing (``zero``); for every query the mean
    of ``weights · v`` over all queries of this text (``mean``); the mean of the values of all keys
    that the query may see (``uniform``).

    Parameters
    ----------
    text, pair
        As in `ModelRunner.run`: one item, without padding.
    sets
        Heads as ``(layer, head)``; those of one set are ablated together. Omitted: each head alone.
    mode
        ``zero``, ``mean`` or ``uniform``.
    attention
        Which of the capture's attentions the heads are of; omitted: the first.
    output
        What is read. None: the logits. A token, its id or a class: the logits too, with ``asked``
        set. A function of what the model returns: its value.
    position
        The query whose logits are read, for models with logits at every position; omitted: the
        masked token's where the text holds one, else the last.
    loss
        Also the mean loss of the text's own tokens, for causal models; None: where it is one.
    batch
        How many sets share a pass; omitted: chosen by the length of the text.
    progress
        Called after each pass; may raise `Cancelled`.
    options
        Further arguments of `ModelRunner.run` that say what the model reads: ``target``,
        ``truncate`` …

    Returns
    -------
    Iterator
        ``((), prediction)`` of the unchanged model, then ``(set, prediction)`` in the order of the
        passes, which need not be that of ``sets``. Between passes and at the end the model is as it
        was.

    Raises
    ------
    InputError
        If a head does not exist, ``mode`` is unknown, or the model has no logits and ``output`` is
        no function.

    Notes
    -----
    With ``mode="mean"``, an early position of a causal model gets a mean over later ones too. A
    pass over n sets costs n items of the layers from the lowest ablated head up. Attention sinks
    get nothing of uniform attention.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> found = dict(runner.ablate([5, 6, 7], [[(0, 1)], [(0, 0), (1, 1)]]))
    >>> list(found)
    [(), ((0, 1),), ((0, 0), (1, 1))]
    """
    if mode not in ABLATE_MODES:
        raise InputError(
            f"mode must be one of {', '.join(ABLATE_MODES)}, got {mode!r}. Choose one of these."
        )
    text = plain(text)
    if kind_of(text, options.get("sampling_rate")) == "several":
        refuse_several(text)
    with runner.lock:
        model = runner.model
        ready = prepare(model, runner.tokenizer, text, pair, **options)
        _check_one_item(model, ready.inputs)
        recorded = capture(model, ready.inputs, weights=False, **ready.options)
        if sets is None:
            group = recorded.group(attention)
            sets = [[(layer.layer, head)] for layer in group for head in range(layer.n_heads)]
        heads = [tuple((int(layer), int(head)) for layer, head in one) for one in sets]
        ablated = _by_attention_call(recorded, heads, attention)
        spec = PredictionSpec(output, position, loss)
        session = AblationSession(runner, ready.inputs, recorded, mode, spec)
    return _predictions(runner, session, heads, ablated, batch, progress)


def _check_one_item(model: Any, inputs: Any) -> None:
    """Refuse batches and padding: sets of heads take the place of items."""
    call = describe(model, inputs)
    if (call.batch or 1) > 1:
        raise InputError(
            f"text must be one item to ablate heads, got {call.batch}. Give the item alone."
        )
    if not all(bool(real.all()) for real in call.unpadded.values()):
        raise InputError("text must hold no padding to ablate heads, got some. Remove it.")


def _by_attention_call(
    recorded: Capture, sets: Sequence[Sequence[Head]], attention: str | None
) -> list[AblatedHeads]:
    """Return each set as attention calls of the pass and their heads, every head checked."""
    group = recorded.group(attention)
    found: list[AblatedHeads] = []
    for one in sets:
        ablated: dict[int, list[int]] = {}
        for layer, head in one:
            if not 0 <= layer < len(group):
                raise InputError(
                    f"heads must name a layer 0 to {len(group) - 1}, got layer {layer}. "
                    f"This model has {len(group)}."
                )
            n_heads = group[layer].n_heads
            if not 0 <= head < n_heads:
                raise InputError(
                    f"heads must name a head 0 to {n_heads - 1}, got head {head} at layer {layer}. "
                    f"This layer has {n_heads}."
                )
            for call, own in _calls_of(recorded, group[layer], head):
                if own not in ablated.setdefault(call, []):
                    ablated[call].append(own)
        found.append(ablated)
    return found


def _calls_of(recorded: Capture, layer: LayerAttention, head: int) -> list[HeadCall]:
    """Return the attention calls, and their heads, that compute a head in all parts of a layer."""
    place = (layer.stream, layer.kind, layer.layer)
    parts = [one for one in recorded.layers if (one.stream, one.kind, one.layer) == place]
    if any(not part.head_calls for part in parts):
        raise InputError(
            f"heads must be told apart while the model runs, got layer {layer.layer} whose heads "
            f"and positions share an axis at {layer.name}. Choose another layer."
        )
    return [call for part in parts for call in part.head_calls[head]]


def _predictions(
    runner: HoldsModel,
    session: AblationSession,
    heads: Sequence[tuple[Head, ...]],
    ablated: Sequence[AblatedHeads],
    batch: int | None,
    progress: Report | None,
) -> Iterator[tuple[tuple[Head, ...], Prediction]]:
    """Return the predictions pass by pass; the lock is free between passes."""
    versions = _parameter_versions(runner.model)
    yield (), session.before
    done = 0
    for chunk in session.passes(ablated, batch):
        with runner.lock:
            if _parameter_versions(runner.model) != versions:
                raise InputError(
                    "model must stay unchanged while heads are ablated, got other parameters. "
                    "Start again."
                )
            found = session.predict([ablated[i] for i in chunk])
        done += len(chunk)
        if progress is not None:
            progress(Progress("ablating heads", done, len(ablated)))
        yield from zip((heads[i] for i in chunk), found, strict=True)


def _parameter_versions(model: Any) -> list[tuple[int, int]]:
    """Return numbers that change when parameters are replaced or written to."""
    return [(p.data_ptr(), p._version) for p in model.parameters()]
