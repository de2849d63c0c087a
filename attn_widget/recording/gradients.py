"""What one answer of a model depends on: gradients by attention and by input, and what happens without a token.

`Explains` is mixed into `ModelRunner`. The answer is named by ``of``: a class or token of the model's logits,
or a function of its output.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.recording.activation_reuse import repeated
from attn_widget.recording.inputs.model_call import is_encoder_decoder
from attn_widget.records import Capture

# Tokens of all texts in one pass: enough for matrix products at full speed, few enough to stay near the processor.
ROWS = 640
LOGITS_BYTES = 256 * 2**20
ANSWER_TOKENS = 32  # that an encoder-decoder may write

Of = int | str | Callable[[Any], Any] | None


class Explains:
    """The part of a runner that asks why."""

    def gradients(
        self, text: Any, pair: str | None = None, *, of: Of = None, **options: Any
    ) -> Capture:
        """Return the capture of a text with the gradient of one score by every layer's attention.

        ``gradient = ∂ score / ∂ attention``, the attention of all layers taken as free.

        Parameters
        ----------
        text, pair
            As in ``run``.
        of
            Which score. None: the logit of the predicted class, or of the most likely next token after the last
            position. An int: that class or token id. A str: that token. A function: takes the model's output,
            gives one number.
        options
            Further arguments of ``run``.

        Returns
        -------
        Capture
            Every layer has ``gradient``, ``(head, query, key)``.

        Raises
        ------
        InputError
            If the model has no logits and ``of`` is no function, or the score does not depend on attention.

        Notes
        -----
        One forward and one backward pass; keeps the weights of all layers.
        """
        with self.lock, _output_of(self.model) as seen:
            capture = self.run(text, pair, keep_graph=True, weights=True, **options)
            score = self._score(seen[-1], of)
            found = torch.autograd.grad(
                score, [layer.weights for layer in capture.layers], allow_unused=True
            )
        if all(gradient is None for gradient in found):
            raise InputError(
                f"of must depend on the model's attention, got {of!r}. Name a class, a token, or a function."
            )
        layers = tuple(
            _plain(layer, torch.zeros_like(layer.weights) if gradient is None else gradient)
            for layer, gradient in zip(capture.layers, found, strict=True)
        )
        logits = capture.logits
        return dataclasses.replace(
            capture,
            layers=layers,
            logits=logits.detach() if isinstance(logits, torch.Tensor) else logits,
        )

    def input_gradients(
        self, text: Any, pair: str | None = None, *, of: Of = None, **options: Any
    ) -> Float[np.ndarray, " token"]:
        """Return ``‖∂ score / ∂ embedding‖₂`` of every token: how much the score changes with it.

        The length, not the sum over channels: layer norms do not see a shift of all channels alike, so behind one
        that sum is zero but for rounding.
        """
        embedding = self.model.get_input_embeddings()
        kept: list[torch.Tensor] = []

        def keep(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
            leaf = output.detach().requires_grad_()
            kept.append(leaf)
            return leaf

        with self.lock, _output_of(self.model) as seen:
            handle = embedding.register_forward_hook(keep)
            try:
                self.run(text, pair, keep_graph=True, weights=True, **options)
            finally:
                handle.remove()
            (found,) = torch.autograd.grad(self._score(seen[-1], of), [kept[-1]])
        return found[0].float().norm(dim=-1).detach().cpu().numpy()

    def blank_out(
        self, text: Any, pair: str | None = None, *, of: Of = None, blank: int | None = None
    ) -> Float[np.ndarray, " token"]:
        """Return how much a score changes when each token in turn is replaced by the blank token, in absolute value.

        Parameters
        ----------
        text, pair
            As in ``run``.
        of
            Which score, as in ``gradients``; the answer that is predicted for the whole text stays the one measured.
        blank
            Id of the token that stands in; the tokenizer's mask or unknown token, else its end token.

        Returns
        -------
        array, (token,)
            For a class or token, change of its probability; for a function, of its value.

        Raises
        ------
        InputError
            If the tokenizer has no token that could stand in.

        Notes
        -----
        As many tokens blanked in one forward pass as fit, each in a copy of the text of its own; one at a time for a
        function. An encoder-decoder's answer to the whole text is held fixed.
        """
        tokenizer = getattr(self.tokenizer, "tokenizer", self.tokenizer)
        names = ("mask_token_id", "unk_token_id", "eos_token_id")
        blank = next(
            (i for i in (blank, *(getattr(tokenizer, n, None) for n in names)) if i is not None),
            None,
        )
        if blank is None:
            raise InputError(
                "blank must be given, got None from a tokenizer without one. Say which id stands in."
            )
        with self.lock, torch.no_grad(), _output_of(self.model) as seen:
            inputs = self._placed(_prepared(self, text, pair))
            if is_encoder_decoder(self.model) and "decoder_input_ids" not in inputs:
                inputs["decoder_input_ids"] = self._decoder_ids(inputs, None, ANSWER_TOKENS)
            self.run(inputs, weights=False)
            of = self._named(seen[-1], of)
            (before,) = self._values(seen[-1], of)
            n, changes = inputs["input_ids"].shape[1], []
            size = _at_once(seen[-1], of, n)
            for start in range(0, n, size):
                blanked = torch.arange(start, min(start + size, n))
                several = repeated(inputs, len(blanked))
                several["input_ids"][torch.arange(len(blanked)), blanked] = blank
                self.run(several, weights=False)
                changes += [abs(value - before) for value in self._values(seen[-1], of)]
        return np.array(changes)

    def _named(self, output: Any, of: Of) -> Of:
        """Return the index of the score that is asked for; a function stays one."""
        if callable(of):
            return of
        logits = logits_of(output)
        if of is None:
            return int(logits.argmax())
        if isinstance(of, str):
            tokenizer = getattr(self.tokenizer, "tokenizer", self.tokenizer)
            ids = tokenizer(of, add_special_tokens=False)["input_ids"]
            if len(ids) != 1:
                raise InputError(
                    f"of must be one token, got {of!r}, which is {len(ids)}. Give one token, or its id."
                )
            of = ids[0]
        if not 0 <= of < len(logits):
            raise InputError(
                f"of must be 0 to {len(logits) - 1}, got {of}. Choose a class or token that exists."
            )
        return of

    def _score(self, output: Any, of: Of) -> torch.Tensor:
        """Return the score asked for, as one number with a graph."""
        named = self._named(output, of)
        score = named(output) if callable(named) else logits_of(output)[named]
        if not isinstance(score, torch.Tensor) or score.numel() != 1:
            raise InputError(
                f"of must give one number, got {getattr(score, 'shape', type(score).__name__)}. Sum it."
            )
        return score.reshape(())

    def _values(self, output: Any, of: Of) -> list[float]:
        """Return the probability of a class or token, for every item of a batch; or the value of a function."""
        if callable(of):
            return [float(of(output))]
        logits_of(output)  # refuses a model without logits
        logits = output.logits if output.logits.ndim == 2 else output.logits[:, -1]
        return logits.float().softmax(-1)[:, of].tolist()


def logits_of(output: Any) -> torch.Tensor:
    """Return the logits of the class, or of the token that comes next."""
    logits = getattr(output, "logits", None)
    if logits is None or logits.ndim not in (2, 3):
        raise InputError(
            f"of must be a function of the output for a model without logits, got a {type(output).__name__}. "
            "Say which number of it is asked for, such as this one.",
            code="of=lambda output: output.last_hidden_state.mean()",
        )
    return logits[0] if logits.ndim == 2 else logits[0, -1]


def _at_once(output: Any, of: Of, n_tokens: int) -> int:
    """Return how many texts are tried in one pass; a function is asked of one at a time."""
    if callable(of):
        return 1
    logits = output.logits
    return max(1, min(ROWS // n_tokens, LOGITS_BYTES // (logits.numel() * logits.element_size())))


def _plain(layer: Any, gradient: torch.Tensor) -> Any:
    """Return a layer without a graph, its gradient beside it."""
    parts = {
        name: getattr(layer, name) for name in ("weights", "q", "k", "v", "mask", "bias", "sinks")
    }
    plain = {name: part.detach() for name, part in parts.items() if isinstance(part, torch.Tensor)}
    return dataclasses.replace(layer, **plain, gradient=gradient.detach())


def _prepared(runner: Any, text: Any, pair: str | None) -> dict[str, Any]:
    """Return the tensors a text becomes."""
    from attn_widget.recording.inputs.encode import prepare

    return dict(prepare(runner.model, runner.tokenizer, text, pair).inputs)


@contextlib.contextmanager
def _output_of(model: torch.nn.Module) -> Iterator[list[Any]]:
    """Collect what the model returns inside, newest last."""
    seen: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()
