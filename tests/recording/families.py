"""Many architectures, built tiny from their configuration, with weights that peak attention.

A family is a class, what its configuration needs to be small, and an input. Names that a version of
transformers does not have are left out there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

BATCH, LENGTH, TARGET, VOCAB = 2, 11, 7, 99
TEXT = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=20,
    max_position_embeddings=64,
)
GROUPED = TEXT | dict(num_attention_heads=4, hidden_size=32, num_key_value_heads=2)
GPT = dict(vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=64)
SEQ = dict(
    vocab_size=VOCAB,
    d_model=24,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=3,
    decoder_attention_heads=3,
    encoder_ffn_dim=20,
    decoder_ffn_dim=20,
    max_position_embeddings=64,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=1,
)
T5 = dict(
    vocab_size=VOCAB,
    d_model=24,
    d_kv=8,
    d_ff=20,
    num_layers=2,
    num_decoder_layers=2,
    num_heads=3,
    pad_token_id=0,
    decoder_start_token_id=0,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
)
VIT = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=20,
    image_size=16,
    patch_size=4,
)


@dataclass(frozen=True)
class Family:
    """One architecture: how it is built, its input, and what is special about it."""

    name: str
    model: str
    config: str
    small: dict[str, Any] = field(default_factory=dict)
    feed: str = "text"
    left: bool = False  # pad on the left
    layers: int | None = None  # attentions in all, where known
    reference: bool = True  # transformers' own eager path shows the same attention
    note: str = ""
    missing: tuple[str, ...] = ()  # modules that mix positions without an attention
    spread: float = 0.25  # of the drawn matrices: wide enough for peaked attention

    @property
    def here(self) -> bool:
        """Whether this version of transformers has the family."""
        return hasattr(transformers, self.model) and hasattr(transformers, self.config)


def family(
    name: str,
    stem: str,
    small: dict[str, Any],
    feed: str = "text",
    head: str = "Model",
    **more: Any,
) -> Family:
    """A family whose class and configuration share a stem."""
    return Family(name, stem + head, stem + "Config", small, feed, **more)


FAMILIES = [
    family("bert", "Bert", TEXT, layers=2),
    family("roberta", "Roberta", TEXT | dict(max_position_embeddings=80), layers=2),
    family("xlm_roberta", "XLMRoberta", TEXT | dict(max_position_embeddings=80), layers=2),
    family("electra", "Electra", TEXT | dict(embedding_size=12), layers=2),
    family("albert", "Albert", TEXT | dict(embedding_size=12), layers=2),
    family(
        "distilbert",
        "DistilBert",
        dict(vocab_size=VOCAB, dim=24, n_layers=2, n_heads=3, hidden_dim=20),
        layers=2,
    ),
    family(
        "bert_with_cross",
        "Bert",
        TEXT | dict(is_decoder=True, add_cross_attention=True),
        "memory",
        layers=4,
    ),
    family(
        "modernbert",
        "ModernBert",
        TEXT | dict(num_hidden_layers=3, local_attention=4, pad_token_id=0),
        layers=3,
    ),
    family("gpt2", "GPT2", GPT, layers=2),
    family("gpt_neox", "GPTNeoX", TEXT, layers=2),
    family("opt", "OPT", TEXT | dict(ffn_dim=20, word_embed_proj_dim=24), layers=2),
    family("llama", "Llama", GROUPED, layers=2),
    family("llama_left_padded", "Llama", GROUPED, left=True, layers=2),
    family("qwen2", "Qwen2", GROUPED, layers=2),
    family("phi3", "Phi3", GROUPED | dict(pad_token_id=0), layers=2),
    family("mistral_window", "Mistral", GROUPED | dict(sliding_window=4, head_dim=8), layers=2),
    family("qwen3_qk_norm", "Qwen3", GROUPED | dict(head_dim=8), layers=2),
    family(
        "gemma3_window",
        "Gemma3Text",
        GROUPED | dict(head_dim=8, sliding_window=4, query_pre_attn_scalar=8),
        layers=2,
    ),
    family(
        "gemma2_softcap",
        "Gemma2",
        GROUPED
        | dict(head_dim=8, sliding_window=4, query_pre_attn_scalar=8, attn_logit_softcapping=2.0),
        layers=2,
    ),
    family(
        "gpt_oss_sinks",
        "GptOss",
        GROUPED | dict(head_dim=8, num_local_experts=2, num_experts_per_tok=1, sliding_window=4),
        layers=2,
    ),
    family(
        "deepseek_v3_mla",
        "DeepseekV3",
        GROUPED
        | dict(
            num_key_value_heads=4,
            q_lora_rank=8,
            kv_lora_rank=8,
            qk_rope_head_dim=4,
            qk_nope_head_dim=6,
            v_head_dim=5,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=1,
            topk_group=1,
            first_k_dense_replace=1,
            moe_intermediate_size=8,
            n_shared_experts=1,
        ),
        layers=2,
    ),
    family(
        "jamba_hybrid",
        "Jamba",
        GROUPED
        | dict(
            attn_layer_period=2,
            attn_layer_offset=1,
            expert_layer_period=4,
            num_experts=2,
            num_experts_per_tok=1,
            use_mamba_kernels=False,
            mamba_d_state=4,
            mamba_dt_rank=3,
            mamba_d_conv=2,
            pad_token_id=0,
        ),
        layers=1,
        missing=("layers.0.mamba",),
    ),
    family(
        "cohere", "Cohere", GROUPED | dict(pad_token_id=0, bos_token_id=1, eos_token_id=2), layers=2
    ),
    family("olmo2", "Olmo2", GROUPED | dict(pad_token_id=0), layers=2),
    family("starcoder2", "Starcoder2", GROUPED, layers=2),
    family("granite", "Granite", GROUPED, layers=2),
    family("stablelm", "StableLm", GROUPED, layers=2),
    family("t5", "T5", T5, "pair", layers=6, spread=0.15),
    family("mt5", "MT5", T5, "pair", layers=6, spread=0.15),
    family("bart", "Bart", SEQ, "pair", layers=6),
    family("marian", "Marian", SEQ | dict(forced_eos_token_id=2), "pair", layers=6),
    family("pegasus", "Pegasus", SEQ, "pair", layers=6),
    family("m2m_100", "M2M100", SEQ, "pair", layers=6),
    family(
        "whisper",
        "Whisper",
        SEQ
        | dict(
            num_mel_bins=8,
            max_source_positions=16,
            max_target_positions=32,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        ),
        "speech",
        layers=6,
    ),
    family("vit", "ViT", VIT, "picture", layers=2),
    family("deit", "DeiT", VIT, "picture", layers=2),
    family("dinov2", "Dinov2", VIT, "picture", layers=2),
    family("beit", "Beit", VIT | dict(use_relative_position_bias=True), "picture", layers=2),
    family(
        "swin_windows",
        "Swin",
        dict(
            image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 4], window_size=2
        ),
        "picture",
        layers=2,
    ),
    family("siglip", "SiglipVision", VIT, "picture"),
    family(
        "clip",
        "CLIP",
        dict(text_config=TEXT, vision_config=VIT, projection_dim=8),
        "picture and text",
        layers=4,
    ),
    family(
        "wav2vec2",
        "Wav2Vec2",
        TEXT
        | dict(
            conv_dim=(8, 8),
            conv_stride=(4, 4),
            conv_kernel=(4, 4),
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            num_feat_extract_layers=2,
        ),
        "wave",
        layers=2,
        missing=("encoder.pos_conv_embed",),
    ),
    # What follows does not route through the attention interface, or not everywhere.
    family("gptj", "GPTJ", GPT | dict(rotary_dim=4), layers=2),
    family(
        "gpt_neo",
        "GPTNeo",
        dict(
            vocab_size=VOCAB,
            hidden_size=24,
            num_layers=2,
            num_heads=3,
            max_position_embeddings=64,
            window_size=4,
            attention_types=[[["global", "local"], 1]],
            intermediate_size=20,
        ),
        layers=2,
    ),
    family("codegen", "CodeGen", GPT | dict(n_head=4, n_embd=32, rotary_dim=4), layers=2),
    family("falcon", "Falcon", TEXT | dict(alibi=False, new_decoder_architecture=False), layers=2),
    family(
        "falcon_alibi",
        "Falcon",
        TEXT | dict(alibi=True, new_decoder_architecture=False, multi_query=False),
        layers=2,
        reference=False,
        note="its eager path computes another attention than its default",
    ),
    family("bloom", "Bloom", dict(vocab_size=VOCAB, hidden_size=24, n_layer=2, n_head=3), layers=2),
    family(
        "mpt",
        "Mpt",
        dict(vocab_size=VOCAB, d_model=32, n_layers=2, n_heads=4, max_seq_len=64),
        layers=2,
    ),
    family("openai_gpt", "OpenAIGPT", GPT, layers=2),
    family("mpnet", "MPNet", TEXT | dict(max_position_embeddings=80), layers=2),
    family(
        "deberta",
        "Deberta",
        TEXT | dict(relative_attention=True, pos_att_type=["c2p", "p2c"]),
        layers=2,
    ),
    family(
        "deberta_v2",
        "DebertaV2",
        TEXT
        | dict(
            relative_attention=True,
            pos_att_type=["c2p", "p2c"],
            share_att_key=True,
            position_buckets=8,
            norm_rel_ebd="layer_norm",
        ),
        layers=2,
    ),
    family(
        "xlnet",
        "XLNet",
        dict(vocab_size=VOCAB, d_model=24, n_layer=2, n_head=3, d_inner=20),
        layers=2,
    ),
    family(
        "funnel",
        "Funnel",
        dict(
            vocab_size=VOCAB,
            d_model=24,
            n_head=3,
            d_head=8,
            d_inner=20,
            block_sizes=[1, 1],
            num_decoder_layers=1,
        ),
    ),
    family("roformer", "RoFormer", TEXT | dict(embedding_size=24), layers=2),
    family(
        "rembert",
        "RemBert",
        TEXT | dict(input_embedding_size=12, output_embedding_size=12),
        layers=2,
    ),
    family("megatron_bert", "MegatronBert", TEXT, layers=2),
    family("big_bird_full", "BigBird", TEXT | dict(attention_type="original_full"), layers=2),
    family(
        "xglm",
        "XGLM",
        dict(
            vocab_size=VOCAB,
            d_model=24,
            num_layers=2,
            attention_heads=3,
            ffn_dim=20,
            max_position_embeddings=64,
        ),
        layers=2,
    ),
    family(
        "trocr",
        "TrOCR",
        dict(
            vocab_size=VOCAB,
            d_model=24,
            decoder_layers=2,
            decoder_attention_heads=3,
            decoder_ffn_dim=20,
            max_position_embeddings=64,
            use_cache=False,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        head="ForCausalLM",
        layers=2,
    ),
    family(
        "blip_text", "BlipText", TEXT | dict(is_decoder=False, encoder_hidden_size=24), layers=2
    ),
    family(
        "fsmt",
        "FSMT",
        dict(
            langs=["a", "b"],
            src_vocab_size=VOCAB,
            tgt_vocab_size=VOCAB,
            d_model=24,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=3,
            decoder_attention_heads=3,
            encoder_ffn_dim=20,
            decoder_ffn_dim=20,
            max_position_embeddings=64,
            pad_token_id=0,
        ),
        "pair",
        layers=6,
    ),
    family(
        "convbert",
        "ConvBert",
        TEXT
        | dict(
            embedding_size=24,
            hidden_size=32,
            num_attention_heads=4,
            head_ratio=2,
            conv_kernel_size=3,
        ),
        layers=2,
        missing=("encoder.layer.0.attention.self", "encoder.layer.1.attention.self"),
    ),
    family(
        "xlm",
        "XLM",
        dict(vocab_size=VOCAB, emb_dim=24, n_layers=2, n_heads=3, max_position_embeddings=64),
        layers=2,
    ),
    family("imagegpt", "ImageGPT", GPT, layers=2),
    family("layoutlm", "LayoutLM", TEXT, layers=2),
    family(
        "luke",
        "Luke",
        TEXT | dict(entity_vocab_size=5, entity_emb_size=8, max_position_embeddings=80),
        layers=2,
    ),
    family("visual_bert", "VisualBert", TEXT | dict(visual_embedding_dim=8), layers=2),
    family(
        "speecht5_like_hubert",
        "Hubert",
        TEXT
        | dict(
            conv_dim=(8, 8),
            conv_stride=(4, 4),
            conv_kernel=(4, 4),
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            num_feat_extract_layers=2,
        ),
        "wave",
        layers=2,
        missing=("encoder.pos_conv_embed",),
    ),
    family(
        "longformer",
        "Longformer",
        TEXT | dict(attention_window=4, max_position_embeddings=80),
        layers=2,
        reference=False,
        note="banded",
    ),
    family(
        "led",
        "LED",
        SEQ
        | dict(
            attention_window=4,
            max_encoder_position_embeddings=64,
            max_decoder_position_embeddings=64,
        ),
        "pair",
        layers=6,
        reference=False,
        note="banded",
    ),
]


def build(one: Family, implementation: str | None = None) -> torch.nn.Module:
    """The tiny model, in eval mode, with peaked attention, the same every time."""
    torch.manual_seed(0)
    config = getattr(transformers, one.config)(**one.small)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value >= VOCAB:
            setattr(config, name, 0)
    options = {} if implementation is None else {"attn_implementation": implementation}
    model = getattr(transformers, one.model)._from_config(config, **options).eval()
    peak(model, one.spread)
    return model


def peak(model: torch.nn.Module, spread: float = 0.25) -> None:
    """Draw matrices again, wide enough that attention is far from uniform."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)


def feed(one: Family) -> dict[str, torch.Tensor]:
    """Return an input of two items; the first is shorter than the other and padded."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(3, VOCAB, (BATCH, LENGTH), generator=generator)
    mask = torch.ones_like(ids)
    padding = slice(0, 3) if one.left else slice(LENGTH - 3, None)
    mask[0, padding] = 0
    ids[0, padding] = 0
    picture = torch.randn(BATCH, 3, 16, 16, generator=generator)
    target = torch.randint(3, VOCAB, (BATCH, TARGET), generator=generator)
    if one.feed == "text":
        if one.name in ("imagegpt",):
            return {"input_ids": ids}
        return {"input_ids": ids, "attention_mask": mask}
    if one.feed == "memory":
        memory = torch.randn(BATCH, 5, 24, generator=generator)
        return {"input_ids": ids, "attention_mask": mask, "encoder_hidden_states": memory}
    if one.feed == "pair":
        return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": target}
    if one.feed == "speech":
        sound = torch.randn(BATCH, 8, 32, generator=generator)
        return {"input_features": sound, "decoder_input_ids": target}
    if one.feed == "picture":
        return {"pixel_values": picture}
    if one.feed == "picture and text":
        return {"pixel_values": picture, "input_ids": ids, "attention_mask": mask}
    return {"input_values": torch.randn(BATCH, 400, generator=generator)}


def reference(
    one: Family, inputs: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return transformers' own eager output, and its attentions ``(batch, head, query, key)``."""
    with torch.no_grad():
        output = build(one, "eager")(**inputs, output_attentions=True)
    found: list[torch.Tensor] = []
    parts = [output] + [
        output[n] for n in ("text_model_output", "vision_model_output") if n in output
    ]
    for part in parts:
        for name in ("encoder_attentions", "attentions", "decoder_attentions", "cross_attentions"):
            found += [a for a in (part.get(name) or ()) if isinstance(a, torch.Tensor)]
    return output[0], found
