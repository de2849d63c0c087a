"""A layer of a capture is a layer of the model, however its attention is computed."""

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget import ModelRunner, attribute, rollout
from attn_widget.recording.capture import capture
from tests.recording.written import (
    HEADS,
    WIDTH,
    HeadsBeforeItems,
    HeadsInTheBatch,
    LoopOverHeads,
    ModulePerHead,
    N,
    Neighbours,
    expected,
    peaked,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("block", [ModulePerHead, LoopOverHeads, HeadsBeforeItems])
def test_heads_that_are_computed_side_by_side_are_heads_of_one_layer(block):
    model, x = peaked(nn.Sequential(*[block() for _ in range(3)])), torch.randn(1, N, WIDTH)
    seen = capture(model, x)
    assert seen.attention.shape == (3, HEADS, N, N)
    wanted = expected(model, x)
    assert np.abs(seen.attention - wanted).max() < 1e-6
    assert np.allclose(attribute(seen, "rollout", baseline=False), rollout(wanted), atol=1e-6)
    light = capture(model, x, weights=False)
    assert np.abs(light.attention - wanted).max() < 1e-6


@pytest.mark.parametrize(("n", "batch"), [(4, 1), (4, 2), (16, 2), (2, 3), (2, 4)])
def test_heads_merged_into_the_batch_axis_are_told_from_items(n, batch):
    model, x = peaked(HeadsInTheBatch()), torch.randn(n, batch, WIDTH)
    seen = capture(model, x, item=batch - 1)
    assert seen.attention.shape == (1, HEADS, n, n)
    assert (
        np.abs(seen.attention[0] - model.weights(x[:, -1:].transpose(0, 1)).detach().numpy()).max()
        < 1e-6
    )


@pytest.mark.parametrize(("n", "batch"), [(2, 4), (5, 3)])
def test_the_items_of_sequences_that_lie_time_first_stay_apart(n, batch):
    attention = nn.MultiheadAttention(WIDTH, HEADS)
    x = torch.randn(n, batch, WIDTH)
    for item in range(batch):
        seen = capture(attention, (x, x, x), item=item)
        with torch.no_grad():
            wanted = attention(x, x, x, average_attn_weights=False)[1][item]
        assert np.abs(seen.attention[0] - wanted.numpy()).max() < 1e-6


def test_the_items_of_a_batch_stay_apart_where_heads_come_first():
    model, x = peaked(HeadsBeforeItems()), torch.randn(3, N, WIDTH)
    for item in range(3):
        seen = capture(model, x, item=item)
        wanted = model.weights(x[item : item + 1]).detach().numpy()
        assert np.abs(seen.attention[0] - wanted).max() < 1e-6


def test_blocks_that_read_their_neighbours_are_laid_out_whole():
    model, x = peaked(nn.Sequential(Neighbours(), Neighbours())), torch.randn(1, 6, WIDTH)
    seen = capture(model, x)
    assert np.abs(seen.attention - expected(model, x)).max() < 1e-6


def test_blocks_that_read_averages_of_positions_are_missing_and_never_shown():
    class Averages(Neighbours):
        def forward(self, x):
            q, k, v = (t.unflatten(-2, (-1, 2)) for t in self.split(x))
            k, v = (torch.cat([t, t.mean((-3, -2), keepdim=True).expand_as(t)], -2) for t in (k, v))
            mixed = ((q @ k.mT).softmax(-1) @ v).flatten(-3, -2)
            return x + mixed.transpose(-2, -3).flatten(-2)

    model = peaked(nn.Sequential(LoopOverHeads(), Averages()))
    seen = capture(model, torch.randn(1, 6, WIDTH))
    assert seen.missing == ("1",)
    assert len(seen.layers) == 1


def test_the_steps_of_a_recurrent_decoder_are_the_rows_of_one_map():
    class Decoder(nn.Module):
        """Attends from its state to the source, step by step (Luong et al. 2015)."""

        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(WIDTH, WIDTH)

        def forward(self, source):
            state, context, states = source.mean(1), source[:, 0], []
            for _ in range(4):
                state = self.cell(context, state)
                weights = torch.softmax(state[:, None] @ source.mT, -1)
                context = (weights @ source)[:, 0]
                states.append(state)
            self.states = torch.stack(states, 1)
            return context

    model, source = peaked(Decoder()), torch.randn(1, 6, WIDTH)
    seen = capture(model, source)
    assert seen.attention.shape == (1, 1, 4, 6)
    wanted = (model.states @ source.mT).softmax(-1).detach().numpy()
    assert np.abs(seen.attention[0] - wanted).max() < 1e-6


def test_models_side_by_side_are_streams_of_their_own():
    class Ensemble(nn.Module):
        def __init__(self):
            super().__init__()
            self.members = nn.ModuleList(
                nn.Sequential(LoopOverHeads(), LoopOverHeads()) for _ in range(2)
            )

        def forward(self, x):
            return sum(member(x) for member in self.members)

    model, x = peaked(Ensemble()), torch.randn(1, N, WIDTH)
    seen = capture(model, x)
    assert list(seen.groups) == ["members.0", "members.1"]
    for member, layers in zip(model.members, seen.groups.values(), strict=True):
        own = np.stack([layer.weights_for().numpy() for layer in layers])
        assert np.abs(own - expected(member, x)).max() < 1e-6


def test_a_layer_that_runs_twelve_times_is_twelve_layers():
    config = transformers.AlbertConfig(
        vocab_size=30, embedding_size=8, hidden_size=8, num_hidden_layers=12, num_attention_heads=2,
        intermediate_size=8,
    )  # fmt: skip
    model = peaked(transformers.AlbertModel(config))
    assert capture(model, {"input_ids": torch.tensor([[5, 6, 7]])}).attention.shape == (12, 2, 3, 3)


def test_block_sparse_attention_is_laid_out_as_it_mixes_its_values():
    config = transformers.BigBirdConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, attention_type="block_sparse", block_size=4, num_random_blocks=1,
        max_position_embeddings=80,
    )  # fmt: skip
    model, mixed = peaked(transformers.BigBirdModel(config)), []
    handles = [
        layer.attention.self.register_forward_hook(
            lambda module, args, kwargs, output: mixed.append((args[0], output[0])),
            with_kwargs=True,
        )
        for layer in model.encoder.layer
    ]
    seen = capture(model, {"input_ids": torch.randint(5, 40, (1, 61))})
    for handle in handles:
        handle.remove()
    assert seen.attention.shape == (2, 2, 61, 61)
    assert not seen.missing
    for weights, layer, (states, output) in zip(
        seen.attention, model.encoder.layer, mixed, strict=True
    ):
        v = layer.attention.self.value(states)[0].unflatten(-1, (2, 8)).transpose(0, 1)[:, :61]
        own = (torch.as_tensor(weights) @ v).transpose(0, 1).flatten(1)
        assert (own - output[0, :61]).abs().max() < 1e-5


def test_local_attention_is_laid_out_as_it_mixes_its_values():
    config = transformers.LongT5Config(
        vocab_size=40, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, local_radius=3
    )
    model = peaked(transformers.LongT5EncoderModel(config))
    states, mixed = [], []
    for block in model.encoder.block:
        attention = block.layer[0].LocalSelfAttention
        attention.v.register_forward_pre_hook(lambda module, args: states.append(args[0]))
        attention.o.register_forward_pre_hook(lambda module, args: mixed.append(args[0]))
    ids = torch.randint(5, 40, (1, 11))
    with torch.no_grad():
        model(input_ids=ids)
    given, wanted = states[:], mixed[:]
    seen = capture(model, {"input_ids": ids})
    assert seen.attention.shape == (2, 2, 11, 11)
    for weights, block, x, own in zip(
        seen.attention, model.encoder.block, given, wanted, strict=True
    ):
        v = block.layer[0].LocalSelfAttention.v(x)[0].unflatten(-1, (2, 8)).transpose(0, 1)
        mix = (torch.as_tensor(weights) @ v).transpose(0, 1).flatten(1)
        assert (mix - own[0, :11]).abs().max() < 1e-5
    outside = np.abs(np.subtract.outer(np.arange(11), np.arange(11))) > 3
    assert not seen.attention[..., outside].any()


def test_a_head_that_is_a_module_of_its_own_is_ablated_as_by_hand():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(ModulePerHead(), ModulePerHead())

        def forward(self, x):
            return self.blocks(x).mean(1)

    model, x = peaked(Classifier()), torch.randn(1, N, WIDTH)
    runner = ModelRunner(model)
    found = dict(runner.ablate({"x": x}, [[(1, 2)]], output=lambda y: y[0, 4]))
    with torch.no_grad():
        plain = model(x)[0, 4]
        model.blocks[1].heads[2].v.weight.zero_()
        model.blocks[1].heads[2].v.bias.zero_()
        without = model(x)[0, 4]
    assert abs(found[()].score - plain) < 1e-6
    assert abs(found[((1, 2),)].score - without) < 1e-6 < abs(plain - without)
