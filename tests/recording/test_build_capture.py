"""From the attention calls of a batch to the capture of one item."""

from __future__ import annotations

import pytest
import torch
import transformers

from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from tests.recording.families import FAMILIES, GROUPED, build, feed

BATCH, LENGTH = 5, 6


def llama():
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**GROUPED)).eval()


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_the_capture_of_one_item_keeps_nothing_of_the_rest_of_the_batch(weights, padded):
    ids = torch.arange(BATCH * LENGTH).reshape(BATCH, LENGTH) + 5
    mask = torch.ones_like(ids)
    if padded:
        mask[2, -2:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    recorded = capture(llama(), inputs, item=3, weights=weights)
    for layer in recorded.layers:
        for name in ("q", "k", "v", "weights", "mask", "bias"):
            tensor = getattr(layer, name)
            if tensor is not None:
                assert tensor.untyped_storage().nbytes() == tensor.numel() * 4, name
    logits = recorded.logits
    assert logits.shape == (LENGTH, 99)
    assert logits.untyped_storage().nbytes() == logits.numel() * 4


def test_an_item_or_window_that_does_not_exist_is_refused_with_how_many_there_are():
    swin = next(f for f in FAMILIES if f.name == "swin_windows")
    with pytest.raises(InputError, match=r"window must be 0 to 15, got 99\. Choose a window"):
        capture(build(swin), feed(swin), window=99)
    model = torch.nn.MultiheadAttention(6, 2, batch_first=True)
    x = torch.rand(3, 4, 6)
    with pytest.raises(InputError, match=r"item must be 0 to 2, got 3\. Choose an item"):
        capture(model, (x, x, x), item=3)
