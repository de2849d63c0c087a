"""Modules that mix positions and are not recorded are named, and nothing else is."""

import numpy as np
import pytest
import torch
from torch import nn

from attn_widget import attribute
from attn_widget.errors import InputError, NoAttentionError
from attn_widget.recording.capture import capture
from tests.recording.written import HEADS, WIDTH, Fused, LoopOverHeads, N, peaked


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_what_mixes_positions_without_attention_is_named_and_not_joined():
    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)

        def forward(self, x):
            return x + self.conv(x.mT).mT

    model = peaked(nn.Sequential(LoopOverHeads(), Convolution(), LoopOverHeads()))
    seen = capture(model, torch.randn(1, N, WIDTH))
    assert seen.missing == ("1",)
    assert np.allclose(seen.attention.sum(-1), 1)
    with pytest.raises(InputError, match="1 mixed positions between these layers"):
        attribute(seen, "flow")


def test_what_works_on_each_position_alone_is_not_named():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = nn.Linear(WIDTH, 2 * WIDTH)

        def forward(self, x):
            gate, value = self.wide(x).chunk(2, -1)
            return x + torch.stack([gate.sigmoid(), value]).prod(0)

    model = peaked(nn.Sequential(LoopOverHeads(), Gated(), LoopOverHeads()))
    assert capture(model, torch.randn(1, N, WIDTH)).missing == ()


class Unread(Fused):
    """Attention of other kinds than a softmax over the keys."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.talk = nn.Linear(HEADS, HEADS, bias=False)

    def forward(self, x):
        q, k, v = self.split(x)
        scores = q @ k.mT
        if self.kind == "sigmoid":
            weights = scores.sigmoid() / N
        elif self.kind == "linear":
            weights = scores
        elif self.kind == "exp over sum":
            weights = scores.exp()
            weights = weights / weights.sum(-1, keepdim=True)
        elif self.kind == "over queries":
            weights = scores.softmax(-2)
        else:  # talking heads
            weights = self.talk(scores.softmax(-1).movedim(1, -1)).movedim(-1, 1)
        return x + (weights @ v).transpose(1, 2).flatten(2)


KINDS = ("sigmoid", "linear", "exp over sum", "over queries", "talking heads")


@pytest.mark.parametrize("kind", KINDS)
def test_attention_that_cannot_be_read_is_missing_and_never_shown(kind):
    model = peaked(nn.Sequential(LoopOverHeads(), Unread(kind), LoopOverHeads()))
    seen = capture(model, torch.randn(1, N, WIDTH))
    assert seen.missing == ("1",)
    assert len(seen.layers) == 2
    assert "1 mixed positions" in seen.not_joint["self"]


def test_the_refusal_says_what_was_seen():
    for kind, what in (
        ("sigmoid", "without a softmax over the keys"),
        ("talking heads", "changed"),
    ):
        with pytest.raises(NoAttentionError, match=what):
            capture(nn.Sequential(Unread(kind)).eval(), torch.randn(1, N, WIDTH))


class Beside(Fused):
    """Attention, and beside it weights without a softmax that mix values, or that change scores."""

    def __init__(self, mixes):
        super().__init__()
        self.mixes = mixes

    def forward(self, x):
        q, k, v = self.split(x)
        scores = q @ k.mT
        other = scores[:, :1].relu()
        if not self.mixes:  # selective attention: what one head masks for all
            scores = scores - (other * torch.ones(N, N).tril(-1)).cumsum(-2)
        mixed = scores.softmax(-1) @ v
        if self.mixes:
            mixed = mixed + (other[..., None] * v[:, :, None]).sum(-2)
        return x + mixed.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("mixes", [True, False])
def test_weights_beside_an_attention_are_named_where_they_mix_values(mixes):
    seen = capture(peaked(nn.Sequential(Beside(mixes))), torch.randn(1, N, WIDTH))
    assert seen.missing == (("0",) if mixes else ())
    assert seen.attention.shape == (1, HEADS, N, N)
