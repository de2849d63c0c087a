"""Ablated heads: what stands in for them, in every item and every window."""

from __future__ import annotations

import pytest
import torch

import attn_widget as aw
from attn_widget.recording.head_mask import HeadMask
from attn_widget.recording.tracing.attention_call import AttentionCall
from tests.recording.families import FAMILIES, build, feed


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def described(shape, **terms):
    return AttentionCall("layer", shape, torch.float32, **terms)


def test_each_item_has_its_own_heads_replaced_in_all_of_its_windows():
    whole = drawn(6, 2, 3, 5)  # 2 items of 3 windows, 2 heads
    call = described((6, 2, 3, 5))
    mask = HeadMask([{0: [1]}, {0: [0]}], "zero")
    assert mask.applies_to(call)
    out = mask.replace(call, whole)
    assert not out[:3, 1].any()
    assert not out[3:, 0].any()
    assert torch.equal(out[:3, 0], whole[:3, 0])
    assert torch.equal(out[3:, 1], whole[3:, 1])


def test_attentions_are_counted_in_the_order_they_are_asked_for_and_only_once():
    mask = HeadMask([{1: [0]}], "zero")
    first, second = described((1, 2, 3, 5)), described((1, 2, 3, 5))
    assert [mask.applies_to(call) for call in (first, first, second, second)] == [0, 0, 1, 1]
    assert mask.n_calls == 2


def test_uniform_attention_is_over_the_keys_that_a_query_may_see():
    values = drawn(1, 1, 3, 4)
    mask = HeadMask([{0: [1]}], "uniform")
    causal = mask.replace(described((1, 2, 3, 3), causal=True), drawn(1, 2, 3, 4), values)
    expected = torch.stack([values[0, 0, : i + 1].mean(0) for i in range(3)])
    assert torch.allclose(causal[0, 1], expected)
    nothing = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    mask = HeadMask([{0: [1]}], "uniform")
    hidden = mask.replace(described((1, 2, 3, 3), mask=nothing), drawn(1, 2, 3, 4), values)
    assert not hidden[0, 1].any()


@pytest.mark.parametrize("mode", ["zero", "mean"])
def test_a_head_of_a_model_with_windows_is_ablated_in_all_windows_as_by_hand(mode):
    family = next(f for f in FAMILIES if f.name == "swin_windows")
    model = build(family)
    inputs = {name: value[1:] for name, value in feed(family).items()}
    runner = aw.ModelRunner(model)

    def score(returned):
        states = returned.last_hidden_state[0]
        return (states * torch.linspace(-1, 1, states.numel()).reshape(states.shape)).mean()

    capture = runner.run(inputs)
    for group, layers in capture.groups.items():
        found = dict(runner.ablate(inputs, mode=mode, attention=group, output=score))
        for layer in layers:
            known = dict(model.named_modules())
            older = layer.name.replace(".self", ".output.dense")  # in transformers 4
            dense = known.get(f"{layer.name}.o_proj", known.get(older))
            width = dense.in_features // layer.n_heads

            def change(module, args, width=width):
                windows = args[0].clone()
                part = windows[..., width : 2 * width]
                part[:] = part.mean(1, keepdim=True) if mode == "mean" else 0
                return (windows,)

            handle = dense.register_forward_pre_hook(change)
            with torch.no_grad():
                expected = float(score(model(**inputs)))
            handle.remove()
            assert found[((layer.layer, 1),)].score == pytest.approx(expected, abs=1e-5)
            assert abs(expected - found[()].score) > 1e-6
