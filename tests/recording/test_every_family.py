"""Every family this version of transformers can build small by itself, none of them named here.

The check that a family nobody has looked at works: configurations are shrunk by the names that most
of them share, a model is built from each, and what is recorded must be recomputed from its queries
and keys.
"""

from __future__ import annotations

import contextlib
import inspect
import signal

import pytest
import torch
import transformers

from attn_widget.errors import NoAttentionError
from attn_widget.recording.capture import capture
from tests.recording.families import peak

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # the warnings are the families' own

SMALL = dict(
    vocab_size=99,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=24,
    max_position_embeddings=64,
    d_model=32,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=24,
    decoder_ffn_dim=24,
    n_embd=32,
    n_layer=2,
    n_head=4,
    n_positions=64,
    num_layers=2,
    num_heads=4,
    d_kv=8,
    d_ff=24,
    head_dim=8,
    image_size=16,
    patch_size=4,
    num_experts=4,
    num_local_experts=4,
    num_experts_per_tok=2,
    n_routed_experts=4,
    moe_intermediate_size=8,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    embedding_size=32,
    ffn_dim=24,
    ffn_hidden_size=24,
    num_decoder_layers=2,
    attention_heads=4,
    n_group=1,
    topk_group=1,
    decoder_start_token_id=1,
    sliding_window=4,
)
LARGEST = 80_000_000


class TooSlowError(Exception):
    """A family took longer than this test waits."""


@contextlib.contextmanager
def at_most(seconds):
    """Stop what takes too long."""

    def stop(*_):
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def small_config(cls):
    """A family's configuration with everything small that has a usual name."""
    plain = cls()
    numbers = {
        name: value
        for name, value in SMALL.items()
        if isinstance(getattr(plain, name, "absent"), int | None)
        and not isinstance(getattr(plain, name), bool)
    }
    if getattr(plain, "head_dim", None) is None:
        numbers.pop("head_dim", None)
    kinds = getattr(plain, "layer_types", None)
    if kinds and isinstance(getattr(plain, "num_hidden_layers", None), int):
        numbers["layer_types"] = [kinds[0], kinds[-1]]
    return cls(**numbers)


def ready(cls):
    """A small model and its input that run, or None where shrinking by name is not enough."""
    if getattr(cls(), "sub_configs", None):
        return None
    config = small_config(cls)
    with torch.device("meta"):
        if (
            sum(p.numel() for p in transformers.AutoModel.from_config(config).parameters())
            > LARGEST
        ):
            return None
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    peak(model, 0.2)
    parameters = inspect.signature(model.forward).parameters
    if model.main_input_name == "pixel_values":
        side = config.image_size if isinstance(getattr(config, "image_size", None), int) else 32
        inputs = {"pixel_values": torch.randn(1, getattr(config, "num_channels", 3), side, side)}
    elif model.main_input_name == "input_ids":
        ids = torch.randint(3, 99, (1, 11))
        inputs = {"input_ids": ids} | (
            {"decoder_input_ids": ids[:, :7]} if "decoder_input_ids" in parameters else {}
        )
    else:
        return None
    with torch.no_grad():
        first, second = model(**inputs)[0], model(**inputs)[0]
    # Models that draw random numbers (masked autoencoders) are another model at each call.
    return (model, inputs) if torch.equal(first, second) else None


def look(model, inputs):
    """What is wrong with a family's capture; an empty string where nothing is."""
    full, light = capture(model, inputs, weights=True), capture(model, inputs, weights=False)
    for a, b in zip(full.layers, light.layers, strict=True):
        if a.weights.sum(-1).max() > 1 + 1e-4:
            return f"rows of {a.name} sum to {a.weights.sum(-1).max():.4f}"
        if a.q is None:
            continue
        error = max(
            (again - a.weights).abs().max().item()
            for again in (a.recompute(a, None, None), b.weights_for())
        )
        if not error < 1e-5:
            return f"{a.name} is recomputed with an error of {error:.1e}"
    return ""


def test_every_family_that_can_be_built_is_read_or_has_no_attention():
    read, without, wrong = [], [], {}
    for name, cls in transformers.CONFIG_MAPPING.items():
        try:
            if cls not in transformers.MODEL_MAPPING:
                continue
            with at_most(15):
                found = ready(cls)
        except Exception:  # what shrinking by name cannot build says nothing of us
            continue
        if found is None:
            continue
        try:
            with at_most(30):
                problem = look(*found)
        except NoAttentionError:
            without.append(name)
            continue
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong[name] = problem
        else:
            read.append(name)
    print(f"{len(read)} read, {len(without)} without attention: {' '.join(without)}")
    assert wrong == {}
    assert len(read) >= 100
    assert len(without) <= 0.15 * len(read)
