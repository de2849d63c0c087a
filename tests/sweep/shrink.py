"""Small configurations: every number of a configuration is made small by what its name means."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, ResNetConfig, TimmBackboneConfig

VOCAB, WIDTH, HEADS, HEAD_WIDTH, LAYERS = 256, 64, 4, 16, 2
FIRST_ID = 100  # ids of special tokens are moved to here and above; inputs use ids below
SIDE, PATCH = 32, 4

# Name -> the largest value it keeps; the first pattern that matches decides. Numbers that are
# smaller already stay as they are.
LARGEST = [
    (r"feat_extract_layers|^dim_bbox|encoder_blocks$|group_tokens|output_groups", None),
    (r"kv_shared", 0),
    (r"image_embedding_size", SIDE // PATCH),
    (r"num_pos_feats", WIDTH // 2),
    (r"num_windows_side", 2),
    (r"num_windows", 4),
    (r"merge_index", 0),
    (r"_channel$", WIDTH),
    (r"mamba_(d_head|head_?dim)", 32),
    (r"coordinate_size", 8),
    (r"shape_size", 16),
    (r"(sampling|sample|frame)_rate$|samples_per|hop_length|rope_theta|(_id|_ids|_index)$", None),
    (r"(max|num)_.*position_emb|^n_positions$|^n_ctx$|max_seq|context_length$|max_2d", 64),
    (r"max_source_positions|max_target_positions", 64),
    (r"vocab|codebook_size|^num_embeddings$|num_embeds$|hash_buckets", VOCAB),
    (r"(kv_heads|key_value_heads|num_key_heads|kv_n_heads|num_key_value_heads.*)$", 2),
    (r"(n_heads?|num_heads|attention_heads|attn_heads|value_heads|_heads)(_per_.*)?$", HEADS),
    (r"rope_head_dim|rotary_dim|rope_dim", 8),
    (
        r"(head_dim|dim_head|d_kv|d_head|kv_channels|head_size|key_dim|head_width|d_rel)$",
        HEAD_WIDTH,
    ),
    (r"num_experts_per_tok|moe_topk|moe_k$|top_k_experts|moe_top_k|num_experts_per_token", 2),
    (r"(n_group|topk_group|num_expert_group)s?$", 1),
    (r"shared_experts$|first_k_dense|num_nextn|zero_expert", 1),
    (r"experts$|moe_num_experts$", 8),
    (
        r"index_topk|index_kpool|sliding_window(_size)?$|local_attention|attention_chunk|local_radius",
        4,
    ),
    (r"attention_window|block_size|^chunk_size$|chunk_length|mamba_chunk|local_attn", 8),
    (r"window_size|keep_window", 2),
    (r"(period|interval|pattern|every_n_layers|frequency|layer_freq|sparse_step)$", 2),
    (r"layer_offset$|layers_offset$", 1),
    (
        r"(_|^)n?_?layers?$|depth$|num_blocks|num_.*layers|^.*_layers_?.*count|encoder_blocks$",
        LAYERS,
    ),
    (r"layers|num_hidden_groups|self_attends_per_block|hidden_layers", LAYERS),
    (r"depths|blocks_per_stage|num_loops|_cycles$|num_residual|stage_num_blocks", LAYERS),
    (r"temporal_patch|tubelet|patch_temporal", 2),
    (r"patch_size|patch_height|patch_width", PATCH),
    (r"image_size|img_size|crop_size|^resolution$|input_size|image_embedding_size|spec_size", SIDE),
    (r"num_frames|num_stacked", 4),
    (r"num_queries|num_query_tokens|num_latents|n_latents|num_object_queries|query_num", 6),
    (r"mel_bins|n_mels|mel_dim|num_mel|feat_size|n_mel", 16),
    (r"kernel|stride|ratio|factor|scale|dilation|rate$|bits|multiplier|expand|reduc", None),
    (r"norm_groups|num_groups|n_groups|groups$", 2),
    (r"lora_rank|_rank$|state_size|d_state|d_conv|conv_L", 8),
    (r"mlp_ratio", None),
    (r"channels|hidden|width|_dim$|_dim_|dims?$|^d_|embd$|size$|units|filters|planes|inner", WIDTH),
]
STAGES = ("depths", "blocks_per_stage", "hidden_sizes", "num_heads", "embed_dims")
KEPT = {"num_channels", "in_channels", "in_chans", "audio_channels", "input_channels"}


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


UNTOUCHED = {
    "transformers_version", "id2label", "label2id", "architectures", "dtype", "per_layer_config",
}  # fmt: skip


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


# Lists whose numbers depend on one another.
FIXED: dict[str, Any] = {
    "attention_types": [[["global", "local"], 1]],
    "axial_pos_embds_dim": [16, WIDTH - 16],
    "axial_pos_shape": [8, 8],
}
# What a configuration leaves open and its model needs.
OPEN: dict[str, Any] = {
    "prediction_length": 4,
    "vocabulary_map": {"<image>": FIRST_ID},
    "head_dim": HEAD_WIDTH,
    "num_key_value_heads": HEADS,
    "vocab_size": VOCAB,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "attn_layer_indices": [1],
    "indexer_n_heads": HEADS,
    "indexer_kv_heads": 1,
    "indexer_head_dim": HEAD_WIDTH,
    "indexer_budget": 8,
    "indexer_compress_ratio": 2,
    "default_language": "en_XX",
    "pad_token_id": 0,
    "mask_token_id": FIRST_ID + 91,
    "mlp_layer_types": ["dense", "sparse"],
    "num_experts": 4,
    "top_k_experts": 2,
    "moe_intermediate_size": 32,
    "image_token_id": FIRST_ID + 90,
    "image_token_index": FIRST_ID + 90,
}


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
            parts = {kind: plain for kind in kinds} if not ropes and kinds else {"": plain | ropes}
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
