"""A tokenizer and its output -> `Tokens`: readable strings, words, segments and spans.

Nothing here depends on a tokenizer's family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_widget.recording.inputs.readable import byte_runs, decoded, readable, shown_bytes
from attn_widget.recording.inputs.words import align, segments_of, trimmed, words_of
from attn_widget.records import Tokens


def tokenizer_of(reader: Any) -> Any:
    """Return the tokenizer that a processor holds; a tokenizer unchanged."""
    return getattr(reader, "tokenizer", reader)


def from_encoding(
    tokenizer: Any,
    encoding: Any,
    *,
    item: int = 0,
    source: Sequence[str] = (),
    ids: Sequence[int] | None = None,
) -> Tokens:
    """Return the tokens of one item of a batch encoding, with words, segments and spans.

    Parameters
    ----------
    tokenizer
        The tokenizer that made the encoding; None: only what the encoding itself knows.
    encoding
        What it returned: ``input_ids`` of shape ``(item, token)`` or ``(token,)``.
    item
        Which item of the batch.
    source
        The text, or the two texts of a pair, as they were given.
    ids
        The ids where the encoding does not hold them.

    Returns
    -------
    Tokens
        All positions, padding included: the capture drops it together with its rows and columns.
    """
    ids = _row(encoding["input_ids"], item) if ids is None else [int(i) for i in ids]
    fast = (getattr(encoding, "encodings", None) or [None] * (item + 1))[item]
    if fast is not None and list(fast.ids) != ids:
        fast = None
    special_ids = _special_ids(tokenizer)
    special = [i in special_ids for i in ids]
    types = _types(encoding, item, len(ids))
    if fast is not None:
        special = [a or bool(b) for a, b in zip(special, fast.special_tokens_mask, strict=True)]
        segments = segments_of(fast.sequence_ids, types or list(fast.type_ids), special)
        spans = [
            None
            if s is None or stop <= start
            else trimmed(start, stop, source[s] if s < len(source) else "")
            for s, (start, stop) in zip(fast.sequence_ids, fast.offsets, strict=True)
        ]
        word_ids = list(fast.word_ids)
        text = [readable(tokenizer, i, piece) for i, piece in zip(ids, fast.tokens, strict=True)]
    else:
        segments = segments_of(None, types, special)
        text, spans = _unaided(tokenizer, ids, special, segments, source)
        word_ids = [None] * len(ids)
    unknown = getattr(tokenizer, "unk_token_id", None)
    for i, span in enumerate(spans):
        if ids[i] == unknown and span is not None and segments[i] < len(source):
            text[i] = source[segments[i]][slice(*span)] or text[i]
    return Tokens(
        text=tuple(text),
        ids=tuple(ids),
        special=tuple(special),
        words=words_of(word_ids, segments, spans, special, source),
        segments=tuple(segments),
        spans=tuple(spans) if any(span is not None for span in spans) else (),
        source=tuple(source),
    )


def labels(values: Sequence[Any]) -> Tokens:
    """Return tokens from plain labels: residues, atoms, notes, names of columns, numbers of ids."""
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    # The number of a tensor, not the name of its type.
    return Tokens(text=tuple(str(v.item() if hasattr(v, "item") else v) for v in values))


def positions(n: int) -> Tokens:
    """Return tokens that are only numbered, where nothing is known of what stands there."""
    return Tokens(text=tuple(str(i) for i in range(n)))


def frames(n: int, seconds: float | None) -> Tokens:
    """Return tokens for sound frames: the time at which each begins, where that is known."""
    if seconds is None:
        return positions(n)
    return Tokens(text=tuple(f"{i * seconds:.2f} s" for i in range(n)), seconds=seconds)


def _unaided(
    tokenizer: Any,
    ids: Sequence[int],
    special: Sequence[bool],
    segments: Sequence[int],
    source: Sequence[str],
) -> tuple[list[str], list[tuple[int, int] | None]]:
    """Return texts and spans of tokens whose encoding knows no spans."""
    text = [readable(tokenizer, i) for i in ids]
    if tokenizer is None:
        return text, [None] * len(ids)
    pieces = [tokenizer.convert_ids_to_tokens(i) for i in ids]
    runs = byte_runs(tokenizer, ids, special, pieces)
    for run in runs:
        for k, value in enumerate(run.values):
            text[run.start + k] = shown_bytes(value)
    # White space is made visible in the text of a token, and looked for as it was written.
    written = [
        shown if shown.strip("␣⏎⇥␍") else decoded(tokenizer, [i]) or shown
        for i, shown in zip(ids, text, strict=True)
    ]
    return text, align(written, special, segments, source, runs)


def _row(values: Any, item: int) -> list[int]:
    """Return one item's numbers from a tensor, an array or nested lists."""
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    return [int(v) for v in (values[item] if values and isinstance(values[0], list) else values)]


def _types(encoding: Any, item: int, n: int) -> list[int] | None:
    """Return the token types of one item; of several columns the first, None where it tells none.

    The first of several columns is that of the segment where it holds only 0 and 1.
    """
    values = encoding.get("token_type_ids") if hasattr(encoding, "get") else None
    if values is None:
        return None
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(values) != n or isinstance(values[0], list):
        values = values[item] if item < len(values) else []
    if len(values) != n:
        return None
    if isinstance(values[0], list):
        first = [int(row[0]) for row in values]
        return first if set(first) <= {0, 1} else None
    return [int(value) for value in values]


def _special_ids(tokenizer: Any) -> set[int]:
    """Return the ids of special tokens; the unknown token stands for a word and is none."""
    ids = set(getattr(tokenizer, "all_special_ids", ()))
    unknown = getattr(tokenizer, "unk_token_id", None)
    others = {
        getattr(tokenizer, f"{name}_token_id", None)
        for name in ("bos", "eos", "pad", "cls", "sep", "mask")
    }
    return ids - ({unknown} - others)
