"""What kind of input a person gave, and which arguments each kind takes.

A list of strings is the words of one text where no string holds white space, and a list of texts
where all do. Where some do, or where every string ends as a sentence does, it could be either and
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.pictures import is_picture

Kind = Literal["text", "words", "chat", "ids", "several", "picture", "sound", "tensors", "mapping"]
# The arguments that go with each kind, beside those of a decoder.
TAKEN: dict[str, tuple[str, ...]] = {
    "text": ("pair", "truncate", "images"),
    "chat": ("truncate", "images"),
    "words": ("truncate",),
    "ids": ("truncate",),
    "sound": ("sampling_rate",),
    "picture": (),
    "tensors": (),
    "mapping": (),
}
CALLED = {
    "text": "a text",
    "chat": "messages",
    "words": "words",
    "ids": "ids",
    "sound": "a sound",
    "picture": "a picture",
    "tensors": "tensors",
    "mapping": "a mapping of tensors",
    "several": "a list of texts",
}
REMEDIES = {
    "pair": ("Give both as texts.", "runner.run(text, pair)"),
    "images": ("Give a text beside the picture.", "runner.run(text, images=images)"),
    "sampling_rate": ("It belongs to a sound. Omit it.", None),
    "truncate": ("Shorten the input before.", None),
}
SENTENCE_ENDS = tuple(".!?…。！？｡।॥؟۔")


def plain(given: Any) -> Any:
    """Return ids, words and texts that an array, a column or an encoding holds as a list."""
    if hasattr(given, "ids") and hasattr(given, "type_ids"):  # an encoding of `tokenizers`
        return list(given.ids)
    if isinstance(given, torch.Tensor):
        return given.tolist() if given.ndim == 1 and is_whole(given) else given
    if isinstance(given, np.ndarray):
        if given.ndim == 1 and given.dtype.kind in "iuUO":
            return given.tolist()
        return torch.as_tensor(given) if given.ndim == 2 and given.dtype.kind in "iu" else given
    if hasattr(given, "to_list"):  # a column of a table
        return given.to_list()
    if isinstance(given, Mapping) and _is_message(given):
        return [given]
    return given


def is_whole(tensor: torch.Tensor) -> bool:
    """Return whether a tensor holds whole numbers that can be ids."""
    return not tensor.is_floating_point() and not tensor.is_complex() and tensor.dtype != torch.bool


def kind_of(given: Any, sampling_rate: int | None = None, reader: Any = None) -> Kind:
    """Return the kind of an input that `plain` returned.

    A tensor of three axes is a picture where the reader reads pictures.

    Raises
    ------
    InputError
        If it is of no kind, or could be of two.
    """
    if isinstance(given, str):
        return "text"
    if hasattr(given, "columns"):
        raise InputError(
            f"text must be one column, got a table of {list(given.columns)}. Choose a column.",
            code=f"runner.run(table[{given.columns[0]!r}])" if len(given.columns) else None,
        )
    if hasattr(given, "keys"):
        return "mapping"
    if is_picture(given, reader) and sampling_rate is None:
        return "picture"
    if isinstance(given, Sequence) and len(given):
        return _kind_of_sequence(given, sampling_rate, reader)
    if isinstance(given, torch.Tensor) and sampling_rate is None:
        return "tensors"
    if isinstance(given, torch.Tensor | np.ndarray) and sampling_rate is not None:
        return "sound"
    raise _no_kind(given)


def _kind_of_sequence(given: Sequence[Any], sampling_rate: int | None, reader: Any) -> Kind:
    """Return the kind of a list or tuple."""
    if all(isinstance(word, str) for word in given):
        return _words_or_texts(given)
    if all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in given):
        return "ids" if sampling_rate is None else "sound"
    if all(isinstance(one, Mapping) and _is_message(one) for one in given):
        return "chat"
    if sampling_rate is not None:
        return "sound"
    if isinstance(given, tuple) and isinstance(given[0], torch.Tensor):
        return "tensors"
    inner = [plain(one) for one in given]
    if all(isinstance(one, str | list | tuple) or is_picture(one, reader) for one in inner):
        return "several"
    raise _no_kind(given)


def _words_or_texts(given: Sequence[str]) -> Kind:
    """Return whether strings are the words of one text, or several texts."""
    spaced = [any(c.isspace() for c in one.strip()) for one in given]
    ended = len(given) > 1 and all(one.rstrip().endswith(SENTENCE_ENDS) for one in given)
    if all(spaced) and isinstance(given, list):
        return "several"
    if not any(spaced) and not ended:
        return "words"
    if all(spaced):
        raise InputError(
            f"text must be one text or a list, got a tuple of {len(given)} texts. Give a pair as "
            "two arguments, or texts as a list.",
            code="runner.run(text, pair)  # or: runner.run(list(texts))",
        )
    raise InputError(
        "text must be words without white space, or texts of several words, "
        f"got {_shortened(given)}, which could be either. Join words, or run one after another.",
        code='runner.run(" ".join(texts))  # or: [runner.run(text) for text in texts]',
    )


def check_taken(kind: Kind, **arguments: Any) -> None:
    """Refuse arguments that this kind of input would not use; None and False are not given."""
    for name, value in arguments.items():
        if value is None or value is False or name in TAKEN[kind]:
            continue
        remedy, code = REMEDIES[name]
        raise InputError(
            f"{name} must be left out beside {CALLED[kind]}, got {_shortened(value)}. {remedy}",
            code=code,
        )


def check_for_several(given: Any, **arguments: Any) -> None:
    """Refuse arguments that belong to one text beside a list of texts."""
    if arguments.get("keep_graph"):
        refuse_several(given)
    for name in ("pair", "target", "images", "tokens", "source", "image"):
        if arguments.get(name) is not None and arguments[name] is not False:
            raise InputError(
                f"{name} must be left out beside a list of texts, got "
                f"{_shortened(arguments[name])}. Run each text with its own.",
                code=f"[runner.run(text, {name}=own) for text, own in zip(texts, {name}s)]",
            )


def refuse_several(given: Any) -> None:
    """Refuse a list of texts where one text is run."""
    raise InputError(
        f"text must be one text, got a list of {len(given)}. Give one after another, "
        "for example in a loop: for text in texts."
    )


def _is_message(given: Mapping[Any, Any]) -> bool:
    """Return whether a mapping is one message of a chat."""
    return "role" in given and "content" in given


def _shortened(value: Any) -> str:
    """Return a value for an error: the start of its text, or the name of its type."""
    if isinstance(value, str | int | float | list | tuple):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    return type(value).__name__


def _no_kind(given: Any) -> InputError:
    """Return the error for what is of no kind."""
    return InputError(
        "text must be a text, words, ids, a picture, a sound or a mapping of tensors, "
        f"got {_shortened(given) if isinstance(given, list | tuple) else type(given).__name__}. "
        "For a sound, give sampling_rate as well."
    )
