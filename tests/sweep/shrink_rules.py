"""How small each number of a configuration becomes, decided by the words in its name."""

from __future__ import annotations

from typing import Any

VOCAB, WIDTH, HEADS, HEAD_WIDTH, LAYERS = 256, 64, 4, 16, 2

# Ids of special tokens are moved to here and above; inputs use ids below.
FIRST_ID = 100

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
    (r"max_source_positions|max_target_positions", 64),
    (r"context_length$", 32),
    (r"(max|num)_.*position_emb|^n_positions$|^n_ctx$|max_seq|context_length$|max_2d", 256),
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

# Names by which a model in stages is known.
STAGES = ("depths", "blocks_per_stage", "hidden_sizes", "num_heads", "embed_dims")

# Numbers of the input, not of the model.
KEPT = {"num_channels", "in_channels", "in_chans", "audio_channels", "input_channels"}

UNTOUCHED = {
    "transformers_version", "id2label", "label2id", "architectures", "dtype", "per_layer_config",
}  # fmt: skip

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
