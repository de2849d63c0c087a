"""Coarser frames, where the data of a picture must fit a size limit."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np

from attn_widget.pictures.frame import max_pool, strongest_keys
from attn_widget.pictures.protocol import Frame, decoded, int8, plain, sqrt8
from attn_widget.pictures.text import small

LEAST_PICTURE_PX = 64  # of an image under a map
MARGIN = 256  # bytes by which the header of a coarser frame may be longer


def size_of(frame: Frame) -> int:
    """Return how many bytes a frame takes: its JSON header and its arrays."""
    header, buffers = frame.encode()
    return len(json.dumps(header).encode()) + sum(map(len, buffers))


def coarser(frame: Frame, max_bytes: int) -> Frame | None:
    """Return the frame with no more detail than fits; None if the least detail is too large.

    An image is made smaller, a head view keeps fewer keys per query, the cells of a matrix and of
    thumbnails are pooled, the channels of a neuron view are rounded to one byte. A frame that fits
    is returned unchanged.

    Parameters
    ----------
    frame
        The frame of a view.
    max_bytes
        The most that header and arrays may take together.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> from attn_widget.pictures import Pictures, Spec
    >>> pictures = Pictures(aw.from_arrays(np.full((1, 1, 300, 300), 1 / 300)))
    >>> frame = pictures.frame(Spec(view="matrix"))
    >>> size_of(frame) > 60_000 >= size_of(coarser(frame, 60_000))
    True
    """
    for step in (_smaller_image, _fewer_keys, _pooled_matrix, _pooled_thumbnails, _rounded):
        excess = size_of(frame) - max_bytes
        if excess <= 0:
            return frame
        frame = step(frame, excess + MARGIN)
    return frame if size_of(frame) <= max_bytes else None


def _smaller_image(frame: Frame, excess: int) -> Frame:
    """Halve the image under a map until enough is saved."""
    if "image" not in frame.arrays:
        return frame
    image = frame.arrays["image"][0]
    wanted, side = image.nbytes - excess, max(image.shape[:2])
    while image.nbytes > wanted and side > LEAST_PICTURE_PX:
        side //= 2
        image = small(image, side)
    return _with(frame, image=plain(image))


def _fewer_keys(frame: Frame, excess: int) -> Frame:
    """Keep so many of each query's strongest keys that enough is saved, at least one."""
    arrays = dict(frame.arrays)
    if "edges_key" in arrays:
        keys, weights = arrays.pop("edges_key")[0], decoded(frame, "edges_weight")
        held = keys.nbytes + arrays.pop("edges_weight")[0].nbytes
    elif "weights" in arrays and arrays["weights"][0].ndim == 3:
        weights = decoded(frame, "weights")
        held = arrays.pop("weights")[0].nbytes
        keys = None
    else:
        return frame
    # What tells how far a value can be trusted belongs to all pairs, which are not kept.
    held += sum(arrays.pop(name)[0].nbytes for name in ("upper", "saturated") if name in arrays)
    for name in ("row_sum", "hidden_mass"):
        held += arrays[name][0].nbytes
        arrays[name] = sqrt8(decoded(frame, name))
        held -= arrays[name][0].nbytes
    n_lanes, n_queries = weights.shape[:2]
    n_keys = len(frame.fields.get("keys", frame.fields["queries"])["text"])
    bytes_per_key = 3 if n_keys < 2**16 else 5
    k = max(1, (held - excess) // (n_lanes * n_queries * bytes_per_key))
    arrays |= strongest_keys(weights, k) if keys is None else {
        "edges_key": plain(keys[..., :k]),
        "edges_weight": sqrt8(weights[..., :k]),
    }  # fmt: skip
    return replace(frame, arrays=arrays)


def _pooled_matrix(frame: Frame, excess: int) -> Frame:
    """Pool the cells of a matrix."""
    if "weights" not in frame.arrays or frame.arrays["weights"][0].ndim != 2:
        return frame
    arrays = {
        name: entry
        for name, entry in frame.arrays.items()
        if name in ("weights", "row_sum", "hidden_mass")
    }
    pruned = sum(entry[0].nbytes for entry in frame.arrays.values())
    pruned -= sum(entry[0].nbytes for entry in arrays.values())
    weights = decoded(frame, "weights")
    wanted = arrays["weights"][0].nbytes - max(0, excess - pruned)
    pool = _factor(arrays["weights"][0], wanted)
    pooled = max_pool(weights, pool, pool)
    fields = frame.fields | {"pool": frame.fields.get("pool", 1) * pool}
    return Frame(fields, arrays | {"weights": sqrt8(pooled)})


def _pooled_thumbnails(frame: Frame, excess: int) -> Frame:
    """Pool the cells of thumbnails."""
    if "tiles" not in frame.arrays:
        return frame
    tiles = decoded(frame, "tiles")
    stored = frame.arrays["tiles"][0]
    pool = _factor(stored, stored.nbytes - excess)
    pooled = np.stack([max_pool(tile, pool, pool) for tile in tiles])
    sizes = [pool * n for n in frame.fields["pool"]]
    return replace(_with(frame, tiles=sqrt8(pooled)), fields=frame.fields | {"pool": sizes})


def _factor(array: np.ndarray, wanted: int) -> int:
    """Return the fewest cells to pool along the last two axes that leave ``wanted`` bytes."""
    *leading, rows, columns = array.shape
    per_cell = array.itemsize * math.prod(leading)
    pool = 1
    while per_cell * -(-rows // pool) * -(-columns // pool) > wanted and pool < max(rows, columns):
        pool += 1
    return pool


def _rounded(frame: Frame, _excess: int) -> Frame:
    """Store the keys' channels in one byte each."""
    return _with(frame, k=int8(frame.arrays["k"][0])) if "k" in frame.arrays else frame


def _with(frame: Frame, **arrays: tuple[np.ndarray, str, float]) -> Frame:
    """Return the frame with some arrays replaced."""
    return replace(frame, arrays=dict(frame.arrays) | arrays)
