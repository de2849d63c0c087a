"""`ModelRunner`: a model and its tokenizer, loaded once and run often."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording import ablation, batching, load_model
from attn_widget.recording import blank_out as blanking
from attn_widget.recording import generate as generation
from attn_widget.recording import gradients as differentiation
from attn_widget.recording.capture import capture
from attn_widget.recording.inputs.kinds import check_for_several, kind_of, plain
from attn_widget.recording.inputs.plain_tokenizer import as_reader
from attn_widget.recording.inputs.prepare import explaining_target, prepare
from attn_widget.recording.pickling import sendable_model
from attn_widget.recording.unwrap_model import unwrapped
from attn_widget.records.names import arguments_of, check_names

# Arguments of `capture` that a runner passes on.
RUN_OPTIONS = arguments_of(capture, without=("model", "inputs"))


class ModelRunner:
    """Runs one model on one text after another and returns captures.

    Parameters
    ----------
    model
        A ``torch.nn.Module``; a pipeline; or the name of a packaged model, a folder, or a hub id.
    tokenizer
        The tokenizer (or processor) the model was trained with: of transformers, ``tokenizers`` or
        tiktoken; anything with ``encode`` and ``decode``; functions ``(encode, decode)``; or a
        table ``{character: id}``. Omitted: loaded with a named model, or the one that the model
        holds.
    name
        What the model is called in titles; omitted: taken from the model.
    device
        Where to move the model to; omitted: it stays where it is.
    weights
        ``True``, ``False`` or ``"auto"``, as in `capture`.
    remember_bytes
        Ignored; deprecated: every call of `run` runs the model.

    Raises
    ------
    InputError
        If the model is neither a module nor a name.

    Notes
    -----
    One lock makes runs take turns, so widgets of several cells and threads may share a runner. A
    runner can be pickled: model and tokenizer go along. Where they cannot, send a function that
    makes the runner: ``lambda: ModelRunner(name)``.

    Examples
    --------
    >>> runner = ModelRunner("sentence-transformers/all-MiniLM-L6-v2")
    >>> recorded = runner.run("The key is old.")
    >>> recorded.tokens.text
    ('[CLS]', 'the', 'key', 'is', 'old', '.', '[SEP]')
    >>> recorded.attention.shape
    (6, 12, 7, 7)
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        name: str | None = None,
        device: Any = None,
        weights: bool | str = "auto",
        remember_bytes: int | None = None,
    ) -> None:
        if remember_bytes is not None:
            warnings.warn(
                "remember_bytes= is ignored: a runner no longer keeps captures",
                DeprecationWarning,
                stacklevel=2,
            )
        if isinstance(model, str | Path):
            name = name or str(model)
            model, loaded = load_model.load(model)
            tokenizer = tokenizer if tokenizer is not None else loaded
        model, tokenizer = unwrapped(model, tokenizer)
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                "model must be a torch.nn.Module or the name of one, "
                f"got {type(model).__name__}. Load the model first."
            )
        self.model: Any = model if device is None else model.to(device)
        self.tokenizer: Any = as_reader(tokenizer)
        config = getattr(model, "config", None)
        self.name: str = name or getattr(config, "name_or_path", "") or type(model).__name__
        self.weights = weights
        self.lock = threading.RLock()

    def run(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: Any = None,
        truncate: bool = False,
        images: Any = None,
        sampling_rate: int | None = None,
        max_new_tokens: int | None = None,
        **options: Any,
    ) -> Any:
        """Return the capture of one text, or of other inputs that the model takes; or of several.

        Parameters
        ----------
        text
            A text; a list of words, none with white space inside; messages
            ``{"role": …, "content": …}``; ids; a picture; a sound; or a mapping of tensors as the
            model takes them. A list of any of these but words and ids, such as texts of several
            words each, is run one after another.
        pair
            The second text, for models trained on pairs.
        target
            What the decoder of an encoder-decoder reads: a text, or ids. Omitted: the model writes
            it, greedily; one that cannot write gives its decoder what its forward makes.
        truncate
            Keep only as many tokens as the model has positions.
        images
            A picture beside the text, or several, for models that take both.
        sampling_rate
            Samples a second of a sound, in Hz.
        max_new_tokens
            How much the decoder may write where no target is given; omitted: 32.
        options
            Further arguments of `capture`, such as ``weights``, ``item`` or ``tokens``.

        Returns
        -------
        Capture, or list of Capture
            A new one for every call; a list for a list of texts.

        Raises
        ------
        InputError
            If a text is empty or longer than the model's positions, the tokenizer does not fit the
            model, or an argument would not be used.

        Examples
        --------
        >>> import transformers
        >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
        >>> runner = ModelRunner(transformers.GPT2LMHeadModel(small))
        >>> runner.run([5, 6, 7], tokens=["a", "b", "c"])
        <Capture of GPT2LMHeadModel: self (2, 2, 3, 3)>
        """
        check_names("arguments of run", options, (*arguments_of(ModelRunner.run), *RUN_OPTIONS))
        text = plain(text)
        given = {
            "target": target, "truncate": truncate, "images": images,
            "sampling_rate": sampling_rate, "max_new_tokens": max_new_tokens,
        }  # fmt: skip
        if kind_of(text, sampling_rate, self.tokenizer) == "several":
            check_for_several(text, pair=pair, target=target, images=images, **options)
            return [self.run(one, **given, **options) for one in text]
        with self.lock:
            ready = prepare(self.model, self.tokenizer, text, pair, **given)
            known = {"weights": self.weights, "name": self.name, **ready.options}
            with explaining_target(self.model, ready.inputs):
                return capture(self.model, ready.inputs, **{**known, **options})

    # Functions whose first argument is a runner: as methods they get this one.
    run_many = batching.run_many
    generate = generation.generate
    gradients = differentiation.gradients
    input_gradients = differentiation.input_gradients
    blank_out = blanking.blank_out
    ablate = ablation.ablate

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: the model and its tokenizer, no lock."""
        state = {name: value for name, value in vars(self).items() if name != "lock"}
        return {**state, "model": sendable_model(self.model)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=threading.RLock())
