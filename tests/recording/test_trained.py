"""Trained models: the checks of the tiny ones, and what papers say of their heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from attn_widget.recording.capture import capture
from attn_widget.recording.model_runner import ModelRunner
from tests import models

MAJOR = int(transformers.__version__.split(".")[0])
TEXT = "The keys to the cabinet are on the table."


def eager_attentions(model, inputs):
    """transformers' own eager attentions of item 0, by group."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            output = model(**inputs, output_attentions=True)
    finally:
        model.set_attn_implementation(before)
    names = {
        "attentions": "self",
        "encoder_attentions": "encoder",
        "decoder_attentions": "decoder",
        "cross_attentions": "cross",
    }
    return {
        group: [a[0] for a in output[name]] for name, group in names.items() if output.get(name)
    }


def inputs_of(name):
    """A model, and an input it was made for."""
    model, reader = getattr(models, name)()
    if name in ("minilm", "smollm2"):
        return model, dict(reader(TEXT, return_tensors="pt"))
    if name == "rxnmapper":
        return model, {"input_ids": reader("CC(=O)O.OCC>>CC(=O)OCC", return_tensors="pt").input_ids}
    if name == "annalog":
        source, target = (
            reader(s, return_tensors="pt").input_ids for s in ("CC(=O)Oc1ccccc1", "CC(=O)N")
        )
        return model, {"input_ids": source, "decoder_input_ids": target}
    if name == "dinov2":
        return model, dict(reader(images=models.photo(), return_tensors="pt"))
    samples, rate = models.speech()
    heard = reader.feature_extractor(samples, sampling_rate=rate, return_tensors="pt")
    return model, {
        "input_features": heard["input_features"],
        "decoder_input_ids": torch.tensor([[50257, 50362]]),
    }


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("minilm", {"self": (6, 12)}),
        ("smollm2", {"self": (30, 9)}),
        ("rxnmapper", {"self": (12, 8)}),
        ("annalog", {"encoder": (3, 8), "decoder": (3, 8), "cross": (3, 8)}),
        ("dinov2", {"self": (12, 6)}),
        ("whisper", {"encoder": (4, 6), "decoder": (4, 6), "cross": (4, 6)}),
    ],
)
def test_a_trained_models_attention_is_recorded_and_recomputed(name, shapes):
    model, inputs = inputs_of(name)
    seen = capture(model, inputs, weights=True)
    assert {
        group: (len(layers), layers[0].n_heads) for group, layers in seen.groups.items()
    } == shapes
    expected = eager_attentions(model, inputs)
    light = capture(model, inputs, weights=False)
    for group, layers in seen.groups.items():
        for layer, other, theirs in zip(layers, light.groups[group], expected[group], strict=True):
            # Families that do not route yet in transformers 4 ran on the fused kernel: other
            # roundings add up.
            assert (layer.weights - theirs).abs().max() <= (1e-6 if MAJOR >= 5 else 5e-5)
            rows = [0, layer.n_queries - 1]
            # Trained scores are large: one rounding of a score of 60 is 4e-6 of its weight,
            # and the fused kernel of light mode rounds otherwise in every layer below.
            again = layer.recompute(layer, None, rows)
            assert (again - layer.weights[:, rows]).abs().max() <= (1e-5 if MAJOR >= 5 else 5e-5)
            assert (other.weights_for(rows=rows) - layer.weights[:, rows]).abs().max() <= 5e-5


def test_a_language_model_in_bfloat16_is_recorded_in_its_own_rounding():
    import copy

    model, inputs = inputs_of("smollm2")
    model = copy.deepcopy(model).to(torch.bfloat16)
    seen = capture(model, inputs, weights=True)
    expected = eager_attentions(model, inputs)["self"]
    for layer, theirs in zip(seen.layers, expected, strict=True):
        assert torch.equal(layer.weights, theirs)
        again = layer.recompute(layer, None, None)
        assert (again.float() - theirs.float()).abs().max() <= 1e-2


# Acyl and sulfonyl chlorides with amines: every atom but the chlorine ends up in the product and no
# oxygen changes its place, so the right pairs are beyond doubt. For each product atom, the reactant
# atoms it may come from (more than one where they are equivalent), atoms counted from the left on
# each side. Some are written in another order, so that position alone finds nothing.
REACTIONS = [
    ("CCC(=O)Cl.NCC>>CCC(=O)NCC", ([0], [1], [2], [3], [5], [6], [7])),
    ("CC(C)C(=O)Cl.NCCF>>CC(C)C(=O)NCCF", ([0, 2], [1], [0, 2], [3], [4], [6], [7], [8], [9])),
    ("CS(=O)(=O)Cl.NCCC>>CS(=O)(=O)NCCC", ([0], [1], [2, 3], [2, 3], [5], [6], [7], [8])),
    ("O=C(Cl)CCC#N.NCC>>CCNC(=O)CCC#N", ([9], [8], [7], [1], [0], [3], [4], [5], [6])),
    (
        "FC(F)(F)CN.O=C(Cl)CS>>O=C(CS)NCC(F)(F)F",
        ([6], [7], [9], [10], [5], [4], [1], [0, 2, 3], [0, 2, 3], [0, 2, 3]),
    ),
]


def accuracy(weights, tokens, pairs):
    """Whether each product atom's strongest reactant atom is a right one."""
    arrow = tokens.index(">>")
    atoms = [i for i, token in enumerate(tokens) if token[0].isalpha()]
    reactants, product = [i for i in atoms if i < arrow], [i for i in atoms if i > arrow]
    best = weights[product][:, reactants].argmax(-1)
    return [int(b) in right for b, right in zip(best, pairs, strict=True)]


def test_the_published_head_of_rxnmapper_maps_atoms_far_better_than_the_median_head():
    """Schwaller et al. 2021 (Science Advances 7, eabe4166): layer 10, head 5 pairs the atoms."""
    runner = ModelRunner(*models.rxnmapper())
    hits: dict[int, list[bool]] = {}
    for reaction, pairs in REACTIONS:
        seen = runner.run(reaction)
        for head in range(8):
            weights = np.asarray(seen.layers[10].weights_for([head])[0])
            hits.setdefault(head, []).extend(accuracy(weights, list(seen.tokens.text), pairs))
    scores = {head: float(np.mean(found)) for head, found in hits.items()}
    assert scores[5] >= 0.85
    assert scores[5] == max(scores.values())
    assert np.median(list(scores.values())) <= 0.5


def spearman(values):
    """Rank correlation of a sequence with its own order."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def test_the_listed_alignment_heads_of_whisper_follow_the_sound():
    """In Whisper's alignment heads (OpenAI), the strongest frame moves forward in time."""
    model, reader = models.whisper()
    samples, rate = models.speech()
    seen = ModelRunner(model, reader).run(samples, sampling_rate=rate, max_new_tokens=24)
    words = seen.streams["decoder"].text
    assert words[:3] == ("<|startoftranscript|>", "<|notimestamps|>", "The")
    spoken = slice(
        1, words.index(".") - 1
    )  # the rows that decide a spoken word: the one before each
    assert seen.streams["encoder"].seconds == pytest.approx(0.02)
    heard = int(len(samples) / rate / 0.02)
    cross = seen.group("cross")
    orders = {}
    for layer in cross:
        weights = np.asarray(layer.weights_for())[:, spoken, :heard]
        for head in range(6):
            orders[layer.layer, head] = spearman(weights[head].argmax(-1))
    listed = [orders[layer, head] for layer, head in model.alignment_heads]
    assert min(listed) > 0.8
    assert np.mean(listed) > 0.95
    others = [order for key, order in orders.items() if list(key) not in model.alignment_heads]
    assert np.mean(others) < np.mean(listed) - 0.1


def test_a_photograph_is_attended_to_on_a_grid_of_patches():
    seen = ModelRunner(*models.dinov2()).run(models.photo())
    assert seen.tokens.grid == (16, 16)
    assert seen.tokens.text[:2] == ("[CLS]", "0,0")
    assert seen.image.shape == (224, 224, 3)
    assert seen.attention.shape == (12, 6, 257, 257)


def test_speech_is_heard_as_words():
    model, reader = models.whisper()
    samples, rate = models.speech()
    seen = ModelRunner(model, reader).run(
        samples, sampling_rate=rate, max_new_tokens=16, weights=False
    )
    words = " ".join(seen.streams["decoder"].text).lower()
    assert "quick" in words
    assert "lazy" in words
