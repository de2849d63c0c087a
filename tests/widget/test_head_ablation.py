"""Generation steps and ablated heads, requested by a page."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
import transformers

import attn_widget as aw
from attn_widget.widget.widget import AttentionWidget
from tests import models
from tests.recording.families import TEXT, peak


@pytest.fixture(scope="module")
def runner():
    _, tokenizer = models.minilm()
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**TEXT | {"vocab_size": len(tokenizer), "eos_token_id": None})
    ).eval()
    peak(model)
    return aw.ModelRunner(model, tokenizer)


@pytest.fixture(scope="module")
def written(runner):
    return runner.generate("The keys", max_new_tokens=4)


def test_a_generation_step_pins_the_query_that_predicted_its_token(runner, written, wire):
    w = AttentionWidget(written, runner)
    assert w.step == -1
    assert [s["position"] for s in w.info["steps"]] == [3, 4, 5, 6, 7]
    assert w.info["steps"][1]["token"] == written.steps[1].token
    assert w.info["groups"][0]["writes"]
    w.step = 2
    assert w.query == [5]
    wire.set(w, step=0, query=[3])
    assert (w.step, w.query) == (0, [3])
    with pytest.raises(
        aw.InputError, match=r"step must be -1 to 4, got 5. Show what runner.generate"
    ):
        w.step = 5
    wire.set(w, step=9)
    assert w.step == 0
    w.text = "Another sentence."
    assert (w.step, w.query) == (-1, [])
    assert len(w.info["steps"]) == 5  # written again, as many tokens as before
    w = AttentionWidget(runner.run("The keys"), runner)
    with pytest.raises(
        aw.InputError, match=r"step must be -1 where the model wrote nothing, got 0"
    ):
        w.step = 0


def test_only_the_stream_that_was_written_has_steps():
    seen = aw.ModelRunner(*models.annalog()).generate("CC(=O)O", max_new_tokens=3)
    w = AttentionWidget(seen)
    assert [(g["name"], g["writes"]) for g in w.info["groups"]] == [
        ("encoder", False),
        ("decoder", True),
        ("cross", True),
    ]
    w.step = 1
    assert w.query == []
    w.attention = "cross"
    w.step = 2
    assert w.query == [2]


def test_a_head_is_ablated_on_request(runner, wire):
    w = AttentionWidget(runner.run("The keys are here."), runner)
    assert w.info["can_ablate"]
    answer = wire.answer(w, "ablate", **asdict(w.picture_state().spec) | {"layer": 1, "head": 2})[
        "data"
    ]
    found = aw.ablate(runner, "The keys are here.", [(1, 2)])
    assert [name for name, _, _ in answer["top"]] == [name for name, _, _ in found.top()]
    np.testing.assert_allclose(
        [x[1:] for x in answer["top"]], [x[1:] for x in found.top()], atol=1e-6
    )
    assert answer["bits"] == pytest.approx(found.divergence, abs=1e-5)
    assert answer["bits"] > 0
    assert w.layer == 0


def test_at_a_generation_step_its_token_is_predicted_again(runner, written, wire):
    w = AttentionWidget(written, runner)
    for step in (0, 3):
        answer = wire.answer(
            w, "ablate", **asdict(w.picture_state().spec) | {"layer": 0, "head": 1, "step": step}
        )["data"]
        shares = dict(written.steps[step].top)
        assert answer["position"] == written.steps[step].position
        name, before, _ = answer["top"][0]
        assert before == pytest.approx(shares[name], abs=1e-5)


def test_what_cannot_be_ablated_is_refused(runner, wire):
    seen = runner.run("The keys are here.")
    for w in (
        AttentionWidget(seen),
        AttentionWidget(aw.ModelRunner(*models.minilm()).run("The keys."), runner),
    ):
        assert not w.info["can_ablate"]
        error = wire.answer(w, "ablate", **asdict(w.picture_state().spec))["error"]
        assert error["message"].startswith(
            "runner must run a model that gives logits to ablate heads, got none"
        )
    w = AttentionWidget(seen, runner)
    error = wire.answer(w, "ablate", **asdict(w.picture_state().spec) | {"head": 3})["error"]
    assert error["message"] == "head must be 0 to 2, got 3."
    error = wire.answer(w, "ablate", **asdict(w.picture_state().spec) | {"mode": "loud"})["error"]
    assert error["message"] == "mode must be one of zero, mean, uniform, got 'loud'."


@pytest.mark.parametrize(("name", "seen"), [("dinov2", "photo"), ("minilm", None)])
def test_words_are_typed_only_where_the_model_reads_words(wire, name, seen):
    reader = aw.ModelRunner(*getattr(models, name)())
    w = AttentionWidget(reader.run(getattr(models, seen)() if seen else "The keys."), reader)
    assert w.info["can_run"] is (seen is None)
    assert not AttentionWidget(w.capture).info["can_run"]
