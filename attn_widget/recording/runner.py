"""`ModelRunner`: a model and its tokenizer, loaded once and run often, with what it saw remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording import sources
from attn_widget.recording.routes import capture
from attn_widget.records import Capture

GIBIBYTE = 2**30


class ModelRunner:
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

    def run(self, text: Any, pair: str | None = None, *, truncate: bool = False, **options: Any) -> Capture:
        """Return the capture of one text, or of a pair of texts; or of inputs that are ready for the model.

        Parameters
        ----------
        text
            A text; or a mapping of tensors as the model takes them.
        pair
            The second text, for models trained on pairs.
        truncate
            Keep only as many tokens as the model has positions. Never done unasked.
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
        if not isinstance(text, str):
            with self.lock:
                return capture(
                    self.model, self._placed(text), **{"tokenizer": self.tokenizer, **self._defaults(), **options}
                )
        self._check_texts(text, pair)
        with self.lock:
            key = (text, pair, truncate, _key_of(options), self._state())
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
            encoding = self._encode(text, pair, truncate)
            source = (text,) if pair is None else (text, pair)
            seen = capture(
                self.model,
                self._placed(encoding),
                **{"tokenizer": self.tokenizer, "source": source, **self._defaults(), **options},
            )
            self._remember(key, seen)
            return seen

    # -- preparing ------------------------------------------------------------------------------------------

    def _defaults(self) -> dict[str, Any]:
        """Return what this runner passes to every capture."""
        return {"weights": self.weights, "name": self.name}

    def _check_texts(self, text: str, pair: str | None) -> None:
        """Refuse what cannot be run, before any work."""
        for argument, value in (("text", text), ("pair", pair)):
            if value is not None and not value.strip():
                raise InputError(f"{argument} must hold at least one character, got {value!r}. Write something.")
        if self.tokenizer is None:
            raise InputError(
                "tokenizer must be given to run a text, got None. Give the tokenizer this model was trained with.",
                code="aw.ModelRunner(model, tokenizer)",
            )

    def _encode(self, text: str, pair: str | None, truncate: bool) -> Any:
        """Return the text as the model's tokenizer encodes it, checked against the model."""
        reader = getattr(self.tokenizer, "tokenizer", self.tokenizer)  # a processor holds its tokenizer
        limit = positions_of(self.model)
        cut = {"truncation": True, "max_length": limit} if truncate and limit is not None else {"truncation": False}
        encoding = reader(text, pair, return_tensors="pt", verbose=False, **cut)
        n = int(encoding["input_ids"].shape[-1])
        if n == 0:
            raise InputError(f"text must hold at least one token, got none in {text!r}. Write something else.")
        if limit is not None and n > limit:
            raise InputError(
                f"text must have at most {limit} tokens for this model's positions, got {n}. "
                f"Shorten it, or pass truncate=True to keep the first {limit} tokens."
            )
        self._check_ids(encoding["input_ids"], reader)
        return encoding

    def _check_ids(self, ids: torch.Tensor, reader: Any) -> None:
        """Refuse ids that the model has no embedding for."""
        find = getattr(self.model, "get_input_embeddings", None)
        rows = getattr(find() if find is not None else None, "num_embeddings", None)
        worst = int(ids.max())
        if rows is not None and worst >= rows:
            raise InputError(
                f"tokenizer must fit the model, got id {worst} ({reader.convert_ids_to_tokens(worst)!r}) where the "
                f"model's embedding has {rows} rows. Use the tokenizer that this model was trained with."
            )

    def _placed(self, inputs: Any) -> Any:
        """Return the inputs on the model's device, floating point ones in the model's dtype."""
        first = next(self.model.parameters(), None)
        if first is None or not hasattr(inputs, "items"):
            return inputs
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

    def _remember(self, key: Any, seen: Capture) -> None:
        """Keep a capture, and let the least recently used go until all fit."""
        self._remembered[key] = seen
        while self._remembered and held_bytes(self._remembered.values()) > self._remember_bytes:
            self._remembered.popitem(last=False)


def held_bytes(captures: Iterable[Capture]) -> int:
    """Return the bytes that captures hold, storage that is shared counted once."""
    seen: dict[int, int] = {}
    for one in captures:
        for layer in one.layers:
            for name in ("weights", "q", "k", "v", "mask", "bias", "gradient", "output_projection"):
                tensor = getattr(layer, name)
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def positions_of(model: torch.nn.Module) -> int | None:
    """Return how many positions the model has, or None where nothing limits them."""
    limits = []
    config = getattr(model, "config", None)
    if config is not None:
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        stated = getattr(text, "max_position_embeddings", None)
        limits.append(stated if isinstance(stated, int) else 0)
    for path, module in model.named_modules():
        name = path.rsplit(".", 1)[-1].lower()
        if isinstance(module, torch.nn.Embedding) and "position" in name and "relative" not in name:
            # Tables with a padding row begin counting after it.
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - offset)
    limits = [limit for limit in limits if limit > 0]
    return min(limits) if limits else None


def _to(value: Any, like: torch.Tensor) -> Any:
    """Return a tensor on another's device, and in its dtype where both are floating point."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(like.device, like.dtype) if value.is_floating_point() else value.to(like.device)


def _key_of(options: Mapping[str, Any]) -> Any:
    """Return options as something that can be compared."""
    return tuple(sorted((name, repr(value)) for name, value in options.items()))
