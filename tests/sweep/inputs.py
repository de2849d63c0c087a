"""Inputs for a small model, made from the names of its forward's parameters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import PretrainedConfig

from tests.sweep.shrink import FIRST_ID, PATCH, SIDE

LENGTH, TARGET = 11, 7
Inputs = dict[str, Any]


def forward_parameters(model: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a model's forward that can be given by name."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(model.forward).parameters
    return {name: one for name, one in found.items() if one.kind not in kinds}


def attempts(model: Any) -> Iterator[Inputs]:
    """Yield inputs that the model may take, the fullest first."""
    parameters = forward_parameters(model)
    found = Facts(model.config)
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
    makers = [(MAKERS.get(name) or _by_kind(name))(found) for name in names]
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
    for pixels in _pixel_values(found):
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
        ids = torch.cat([_ids(3), torch.full((1, count), token), _ids(4)], 1)
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


class Facts:
    """Looks names up in a configuration and in those inside it."""

    def __init__(self, config: Any) -> None:
        self.config = config
        subs = [v for v in vars(config).values() if isinstance(v, PretrainedConfig)]
        deeper = [v for s in subs for v in vars(s).values() if isinstance(v, PretrainedConfig)]
        self.all = [config, *subs, *deeper]

    def __call__(self, *names: str, default: Any = None) -> Any:
        for config in self.all:
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return default

    def number(self, *names: str, default: int) -> int:
        value = self(*names, default=default)
        while isinstance(value, list | tuple):
            value = value[-1]
        if isinstance(value, dict):
            value = next(iter(value.values()), default)
        return value if isinstance(value, int) else default

    @property
    def side(self) -> int:
        return self.number("image_size", "img_size", "input_size", "resolution", default=SIDE)

    @property
    def patch(self) -> int:
        return self.number("patch_size", default=PATCH)

    @property
    def channels(self) -> int:
        return self.number("num_channels", "in_channels", "in_chans", "image_channels", default=3)

    @property
    def width(self) -> int:
        return self.number("hidden_size", "d_model", "embed_dim", "n_embd", default=64)

    @property
    def ids(self) -> int:
        vocab = self.number("vocab_size", default=FIRST_ID)
        return max(6, min(vocab, FIRST_ID))


def _ids(length: int, largest: int = FIRST_ID) -> torch.Tensor:
    return torch.randint(5, largest, (1, length))


def _input_ids(found: Facts) -> Iterator[Any]:
    yield _ids(LENGTH, found.ids)
    yield _ids(32, found.ids)
    yield torch.randint(0, 3, (1, LENGTH))
    yield torch.randint(5, 60, (1, LENGTH, found.channels))
    books = found.number("num_codebooks", "n_codebooks", default=1)
    if books > 1:
        yield torch.randint(5, 60, (1, LENGTH, books))
        yield torch.randint(5, 60, (1, books, LENGTH))
        yield torch.randint(5, 60, (books, LENGTH))


def _decoder_ids(found: Facts) -> Iterator[Any]:
    yield _ids(TARGET, found.ids)
    books = found.number("num_codebooks", "n_codebooks", default=1)
    if books > 1:
        yield torch.randint(5, 60, (books, TARGET))
    yield torch.randint(5, 60, (1, TARGET, found.channels))


def _pixel_values(found: Facts) -> Iterator[Any]:
    c, s, p = found.channels, found.side, found.patch
    frames = found.number("num_frames", "frames_per_clip", default=2)
    temporal = found.number("temporal_patch_size", default=1)
    size = found("image_size", "img_size")
    if isinstance(size, list | tuple) and len(size) == 2:
        yield torch.randn(1, c, *size)
    flat = {
        "pixel_values": torch.randn(32, c * temporal * p * p),
        "image_grid_thw": torch.tensor([[1, 4, 8]]),
        "grid_thw": torch.tensor([[1, 4, 8]]),
        "image_grid_hws": torch.tensor([[4, 8]]),
    }
    if found("spatial_merge_size", "merge_size", "merge_kernel_size", "temporal_patch_size"):
        yield flat
    yield torch.randn(1, c, s, s)
    yield torch.randn(1, frames, c, s, s)
    yield {
        "pixel_values": torch.randn(1, 1, c, s, s),
        "pixel_attention_mask": torch.ones(1, 1, s, s, dtype=torch.long),
        "image_sizes": torch.tensor([[s, s]]),
    }
    yield {"pixel_values": torch.randn(1, 3, c, s, s), "image_sizes": torch.tensor([[s, s]])}
    yield {"pixel_values": torch.randn(1, c, s, s), "image_sizes": torch.tensor([[s, s]])}
    grid = s // p if p else 4
    places = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij"), -1)
    for n, patches in ((16, 4), (grid * grid, grid)):
        yield {
            "pixel_values": torch.randn(1, n, c * p * p),
            "pixel_attention_mask": torch.ones(1, n, dtype=torch.long),
            "spatial_shapes": torch.tensor([[patches, patches]]),
            "pixel_position_ids": places.reshape(1, 16, 2),
            "image_position_ids": places.reshape(1, 16, 2),
        }
    yield {
        "pixel_values": torch.randn(1, 1, 1, c, s, s),
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.ones(1, 1, 1, dtype=torch.long),
    }
    yield {
        "pixel_values": torch.randn(1, 1, 4, c, s, s),
        "aspect_ratio_ids": torch.tensor([[1]]),
        "aspect_ratio_mask": torch.ones(1, 1, 4, dtype=torch.long),
    }
    yield flat
    for rows in (
        torch.randn(32, c, p, p),
        torch.randn(1, 32, c, p, p),
        torch.randn(1, 32, c * p * p),
        torch.randn(32, 2 * c * p * p),
        torch.randn(32, 2, c, p, p),
    ):
        yield flat | {"pixel_values": rows, "target_sizes": torch.tensor([[4, 8]])}
    yield {
        "pixel_values": torch.randn(1, c, p, 32 * p),
        "target_sizes": torch.tensor([[4, 8]]),
    }
    yield torch.randn(1, 2, 1, s, s)
    yield torch.randn(frames, c, s, s)
    for side in (64, 128, 224, 256):
        if side != s:
            yield torch.randn(1, c, side, side)


def _input_features(found: Facts) -> Iterator[Any]:
    mel = found.number("num_mel_bins", "n_mels", "feature_size", "input_feat_per_channel",
                       "input_feat_size", "input_dim", "mel_dim", "input_size", "n_mel_bins",
                       "audio_mel_bins", "input_channels", default=16)  # fmt: skip
    source = found.number("max_source_positions", default=32)
    for shape in ((1, mel, 2 * source), (1, 64, mel), (1, mel, 64), (1, mel, 256), (1, 256, mel),
                  (1, mel, 200), (mel, 200), (1, 1, 64, mel), (1, 1, mel, 64), (mel, 64)):  # fmt: skip
        yield {
            "input_features": torch.randn(*shape),
            "input_features_mask": torch.ones(1, max(shape), dtype=torch.bool),
            "is_longer": torch.tensor([[0]]),
            "feature_lens": torch.tensor([max(shape)]),
        }


def _input_values(found: Facts) -> Iterator[Any]:
    mel = found.number("num_mel_bins", "feature_size", default=16)
    length = found.number("max_length", default=64)
    for shape in ((1, 4000), (1, 1, 4000), (1, length, mel), (1, 1, 16000), (1, 16000),
                  (1, 64, mel), (1, 11, mel)):  # fmt: skip
        yield torch.randn(*shape)


def _hidden_states(found: Facts) -> Iterator[Any]:
    c, p = found.channels, found.patch
    temporal = found.number("temporal_patch_size", default=1)
    grid = torch.tensor([[1, 4, 8]])
    for width in (c * temporal * p * p, found.width):
        yield {"hidden_states": torch.randn(32, width), "grid_thw": grid}
    yield torch.randn(1, LENGTH, found.width)
    yield torch.randn(1, found.width, LENGTH)


def _widths(found: Facts, *names: str) -> Iterator[Any]:
    for length, name in itertools.product((LENGTH, 8), names):
        value = found.number(name, default=0)
        if value:
            yield torch.randn(1, length, value)
    width = found.number(names[0], default=0)
    if width:
        yield torch.randn(1, 8, 8, width)


def _bbox(found: Facts) -> Iterator[Any]:
    corner = torch.randint(0, 8, (1, LENGTH, 2))
    yield torch.cat([corner, corner + 4], -1)
    yield torch.rand(1, LENGTH, 4)
    yield torch.rand(1, LENGTH, 8)


def _series(found: Facts) -> Iterator[Any]:
    lags = found("lags_sequence", default=[0])
    length = found.number("context_length", default=16) + max(lags, default=0)
    channels = found.number("num_input_channels", "input_size", default=1)
    if channels == 1:
        yield torch.randn(1, length)
    yield torch.randn(1, length, channels)
    yield torch.randn(1, length)
    yield torch.randn(1, 64)
    yield [torch.randn(64)]


def _one(make: Callable[[Facts], Any]) -> Callable[[Facts], Iterator[Any]]:
    def maker(found: Facts) -> Iterator[Any]:
        yield make(found)

    return maker


def _flat_patches(found: Facts) -> Iterator[Any]:
    width = found.number("patch_embed_hidden_size", default=found.channels * found.patch**2)
    places = torch.stack(torch.meshgrid(torch.arange(1, 5), torch.arange(1, 5), indexing="ij"), -1)
    yield {
        "flattened_patches": torch.cat([places.reshape(1, 16, 2), torch.randn(1, 16, width)], -1),
        "attention_mask": torch.ones(1, 16),
    }


def _time_features(found: Facts) -> Iterator[Any]:
    lags = found("lags_sequence", default=[1])
    length = found.number("context_length", default=16) + max(lags)
    count = found.number("num_time_features", default=0)
    ahead = found.number("prediction_length", default=4)
    yield {
        "past_values": torch.rand(1, length),
        "past_time_features": torch.rand(1, length, count),
        "past_observed_mask": torch.ones(1, length),
        "future_values": torch.rand(1, ahead),
        "future_time_features": torch.rand(1, ahead, count),
    }


def _objects(found: Facts) -> Iterator[Any]:
    yield {
        "visual_feats": torch.randn(1, 5, found.number("visual_feat_dim", default=64)),
        "visual_pos": torch.rand(1, 5, found.number("visual_pos_dim", default=4)),
    }


def _states(found: Facts) -> Iterator[Any]:
    state, act = found.number("state_dim", default=17), found.number("act_dim", default=4)
    yield {
        "states": torch.randn(1, LENGTH, state),
        "actions": torch.randn(1, LENGTH, act),
        "rewards": torch.randn(1, LENGTH, 1),
        "returns_to_go": torch.randn(1, LENGTH, 1),
        "timesteps": torch.arange(LENGTH)[None],
        "attention_mask": torch.ones(1, LENGTH),
    }


def _points(found: Facts) -> Iterator[Any]:
    yield torch.tensor([[[[8.0, 8.0], [12.0, 20.0]]]])


def _latent_inputs(found: Facts) -> Iterator[Any]:
    yield torch.randn(1, LENGTH, found.number("d_model", default=64))


def _grid(found: Facts) -> Iterator[Any]:
    yield torch.tensor([[1, 4, 8]])


MAKERS: dict[str, Callable[[Facts], Iterator[Any]]] = {
    "flattened_patches": _flat_patches,
    "past_time_features": _time_features,
    "visual_feats": _objects,
    "states": _states,
    "input_points": _points,
    "inputs": _latent_inputs,
    "image_grid_thw": _grid,
    "grid_thw": _grid,
    "merge_sizes": lambda found: iter([torch.tensor([2]), torch.tensor([1])]),
    "freq": lambda found: iter([torch.zeros(1, 1, dtype=torch.long)]),
    "audio_mel": _input_features,
    "context": lambda found: _widths(found, "hidden_size"),
    "input_ids": _input_ids,
    "decoder_input_ids": _decoder_ids,
    "pixel_values": _pixel_values,
    "pixel_values_videos": _pixel_values,
    "input_features": _input_features,
    "input_values": _input_values,
    "hidden_states": _hidden_states,
    "bbox": _bbox,
    "past_values": _series,
}
# Parameters with a default that some models cannot do without.
OFTEN_NEEDED = {
    "encoder_hidden_states", "query_embeds", "is_longer", "image_embeds", "pixel_values_videos",
    "cross_attention_states", "patch_embeds", "qformer_input_ids", "states", "actions",
    "input_points", "audio_values", "input_audio_embeds", "speaker_ids", "conditioning_embeds",
    "flattened_patches", "inputs", "decoder_inputs_embeds", "visual_feats", "task_inputs", "pixel_mask", "spatial_shapes",
}  # fmt: skip


def _by_kind(name: str) -> Callable[[Facts], Iterator[Any]]:
    """Return what makes a parameter that has no maker of its own, from the words in its name."""
    if name.endswith("_ids") and "position" not in name and "type" not in name:
        return _input_ids
    if "type" in name and name.endswith("ids"):
        return _one(lambda found: torch.zeros(1, LENGTH, dtype=torch.long))
    if name.endswith("mask") and "observed" not in name:
        return _one(lambda found: torch.ones(1, LENGTH, dtype=torch.long))
    if "pixel" in name or "image" in name:
        return _pixel_values
    if "embeds" in name or "states" in name or "embeddings" in name:
        return lambda found: _widths(found, "hidden_size", "d_model", "n_embd", "embed_dim",
                                     "encoder_hidden_size", "cross_hidden_size")  # fmt: skip
    if "values" in name or "mask" in name:
        return _series
    return lambda found: iter(())
