"""Sounds -> what a model takes, as its feature extractor encodes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.recording.inputs.prepared import Prepared


def sound_inputs(reader: Any, samples: np.ndarray, sampling_rate: int) -> Prepared:
    """Return a sound as the model's feature extractor encodes it, and its length in seconds."""
    extractor = getattr(reader, "feature_extractor", reader)
    if extractor is None or not hasattr(extractor, "sampling_rate"):
        raise InputError(
            f"tokenizer must be a feature extractor to run a sound, got {type(reader).__name__}. "
            "Give the processor this model was trained with."
        )
    if samples.ndim != 1 or samples.size == 0:
        raise InputError(
            f"text must be one axis of samples for a sound, got shape {samples.shape}. "
            "Mix it to mono."
        )
    if sampling_rate != extractor.sampling_rate:
        raise InputError(
            f"sampling_rate must be {extractor.sampling_rate} Hz for this model, "
            f"got {sampling_rate}. Resample it first.",
            code=f"scipy.signal.resample_poly(samples, {extractor.sampling_rate}, {sampling_rate})",
        )
    encoded = extractor(
        samples.astype(np.float32), sampling_rate=sampling_rate, return_tensors="pt"
    )
    hop = getattr(extractor, "hop_length", 1) if "input_features" in encoded else 1
    frames = next(iter(encoded.values())).shape[-1]
    return Prepared(encoded, {"seconds": frames * hop / sampling_rate})
