"""Convert attention in bertviz's form to a Capture whose layers keep their names and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from attn_widget.errors import InputError
from attn_widget.recording.array_layers import holds_steps, read_layers
from attn_widget.recording.from_arrays import from_arrays
from attn_widget.records import Capture, LayerAttention, Tokens
from attn_widget.records.tokens import select

EAGER = 'model = AutoModel.from_pretrained(name, attn_implementation="eager")'
TAKE = "attention = model(**inputs, output_attentions=True).attentions"
# Only names that tokenizers use: "[O-]" is an atom, and "<b>" may be a word.
SPECIAL = {f"[{name}]" for name in ("CLS", "SEP", "PAD", "MASK", "BOS", "EOS")}
SPECIAL |= {
    f"<{name}>" for name in ("s", "/s", "pad", "mask", "cls", "sep", "bos", "eos", "|endoftext|")
}
# The marks of byte-level and SentencePiece vocabularies for a space before a word.
SPACES = ("Ġ", "▁")


@dataclass(frozen=True, eq=False)
class Stack:
    """One argument: attention layer by layer, and the tokens along both of its axes."""

    argument: str  # "attention", "encoder_attention" …
    layers: Sequence[Any]  # (head, query, key) each; None where a layer has no attention
    queries: Tokens
    keys: Tokens | None  # None: same as the queries
    stream: str = ""
    key_stream: str = ""


def stack(
    argument: str,
    given: Any,
    queries: Tokens,
    keys: Tokens | None = None,
    stream: str = "",
    key_stream: str = "",
) -> Stack:
    """Return the attention of one argument, each layer without its batch axis.

    Raises
    ------
    InputError
        If it has no layer, more than one text, or another number of tokens than of positions.
    """
    written = isinstance(given, Sequence) and len(given) > 0 and holds_steps(given)
    layers = _written(argument, given) if written else _layers(argument, given)
    first = next(layer for layer in layers if layer is not None)
    if written and len(queries) == first.shape[-2] + 1:  # the last token has no row yet
        queries = select(queries, range(len(queries) - 1))
    sides = [
        ("query", queries, first.shape[-2]),
        ("key", queries if keys is None else keys, first.shape[-1]),
    ]
    for side, tokens, n in sides:
        if len(tokens) != n:
            raise InputError(
                f"tokens must be as many as the positions of {argument}, got {len(tokens)} for {n} "
                f"along its {side} axis. Take both from the same input."
            )
    return Stack(argument, layers, queries, keys, stream, key_stream)


def capture_of(stacks: Sequence[Stack], name: str) -> Capture:
    """Return one capture of all stacks; each layer keeps its number."""
    layers: list[LayerAttention] = []
    streams: dict[str, Tokens] = {}
    crossed: dict[str, str] = {}
    for one in stacks:
        streams.setdefault(one.stream, one.queries)
        if one.keys is not None:
            streams.setdefault(one.key_stream, one.keys)
            crossed[one.stream] = one.key_stream
        layers += _attentions(one, "self" if one.keys is None else "cross")
    dtype = next(str(layer.weights.dtype) for layer in layers if layer.weights is not None)
    return Capture(
        tuple(layers), streams, crossed, model_name=name, dtype=dtype.removeprefix("torch.")
    )


def tokens_of(
    argument: str, given: Any, *, prettify: bool, sentence_b_start: int | None = None
) -> Tokens:
    """Return the tokens of one axis, with word indices from the marks of the vocabulary."""
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InputError(
            f"{argument} must be a list of tokens, got {given!r}. "
            "Use tokenizer.convert_ids_to_tokens(ids)."
        )
    pieces = [str(token) for token in given]
    special = tuple(piece in SPECIAL for piece in pieces)
    start = len(pieces) if sentence_b_start is None else sentence_b_start
    return Tokens(
        text=tuple(_pretty(piece) for piece in pieces) if prettify else tuple(pieces),
        special=special,
        words=_words(pieces, special),
        segments=tuple(int(i >= start) for i in range(len(pieces))),
    )


def _layers(argument: str, given: Any) -> list[Any]:
    """Return one ``(head, query, key)`` array per layer."""
    if hasattr(given, "shape"):
        given = list(given[:, 0] if len(given.shape) == 5 and given.shape[1] == 1 else given)
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(
            f"{argument} must be a list with an array per layer, got {type(given).__name__}. "
            "Pass outputs.attentions.",
            code=TAKE,
        )
    if not any(layer is not None for layer in given):
        got = "an empty tuple" if len(given) == 0 else "None in every layer"
        raise InputError(
            f"{argument} must hold an array per layer, got {got}. On current transformers "
            "outputs[-1] is the empty cross-attention of a model that has none, and only a model "
            'loaded with attn_implementation="eager" returns weights. Take them by name.',
            code=f"{EAGER}; {TAKE}",
        )
    return [None if layer is None else _layer(argument, layer, i) for i, layer in enumerate(given)]


def _written(argument: str, steps: Any) -> list[Any]:
    """Return the layers of what `generate` returns, with the rows of all steps."""
    try:
        return read_layers(steps).layers
    except InputError as error:
        message = error.message.replace("attention", argument, 1)
        raise InputError(message, code=error.code) from None


def _layer(argument: str, layer: Any, i: int) -> Any:
    """Return one layer without its batch axis."""
    if not hasattr(layer, "shape"):
        import numpy as np

        layer = np.asarray(layer, dtype=np.float64)
    if len(layer.shape) not in (3, 4):
        raise InputError(
            f"{argument} must have the axes (batch, head, query, key) or (head, query, key) in "
            f"every layer, got shape {tuple(layer.shape)} at layer {i}. Pass outputs.attentions, "
            "from a run with output_attentions=True.",
            code=TAKE,
        )
    if len(layer.shape) == 4 and layer.shape[0] != 1:
        raise InputError(
            f"{argument} must be of one text, got a batch of {layer.shape[0]} at layer {i}. "
            "Choose one of them.",
            code=f"{argument} = [layer[:1] for layer in {argument}]",
        )
    return layer[0] if len(layer.shape) == 4 else layer


def _attentions(one: Stack, kind: str) -> list[LayerAttention]:
    """Return the layers of one stack; a layer without attention is empty and keeps its number."""
    given = [layer for layer in one.layers if layer is not None]
    try:
        made = iter(from_arrays(given, one.queries, key_tokens=one.keys).layers)
    except InputError as error:
        message = error.message.replace("attention", one.argument, 1)
        raise InputError(message, code=error.code) from None
    heads, queries, keys = given[0].shape
    found = []
    for i, layer in enumerate(one.layers):
        name = f"{one.argument}[{i}]"
        if layer is None:
            empty = f"{name}, which is None"
            found.append(LayerAttention(empty, kind, one.stream, i, heads, queries, keys))
        else:
            found.append(replace(next(made), name=name, kind=kind, stream=one.stream, layer=i))
    return found


def _pretty(piece: str) -> str:
    """Return a token without the marks of its vocabulary."""
    if piece.startswith("##") and len(piece) > 2:
        return piece[2:]
    for mark in SPACES:
        piece = piece.replace(mark, " ")
    return piece.replace("</w>", "").strip() or "␣"


def _words(pieces: Sequence[str], special: Sequence[bool]) -> tuple[int | None, ...]:
    """Return the word index of each token; empty where the vocabulary has no marks of words."""
    continues = [piece.startswith("##") and len(piece) > 2 for piece in pieces]
    if not any(continues):
        if not any(piece.startswith(SPACES) for piece in pieces):
            return ()
        continues = [not piece.startswith(SPACES) for piece in pieces]
    words: list[int | None] = []
    word = -1
    for i, goes_on in enumerate(continues):
        if special[i]:
            words.append(None)
            continue
        word += not (goes_on and words and words[-1] is not None)
        words.append(word)
    return tuple(words)
