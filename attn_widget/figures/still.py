"""A frame as a PNG: what viewers that run no scripts show in place of the widget. Pillow only.

Pictures are drawn three times too large and made smaller, because Pillow's lines have hard edges.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attn_widget.pictures import palettes
from attn_widget.pictures.protocol import Frame, from_sqrt8

WIDTH_PX = 860
ROW_PX = 22
FINE = 3  # drawn this many times too large
MAX_ROWS = 64
MAX_LINES = 1500
_LABEL_PX = 150


@dataclass(frozen=True)
class Picked:
    """What of a frame is shown: heads that are on, pinned rows, the share below which lines are left out."""

    heads: Sequence[int] = ()
    query: Sequence[int] = ()
    key: Sequence[int] = ()
    threshold: float = 0.0


def png(frame: Frame, picked: Picked, caption: str) -> bytes:
    """Return the picture of a head or matrix frame as the bytes of a PNG file, light theme, `WIDTH_PX` wide.

    The caption is written below the picture, with what had to be left out of it.
    """
    painter = _PAINTERS.get(frame.fields["view"], _matrix)
    sheet, said = painter(frame, picked)
    return packed(_with_caption(sheet, [caption, said]))


def packed(picture: Image.Image) -> bytes:
    """Return a picture as a PNG file, at the default level: the best takes seven times as long for a hundredth."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def values(frame: Frame, name: str) -> np.ndarray:
    """Return an array of a frame, decoded."""
    array, encoding, scale = frame.arrays[name]
    return from_sqrt8(array, scale) if encoding == "sqrt8" else array


def edges(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return lane, query, key and weight of every line that a head frame holds."""
    if "weights" in frame.arrays:
        weights = values(frame, "weights")
        lane, query, key = np.indices(weights.shape).reshape(3, -1)
        return lane, query, key, weights.ravel()
    weights, keys = values(frame, "edges_weight"), values(frame, "edges_key")
    lane, query, _ = np.indices(weights.shape).reshape(3, -1)
    return lane, query, keys.ravel().astype(int), weights.ravel()


def _head(frame: Frame, picked: Picked) -> tuple[Image.Image, str]:
    """Draw two columns of tokens and a line for each share, strong ones last."""
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    n = min(max(len(queries["text"]), len(keys["text"])), MAX_ROWS)
    sheet = _sheet(ROW_PX * (n + 1))
    draw = ImageDraw.Draw(sheet)
    left, right = _LABEL_PX * FINE, (WIDTH_PX - _LABEL_PX) * FINE
    lanes = frame.fields["lanes"]
    on = [i for i, lane in enumerate(lanes) if lane["head"] is None or lane["head"] in picked.heads]
    lane, query, key, weight = edges(frame)
    pinned = _rows(queries, picked.query)
    kept = np.isin(lane, on) & (weight >= max(picked.threshold, 1e-9)) & (query < n) & (key < n)
    asked = np.isin(lane, on) & (np.isin(query, pinned) if pinned else True)
    kept &= asked
    total = np.nansum(weight[asked])
    order = np.flatnonzero(kept)
    order = order[np.argsort(weight[order], kind="stable")][-MAX_LINES:]
    top = float(np.nanmax(weight, initial=1e-9)) if frame.fields["unit"] == "flow" else 1.0
    spread = min(2.2, 17 / max(1, len(on)))
    place = {lane_index: (i - (len(on) - 1) / 2) * spread for i, lane_index in enumerate(on)}
    for i in order:
        w = min(1.0, float(weight[i]) / top)
        head = lanes[lane[i]]["head"]
        colour = (
            palettes.rgb(palettes.SEQUENTIAL[5]) if head is None else palettes.head_colour(head)
        )
        offset = place[int(lane[i])]
        y0, y1 = ((row + 1.5) * ROW_PX + offset for row in (int(query[i]), int(key[i])))
        _curve(
            draw,
            left,
            y0 * FINE,
            right,
            y1 * FINE,
            _mixed(colour, max(0.1, w**0.65)),
            (0.75 + 1.75 * w) * FINE,
        )
    _column(draw, queries, left - 10 * FINE, "rm", n, pinned, "query")
    _column(draw, keys, right + 10 * FINE, "lm", n, _rows(keys, picked.key), "key")
    shown = float(weight[order].sum() / total) if total else 1.0
    rows = "" if n == max(len(queries["text"]), len(keys["text"])) else f" · first {n} rows"
    return _fine(
        sheet
    ), f"{len(order)} of {int(asked.sum())} lines, {shown:.1%} of what is there{rows}"


def _matrix(frame: Frame, picked: Picked) -> tuple[Image.Image, str]:
    """Draw one matrix with tokens on both axes where there is room for them."""
    weights = values(frame, "weights")
    weights = weights[0] if weights.ndim == 3 else weights
    queries, keys = frame.fields["queries"], frame.fields["keys"]
    cell = min(
        ROW_PX, (WIDTH_PX - _LABEL_PX) / max(1, weights.shape[1]), 640 / max(1, weights.shape[0])
    )
    width, height = max(1, round(weights.shape[1] * cell)), max(1, round(weights.shape[0] * cell))
    missing = np.isnan(weights)
    weights = np.where(missing, 0, weights)
    top = float(weights.max(initial=0.0))
    scale = top if top > 1 else 1.0
    table = palettes.sequential_table().astype(np.uint8)
    colours = table[np.round(np.clip(weights / scale, 0, 1) * 255).astype(np.uint8)]
    if frame.fields["causal"]:
        colours[np.triu(np.ones(weights.shape, bool), 1)] = palettes.rgb(palettes.PAPER)
    striped = (
        np.sum(np.nonzero(missing), axis=0) % 2 == 0
    )  # as the page hatches what is not a number
    colours[missing] = np.where(
        striped[:, None], palettes.rgb(palettes.INK_3), palettes.rgb(palettes.PAPER)
    )
    labelled = cell >= 12
    above = 90 if labelled else 8
    sheet = _sheet(above + height + 8)
    picture = Image.fromarray(colours).resize((width * FINE, height * FINE), Image.Resampling.BOX)
    sheet.paste(picture, (_LABEL_PX * FINE, above * FINE))
    draw = ImageDraw.Draw(sheet)
    for row in _rows(queries, picked.query):
        box = [_LABEL_PX, above + row * cell, _LABEL_PX + width, above + (row + 1) * cell]
        draw.rectangle([round(b * FINE) for b in box], outline="#" + palettes.INK, width=FINE * 2)
    if labelled:
        for i, text in enumerate(queries["text"]):
            at = ((_LABEL_PX - 8) * FINE, round((above + (i + 0.5) * cell) * FINE))
            draw.text(at, _clipped(text), _ink(queries, i), font=_font(12), anchor="rm")
        for j, text in enumerate(keys["text"]):
            _tilted(
                sheet,
                _clipped(text, 12),
                (_LABEL_PX + (j + 0.5) * cell) * FINE,
                (above - 6) * FINE,
                _ink(keys, j),
            )
    pooled = (
        ""
        if frame.fields.get("pool", 1) == 1
        else f" · a cell is the largest of {frame.fields['pool']}²"
    )
    unknown = f" · striped: {missing.sum()} not a number" if missing.any() else ""
    return _fine(sheet), f"rows ask, columns answer · darkest = {scale:.2f}{pooled}{unknown}"


_PAINTERS = {"head": _head, "matrix": _matrix}


def _sheet(height: float, theme: palettes.Theme = palettes.THEMES["light"]) -> Image.Image:
    return Image.new("RGB", (WIDTH_PX * FINE, max(1, round(height * FINE))), "#" + theme.paper)


def _fine(sheet: Image.Image) -> Image.Image:
    return sheet.reduce(
        FINE
    )  # plain averages: sharper filters overshoot, and colours would not be what they mean


_DASHES = str.maketrans("–−", "--")  # the typeface that Pillow carries has only the hyphen


def _with_caption(
    picture: Image.Image, lines: Sequence[str], theme: palettes.Theme = palettes.THEMES["light"]
) -> Image.Image:
    sheet = Image.new("RGB", (WIDTH_PX, picture.height + 18 * len(lines) + 10), "#" + theme.paper)
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        at = (4, picture.height + 6 + 18 * i)
        line = line.translate(_DASHES)
        draw.text(at, line, "#" + (theme.ink if i == 0 else theme.ink_2), font=_font(12, fine=1))
    return sheet


def _curve(
    draw: Any, x0: float, y0: float, x1: float, y1: float, colour: tuple, width: float
) -> None:
    """Draw a cubic that is horizontal at both ends, control points at 40 %."""
    t = np.linspace(0, 1, 25)
    bend = 0.4 * (x1 - x0)
    x = (
        (1 - t) ** 3 * x0
        + 3 * (1 - t) ** 2 * t * (x0 + bend)
        + 3 * (1 - t) * t**2 * (x1 - bend)
        + t**3 * x1
    )
    y = ((1 - t) ** 3 + 3 * (1 - t) ** 2 * t) * y0 + (3 * (1 - t) * t**2 + t**3) * y1
    draw.line(
        list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=max(1, round(width))
    )


def _column(
    draw: Any, axis: dict, x: float, anchor: str, n: int, pinned: Sequence[int], title: str
) -> None:
    draw.text((x, ROW_PX * FINE / 2), title, "#" + palettes.INK_3, font=_font(11), anchor=anchor)
    for i, text in enumerate(axis["text"][:n]):
        at = (x, (i + 1.5) * ROW_PX * FINE)
        label = _clipped(text)
        if i in pinned:
            box = draw.textbbox(at, label, font=_font(13), anchor=anchor)
            draw.rectangle(
                [box[0] - 15, box[1] - 9, box[2] + 15, box[3] + 9], fill="#" + palettes.INK
            )
        draw.text(
            at,
            label,
            "#" + palettes.PAPER if i in pinned else _ink(axis, i),
            font=_font(13),
            anchor=anchor,
        )


def _tilted(sheet: Image.Image, text: str, x: float, y: float, ink: str) -> None:
    """Write a key's label at 45°, its start above the column."""
    font = _font(12)
    box = font.getbbox(text)
    label = Image.new("L", (max(1, round(box[2])) + 4, 20 * FINE), 0)
    ImageDraw.Draw(label).text((0, 10 * FINE), text, 255, font=font, anchor="lm")
    turned = label.rotate(45, expand=True, resample=Image.Resampling.BICUBIC)
    corner = (round(x - 7 * FINE), round(y - turned.height + 7 * FINE))
    sheet.paste(Image.new("RGB", turned.size, ink), corner, turned)


def _rows(axis: dict, positions: Sequence[int]) -> list[int]:
    """Return the displayed rows that stand for any of these token positions."""
    wanted = set(positions)
    return [i for i, group in enumerate(axis["positions"]) if wanted & set(group)]


def _mixed(colour: tuple[int, int, int], opacity: float) -> tuple[int, ...]:
    """Return a colour mixed with the paper: Pillow draws no transparent lines on a picture without alpha."""
    paper = palettes.rgb(palettes.PAPER)
    return tuple(round(p + (c - p) * min(1.0, opacity)) for c, p in zip(colour, paper, strict=True))


def _clipped(text: str, most: int = 18) -> str:
    """Return a token's label on one line, cut where it is too long."""
    line = " ".join(text.split()) or "␣"
    return line if len(line) <= most else line[: most - 1] + "…"


def _ink(axis: dict, i: int) -> str:
    return "#" + (palettes.INK_3 if axis["special"][i] else palettes.INK)


def _font(size: int, fine: int = FINE) -> Any:
    return ImageFont.load_default(size * fine)
