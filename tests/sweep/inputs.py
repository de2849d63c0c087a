"""Inputs for a small model, made from the names of its forward's parameters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from tests.sweep.facts import LENGTH, Facts
from tests.sweep.values import maker_of, pixel_values, random_ids

Inputs = dict[str, Any]


def forward_parameters(model: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a model's forward that can be given by name."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(model.forward).parameters
    return {name: one for name, one in found.items() if one.kind not in kinds}


def attempts(model: Any, length: int = LENGTH) -> Iterator[Inputs]:
    """Yield inputs that the model may take, the fullest first; texts have a length in tokens."""
    parameters = forward_parameters(model)
    found = Facts(model.config, length)
    required = [n for n, one in parameters.items() if one.default is inspect.Parameter.empty]
    main = getattr(model, "main_input_name", "input_ids")
    wanted = [*required]
    for name in (main, "decoder_input_ids", "bbox", "decoder_input_values"):
        if name in parameters and name not in wanted:
            wanted.append(name)
    both = [n for n in ("input_ids", "pixel_values", "input_features", "input_values")
            if n in parameters]  # fmt: skip
    yield from _with_pictures(model, parameters, found)
    seen: list[str] = []
    others = [n for n in parameters if n in OFTEN_NEEDED]
    groups = [[*wanted, *both], wanted, [*wanted, *both[:1]], [*wanted, *others]]
    groups += [[*wanted, *both, one] for one in others]
    without_main = [n for n in wanted if n != main or n in required]
    groups += [[*without_main, one] for one in [*both, "inputs_embeds"] if one in parameters]
    for names in (list(dict.fromkeys(names)) for names in groups):
        if str(names) in seen or not names:
            continue
        seen.append(str(names))
        yield from _product(names, parameters, found)


def _product(names: Sequence[str], parameters: Any, found: Facts) -> Iterator[Inputs]:
    """Yield every combination of what each parameter may be."""
    makers = [maker_of(name)(found) for name in names]
    made = [list(values) or [{}] for values in makers]
    for combination in itertools.islice(itertools.product(*made), 60):
        inputs: Inputs = {}
        for name, value in zip(names, combination, strict=True):
            inputs |= value if isinstance(value, dict) else {name: value}
        yield {n: v for n, v in inputs.items() if n in parameters or n in names}


def _with_pictures(model: Any, parameters: Any, found: Facts) -> Iterator[Inputs]:
    """Yield text with as many image tokens as the model makes of a picture."""
    token = found("image_token_id", "image_token_index")
    features = getattr(model, "get_image_features", None)
    if token is None or features is None or not {"input_ids", "pixel_values"} <= set(parameters):
        return
    accepted = inspect.signature(features).parameters
    for pixels in pixel_values(found):
        given = pixels if isinstance(pixels, dict) else {"pixel_values": pixels}
        given = {n: v for n, v in given.items() if n in accepted or n in parameters}
        try:
            with torch.no_grad():
                out = features(**{n: v for n, v in given.items() if n in accepted})
        except Exception:
            continue
        count = _count(out, found)
        if not count or count > 400:
            continue
        ids = torch.cat([random_ids(3), torch.full((1, count), token), random_ids(4)], 1)
        more = {}
        if "mm_token_type_ids" in parameters:
            more["mm_token_type_ids"] = (ids == token).int()
        if "token_type_ids" in parameters:
            more["token_type_ids"] = (ids == token).long()
        yield {"input_ids": ids} | given | more
        yield {"input_ids": ids} | given


def _count(out: Any, found: Facts) -> int:
    """Return how many positions image features take."""
    features = getattr(out, "pooler_output", None)
    if features is None:
        features = getattr(out, "last_hidden_state", out)
    if isinstance(features, list | tuple):
        return sum(_count(one, found) for one in features)
    if not isinstance(features, torch.Tensor):
        return 0
    return features.numel() // features.shape[-1]


# Parameters with a default that some models cannot do without.
OFTEN_NEEDED = {
    "encoder_hidden_states", "query_embeds", "is_longer", "image_embeds", "pixel_values_videos",
    "cross_attention_states", "patch_embeds", "qformer_input_ids", "states", "actions",
    "input_points", "audio_values", "input_audio_embeds", "speaker_ids", "conditioning_embeds",
    "flattened_patches", "inputs", "decoder_inputs_embeds", "visual_feats", "task_inputs",
    "pixel_mask", "spatial_shapes",
}  # fmt: skip
