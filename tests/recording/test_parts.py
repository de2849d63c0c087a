"""Windows, pictures, frames and inputs that go through one stack are parts of its layers."""

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget import attribute, rollout
from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from tests.recording.written import (
    WIDTH,
    ChannelsFirst,
    CutBefore,
    LoopOverHeads,
    LoopOverPieces,
    N,
    Windows,
    expected,
    peaked,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_windows_are_parts_of_a_layer_and_shifted_ones_are_not_joined():
    model, x = peaked(nn.Sequential(Windows(), Windows(shift=1))), torch.randn(1, 9, WIDTH)
    seen = capture(model, x)
    assert seen.n_parts() == 3
    assert [layer.layer for layer in seen.group()] == [0, 1]
    light = capture(model, x, weights=False)
    for part in range(3):
        wanted = model[0].weights(x[:, 3 * part : 3 * part + 3]).detach().numpy()
        assert np.abs(seen.at_part(part).attention[0] - wanted).max() < 1e-6
        assert np.abs(light.at_part(part).attention[0] - wanted).max() < 1e-6
    assert "same positions in every layer" in seen.not_joint["self"]
    with pytest.raises(InputError, match="same positions in every layer"):
        attribute(seen, "rollout")
    with pytest.raises(InputError, match="part must be 0 to 2, got 3"):
        seen.at_part(3)


def test_windows_that_stay_in_place_can_be_joined():
    model, x = peaked(nn.Sequential(Windows(), Windows())), torch.randn(1, 9, WIDTH)
    seen = capture(model, x).at_part(1)
    assert not seen.not_joint
    wanted = expected(model, x[:, 3:6])
    assert np.allclose(attribute(seen, "rollout", baseline=False), rollout(wanted), atol=1e-6)


def test_windows_that_are_cut_before_the_attention_are_told_from_items():
    model, x = peaked(CutBefore()), torch.randn(1, 9, WIDTH)
    seen = capture(model, x)
    assert seen.n_parts() == 3
    for part in range(3):
        wanted = model.weights(x[:, 3 * part : 3 * part + 3]).detach().numpy()
        assert np.abs(seen.at_part(part).attention[0] - wanted).max() < 1e-6


def test_windows_of_a_picture_with_its_channels_first_are_told_from_heads():
    model, x = peaked(ChannelsFirst()), torch.randn(1, WIDTH, 4, 6)
    seen = capture(model, x)
    assert (seen.n_parts(), len(seen.tokens)) == (6, 4)
    windows = model.windows(x)
    for part in range(6):
        wanted = model.weights(windows[part : part + 1]).detach().numpy()
        assert np.abs(seen.at_part(part).attention[0] - wanted).max() < 1e-6


def test_the_frames_of_a_clip_are_parts_whatever_the_argument_is_called():
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4,
    )  # fmt: skip

    class Frames(nn.Module):
        def __init__(self):
            super().__init__()
            self.vit = transformers.ViTModel(config, add_pooling_layer=False)

        def forward(self, clip):
            return self.vit(clip.flatten(0, 1)).last_hidden_state.mean()

    model, clip = peaked(Frames()), torch.randn(1, 3, 3, 8, 8)
    seen = capture(model, {"clip": clip})
    assert seen.n_parts() == 3
    for part in range(3):
        alone = capture(model.vit, {"pixel_values": clip[0, part : part + 1]}).attention
        assert np.abs(seen.at_part(part).attention - alone).max() < 1e-6


@pytest.mark.parametrize("lengths", [(2, 2, 2), (1, 4, 2)])
def test_pieces_are_parts_whether_or_not_they_are_as_long(lengths):
    model = peaked(nn.Sequential(LoopOverPieces(lengths), LoopOverPieces(lengths)))
    x = torch.randn(1, sum(lengths), WIDTH)
    seen = capture(model, x)
    assert seen.n_parts() == 3
    start = 0
    for part, length in enumerate(lengths):
        own = seen.at_part(part)
        assert len(own.tokens) == length
        for block in model:
            block.lengths = (length,)
        wanted = expected(model, x[:, start : start + length])
        assert np.abs(own.attention - wanted).max() < 1e-6
        assert np.allclose(attribute(own, "rollout", baseline=False), rollout(wanted), atol=1e-6)
        start += length


def test_two_texts_through_one_stack_are_two_inputs_of_its_layers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.stack = nn.Sequential(LoopOverHeads(), LoopOverHeads())

        def forward(self, a, b):
            return self.stack(a).mean() + self.stack(b).mean()

    model, a, b = peaked(Two()), torch.randn(1, N, WIDTH), torch.randn(1, N + 1, WIDTH)
    seen = capture(model, (a, b))
    assert seen.n_parts() == 2
    assert len(seen.group()) == 2
    for part, x in enumerate((a, b)):
        assert np.abs(seen.at_part(part).attention - expected(model.stack, x)).max() < 1e-6
