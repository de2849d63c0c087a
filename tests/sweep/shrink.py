"""Small configurations: every number of a configuration is made small by what its name means."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, ResNetConfig, TimmBackboneConfig

from tests.sweep.shrink_rules import (
    FIRST_ID,
    FIXED,
    HEAD_WIDTH,
    HEADS,
    KEPT,
    LARGEST,
    LAYERS,
    OPEN,
    PATCH,
    SIDE,
    STAGES,
    UNTOUCHED,
    VOCAB,
)  # fmt: skip


def small_config(cls: Any, **given: Any) -> Any:
    """Return a small configuration of a class."""
    return cls(**(_small(cls(), _Ids()) | given))


class _Ids:
    """The small id of each large id: the same for the same id, also in configurations inside."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def small(self, value: int) -> int:
        if value < FIRST_ID:
            return value
        return self.known.setdefault(value, min(FIRST_ID + len(self.known), VOCAB - 1))


def _small(config: Any, ids: _Ids) -> dict[str, Any]:
    """Return the arguments with which a configuration is small."""
    chosen = _chosen_layers(config)
    values = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    # Stages halve the grid: a large picture leaves some of it to the last one.
    staged = any(isinstance(values.get(n), list | tuple) for n in STAGES)
    out: dict[str, Any] = {}
    for name, value in values.items():
        if name in UNTOUCHED:
            continue
        new = _value(name, value, chosen, ids)
        if staged and name in ("image_size", "img_size", "input_size") and isinstance(value, int):
            new = min(value, 2 * SIDE)
        if new is not value:
            out[name] = new
    subs = getattr(type(config), "sub_configs", None) or {}
    for name, sub in subs.items():
        if values.get(name) is None and _is_config(sub):
            try:
                plain = sub()
            except Exception:
                continue
            out[name] = type(plain)(**_small(plain, ids))
    if chosen:
        for name in ("num_hidden_layers", "num_layers", "n_layer"):
            if isinstance(values.get(name), int):
                out[name] = len(chosen[1])
    levels = getattr(config, "_out_indices", None) or values.get("out_indices")
    if isinstance(levels, list | tuple) and len(levels) > 1 and "num_hidden_layers" in out:
        out["num_hidden_layers"] = len(levels)
        out |= {"out_indices": list(range(1, len(levels) + 1)), "out_features": None}
    if "patch_stride" in values or "patch_padding" in values:
        out.pop("patch_size", None)
    slides = any("sliding" in n for n in values if n != "sliding_window")
    if (slides or "sliding" in str(values.get("layer_types"))) and not values.get("sliding_window"):
        out["sliding_window"] = 4
    if "layer_types" in values and values["layer_types"] is None and "conv_L_cache" in values:
        out["layer_types"] = ["conv", "full_attention"]
    _consistent(config, out)
    return out


def _is_config(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, PretrainedConfig)


def _chosen_layers(config: Any) -> tuple[int, list[int]] | None:
    """Return how many layers there are, and which of them show every kind once."""
    for name in ("layer_types", "layers_block_type", "block_types", "mlp_layer_types"):
        kinds = vars(config).get(name)
        if isinstance(kinds, list | tuple) and len(kinds) > 1:
            extra = vars(config).get("mlp_layer_types") or kinds
            pairs = list(zip(kinds, extra, strict=False)) or [(kind, kind) for kind in kinds]
            first = sorted({pair: i for i, pair in reversed(list(enumerate(pairs)))}.values())
            if len(first) < LAYERS:
                first = [*first, len(kinds) - 1]
            return len(kinds), first
    return None


def _value(name: str, value: Any, chosen: Any, ids: _Ids) -> Any:
    if value is None:
        return OPEN.get(name)
    if type(value) is TimmBackboneConfig:  # another library, which may not be installed
        return ResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 32, 48, 64],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_indices=list(value.out_indices or [4]),
        )
    if isinstance(value, PretrainedConfig):
        return type(value)(**_small(value, ids))
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return _number(name, value, ids)
    if isinstance(value, list | tuple):
        if chosen and len(value) == chosen[0] and len(value) > 4:
            value = type(value)(value[i] for i in chosen[1])
        if name in FIXED:
            return FIXED[name]
        if value and all(isinstance(x, int) and not isinstance(x, bool) for x in value):
            return type(value)(_list_of(name, list(value), ids))
        return value
    if isinstance(value, dict) and "section" in str(value):
        return _rope(value, HEAD_WIDTH // 2)
    return value


def _limit(name: str) -> int | None:
    for pattern, largest in LARGEST:
        if re.search(pattern, name):
            return largest
    return None


def _number(name: str, value: int, ids: _Ids) -> int:
    if value >= FIRST_ID and re.search(r"(token_id|token_index|_id|_idx|_index|token)$", name):
        return ids.small(value)
    if name in KEPT:
        return value
    largest = _limit(name)
    if "window_size" in name and value >= 64:  # in pixels
        return 4 * PATCH
    if "chunk" in name and "context" in name:
        return min(value, 2)
    if largest == HEADS and re.search("heads?", name) and value > 0:
        return _power_of_two(value)
    return value if largest is None else min(value, largest)


def _power_of_two(heads: int) -> int:
    """Return a number of heads by which small widths divide."""
    return next(n for n in (4, 2, 1) if n <= heads)


def _list_of(name: str, values: list[int], ids: _Ids) -> list[int]:
    if re.search(r"(token_ids?|_ids|_idx|eos|bos)$", name):
        return [ids.small(value) for value in values]
    largest = _limit(name)
    if "window_size" in name:
        return [min(value, 8) for value in values]
    if re.search(r"indexes|indices|_idxs?$|layers?$|_blocks$", name) and "num" not in name:
        if max(values) <= 4:  # of stages, which all stay
            return values
        return sorted({min(value, LAYERS - 1) for value in values})
    if largest == HEADS and re.search("heads?", name):
        return [_power_of_two(value) for value in values]
    if largest is None or max(values) <= largest:
        return values
    return [min(value, largest) for value in values]


def _rope(value: dict[str, Any], half: int) -> dict[str, Any]:
    """Return rope parameters whose sections fill a small head."""
    half = int(half * value.get("partial_rotary_factor", 1))
    out = {}
    for key, part in value.items():
        if isinstance(part, dict):
            out[key] = _rope(part, half)
        elif "section" in key and isinstance(part, list):
            small = [max(1, half * one // sum(part)) for one in part]
            small[0] += half - sum(small)
            out[key] = small
        else:
            out[key] = part
    return out


def _reads(config: Any, word: str) -> bool:
    """Return whether the family's own code reads a word that its configuration may leave out."""
    folder = Path(inspect.getfile(type(config))).parent
    return any(word in file.read_text() for file in folder.glob("modeling_*.py"))


def _consistent(config: Any, out: dict[str, Any]) -> None:
    """Make numbers agree that belong together."""

    def now(name: str) -> Any:
        return out.get(name, vars(config).get(name))

    # Keys are grouped only where they were.
    for heads, keys in (
        ("num_attention_heads", "num_key_value_heads"),
        ("num_heads", "num_key_value_heads"),
        ("swa_num_attention_heads", "swa_num_key_value_heads"),
        ("encoder_num_attention_heads", "encoder_num_key_value_heads"),
        ("decoder_num_attention_heads", "decoder_num_key_value_heads"),
    ):
        large, grouped = vars(config).get(heads), vars(config).get(keys)
        if isinstance(large, int) and isinstance(grouped, int):
            out[keys] = now(heads) if large == grouped else min(grouped, 2, now(heads))
    ropes = now("rope_parameters")
    if isinstance(ropes, dict) and "section" not in str(ropes) and _reads(config, "mrope_section"):
        plain = {"rope_type": "default", "rope_theta": 1e4}
        kinds = list(dict.fromkeys(now("layer_types") or ()))
        if any(isinstance(one, dict) for one in ropes.values()):
            parts = {kind: plain | one for kind, one in ropes.items() if isinstance(one, dict)}
        else:
            parts = dict.fromkeys(kinds, plain) if not ropes and kinds else {"": plain | ropes}
        sections = {"mrope_section": [16, 24, 24]}
        small = {kind: _rope(one | sections, HEAD_WIDTH // 2) for kind, one in parts.items()}
        out["rope_parameters"] = small.get("", small)
    nope, rope = now("qk_nope_head_dim"), now("qk_rope_head_dim")
    if isinstance(nope, int) and isinstance(rope, int):
        if isinstance(now("qk_head_dim"), int):
            out["qk_head_dim"] = nope + rope
        if isinstance(now("head_dim"), int) and vars(config).get("head_dim", 0) == vars(config).get(
            "qk_rope_head_dim", -1
        ):
            out["head_dim"] = rope
