"""Attention written by hand in many ways, with the plain formula of each."""

import torch
from torch import nn

WIDTH, HEADS, SIZE, N = 8, 4, 2, 5


def peaked(model):
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.4)
    return model.eval()


class Head(nn.Module):
    """One head, as lectures write it."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, SIZE) for _ in range(3))

    def weights(self, x):
        return torch.softmax(self.q(x) @ self.k(x).mT / SIZE**0.5, -1)

    def forward(self, x):
        return self.weights(x) @ self.v(x)


class ModulePerHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(Head() for _ in range(HEADS))

    def weights(self, x):
        return torch.stack([head.weights(x)[0] for head in self.heads])

    def forward(self, x):
        return x + torch.cat([head(x) for head in self.heads], -1)


class Fused(nn.Module):
    """One projection for queries, keys and values of all heads; subclasses mix them."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def split(self, x):
        return (t.unflatten(-1, (HEADS, SIZE)).transpose(-2, -3) for t in self.qkv(x).chunk(3, -1))

    def weights(self, x):
        q, k, _ = self.split(x)
        return (q @ k.mT).softmax(-1)[0]


class LoopOverHeads(Fused):
    def forward(self, x):
        mixed = []
        for q, k, v in zip(*(t.unbind(-3) for t in self.split(x)), strict=True):
            mixed.append((q @ k.mT).softmax(-1) @ v)
        return x + torch.cat(mixed, -1)


class HeadsInTheBatch(Fused):
    """(time, batch, channel) inputs, heads merged into the batch axis, as fairseq computes it."""

    def forward(self, x):
        n, batch, _ = x.shape
        q, k, v = (
            t.reshape(n, batch * HEADS, SIZE).transpose(0, 1) for t in self.qkv(x).chunk(3, -1)
        )
        return x + ((q @ k.mT).softmax(-1) @ v).transpose(0, 1).reshape(n, batch, WIDTH)


class HeadsBeforeItems(Fused):
    """Heads on the first axis, items on the second."""

    def forward(self, x):
        q, k, v = (t.transpose(0, 1) for t in self.split(x))
        return x + ((q @ k.mT).softmax(-1) @ v).permute(1, 2, 0, 3).flatten(2)


class Windows(Fused):
    """Attention within windows of 3 positions, shifted in every second layer."""

    def __init__(self, shift=0):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        rolled = torch.roll(x, -self.shift, 1)
        cut = rolled.unflatten(1, (-1, 3))
        q, k, v = self.split(cut)
        mixed = ((q @ k.mT).softmax(-1) @ v).transpose(-2, -3).flatten(-2).flatten(1, 2)
        return x + torch.roll(mixed, self.shift, 1)


class Whole(Fused):
    """Attention of all positions, with its heads merged into the batch axis."""

    def forward(self, x):
        q, k, v = (t.flatten(0, 1) for t in self.split(x))
        mixed = ((q @ k.mT).softmax(-1) @ v).unflatten(0, (-1, HEADS))
        return x + mixed.transpose(1, 2).flatten(2)


class ChannelsFirst(Fused):
    """Windows of 2 × 2 pixels of (item, channel, row, column), heads merged into the batch axis."""

    def windows(self, x):
        cut = x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))  # b c y p x q
        return cut.permute(0, 2, 4, 3, 5, 1).flatten(0, 2).flatten(1, 2)

    def forward(self, x):
        q, k, v = (t.flatten(0, 1) for t in self.split(self.windows(x)))
        mixed = ((q @ k.mT).softmax(-1) @ v).unflatten(0, (-1, HEADS)).transpose(1, 2).flatten(2)
        rows, columns = x.shape[-2] // 2, x.shape[-1] // 2
        back = mixed.unflatten(1, (2, 2)).unflatten(0, (-1, rows, columns))  # b y x p q c
        return x + back.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


class CutBefore(nn.Module):
    """Windows of 3 positions that are cut before the attention is called."""

    def __init__(self):
        super().__init__()
        self.attention = Whole()

    def weights(self, x):
        return self.attention.weights(x)

    def forward(self, x):
        return self.attention(x.unflatten(1, (-1, 3)).flatten(0, 1)).reshape(x.shape)


class LoopOverPieces(Fused):
    """Attention within pieces of given lengths, one after another, as vision models do."""

    def __init__(self, lengths=(2, 2, 2)):
        super().__init__()
        self.lengths = lengths

    def forward(self, x):
        pieces = []
        for piece in x.split(self.lengths, 1):
            q, k, v = self.split(piece)
            pieces.append(((q @ k.mT).softmax(-1) @ v).transpose(-2, -3).flatten(-2))
        return x + torch.cat(pieces, 1)


class Neighbours(Fused):
    """Blocks of 2 positions that read their own block and the one before it."""

    def forward(self, x):
        q, k, v = (t.unflatten(-2, (-1, 2)) for t in self.split(x))

        def with_previous(t):
            before = torch.cat([torch.zeros_like(t[..., :1, :, :]), t[..., :-1, :, :]], -3)
            return torch.cat([before, t], -2)

        scores = q @ with_previous(k).mT
        scores[..., 0, :, :2] = -torch.inf
        mixed = (scores.softmax(-1) @ with_previous(v)).flatten(-3, -2)
        return x + mixed.transpose(-2, -3).flatten(-2)

    def weights(self, x):
        q, k, _ = self.split(x)
        n = x.shape[1]
        block = torch.arange(n) // 2
        allowed = (block[:, None] - block[None]).clamp(min=-1) >= 0
        allowed &= block[:, None] - block[None] <= 1
        return (q @ k.mT).masked_fill(~allowed, -torch.inf).softmax(-1)[0]


def expected(model, x):
    """Return (layer, head, query, key) by the plain formula of each block."""
    found = []
    with torch.no_grad():
        for block in model:
            found.append(block.weights(x))
            x = block(x)
    return torch.stack(found).numpy()
