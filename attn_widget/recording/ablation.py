"""What a model answers with some of its heads switched off: the part of a runner that tries it.

`Ablates` is mixed into `ModelRunner`. How many questions share a pass is decided in question.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attn_widget.errors import InputError
from attn_widget.recording.ablation_session import Question
from attn_widget.recording.capture import capture
from attn_widget.recording.gradients import Of
from attn_widget.recording.head_mask import Off
from attn_widget.recording.inputs.model_call import describe
from attn_widget.records import Capture, Prediction, Progress

HOW = ("zero", "mean", "uniform")

Head = tuple[int, int]


class Ablates:
    """The part of a runner that switches heads off."""

    def ablate(
        self,
        text: Any,
        sets: Sequence[Sequence[Head]] | None = None,
        pair: str | None = None,
        *,
        how: str = "zero",
        attention: str | None = None,
        of: Of = None,
        position: int | None = None,
        loss: bool | None = False,
        batch: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        **options: Any,
    ) -> Iterator[tuple[tuple[Head, ...], Prediction]]:
        """Return what the model answers with all heads on, then with each set of heads off.

        A head that is off mixes, in place of ``weights · v``: nothing (``zero``); for every query the mean of
        ``weights · v`` over all queries of this text (``mean``); the plain mean of the values of all keys that the
        query may see (``uniform``).

        Parameters
        ----------
        text, pair
            As in ``run``: one item, without padding.
        sets
            Heads as ``(layer, head)``; those of one set are off together. Left out: every head alone.
        how
            ``zero``, ``mean`` or ``uniform``.
        attention
            Which of the capture's attentions the heads are of; the first where left out.
        of
            What is asked. None: the logits. A token, its id or a class: the same, with ``asked`` set. A function of
            the model's output: its value.
        position
            The query whose logits are read, for models that answer at every position: the masked token's where the
            text holds one, else the last.
        loss
            Also the mean loss of the text's own tokens, for causal models; None: where the model is one.
        batch
            How many sets are tried in one pass; chosen by the text's length where left out.
        progress
            Called after each pass; may raise `Cancelled`.
        options
            Further arguments of ``run`` that say what the model reads: ``target``, ``truncate`` …

        Returns
        -------
        Iterator
            ``((), prediction)`` of the model as it is, then ``(set, prediction)`` as they come, which need not be in
            order. The model is as it was between any two and after the last.

        Raises
        ------
        InputError
            If a head does not exist, ``how`` is none of the three, or the model has no logits and ``of`` is no
            function.

        Notes
        -----
        With how="mean", an early position of a causal model is given a mean over later ones too. A pass over n sets
        costs n items of the layers from the lowest that is changed. Attention sinks get nothing of uniform attention.
        """
        if how not in HOW:
            raise InputError(
                f"how must be one of {', '.join(HOW)}, got {how!r}. Choose one of these."
            )
        with self.lock:
            inputs, known = self._ready(text, pair, **options)
            call = describe(self.model, inputs)
            if (call.batch or 1) > 1:
                raise InputError(
                    f"text must be one item to switch heads off, got {call.batch}. Give the item alone."
                )
            if any(not bool(real.all()) for real in call.real.values()):
                raise InputError(
                    "text must hold no padding to switch heads off, got some. Leave it out."
                )
            seen = self._recalled(
                self._key(text, pair, **options)
            )  # what is shown was captured: see it again
            if seen is None:
                seen = capture(self.model, inputs, **{**known, "weights": False})
            if sets is None:
                group = seen.group(attention)
                sets = [[(layer.layer, head)] for layer in group for head in range(layer.n_heads)]
            chosen = [tuple((int(layer), int(head)) for layer, head in one) for one in sets]
            offs = _planned(seen, chosen, attention)
            question = Question(self, inputs, seen, how, of, position, loss)
            before = question.begin()
        return self._answers(question, before, chosen, offs, batch, progress)

    def _answers(
        self,
        question: Question,
        before: Prediction,
        chosen: list[tuple[Head, ...]],
        offs: list[Off],
        batch: int | None,
        progress: Callable[[Progress], None] | None,
    ) -> Iterator[tuple[tuple[Head, ...], Prediction]]:
        """Return the predictions pass by pass; the lock is free between passes."""
        state = self._state()
        yield (), before
        done = 0
        for chunk in question.passes(offs, batch):
            with self.lock:
                if self._state() != state:
                    raise InputError(
                        "model must stay as it is while heads are switched off, got another. Ask again."
                    )
                found = question.answer([offs[i] for i in chunk])
            done += len(chunk)
            if progress is not None:
                progress(Progress("switching heads off", done, len(offs)))
            yield from zip((chosen[i] for i in chunk), found, strict=True)


def _planned(seen: Capture, sets: Sequence[Sequence[Head]], attention: str | None) -> list[Off]:
    """Return each set as the attentions of the pass and their heads, every head checked."""
    group = seen.group(attention)
    places = {id(layer): i for i, layer in enumerate(seen.layers)}
    offs = []
    for one in sets:
        off: dict[int, list[int]] = {}
        for layer, head in one:
            if not 0 <= layer < len(group):
                raise InputError(
                    f"heads must name a layer 0 to {len(group) - 1}, got layer {layer}. This model has {len(group)}."
                )
            n_heads = group[layer].n_heads
            if not 0 <= head < n_heads:
                raise InputError(
                    f"heads must name a head 0 to {n_heads - 1}, got head {head} at layer {layer}. "
                    f"This layer has {n_heads}."
                )
            off.setdefault(places[id(group[layer])], []).append(head)
        offs.append(off)
    return offs
