"""Models in states that people have them in: own attention functions, caches, casting, pictures."""

import warnings

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget import attribute, rollout
from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from tests.recording.written import peaked

SIZE = dict(
    hidden_size=32,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=99,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
IDS = torch.tensor([[5, 17, 30, 8, 41, 12, 77]])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def llama():
    return peaked(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZE)))


def formula(layer, factor=1.0):
    """Return the softmax of a causal layer's queries and keys."""
    k = layer.k.repeat_interleave(layer.n_heads // len(layer.k), 0)
    seen = torch.ones(layer.n_queries, layer.n_keys, dtype=torch.bool).tril()
    scores = (layer.q @ k.mT) * layer.scaling * factor
    return scores.masked_fill(~seen, -torch.inf).softmax(-1)


def test_an_attention_function_that_a_user_registered_runs_and_is_shown(llama):
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def sharper(module, q, k, v, mask, scaling=None, **more):
        return sdpa_attention_forward(module, q, k, v, mask, scaling=scaling * 3, **more)

    AttentionInterface.register("sharper_for_a_test", sharper)
    AttentionMaskInterface.register("sharper_for_a_test", sdpa_mask)
    llama.set_attn_implementation("sharper_for_a_test")
    with torch.no_grad():
        own = llama(input_ids=IDS).logits[0]
    seen = capture(llama, {"input_ids": IDS})
    assert (seen.logits - own).abs().max() < 1e-5
    for layer in seen.layers:
        assert (layer.weights_for() - formula(layer, 3.0)).abs().max() < 1e-5


def test_automatic_casting_is_recorded_as_it_runs(llama):
    exact = capture(llama, {"input_ids": IDS}).attention
    with torch.autocast("cpu", torch.bfloat16):
        cast = capture(llama, {"input_ids": IDS})
    assert np.abs(cast.attention - exact).max() < 0.1
    assert np.allclose(cast.attention.sum(-1), 1, atol=2e-2)


def test_a_cache_of_keys_that_the_caller_gives_does_not_grow(llama):
    with torch.no_grad():
        cache = llama(input_ids=IDS[:, :4], use_cache=True).past_key_values
    whole = capture(llama, {"input_ids": IDS}).attention
    for _ in range(2):
        seen = capture(llama, {"input_ids": IDS[:, 4:], "past_key_values": cache})
        assert cache.get_seq_length() == 4
        assert seen.attention.shape == (2, 4, 3, 7)
        assert np.abs(seen.attention - whole[:, :, 4:]).max() < 1e-5


def test_traced_models_and_tensors_without_numbers_are_refused_with_what_to_do(llama):
    small = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against TorchScript
        traced = torch.jit.trace(small, torch.zeros(1, 4))
    with pytest.raises(InputError, match="Give the module it was traced or scripted from"):
        capture(traced, torch.zeros(1, 4))
    with pytest.raises(InputError, match="inputs must hold numbers, got a tensor on the meta"):
        capture(llama.to("meta"), {"input_ids": IDS.to("meta")})


def test_two_softmaxes_of_one_map_with_several_values_are_one_layer():
    model = peaked(transformers.DiffLlamaModel(transformers.DiffLlamaConfig(**SIZE)))
    seen = capture(model, {"input_ids": IDS})
    assert seen.attention.shape == (2, 4, 7, 7)
    for layer in seen.layers:
        assert (layer.weights_for() - formula(layer)).abs().max() < 1e-5


@pytest.mark.skipif(
    transformers.__version__.startswith("4."), reason="its configuration is that of version 5"
)
def test_pictures_of_one_input_are_parts_of_the_layers_that_read_them():
    vision = dict(
        depth=3, embed_dim=16, hidden_size=32, num_heads=2, patch_size=4, spatial_merge_size=2,
        temporal_patch_size=2, mlp_ratio=2,
    )  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}
    config = transformers.Qwen2VLConfig(
        text_config=SIZE | {"rope_parameters": rope}, vision_config=vision, image_token_id=5,
        vision_start_token_id=6, vision_end_token_id=7, video_token_id=8,
    )  # fmt: skip
    model = peaked(transformers.Qwen2VLForConditionalGeneration(config))
    pixels, grid = torch.randn(2, 32, 96), torch.tensor([[1, 4, 8]])

    def run(pictures):
        ids = torch.tensor([[1, 20] + ([6] + [5] * 8 + [7]) * len(pictures) + [21]])
        return capture(
            model,
            {
                "input_ids": ids,
                "pixel_values": pictures.flatten(0, 1),
                "image_grid_thw": grid.repeat(len(pictures), 1),
                "mm_token_type_ids": (ids == 5).int(),
            },
        )

    both = run(pixels)
    assert both.n_parts("vision") == 2
    assert both.part_word("vision") == "picture"
    assert len(both.group("vision")) == 3
    for part in range(2):
        alone = np.stack([x.weights_for() for x in run(pixels[part : part + 1]).group("vision")])
        shown = both.at_part(part)
        own = np.stack([x.weights_for() for x in shown.group("vision")])
        assert np.abs(own - alone).max() < 1e-6
        joined = attribute(shown, "rollout", attention="vision", baseline=False)
        assert np.allclose(joined, rollout(alone), atol=1e-6)
