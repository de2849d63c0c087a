"""Weights in the formats of model packages -> the state of a transformers model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a CTranslate2 ``model.bin``: named, typed arrays, then aliases."""
    data, at = memoryview(path.read_bytes()), 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return value

    def string() -> str:
        nonlocal at
        length = number("H")
        value = bytes(data[at : at + length - 1]).decode()
        at += length
        return value

    number("I"), string(), number("I")  # version, kind of model, revision
    tensors = {}
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        dtype, size = DTYPES[number("B")], number("I")
        tensors[name] = np.frombuffer(data[at : at + size], dtype).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias = string()
        tensors[alias] = tensors[string()]
    return tensors


def whisper_state(tensors: dict[str, np.ndarray]) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """Return the state of `WhisperForConditionalGeneration` and its configuration's sizes."""
    state: dict[str, torch.Tensor] = {}

    def get(name: str) -> torch.Tensor:
        return torch.tensor(np.array(tensors[name], dtype=np.float32))

    def norm(to: str, name: str) -> None:
        state[f"{to}.weight"], state[f"{to}.bias"] = get(f"{name}/gamma"), get(f"{name}/beta")

    def linear(to: str, name: str) -> None:
        state[f"{to}.weight"], state[f"{to}.bias"] = get(f"{name}/weight"), get(f"{name}/bias")

    def fused(to: str, parts: str, name: str) -> None:
        weights, biases = (
            get(f"{name}/weight").chunk(len(parts)),
            get(f"{name}/bias").chunk(len(parts)),
        )
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            state[f"{to}.{part}_proj.weight"] = weight
            if part != "k":  # Whisper's keys have no bias
                state[f"{to}.{part}_proj.bias"] = bias

    counts = {
        side: len(
            {
                n.split("/")[1]
                for n in tensors
                if n.startswith(f"{side}/layer_") and "layer_norm/" not in n[:20]
            }
        )
        for side in ("encoder", "decoder")
    }
    for conv in ("conv1", "conv2"):
        linear(f"model.encoder.{conv}", f"encoder/{conv}")
    for side in ("encoder", "decoder"):
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        state[f"model.{side}.embed_positions.weight"] = get(f"{side}/position_encodings/encodings")
        for i in range(counts[side]):
            to, name = f"model.{side}.layers.{i}", f"{side}/layer_{i}"
            fused(f"{to}.self_attn", "qkv", f"{name}/self_attention/linear_0")
            linear(f"{to}.self_attn.out_proj", f"{name}/self_attention/linear_1")
            norm(f"{to}.self_attn_layer_norm", f"{name}/self_attention/layer_norm")
            if side == "decoder":
                linear(f"{to}.encoder_attn.q_proj", f"{name}/attention/linear_0")
                fused(f"{to}.encoder_attn", "kv", f"{name}/attention/linear_1")
                linear(f"{to}.encoder_attn.out_proj", f"{name}/attention/linear_2")
                norm(f"{to}.encoder_attn_layer_norm", f"{name}/attention/layer_norm")
            linear(f"{to}.fc1", f"{name}/ffn/linear_0")
            linear(f"{to}.fc2", f"{name}/ffn/linear_1")
            norm(f"{to}.final_layer_norm", f"{name}/ffn/layer_norm")
    state["model.decoder.embed_tokens.weight"] = get("decoder/embeddings/weight")
    state["proj_out.weight"] = get("decoder/projection/weight")
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    sizes = {
        "vocab_size": vocabulary,
        "d_model": width,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "encoder_layers": counts["encoder"],
        "decoder_layers": counts["decoder"],
        "encoder_attention_heads": int(tensors["encoder/num_heads"]),
        "decoder_attention_heads": int(tensors["decoder/num_heads"]),
        "num_mel_bins": tensors["encoder/conv1/weight"].shape[1],
    }
    return state, sizes


def dinov2_state(path: Path, known: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return an ONNX export of Dinov2 as the state of `Dinov2Model`; ``known``: its names."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}

    def get(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(arrays[name])).float()

    state = {
        name.removeprefix("backbone."): get(name) for name in arrays if name.startswith("backbone.")
    }
    for node in (
        graph.node
    ):  # the exporter folds the transpose into nameless matrices; the node keeps the path
        matrix = next((name for name in node.input if name in arrays), None)
        if node.op_type == "MatMul" and matrix is not None:
            path_ = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            path_ = path_.replace("backbone.", "").replace("layer.layer.", "layer.")
            state[f"{path_}.weight"] = get(matrix).T.contiguous()
    first = next(get(n) for n in arrays if n.startswith("onnx::Concat"))
    others = next(get(n) for n in arrays if n.startswith("onnx::Reshape") and arrays[n].ndim == 3)
    state["embeddings.position_embeddings"] = torch.cat([first, others], 1)
    return _renamed(state, known)


def _renamed(state: dict[str, torch.Tensor], known: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Give tensors the names that this version of transformers uses."""
    new = {
        "encoder.layer.": "encoder.layers.",
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
    }
    out = {}
    for name, tensor in state.items():
        tries = [name]
        for old, other in new.items():
            tries += [t.replace(old, other) for t in tries if old in t]
        out[next((t for t in reversed(tries) if t in known), name)] = tensor
    return out
