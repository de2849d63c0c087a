"""What stands along the positions of picture models: measured on models of any library."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

from attn_widget.recording.capture import capture
from tests.recording.families import TEXT, VIT
from tests.recording.test_arguments import words_tokenizer

ROWS = tuple(f"{r},{c}" for r in range(4) for c in range(4))


def built(name, **more):
    config = getattr(transformers, f"{name}Config")(**VIT | more)
    return getattr(transformers, f"{name}Model")(config).eval()


@pytest.mark.parametrize(
    ("name", "more", "first"),
    [
        ("ViT", {}, ("[CLS]",)),
        ("DeiT", {}, ("[CLS]", "[DIST]")),
        ("Dinov2WithRegisters", {"num_register_tokens": 2}, ("[CLS]", "[REG1]", "[REG2]")),
        ("Beit", {}, ("[CLS]",)),
        ("CLIPVision", {}, ("[CLS]",)),
        ("SiglipVision", {}, ()),
    ],
)
def test_learned_positions_have_the_names_of_their_parameters(name, more, first):
    if not hasattr(transformers, f"{name}Model"):
        pytest.skip(f"no {name} in this version")
    tokens = capture(built(name, **more), {"pixel_values": torch.randn(1, 3, 16, 16)}).tokens
    assert tokens.text == (*first, *ROWS)
    assert tokens.special == (True,) * len(first) + (False,) * 16
    assert tokens.grid == (4, 4)


def test_text_of_a_document_model_stands_before_its_patches():
    config = transformers.LayoutLMv3Config(
        **TEXT, coordinate_size=4, shape_size=4, input_size=16, patch_size=4
    )
    tokenizer = words_tokenizer()
    ids = tokenizer("hello you what <s>", return_tensors="pt")["input_ids"]
    inputs = {
        "input_ids": ids,
        "bbox": torch.zeros(1, 4, 4, dtype=torch.long),
        "pixel_values": torch.randn(1, 3, 16, 16),
    }
    model = transformers.LayoutLMv3Model(config).eval()
    tokens = capture(model, inputs, tokenizer=tokenizer).tokens
    assert tokens.text == ("hello", "you", "what", "<s>", "[CLS]", *ROWS)
    assert tokens.special == (False, False, False, True, True) + (False,) * 16
    assert tokens.grid is None  # the page would draw it under the text


class OwnViT(nn.Module):
    """A vision transformer as many write it: patches by reshaping, its own names."""

    def __init__(self, *, registers=0, last=False, columns_first=False, norm=False, shuffle=False):
        super().__init__()
        self.to_patch = nn.Linear(48, 24)
        self.norm = nn.LayerNorm(48) if norm else nn.Identity()
        self.cls_token = nn.Parameter(torch.randn(1, 1, 24))
        self.register_tokens = nn.Parameter(torch.randn(registers, 24)) if registers else None
        self.place = nn.Parameter(torch.randn(1, 12, 24))
        self.drop = nn.Dropout(0.5)
        self.qkv = nn.Linear(24, 72)
        self.last, self.columns_first, self.shuffle = last, columns_first, shuffle

    def forward(self, img):
        cut = img.unfold(2, 4, 4).unfold(3, 4, 4)
        cut = cut.transpose(2, 3) if self.columns_first else cut
        x = self.to_patch(self.norm(cut.permute(0, 2, 3, 4, 5, 1).reshape(len(img), -1, 48)))
        x = x + self.place
        if self.shuffle:
            x = x[:, torch.randperm(12)]
        parts = [self.cls_token.expand(len(x), -1, -1), x]
        if self.register_tokens is not None:
            registers = self.register_tokens.expand(len(x), -1, -1)
            parts = [*parts, registers] if self.last else [registers, *parts]
        q, k, v = self.qkv(self.drop(torch.cat(parts, 1))).unflatten(-1, (3, 3, 8)).unbind(2)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v)


CELLS = tuple(f"{r},{c}" for r in range(3) for c in range(4))


def tokens_of(model, item=0, batch=1):
    return capture(model, torch.randn(batch, 3, 12, 16), item=item).tokens


def test_patches_of_an_own_model_are_found_whatever_its_arguments_are_called():
    for norm in (False, True):
        tokens = tokens_of(OwnViT(norm=norm).eval())
        assert tokens.text == ("[CLS]", *CELLS)
        assert tokens.grid == (3, 4)
    assert tokens_of(OwnViT(), item=1, batch=2).text == ("[CLS]", *CELLS)
    assert tokens_of(OwnViT(registers=2)).text == ("[REG1]", "[REG2]", "[CLS]", *CELLS)
    last = tokens_of(OwnViT(registers=2, last=True))
    assert last.text == ("[CLS]", *CELLS, "[REG1]", "[REG2]")
    assert last.special == (True,) + (False,) * 12 + (True, True)
    assert last.grid == (3, 4)


def test_patches_in_another_order_are_named_and_not_drawn_row_by_row():
    tokens = tokens_of(OwnViT(columns_first=True))
    assert tokens.text[1:] == tuple(f"{r},{c}" for c in range(4) for r in range(3))
    assert tokens.grid is None


@pytest.mark.parametrize("name", ["a random order", "masked patches"])
def test_positions_that_are_others_in_every_pass_are_numbers(name):
    if name == "a random order":
        model, inputs = OwnViT(shuffle=True).eval(), torch.randn(1, 3, 12, 16)
    else:
        model, inputs = built("ViTMAE"), {"pixel_values": torch.randn(1, 3, 16, 16)}
    tokens = capture(model, inputs).tokens
    assert tokens.text == tuple(str(i) for i in range(len(tokens)))
    assert tokens.grid is None


def test_measuring_leaves_the_model_and_the_random_numbers_as_they_were():
    model = OwnViT(registers=1).train()
    picture = torch.randn(1, 3, 12, 16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    capture(model, picture)
    after = torch.rand(2)
    torch.manual_seed(3)
    capture(model, picture, tokens=[str(i) for i in range(14)])
    assert torch.equal(after, torch.rand(2))
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
