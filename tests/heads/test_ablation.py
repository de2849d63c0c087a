"""Head ablation: the same numbers as a change of the output projection's input, batched or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import attn_widget as aw
from attn_widget.recording.ablation_session import AblationSession
from attn_widget.records import ABLATE_MODES
from tests import models
from tests.recording.families import FAMILIES, GPT, GROUPED, T5, TEXT, build, feed

IDS = [5, 6, 7, 8, 9, 10, 11]
# Name of the output projection in each family; the oracle changes its input.
PROJECTIONS = {
    "bert": ("attention.output.dense",),
    "albert": ("attention.dense",),
    "modernbert": ("attn.Wo",),
    "gpt2": ("attn.c_proj",),
    "llama": ("self_attn.o_proj",),
    "gemma2_softcap": ("self_attn.o_proj",),
    "gpt_oss_sinks": ("self_attn.o_proj",),
    "deepseek_v3_mla": ("self_attn.o_proj",),
    "jamba_hybrid": ("self_attn.o_proj",),
    "t5": ("SelfAttention.o", "EncDecAttention.o"),
    "marian": ("attn.out_proj",),
    "gptj": ("attn.out_proj",),
    "falcon": ("self_attention.dense",),
    "bloom": ("self_attention.dense",),
    "deberta": ("attention.output.dense",),
    "longformer": ("attention.output.dense",),
}


def score(output):
    """A number that depends on everything a model gives first."""
    first = output[0][0]
    return (first * torch.linspace(-1, 1, first.numel()).reshape(first.shape)).mean()


def new_output(layer, head: int, how: str) -> torch.Tensor:
    """Return the replacement of the head's output, from a capture without ablation."""
    own = layer.head_output(head)
    if how == "zero":
        return torch.zeros_like(own)
    if how == "mean":
        return own.mean(0, keepdim=True).expand_as(own)
    seen = (layer.weights_for([head])[0] > 0).float()
    return (seen / seen.sum(-1, keepdim=True)) @ layer.v[head * len(layer.v) // layer.n_heads]


def by_hand(model, inputs, projection, call: int, head: int, new: torch.Tensor):
    """Return the output of a pass in which one head is replaced at one call of a projection."""
    seen = [0]

    def change(module, args):
        seen[0] += 1
        if seen[0] != call + 1:
            return None
        heads = args[0].clone()
        heads[..., head * new.shape[-1] : (head + 1) * new.shape[-1]] = new
        return (heads, *args[1:])

    handle = projection.register_forward_pre_hook(change)
    try:
        with torch.no_grad():
            return model(**inputs)
    finally:
        handle.remove()


def one_item(family) -> dict[str, torch.Tensor]:
    """The item of the family's input that is not padded."""
    return {name: value[1:] for name, value in feed(family).items() if name != "attention_mask"}


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_ablating_any_head_of_a_family_equals_the_manual_change(name):
    family = next(f for f in FAMILIES if f.name == name)
    if not family.here:
        pytest.skip("not in this version of transformers")
    model, inputs = build(family), one_item(family)
    runner = aw.ModelRunner(model)
    capture = runner.run(inputs, weights=True)
    projections = [m for path, m in model.named_modules() if path.endswith(PROJECTIONS[name])]
    shared = len(projections) < len(capture.layers)  # ALBERT calls one layer again and again
    for group, layers in capture.groups.items():
        for how in ABLATE_MODES:
            if name == "longformer" and how == "uniform":
                continue  # its values are not recorded, so the oracle cannot use them
            found = dict(runner.ablate(inputs, mode=how, attention=group, output=score))
            assert len(found) == 1 + sum(layer.n_heads for layer in layers)
            for layer in layers:
                place = next(i for i, other in enumerate(capture.layers) if other is layer)
                projection, call = (projections[0], place) if shared else (projections[place], 0)
                head = (layer.layer + 1) % layer.n_heads
                new = (
                    torch.zeros(1, 24 // layer.n_heads) if layer.v is None and how == "zero"
                    else _mean_of(model, inputs, projection, head, 24 // layer.n_heads)
                    if layer.v is None
                    else new_output(layer, head, how)
                )  # fmt: skip
                slow = score(by_hand(model, inputs, projection, call, head, new))
                fast = found[((layer.layer, head),)].score
                assert fast == pytest.approx(float(slow), abs=1e-5), (group, how, layer.layer)
                assert abs(float(slow) - found[()].score) > 1e-7, (
                    "the head does nothing: the test would say nothing"
                )


def _mean_of(model, inputs, projection, head: int, size: int) -> torch.Tensor:
    """The mean of one head's output, read where it is projected."""
    kept = []
    handle = projection.register_forward_pre_hook(lambda m, args: kept.append(args[0]))
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    real = inputs["input_ids"].shape[1]  # padding to whole windows is not part of the text
    return kept[0][0, :real, head * size : (head + 1) * size].mean(0, keepdim=True)


def llama(**more) -> torch.nn.Module:
    """A small random Llama with a language head: 3 layers, 4 heads on 2 key heads."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**{**GROUPED, "num_hidden_layers": 3, **more})
    return transformers.LlamaForCausalLM(config).eval()


def test_logits_losses_and_distributions_are_those_of_one_pass_each():
    model = llama()
    runner = aw.ModelRunner(model)
    capture = runner.run(IDS)
    inputs, own = {"input_ids": torch.tensor([IDS])}, torch.tensor(IDS[1:])
    found = dict(runner.ablate(IDS, mode="mean", loss=True))
    for layer in capture.layers:
        for head in range(layer.n_heads):
            projection = model.model.layers[layer.layer].self_attn.o_proj
            logits = by_hand(
                model, inputs, projection, 0, head, new_output(layer, head, "mean")
            ).logits[0]
            fast = found[((layer.layer, head),)]
            np.testing.assert_allclose(fast.logits, logits[-1], atol=1e-5)
            loss = torch.nn.functional.cross_entropy(logits[:-1], own)
            assert fast.loss == pytest.approx(float(loss), abs=1e-5)
            assert fast.position == len(IDS) - 1
            np.testing.assert_allclose(fast.probabilities, logits[-1].softmax(-1), atol=1e-6)


def test_heads_of_one_set_are_ablated_together_and_sets_are_independent():
    runner = aw.ModelRunner(llama())
    sets = [[(0, 1)], [(0, 1), (2, 3), (2, 0)], [(2, 3), (2, 0)]]
    together = dict(runner.ablate(IDS, sets))
    for one in sets:
        alone = dict(runner.ablate(IDS, [one], batch=1))
        np.testing.assert_allclose(together[tuple(one)].logits, alone[tuple(one)].logits, atol=1e-6)
    a, b, c = (together[tuple(one)].logits for one in sets)
    assert np.abs(a - b).max() > 1e-4
    assert np.abs(b - c).max() > 1e-4


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_it_does_not_matter_how_many_sets_share_a_pass(batch):
    runner = aw.ModelRunner(llama())
    scores = {k: v.logits for k, v in runner.ablate(IDS, batch=batch)}
    for heads, prediction in runner.ablate(IDS):
        np.testing.assert_allclose(scores[heads], prediction.logits, atol=1e-6)


def test_layers_below_are_not_run_again_and_sets_share_passes():
    model = llama()
    runner = aw.ModelRunner(model)
    calls = [[], [], []]
    for layer, seen in zip(model.model.layers, calls, strict=True):
        layer.self_attn.register_forward_pre_hook(
            lambda m, args, kwargs, seen=seen: seen.append(len(kwargs["hidden_states"])),
            with_kwargs=True,
        )
    answers = runner.ablate(IDS, batch=4)
    next(answers)
    before = [len(seen) for seen in calls]
    list(answers)
    passes = [seen[n:] for seen, n in zip(calls, before, strict=True)]
    assert passes == [
        [4],
        [4, 4],
        [4, 4, 4],
    ]  # 12 heads in three passes, each from its own layer up


class Plain(torch.nn.Module):
    """A model without a list of layers; its attention reads (token, item, channel)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.MultiheadAttention(12, 3)
        self.second = torch.nn.MultiheadAttention(12, 3)

    def forward(self, x):
        """Two attentions."""
        x = x + self.first(x, x, x)[0]
        return x + self.second(x, x, x)[0]


def test_a_model_without_a_list_of_layers_that_takes_no_batch_is_run_once_a_set():
    model, x = Plain().eval(), torch.randn(5, 1, 12)
    direction = torch.linspace(-1, 1, 12)
    runner = aw.ModelRunner(model)
    found = dict(runner.ablate(x, output=lambda output: (output[:, 0] @ direction).sum()))
    capture = runner.run(x)
    assert len(found) == 7
    layer = capture.layers[1]
    with torch.no_grad():
        whole = model(x)[:, 0]
        matrix = model.second.out_proj.weight[:, 4:8]
        without = whole - layer.head_output(1) @ matrix.T
    assert found[((1, 1),)].score == pytest.approx(float((without @ direction).sum()), abs=1e-5)


def sessions(monkeypatch, refuse=False) -> list[AblationSession]:
    """Collect the sessions that begin; with refuse, passes are never shared."""
    begun, init, agrees = [], AblationSession.__init__, AblationSession._agrees
    monkeypatch.setattr(
        AblationSession, "__init__", lambda self, *given: begun.append(self) or init(self, *given)
    )
    if refuse:
        monkeypatch.setattr(
            AblationSession,
            "_agrees",
            lambda self, expected, shared: not shared and agrees(self, expected, shared=False),
        )
    return begun


def test_models_that_cannot_be_batched_are_run_whole_with_the_same_numbers(monkeypatch):
    runner = aw.ModelRunner(llama())
    together = {k: v.logits for k, v in runner.ablate(IDS)}
    begun = sessions(monkeypatch, refuse=True)
    alone = {k: v.logits for k, v in runner.ablate(IDS)}
    assert [session.shared for session in begun] == [False]
    for heads, logits in together.items():
        np.testing.assert_allclose(logits, alone[heads], atol=1e-6)


class Leaky(torch.nn.Module):
    """Layers that pass data to the next layer outside of their outputs."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        kept = {}
        first, last = model.model.layers[0].mlp, model.model.layers[2]
        first.register_forward_hook(
            lambda m, args, out: kept.update(x=out.mean((-1, -2), keepdim=True))
        )
        last.register_forward_pre_hook(lambda m, args: (args[0] + kept.pop("x", 0.0), *args[1:]))

    def forward(self, input_ids):
        """Run the model."""
        return self.model(input_ids=input_ids, use_cache=False)


def test_layers_that_pass_data_outside_of_their_outputs_are_detected_and_run(monkeypatch):
    runner = aw.ModelRunner(Leaky(llama()))
    begun = sessions(monkeypatch)
    found = dict(runner.ablate(IDS, [[(2, 1)], [(0, 3)]]))
    assert [session.shared for session in begun] == [False]
    for heads in found:
        if heads:
            alone = dict(runner.ablate(IDS, [heads], batch=1))
            np.testing.assert_allclose(found[heads].logits, alone[heads].logits, atol=1e-6)


@pytest.mark.parametrize("n", [2, 7])
def test_as_many_sets_as_positions_are_not_mistaken_for_them(n):
    runner = aw.ModelRunner(llama())
    sets = [[(1, i % 4), (2, i // 4)] for i in range(n)]
    together = dict(runner.ablate(IDS[:n], sets, batch=n))
    for one in sets:
        alone = dict(runner.ablate(IDS[:n], [one], batch=1))
        np.testing.assert_allclose(together[tuple(one)].logits, alone[tuple(one)].logits, atol=1e-6)


# -- what comes out


@pytest.fixture(scope="module")
def minilm():
    return aw.ModelRunner(*models.minilm())


def similarity(output):
    mean = output.last_hidden_state[0].mean(0)
    return mean @ torch.linspace(-1, 1, len(mean)) / mean.norm()


@pytest.mark.parametrize("position", [None, 2])
@pytest.mark.parametrize(
    "given", [torch.tensor([IDS]), (torch.tensor([IDS]),), {"input_ids": torch.tensor([IDS])}]
)
def test_positional_inputs_give_the_same_as_named_inputs(given, position):
    runner = aw.ModelRunner(llama())
    wanted = dict(runner.ablate(IDS, [[(1, 2)]], position=position, loss=True))[((1, 2),)]
    for loss in (True, False):
        found = dict(runner.ablate(given, [[(1, 2)]], position=position, loss=loss))[((1, 2),)]
        np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-6)
        assert found.loss == (pytest.approx(wanted.loss, abs=1e-6) if loss else None)


class Positional(torch.nn.Module):
    """A model whose forward takes positional arguments only."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, *inputs):
        """Run the model."""
        return self.model(*inputs, use_cache=False)


def test_a_model_without_named_inputs_works():
    model = llama()
    wanted = dict(aw.ModelRunner(model).ablate(IDS, [[(1, 2)]]))[((1, 2),)]
    found = dict(aw.ModelRunner(Positional(model)).ablate(torch.tensor([IDS]), [[(1, 2)]]))[
        ((1, 2),)
    ]
    np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-6)


class Trimmed(torch.nn.Module):
    """A model that takes ``logits_to_keep`` and does something else with it."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids, logits_to_keep=0):
        """Run the model."""
        output = self.model(input_ids=input_ids, use_cache=False)
        output.logits = output.logits[:, :logits_to_keep] if logits_to_keep else output.logits
        return output


def test_logits_to_keep_is_used_only_if_the_logits_are_the_same():
    model = llama()
    wanted = dict(aw.ModelRunner(model).ablate(IDS, [[(1, 2)]]))[((1, 2),)]
    found = dict(aw.ModelRunner(Trimmed(model)).ablate(IDS, [[(1, 2)]]))[((1, 2),)]
    np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-6)


def test_a_model_that_is_not_deterministic_is_refused():
    model = llama()
    model.model.norm.register_forward_hook(lambda m, args, out: out + torch.randn_like(out))
    with pytest.raises(
        aw.InputError, match=r"model must give the same output twice, got other numbers"
    ):
        aw.ablate(aw.ModelRunner(model), IDS, [(0, 0)])


def test_a_model_without_logits_is_measured_by_a_function_of_its_output(minilm):
    text = "The keys to the cabinet are old."
    scores = aw.ablation_scan(minilm, text, output=similarity)
    assert scores.values.shape == (6, 12)
    assert (scores.name, scores.unit, scores.attention) == (
        "score without the head",
        "score",
        "self",
    )
    model, tokenizer = models.minilm()
    inputs = dict(tokenizer(text, return_tensors="pt"))
    with torch.no_grad():
        plain = model(**inputs)
    for layer, head in [(0, 11), (3, 0), (5, 7)]:
        dense = model.encoder.layer[layer].attention.output.dense
        new = torch.zeros(1, 32)
        slow = similarity(by_hand(model, inputs, dense, 0, head, new)) - similarity(plain)
        assert scores.values[layer, head] == pytest.approx(float(slow), abs=1e-5)
    one = aw.ablate(minilm, text, [(3, 0)], output=similarity)
    assert one.score == pytest.approx(scores.values[3, 0], abs=1e-5)
    assert "score" in str(one)
    with pytest.raises(
        aw.InputError, match=r"probabilities must be of tokens or classes, got a score"
    ):
        one.logits  # noqa: B018


def test_a_classifier_is_measured_by_its_classes():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        **TEXT, id2label={0: "bad", 1: "good", 2: "so so"}, label2id={}
    )
    runner = aw.ModelRunner(transformers.BertForSequenceClassification(config).eval())
    one = aw.ablate(runner, IDS, [(1, 2)], output=1)
    assert one.before.kind == "class"
    assert one.before.position is None
    assert {name for name, _, _ in one.top()} == {"bad", "good", "so so"}
    assert one.logits.shape == (3,)
    change = one.after.probabilities[1] - one.before.probabilities[1]
    scan = aw.ablation_scan(runner, IDS, output=1)
    assert scan.values[1, 2] == pytest.approx(change, abs=1e-6)
    assert "good" in str(one)
    assert "class" in str(one)


def test_a_masked_word_is_read_at_its_mask():
    _, tokenizer = models.minilm()
    torch.manual_seed(0)
    masked = transformers.BertForMaskedLM(
        transformers.BertConfig(**{**TEXT, "vocab_size": len(tokenizer)})
    ).eval()
    runner = aw.ModelRunner(masked, tokenizer)
    one = aw.ablate(runner, "the [MASK] is old", [(0, 0)])
    assert one.before.position == 2
    assert one.loss is None
    assert aw.ablate(runner, "the [MASK] is old", [(0, 0)], position=-1).before.position == 5


def test_measures_equal_their_definitions():
    runner = aw.ModelRunner(llama())
    one = aw.ablate(runner, IDS, [(1, 2)])
    p, q = one.before.probabilities, one.after.probabilities
    best = p.argmax()
    expected = {
        "divergence": (p * np.log2(p / q)).sum(),
        "probability": q[best] - p[best],
        "logit": one.after.logits[best] - one.before.logits[best],
        "loss": one.after.loss - one.before.loss,
    }
    for measure, value in expected.items():
        scan = aw.ablation_scan(runner, IDS, measure=measure)
        assert scan.values.shape == (3, 4)
        assert scan.values[1, 2] == pytest.approx(value, abs=1e-5), measure
    assert one.divergence == pytest.approx(expected["divergence"])
    assert one.loss == pytest.approx(expected["loss"])
    assert aw.ablation_scan(runner, IDS).name.startswith("divergence")
    rows = list(one.rows())
    assert rows[0]["id"] == best
    assert sum(row["before"] for row in rows) == pytest.approx(1)


def test_heads_of_cross_attention_and_the_encoder_can_be_ablated_by_name():
    torch.manual_seed(0)
    runner = aw.ModelRunner(
        transformers.T5ForConditionalGeneration(transformers.T5Config(**T5)).eval()
    )
    inputs = {"input_ids": torch.tensor([IDS]), "decoder_input_ids": torch.tensor([[0, 5, 6, 7]])}
    for attention in ("encoder", "decoder", "cross"):
        scan = aw.ablation_scan(runner, inputs, attention=attention, measure="loss")
        assert scan.values.shape == (2, 3)
        assert scan.attention == attention
        assert np.abs(scan.values).min() > 0


def test_a_printed_ablation_shows_tokens_with_and_without():
    _, tokenizer = models.minilm()
    torch.manual_seed(0)
    small = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(**{**GPT, "vocab_size": len(tokenizer)})
    ).eval()
    one = aw.ablate(
        aw.ModelRunner(small, tokenizer),
        "the keys",
        [(0, 1), (1, 2)],
        mode="uniform",
        output="table",
    )
    printed = str(one)
    assert "2 heads ablated (uniform): 0.1, 1.2 (layer.head)" in printed
    assert "next token after position 3" in printed
    assert "'table'" in printed
    assert "bits; loss" in printed
    assert one.before.asked == tokenizer.convert_tokens_to_ids("table")


# -- nothing stays changed


def fingerprint(model):
    """All that must be as before: parameters, hooks, flags, forwards, configuration and answers."""
    with torch.no_grad():
        answer = model(torch.tensor([IDS])).logits.clone()
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        [
            (dict(m._forward_hooks), dict(m._forward_pre_hooks), m.training, "forward" in vars(m))
            for m in model.modules()
        ],
        model.config._attn_implementation,
        answer,
    )


def same(a, b) -> bool:
    return (
        all(torch.equal(a[0][name], b[0][name]) for name in a[0])
        and a[0].keys() == b[0].keys()
        and a[1:3] == b[1:3]
        and torch.equal(a[3], b[3])
    )


def test_the_model_is_untouched_between_and_after():
    model = llama()
    model.model.layers[1].train()  # flags need not be the same everywhere
    before = fingerprint(model)
    runner = aw.ModelRunner(model)
    for _ in runner.ablate(IDS, mode="uniform", batch=5):
        assert same(before, fingerprint(model))
    assert same(before, fingerprint(model))


def test_the_model_is_untouched_when_a_forward_fails_or_the_work_is_cancelled():
    model = llama()
    runner = aw.ModelRunner(model)
    calls = []

    def fail(module, args):
        calls.append(1)
        if len(calls) > 6:
            raise ZeroDivisionError("in the middle")

    handle = model.model.layers[2].mlp.register_forward_pre_hook(fail)
    with pytest.raises(ZeroDivisionError):
        list(runner.ablate(IDS, batch=2))
    handle.remove()
    before = fingerprint(llama())
    assert same(before, fingerprint(model))

    def stop(progress):
        assert (progress.what, progress.total) == ("ablating heads", 12)
        if progress.done > 4:
            raise aw.Cancelled("Enough.")

    with pytest.raises(aw.Cancelled):
        aw.ablation_scan(runner, IDS, progress=stop)
    assert same(before, fingerprint(model))


def test_a_forward_that_was_put_there_by_hand_is_put_back():
    model = llama()
    own = model.model.layers[0].forward
    model.model.layers[0].forward = own
    list(aw.ModelRunner(model).ablate(IDS, [[(2, 0)]]))
    assert vars(model.model.layers[0])["forward"] is own


def test_a_model_that_is_trained_on_meanwhile_is_noticed():
    model = llama()
    answers = aw.ModelRunner(model).ablate(IDS, batch=2)
    next(answers)
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    with pytest.raises(
        aw.InputError,
        match=r"model must stay unchanged while heads are ablated, got other parameters",
    ):
        list(answers)


# -- what is refused


def test_heads_that_do_not_exist_are_refused_with_how_many_there_are():
    runner = aw.ModelRunner(llama())
    with pytest.raises(
        aw.InputError, match=r"heads must name a layer 0 to 2, got layer 3\. This model has 3"
    ):
        aw.ablate(runner, IDS, [(3, 0)])
    with pytest.raises(
        aw.InputError,
        match=r"heads must name a head 0 to 3, got head 4 at layer 1\. This layer has 4",
    ):
        aw.ablate(runner, IDS, [(0, 0), (1, 4)])
    with pytest.raises(
        aw.InputError, match=r"heads must name a head 0 to 3, got head -1 at layer 0"
    ):
        aw.ablate(runner, IDS, [(0, -1)])


def test_invalid_arguments_are_refused_by_name(minilm):
    runner = aw.ModelRunner(llama())
    with pytest.raises(aw.InputError, match=r"mode must be one of zero, mean, uniform, got 'off'"):
        aw.ablate(runner, IDS, [(0, 0)], mode="off")
    with pytest.raises(aw.InputError, match=r"mode must be one of zero, mean, uniform, got 'off'"):
        runner.ablate(IDS, mode="off")
    with pytest.raises(
        aw.InputError, match=r"heads must be pairs \(layer, head\), got 'all'.*scan"
    ):
        aw.ablate(runner, IDS, "all")
    with pytest.raises(aw.InputError, match=r"heads must be pairs \(layer, head\), got \[3\]"):
        aw.ablate(runner, IDS, [3])
    with pytest.raises(aw.InputError, match=r"heads must name at least one head, got none"):
        aw.ablate(runner, IDS, [])
    with pytest.raises(aw.InputError, match=r"measure must be one of divergence, .* got 'size'"):
        aw.ablation_scan(runner, IDS, measure="size")
    with pytest.raises(
        aw.InputError,
        match=r"measure must be score exactly where output is a function, got 'score' with",
    ):
        aw.ablation_scan(runner, IDS, measure="score")
    with pytest.raises(aw.InputError, match=r"position must be 0 to 6, got 7"):
        aw.ablate(runner, IDS, [(0, 0)], position=7)
    with pytest.raises(aw.InputError, match=r"output must be a function of what the model returns"):
        aw.ablate(minilm, "The keys are old.", [(0, 0)])
    masked = aw.ModelRunner(transformers.BertForMaskedLM(transformers.BertConfig(**TEXT)).eval())
    with pytest.raises(
        aw.InputError, match=r"loss must be of a model that predicts its next token"
    ):
        aw.ablation_scan(masked, IDS, measure="loss")
    with pytest.raises(
        aw.InputError, match=r"runner must be able to ablate attention heads, got Capture"
    ):
        aw.ablate(runner.run(IDS), IDS, [(0, 0)])
    with pytest.raises(aw.InputError, match=r"text must be one item to ablate heads, got 2"):
        aw.ablate(runner, {"input_ids": torch.tensor([IDS, IDS])}, [(0, 0)])
    padded = {"input_ids": torch.tensor([IDS]), "attention_mask": torch.tensor([[1] * 6 + [0]])}
    with pytest.raises(aw.InputError, match=r"text must hold no padding to ablate heads"):
        aw.ablate(runner, padded, [(0, 0)])
    with pytest.raises(aw.InputError, match=r"output must give one number, got shape \(1, 7, 99\)"):
        aw.ablate(runner, IDS, [(0, 0)], output=lambda output: output.logits)
