"""Any PyTorch module: its softmax attention is found, explained and projected."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from attn_widget.errors import NoAttentionError
from attn_widget.recording.capture import capture

BATCH, HEADS, QUERIES, KEYS, WIDTH = 2, 3, 5, 7, 12


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Written(nn.Module):
    """Attention as people write it by hand, in the way that `style` says."""

    def __init__(self, style, width=WIDTH):
        super().__init__()
        torch.manual_seed(3)
        self.style = style
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, width = x.shape
        d = width // HEADS
        q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, d).permute(2, 0, 3, 1, 4)
        if self.style == "timm":
            q = q * d**-0.5
            weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
            mixed = weights @ v
        elif self.style == "fused":
            mixed = functional.scaled_dot_product_attention(q, k, v)
        elif self.style == "fused causal":
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        elif self.style == "einsum":
            scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(d)
            weights = torch.softmax(scores, -1)
            mixed = torch.einsum("bhij,bhjd->bhid", weights, v)
        elif self.style == "causal where":
            scores = torch.matmul(q, k.mT).div(math.sqrt(d))
            scores = torch.where(
                torch.ones(n, n, dtype=torch.bool).tril(), scores, torch.tensor(-1e9)
            )
            mixed = functional.dropout(functional.softmax(scores, dim=-1), 0.1, self.training) @ v
        elif self.style == "flat bmm":
            q, k, v = (t.reshape(b * HEADS, n, d) for t in (q, k, v))
            scores = torch.bmm(q, k.transpose(1, 2)) * d**-0.5
            mixed = torch.bmm(functional.softmax(scores.view(b * HEADS, n, n), -1), v).view(
                b, HEADS, n, d
            )
        elif self.style == "softcap":
            scores = torch.tanh((q @ k.mT) / 2.0) * 2.0
            mixed = scores.softmax(-1) @ v
        elif self.style == "in place":
            scores = q @ k.mT
            scores /= math.sqrt(d)
            scores += torch.arange(n).sub(torch.arange(n)[:, None]).abs().neg()[None, None] * 0.5
            mixed = scores.softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(b, n, width))


STYLES = (
    "timm",
    "fused",
    "fused causal",
    "einsum",
    "causal where",
    "flat bmm",
    "softcap",
    "in place",
)


@pytest.mark.parametrize("style", STYLES)
def test_hand_written_attention_is_read_whatever_it_is_written_like(style):
    model, x = Written(style).eval(), drawn(BATCH, QUERIES, WIDTH) * 3
    seen = capture(model, {"x": x}, weights=True, item=1)
    (layer,) = seen.layers
    d = WIDTH // HEADS
    q, k, v = model.qkv(x[1]).reshape(QUERIES, 3, HEADS, d).permute(1, 2, 0, 3)
    assert torch.allclose(layer.k, k, atol=1e-6)
    assert torch.allclose(layer.v, v, atol=1e-6)
    raw = layer.q @ layer.k.mT * layer.scaling
    plain = q @ k.mT if style == "softcap" else q @ k.mT * d**-0.5
    assert torch.allclose(raw, plain, atol=1e-5)
    bias, causal = layer.bias_kind, layer.causal
    assert (bias, causal, layer.softcap) == {
        "in place": ("position", False, None),
        "causal where": (None, True, None),
        "fused causal": (None, True, None),
        "softcap": (None, False, 2.0),
    }.get(style, (None, False, None))
    assert torch.allclose(layer.recompute(layer, None, None), layer.weights, atol=1e-6)
    heads = [layer.head_output(h) @ layer.output_projection[h] for h in range(HEADS)]
    with torch.no_grad():
        assert torch.allclose(sum(heads) + model.proj.bias, model(x)[1], atol=1e-5)


def test_a_term_that_depends_on_content_is_told_from_one_by_position():
    class Relative(nn.Module):
        def __init__(self, by_content):
            super().__init__()
            self.by_content = by_content
            self.table = nn.Parameter(drawn(QUERIES, QUERIES))
            self.keys = nn.Parameter(drawn(1, QUERIES, WIDTH))

        def forward(self, x):
            term = (x @ self.keys.mT).roll(1, -1) if self.by_content else self.table
            return ((x @ x.mT) * 0.1 + term).softmax(-1) @ x

    x = drawn(1, QUERIES, WIDTH)
    for by_content, kind in ((True, "content"), (False, "position")):
        (layer,) = capture(Relative(by_content), {"x": x}, weights=True).layers
        assert layer.bias_kind == kind
        assert layer.scaling == pytest.approx(0.1)
        assert torch.allclose(layer.recompute(layer, None, None), layer.weights, atol=1e-6)


@pytest.mark.filterwarnings(
    "ignore:enable_nested_tensor"
)  # torch's remark on building it, not ours on running it
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_a_pytorch_encoder_and_decoder_are_read_with_their_masks(batch_first, padded):
    torch.manual_seed(0)
    model = nn.Transformer(
        WIDTH,
        HEADS,
        num_encoder_layers=2,
        num_decoder_layers=1,
        dim_feedforward=8,
        batch_first=batch_first,
    )
    source, target = drawn(BATCH, KEYS, WIDTH), drawn(BATCH, QUERIES, WIDTH, seed=1)
    padding = torch.zeros(BATCH, KEYS, dtype=torch.bool)
    padding[1, -2:] = padded
    if not batch_first:
        source, target = source.transpose(0, 1), target.transpose(0, 1)
    inputs = {
        "src": source,
        "tgt": target,
        "src_key_padding_mask": padding,
        "memory_key_padding_mask": padding,
        "tgt_mask": model.generate_square_subsequent_mask(QUERIES),
    }
    expected = {}

    def ask(path):
        module = model.get_submodule(path)
        inner = module.forward

        def forward(*args, **kwargs):
            expected[path] = inner(
                *args, **{**kwargs, "need_weights": True, "average_attn_weights": False}
            )[1]
            return inner(*args, **kwargs)

        module.forward = forward

    paths = [p for p, m in model.named_modules() if isinstance(m, nn.MultiheadAttention)]
    for path in paths:
        ask(path)
    with torch.no_grad():
        model.eval()(**inputs)
    for path in paths:
        del model.get_submodule(path).forward
    seen = capture(model.train(), inputs, weights=True, item=1)
    assert [layer.name for layer in seen.layers] == paths
    assert [(layer.stream, layer.kind) for layer in seen.layers] == [
        ("encoder", "self"),
        ("encoder", "self"),
        ("decoder", "self"),
        ("decoder", "cross"),
    ]
    assert dict(seen.cross_streams) == {"decoder": "encoder"}
    for layer in seen.layers:
        assert torch.allclose(layer.weights, expected[layer.name][1], atol=1e-6)
        assert torch.allclose(layer.recompute(layer, None, None), layer.weights, atol=1e-6)
    assert seen.layers[2].causal
    assert seen.layers[3].weights.shape == (HEADS, QUERIES, KEYS)


def test_a_row_that_two_masks_hide_entirely_is_no_nan():
    torch.manual_seed(0)
    model = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    x = drawn(1, QUERIES, WIDTH)
    hidden = torch.zeros(QUERIES, QUERIES, dtype=torch.bool)
    hidden[2] = True
    padding = torch.ones(1, QUERIES, dtype=torch.bool)
    padding[0, 0] = False
    inputs = {
        "query": x,
        "key": x,
        "value": x,
        "need_weights": False,
        "attn_mask": hidden,
        "key_padding_mask": padding,
    }
    (layer,) = capture(model, inputs, weights=True).layers
    assert layer.weights.isfinite().all()
    others = [0, 1, 3, 4]
    assert torch.allclose(layer.weights[:, others, 0], torch.ones(HEADS, 4))


def test_layers_share_a_mask_or_bias_only_where_all_of_it_is_equal():
    tables = [drawn(QUERIES, QUERIES, seed=i) for i in range(2)]

    class Layers(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind

        def forward(self, x):
            for table in (*tables, tables[1]):
                scores = x @ x.mT * 0.2
                if self.kind == "mask":
                    scores = scores.masked_fill(table < 0, -1e9)
                else:
                    scores = scores + table
                x = x + scores.softmax(-1) @ x
            return x

    for kind in ("mask", "bias"):
        layers = capture(Layers(kind), {"x": drawn(1, QUERIES, WIDTH)}, weights=True).layers
        first, second, third = (getattr(layer, kind) for layer in layers)
        assert first.shape == second.shape
        for layer in layers:
            recomputed = layer.recompute(layer, None, None)
            assert torch.allclose(recomputed, layer.weights, atol=1e-6), kind
        if kind == "mask":  # a bias is what is left of the scores: equal ones differ by rounding
            assert second.data_ptr() == third.data_ptr() != first.data_ptr()


def test_the_heads_of_a_pytorch_attention_add_up_to_its_output():
    torch.manual_seed(0)
    model = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    x = drawn(1, QUERIES, WIDTH)
    for weights in (True, False):
        (layer,) = capture(model, (x, x, x), weights=weights).layers
        total = (
            sum(layer.head_output(h) @ layer.output_projection[h] for h in range(HEADS))
            + model.out_proj.bias
        )
        assert torch.allclose(total, model(x, x, x)[0][0], atol=1e-6)


def test_squeezed_keys_are_shown_as_they_are():
    class Linformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.squeeze = nn.Parameter(drawn(4, QUERIES))

        def forward(self, x):
            k = self.squeeze @ x
            return (x @ k.mT / 2).softmax(-1) @ k

    seen = capture(Linformer(), {"x": drawn(1, QUERIES, WIDTH)})
    (layer,) = seen.layers
    assert layer.weights.shape == (1, QUERIES, 4)
    assert layer.kind == "cross"
    queries, keys = seen.axes()
    assert (len(queries), len(keys)) == (QUERIES, 4)


def test_one_head_without_batch_or_head_axis_is_read():
    class Bare(nn.Module):
        def forward(self, q, k, v):
            return torch.softmax(q @ k.T, -1) @ v

    q, k, v = drawn(QUERIES, 4), drawn(KEYS, 4, seed=1), drawn(KEYS, 3, seed=2)
    (layer,) = capture(Bare(), (q, k, v)).layers
    assert torch.allclose(layer.weights[0], torch.softmax(q @ k.T, -1))


def test_weights_that_mix_two_kinds_of_values_are_one_attention():
    class Twice(nn.Module):
        def forward(self, x):
            weights = (x @ x.mT).softmax(-1)
            return weights @ x + weights @ (2 * x)

    assert len(capture(Twice(), {"x": drawn(1, QUERIES, WIDTH)}).layers) == 1


def test_what_is_done_to_weights_before_they_mix_is_part_of_them():
    class Dropped(nn.Module):
        def forward(self, x):
            weights = (x @ x.mT).softmax(-1)
            weights = weights.masked_fill(torch.arange(QUERIES)[:, None] == 2, 0.0)
            return (weights * 0.5) @ x

    for weights in (
        True,
        False,
    ):  # kept in light mode too: queries and keys could not give them again
        (layer,) = capture(Dropped(), {"x": drawn(1, QUERIES, WIDTH)}, weights=weights).layers
        assert layer.weights_for().sum(-1)[0].tolist() == pytest.approx([0.5, 0.5, 0.0, 0.5, 0.5])


def test_a_softmax_that_mixes_no_values_is_no_attention():
    class Router(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Written("timm")
            self.gate = nn.Linear(WIDTH, 4)

        def forward(self, x):
            x = self.inner(x)
            return x * self.gate(x).softmax(-1).amax(-1, keepdim=True)

    seen = capture(Router(), {"x": drawn(1, QUERIES, WIDTH)})
    assert [layer.name for layer in seen.layers] == ["inner"]
    assert seen.missing == ()


class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real


class Recurrent(nn.Module):
    def forward(self, x):
        return torch.cumsum(torch.exp(-x), 1) * x


@pytest.mark.parametrize("model", [Fourier(), Recurrent()])
def test_a_model_without_attention_is_refused_with_what_was_measured(model):
    what = "it carries something from position to position at the model itself"
    with pytest.raises(NoAttentionError, match=f"got none in {type(model).__name__}: {what}"):
        capture(model, {"x": drawn(1, QUERIES, WIDTH)})


def test_a_model_that_mixes_nothing_is_told_from_one_that_was_not_read():
    with pytest.raises(NoAttentionError, match="nothing that mixes positions was seen"):
        capture(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU()), {"input": drawn(1, 4, WIDTH)})


def test_a_state_space_model_and_a_hashed_one_are_refused_with_the_reason():
    transformers = pytest.importorskip("transformers")
    mamba = transformers.MambaModel(
        transformers.MambaConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, state_size=4)
    )
    with pytest.raises(NoAttentionError, match=r"MambaModel: it carries .* at layers\.0\.mixer"):
        capture(mamba, {"input_ids": torch.tensor([[3, 4, 5, 6]])})
    reformer = transformers.ReformerModel(
        transformers.ReformerConfig(
            vocab_size=20,
            hidden_size=8,
            num_attention_heads=2,
            attention_head_size=4,
            feed_forward_size=8,
            attn_layers=["lsh"],
            axial_pos_embds=False,
            is_decoder=False,
            num_buckets=2,
            lsh_attn_chunk_length=4,
            max_position_embeddings=16,
        )
    )
    with pytest.raises(NoAttentionError, match=r"ReformerModel: .* at .*self_attention"):
        capture(reformer, {"input_ids": torch.tensor([[3, 4, 5, 6] * 4])})


def test_a_forward_that_raises_leaves_flags_hooks_and_the_next_capture_whole():
    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = Written("timm"), Written("fused")
            self.fail = True

        def forward(self, x):
            x = self.first(x)
            if self.fail:
                raise RuntimeError("on purpose")
            return self.second(x)

    model, x = Breaks(), drawn(1, QUERIES, WIDTH)
    model.first.train()
    model.second.eval()
    with pytest.raises(RuntimeError, match="on purpose"):
        capture(model, {"x": x})
    assert model.first.training
    assert model.first.proj.training
    assert not model.second.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    model.fail = False
    assert len(capture(model, {"x": x}).layers) == 2


def test_another_thread_that_uses_the_model_is_not_recorded():
    model, x = Written("timm"), drawn(1, QUERIES, WIDTH)
    others = []

    class Meanwhile(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            thread = threading.Thread(target=lambda: others.append(model(drawn(1, KEYS, WIDTH))))
            thread.start()
            thread.join()
            return self.inner(x)

    seen = capture(Meanwhile(), {"x": x})
    assert others  # the module runs again, to measure which axis holds heads
    assert [layer.n_queries for layer in seen.layers] == [QUERIES]


@pytest.mark.parametrize("style", STYLES)
def test_a_graph_is_kept_and_its_gradient_is_the_finite_difference(style):
    model, x = Written(style).double(), drawn(1, QUERIES, WIDTH).double()
    outputs = []
    handle = model.register_forward_hook(lambda module, args, output: outputs.append(output))
    (layer,) = capture(model, {"x": x}, keep_graph=True).layers
    handle.remove()
    scalar = outputs[-1][0, -1].sum()
    (gradient,) = torch.autograd.grad(scalar, [layer.weights])
    expected = torch.zeros_like(gradient)
    d = WIDTH // HEADS
    with torch.no_grad():
        v = model.qkv(x[0]).reshape(QUERIES, 3, HEADS, d).permute(1, 2, 0, 3)[2]
        for h in range(HEADS):  # d output / d weight[h, -1, key] = v[h, key] through the projection
            expected[h, -1] = (v[h] @ model.proj.weight[:, h * d : (h + 1) * d].T).sum(-1)
    assert torch.allclose(gradient, expected, atol=1e-9)
