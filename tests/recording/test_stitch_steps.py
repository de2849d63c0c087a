"""Generation steps joined to one attention call."""

from __future__ import annotations

import pytest
import torch

from attn_widget.errors import InputError
from attn_widget.recording.stitch_steps import stitch_steps
from attn_widget.recording.tracing.attention_call import AttentionCall

HEADS, WIDTH = 2, 4


def step(n_queries, n_keys, **terms):
    weights = torch.rand(1, HEADS, n_queries, n_keys)
    q, k = torch.rand(1, HEADS, n_queries, WIDTH), torch.rand(1, HEADS, n_keys, WIDTH)
    shape = (1, HEADS, n_queries, n_keys)
    known = {"q": q, "k": k, "v": k, "weights": weights} | terms
    return AttentionCall("layer", shape, torch.float32, **known)


def test_each_step_gives_its_last_row_and_keys_that_did_not_exist_have_no_weight():
    parts = [step(3, 3), step(1, 4), step(5, 5)]  # the last without a cache: all rows again
    joined = stitch_steps(parts, n_first=3)
    assert joined.shape == (1, HEADS, 5, 5)
    assert torch.equal(joined.weights[:, :, :3, :3], parts[0].weights)
    assert torch.equal(joined.weights[:, :, 3:4, :4], parts[1].weights)
    assert torch.equal(joined.weights[:, :, 4:], parts[2].weights[:, :, -1:])
    assert not joined.weights[:, :, :4, 4].any()
    assert torch.equal(joined.q, torch.cat([parts[0].q, parts[1].q, parts[2].q[:, :, -1:]], 2))


@pytest.mark.parametrize("which", [0, 1])
def test_weights_altered_in_one_step_cannot_be_recomputed_from_queries_and_keys(which):
    parts = [step(3, 3), step(1, 4)]
    assert not stitch_steps(parts, 3).altered
    parts[which].altered = True
    assert stitch_steps(parts, 3).altered


def test_several_sequences_are_refused():
    part = step(3, 3)
    part.shape = (2, *part.shape[1:])
    with pytest.raises(InputError, match="generate must follow one sequence, got 2 at layer"):
        stitch_steps([part], 3)
