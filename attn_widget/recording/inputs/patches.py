"""What stands along the positions of a model that reads a picture: measured, never guessed.

Patches, text, and learned vectors (class token, registers) are told apart by what moves them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.inputs.embedding_probe import Called, EmbeddingProbe
from attn_widget.records import Tokens

COLOURS = (1, 3, 4)
# What libraries call the parameters of learned positions -> what the position is called here.
LEARNED = {"cls": "[CLS]", "class": "[CLS]", "dist": "[DIST]", "reg": "[REG{}]"}
MOST_LEARNED = 64


@dataclass(frozen=True)
class Cells:
    """Where the patches of a picture stand: ``position[row * columns + column]``."""

    rows: int
    columns: int
    positions: tuple[int, ...]


def picture_of(named: Mapping[str, Any], args: Sequence[Any]) -> torch.Tensor | None:
    """Return the pixels ``(item, colour, row, column)`` that a model reads, whatever their name."""
    values = [named["pixel_values"]] if "pixel_values" in named else [*named.values(), *args]
    for value in values:
        if (
            isinstance(value, torch.Tensor)
            and value.is_floating_point()
            and value.ndim == 4
            and value.shape[1] in COLOURS
        ):
            return value
    return None


def measured_patches(call: Called, n: int) -> Tokens | None:
    """Return what stands along n positions, or None where no patch has one position of its own.

    Parameters
    ----------
    call
        A call with a picture among its inputs.
    n
        Positions of the stream.

    Returns
    -------
    Tokens or None
        Patches are called ``row,column``; the model's text has its tokens; learned vectors have the
        names of their parameters, or their number. ``grid`` is set where only special positions
        stand before the patches, which follow row by row.

    Notes
    -----
    About ``8 + log2(n)`` passes of the model's embedding.
    """
    pixels = picture_of(call.named, call.args)
    if pixels is None:
        return None
    probe = EmbeddingProbe(call, len(pixels), n)
    with probe.ready():
        cells = _cells(probe, pixels)
        if cells is None:
            return None
        text = _text_positions(probe, call.named.get("input_ids"))
        names = dict(_learned(probe, set(range(n)) - {*cells.positions, *text}))
    return _tokens(call, n, cells, text, names)


def _cells(probe: EmbeddingProbe, pixels: torch.Tensor) -> Cells | None:
    """Return where each patch stands, found by changing patches; None where it cannot be told."""
    height, width = pixels.shape[-2:]
    # The same noise everywhere, since a norm may not see a constant that is added.
    noise = torch.randn(pixels.shape[1:], generator=torch.Generator().manual_seed(0))
    noise = noise.to(pixels.device, pixels.dtype)

    def moved(region: torch.Tensor) -> set[int]:
        return probe.moved({id(pixels): pixels + noise * region.to(pixels)})

    everything = probe.choose({id(pixels): pixels + noise})
    if not everything:
        return None
    top, side = torch.zeros(2, height, width)
    top[0], side[:, 0] = 1, 1
    columns, rows = len(moved(top)), len(moved(side))
    if rows * columns != len(everything):
        return None
    down, right = _patch_size(probe.call.model, height, width, rows, columns)
    cell = torch.arange(rows * columns).reshape(rows, columns)
    cell = cell.repeat_interleave(down, 0).repeat_interleave(right, 1)
    codes = dict.fromkeys(everything, 0)
    for bit in range((rows * columns).bit_length()):
        region = torch.zeros(height, width)
        # Cells are numbered from 1, so that every one is changed in some pass.
        region[: down * rows, : right * columns] = ((cell + 1) >> bit & 1)[:height, :width]
        for position in moved(region) & everything:
            codes[position] |= 1 << bit
    order = {code: position for position, code in codes.items()}
    if sorted(order) != list(range(1, rows * columns + 1)):
        return None
    return Cells(rows, columns, tuple(order[code] for code in sorted(order)))


def _patch_size(
    model: torch.nn.Module, height: int, width: int, rows: int, columns: int
) -> tuple[int, int]:
    """Return rows and columns of pixels in a patch; a picture may have more than patches cover."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == module.stride:
            down, right = module.stride
            if height // down == rows and width // right == columns:
                return down, right
    return height // rows, width // columns


def _text_positions(probe: EmbeddingProbe, ids: Any) -> list[int]:
    """Return the positions of the ids that the model reads beside the picture, in their order."""
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        return []
    pad = getattr(getattr(probe.call.model, "config", None), "pad_token_id", None)
    values = [value for value in ids.unique().tolist() if value != pad]
    if not values:
        return []
    other = values[-1] if len(values) > 1 else max(0, values[0] - 1)
    changed = torch.where(ids == values[0], other, values[0])
    found = sorted(probe.moved({id(ids): changed}))
    first = ids.clone()
    first[:, 0] = changed[:, 0]
    together = found == list(range(found[0], found[0] + ids.shape[1])) if found else False
    return found if together and probe.moved({id(ids): first}) == {found[0]} else []


def _learned(probe: EmbeddingProbe, left: set[int]) -> Iterator[tuple[int, str]]:
    """Return the learned positions with their names: each moves with its own parameter."""
    for name, parameter in probe.call.model.named_parameters():
        path = ".".join(name.split(".")[-2:]).lower()
        word = next((word for word in LEARNED if word in path), None)
        count = parameter.numel() // max(1, probe.n_channels)
        if word is None or not left or not parameter.is_floating_point() or parameter.is_meta:
            continue
        if count * probe.n_channels != parameter.numel() or not 0 < count <= MOST_LEARNED:
            continue
        other = parameter + torch.linspace(1, 2, probe.n_channels).to(parameter)
        places = sorted(probe.moved_by_parameter(name, other))
        if len(places) == count and set(places) <= left:
            left = left - set(places)
            yield from ((p, LEARNED[word].format(i)) for i, p in enumerate(places, 1))


def _tokens(
    call: Called, n: int, cells: Cells, text: Sequence[int], names: Mapping[int, str]
) -> Tokens:
    """Return the tokens of all positions."""
    labels = [names.get(i, str(i)) for i in range(n)]
    special = [True] * n
    for i, position in enumerate(cells.positions):
        labels[position] = f"{i // cells.columns},{i % cells.columns}"
        special[position] = False
    marks: dict[str, Any] = {}
    if text:
        known = call.text_tokens()
        for i, position in enumerate(text):
            labels[position], special[position] = known.text[i], known.special[i]
        place = {position: i for i, position in enumerate(text)}
        for mark in ("words", "spans"):
            values = getattr(known, mark)
            if values:
                marks[mark] = tuple(values[place[i]] if i in place else None for i in range(n))
        marks["segments"] = tuple(known.segments[place[i]] if i in place else 0 for i in range(n))
        marks["source"] = known.source
    first = cells.positions[0]
    in_rows = cells.positions == tuple(range(first, first + len(cells.positions)))
    return Tokens(
        text=tuple(labels),
        special=tuple(special),
        # The page draws patches from the first position that is not special.
        grid=(cells.rows, cells.columns) if in_rows and all(special[:first]) else None,
        **marks,
    )
