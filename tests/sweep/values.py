"""Values for the parameters of a forward, made from their names and from the configuration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tests.sweep.facts import LENGTH, Facts
from tests.sweep.shrink_rules import FIRST_ID

TARGET = 7


def random_ids(length: int, largest: int = FIRST_ID) -> torch.Tensor:
    return torch.randint(5, largest, (1, length))


def _input_ids(found: Facts) -> Iterator[Any]:
    yield random_ids(found.length, found.ids)
    yield random_ids(32, found.ids)
    yield torch.randint(0, 3, (1, LENGTH))
    yield torch.randint(5, 60, (1, LENGTH, found.channels))
    books = found.number("num_codebooks", "n_codebooks", default=1)
    if books > 1:
        yield torch.randint(5, 60, (1, LENGTH, books))
        yield torch.randint(5, 60, (1, books, LENGTH))
        yield torch.randint(5, 60, (books, LENGTH))


def _decoder_ids(found: Facts) -> Iterator[Any]:
    yield random_ids(TARGET, found.ids)
    books = found.number("num_codebooks", "n_codebooks", default=1)
    if books > 1:
        yield torch.randint(5, 60, (books, TARGET))
    yield torch.randint(5, 60, (1, TARGET, found.channels))


def pixel_values(found: Facts) -> Iterator[Any]:
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
    yield {
        "pixel_values": torch.randn(1, c, p, 32 * p),
        "target_sizes": torch.tensor([[4, 8]]),
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
    shapes = [(1, mel, 2 * source), (1, 64, mel), (1, mel, 64), (1, mel, 256), (1, 256, mel)]
    shapes += [(1, mel, 200), (mel, 200), (1, 1, 64, mel), (1, 1, mel, 64), (mel, 64)]
    for shape in shapes:
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
    "pixel_values": pixel_values,
    "pixel_values_videos": pixel_values,
    "input_features": _input_features,
    "input_values": _input_values,
    "hidden_states": _hidden_states,
    "bbox": _bbox,
    "past_values": _series,
}


def maker_of(name: str) -> Callable[[Facts], Iterator[Any]]:
    """Return what makes a parameter: its own maker, or one for the words in its name."""
    if name in MAKERS:
        return MAKERS[name]
    if name.endswith("_ids") and "position" not in name and "type" not in name:
        return _input_ids
    if "type" in name and name.endswith("ids"):
        return _one(lambda found: torch.zeros(1, LENGTH, dtype=torch.long))
    if name.endswith("mask") and "observed" not in name:
        return _one(lambda found: torch.ones(1, LENGTH, dtype=torch.long))
    if "pixel" in name or "image" in name:
        return pixel_values
    if "embeds" in name or "states" in name or "embeddings" in name:
        return lambda found: _widths(found, "hidden_size", "d_model", "n_embd", "embed_dim",
                                     "encoder_hidden_size", "cross_hidden_size")  # fmt: skip
    if "values" in name or "mask" in name:
        return _series
    return lambda found: iter(())
