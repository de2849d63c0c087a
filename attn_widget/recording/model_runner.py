"""`ModelRunner`: a model and its tokenizer, loaded once and run often, with what it saw remembered."""

from __future__ import annotations

import copy
import inspect
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording import load_model as sources
from attn_widget.recording.ablation import Ablates
from attn_widget.recording.batching import RunsMany
from attn_widget.recording.capture import capture
from attn_widget.recording.generate import Generates
from attn_widget.recording.gradients import Explains
from attn_widget.recording.inputs.encode import check_ids, prepare
from attn_widget.recording.inputs.model_call import is_encoder_decoder
from attn_widget.records import Capture

GIBIBYTE = 2**30


class ModelRunner(Explains, Ablates, Generates, RunsMany):
    """Runs one model on one text after another and returns captures.

    Parameters
    ----------
    model
        A ``torch.nn.Module``; or the name of a packaged model, a folder, or a hub id.
    tokenizer
        The tokenizer (or processor) the model was trained with; loaded with the model where it is named.
    name
        What the model is called in titles; taken from the model where left out.
    device
        Where to move the model to; it stays where it is when left out.
    weights
        ``True``, ``False`` or ``"auto"``, as in `capture`.
    remember_bytes
        How many bytes of captures are remembered; 0 remembers none. The least recently used go first.

    Notes
    -----
    One lock serialises runs, so widgets of several cells and threads may share a runner. A capture is
    remembered under its input and the state of the model's parameters and hooks: training on, or adding a hook,
    makes the model run again.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        name: str | None = None,
        device: Any = None,
        weights: bool | str = "auto",
        remember_bytes: int = GIBIBYTE,
    ) -> None:
        if isinstance(model, str | Path):
            name = name or str(model)
            model, loaded = sources.load(model)
            tokenizer = tokenizer if tokenizer is not None else loaded
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"model must be a torch.nn.Module or the name of one, got {type(model).__name__}. Load the model first."
            )
        self.model = model if device is None else model.to(device)
        self.tokenizer = tokenizer
        config = getattr(model, "config", None)
        self.name = name or getattr(config, "name_or_path", "") or type(model).__name__
        self.weights = weights
        self.lock = threading.RLock()
        self._remember_bytes = remember_bytes
        self._remembered: OrderedDict[Any, Capture] = OrderedDict()

    def run(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: Any = None,
        truncate: bool = False,
        images: Any = None,
        sampling_rate: int | None = None,
        max_new_tokens: int = 32,
        **options: Any,
    ) -> Capture:
        """Return the capture of one text, or of whatever else the model takes.

        Parameters
        ----------
        text
            A text; a list of words; a list of ids; a picture; a sound; or a mapping of tensors as the model takes them.
        pair
            The second text, for models trained on pairs.
        target
            What the decoder of an encoder-decoder reads: a text, or ids. Left out, the model writes it (greedily).
        truncate
            Keep only as many tokens as the model has positions. Never done unasked.
        images
            A picture beside the text, for models that take both.
        sampling_rate
            Samples a second of a sound, in Hz.
        max_new_tokens
            How much the decoder may write where no target is given.
        options
            Further arguments of `capture`, such as ``weights``, ``item`` or ``tokens``.

        Returns
        -------
        Capture
            The same object again while it is remembered and the model is unchanged.

        Raises
        ------
        InputError
            If a text is empty or longer than the model's positions, or the tokenizer is another model's.
        """
        with self.lock:
            key = self._key(
                text,
                pair,
                target=target,
                truncate=truncate,
                images=images,
                max_new_tokens=max_new_tokens,
                **options,
            )
            seen = self._recalled(key)
            if seen is not None:
                return seen
            inputs, known = self._ready(
                text, pair, target=target, truncate=truncate, images=images, sampling_rate=sampling_rate,
                max_new_tokens=max_new_tokens,
            )  # fmt: skip
            seen = capture(self.model, inputs, **{**known, **options})
            if key is not None:
                self._remember(key, seen)
            return seen

    # -- preparing ------------------------------------------------------------------------------------------

    def _ready(
        self,
        text: Any,
        pair: str | None = None,
        *,
        target: Any = None,
        truncate: bool = False,
        images: Any = None,
        sampling_rate: int | None = None,
        max_new_tokens: int = 32,
    ) -> tuple[Any, dict[str, Any]]:
        """Return what the model is called with, and what `capture` should know of it; arguments as in run."""
        ready = prepare(
            self.model,
            self.tokenizer,
            text,
            pair,
            truncate=truncate,
            images=images,
            sampling_rate=sampling_rate,
        )
        inputs = self._placed(ready.inputs)
        if (
            is_encoder_decoder(self.model)
            and hasattr(inputs, "keys")
            and "decoder_input_ids" not in inputs
        ):
            inputs["decoder_input_ids"] = self._decoder_ids(inputs, target, max_new_tokens)
        defaults = {"tokenizer": getattr(self.tokenizer, "tokenizer", self.tokenizer)}
        defaults |= {"weights": self.weights, "name": self.name}
        return inputs, defaults | ready.options

    def _decoder_ids(self, inputs: Any, target: Any, max_new_tokens: int) -> torch.Tensor:
        """Return what the decoder reads: the target after the start token, or what the model writes."""
        place = next(self.model.parameters()).device
        if target is None:
            return self._started(self._write(inputs, max_new_tokens))
        if not isinstance(target, str):
            return torch.as_tensor(target, device=place).reshape(1, -1)
        tokenizer = getattr(self.tokenizer, "tokenizer", self.tokenizer)
        ids = tokenizer(text_target=target, return_tensors="pt", verbose=False)["input_ids"].to(
            place
        )
        check_ids(self.model, ids, tokenizer)
        return self._started(ids)

    def _started(self, ids: torch.Tensor) -> torch.Tensor:
        """Return ids behind the token that the decoder starts from."""
        start = getattr(self.model.config, "decoder_start_token_id", None)
        if start is None or int(ids[0, 0]) == start:
            return ids
        return torch.cat([torch.full_like(ids[:, :1], start), ids], dim=1)

    def _write(self, inputs: Any, max_new_tokens: int) -> torch.Tensor:
        """Return the ids that the model writes, greedily."""
        settings = copy.deepcopy(self.model.generation_config)
        greedy = {
            "do_sample": False,
            "num_beams": 1,
            "temperature": None,
            "top_p": None,
            "top_k": None,
        }
        settings.update(max_new_tokens=max_new_tokens, max_length=None, **greedy)
        with torch.no_grad():
            return self.model.generate(**inputs, generation_config=settings)

    def _placed(self, inputs: Any) -> Any:
        """Return the inputs on the model's device, floating point ones in the model's dtype."""
        first = next(self.model.parameters(), None)
        if first is None:
            return inputs
        if isinstance(inputs, tuple | list):
            return tuple(_to(value, first) for value in inputs)
        if not hasattr(inputs, "items"):
            return _to(inputs, first)
        moved = {name: _to(value, first) for name, value in inputs.items()}
        if type(inputs) is dict:
            return moved
        for name, value in moved.items():  # a tokenizer's output keeps its word ids and spans
            inputs[name] = value
        return inputs

    # -- remembering ----------------------------------------------------------------------------------------

    def _state(self) -> int:
        """Return a number that changes when the model's parameters or hooks do."""
        parameters = tuple((p.data_ptr(), p._version) for p in self.model.parameters())
        hooks = tuple(
            (id(m), *m._forward_hooks, *m._forward_pre_hooks)
            for m in self.model.modules()
            if m._forward_hooks or m._forward_pre_hooks
        )
        return hash((parameters, hooks))

    def _key(self, *arguments: Any, **options: Any) -> Any:
        """Return what a capture is remembered by, arguments and defaults as in run; None for what is not remembered."""
        asked = inspect.signature(ModelRunner.run).bind(self, *arguments, **options)
        asked.apply_defaults()
        given = dict(asked.arguments)
        del given["self"]
        given |= given.pop("options")
        text, target = given["text"], given["target"]
        listed = isinstance(text, list) and all(isinstance(part, int | str) for part in text)
        # A graph is not remembered: it holds far more than the capture, and its gradients are asked once.
        plain = (
            (listed or isinstance(text, str))
            and given["images"] is None
            and not given.get("keep_graph")
        )
        if not plain or not (target is None or isinstance(target, str)):
            return None
        return _key_of(given), self._state()

    def _recalled(self, key: Any) -> Capture | None:
        """Return the capture of a key, which then counts as used last; None where it is not there."""
        if key is None or key not in self._remembered:
            return None
        self._remembered.move_to_end(key)
        return self._remembered[key]

    def _remember(self, key: Any, seen: Capture) -> None:
        """Keep a capture, and let the least recently used go until all fit."""
        self._remembered[key] = seen
        while self._remembered and held_bytes(self._remembered.values()) > self._remember_bytes:
            self._remembered.popitem(last=False)


def held_bytes(captures: Iterable[Capture]) -> int:
    """Return the bytes that captures hold, storage that is shared counted once."""
    seen: dict[int, int] = {}
    for one in captures:
        if isinstance(one.logits, torch.Tensor):
            seen[one.logits.untyped_storage().data_ptr()] = one.logits.untyped_storage().nbytes()
        for layer in one.layers:
            # The output projection is the model's own parameter, and no cost of the capture.
            for name in ("weights", "q", "k", "v", "mask", "bias", "gradient"):
                tensor = getattr(layer, name)
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def _to(value: Any, like: torch.Tensor) -> Any:
    """Return a tensor on another's device, and in its dtype where both are floating point."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(like.device, like.dtype) if value.is_floating_point() else value.to(like.device)


def _key_of(options: Mapping[str, Any]) -> Any:
    """Return options as something that can be compared."""
    return tuple(sorted((name, repr(value)) for name, value in options.items()))
