"""Train the verb-number model from its seed: `make train-verb-number`.

The model is that of the paper (Abnar & Zuidema 2020, section 2): six blocks with eight heads and
128 channels, built like GPT-2 (with the norm before each part) but without a causal mask, and a
[CLS] token in front whose last state is classified. The sentences come from grammar.py. Words are
blanked at random during training, because the experiment blanks words.

Writes config.json, model.safetensors (half precision) and the tokenizer beside this file. Takes 6
to 7 minutes on one core. The last digits of the weights depend on the machine.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from grammar import HELD_OUT, MOST_ATTRACTORS, Sentence, known, sentences, vocabulary
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    PreTrainedTokenizerFast,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormForSequenceClassification,
)

FOLDER = Path(__file__).parent
TRAINING_SEED, TEST_SEED, WEIGHTS_SEED = 1, 2, 3
STEPS, BATCH, RATE, BLANKED = 2400, 64, 1e-3, 0.05
SPECIAL = ["[PAD]", "[UNK]", "[CLS]"]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words with [CLS] in front."""
    vocab = {word: i for i, word in enumerate([*SPECIAL, *vocabulary()])}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", vocab["[CLS]"])]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **names, model_input_names=["input_ids", "attention_mask"]
    )


def make_model(n_words: int) -> RobertaPreLayerNormForSequenceClassification:
    """Return the model before training."""
    torch.manual_seed(WEIGHTS_SEED)
    config = RobertaPreLayerNormConfig(
        vocab_size=n_words, hidden_size=128, num_hidden_layers=6, num_attention_heads=8,
        intermediate_size=512, hidden_act="gelu_new", max_position_embeddings=64, type_vocab_size=1,
        pad_token_id=0, bos_token_id=None, eos_token_id=None,
        id2label={0: "singular", 1: "plural"}, label2id={"singular": 0, "plural": 1},
    )  # fmt: skip
    return RobertaPreLayerNormForSequenceClassification(config)


def encoded(
    tokenizer: PreTrainedTokenizerFast, batch: Iterable[Sentence]
) -> dict[str, torch.Tensor]:
    """Return a batch of sentences and their labels as tensors."""
    batch = list(batch)
    inputs = tokenizer([str(one) for one in batch], padding=True, return_tensors="pt")
    return {**inputs, "labels": torch.tensor([int(one.plural) for one in batch])}


def batches(stream: Iterator[Sentence], rng: random.Random) -> Iterator[list[Sentence]]:
    """Yield batches of sentences of similar length, to reduce padding."""
    while pool := sorted(itertools.islice(stream, 16 * BATCH), key=lambda one: len(one.words)):
        parts = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        rng.shuffle(parts)
        yield from parts


def training_sentences() -> Iterator[Sentence]:
    """Return the training sentences: one epoch, in which short sentences may repeat."""
    return itertools.islice(filter(known, sentences(TRAINING_SEED)), STEPS * BATCH)


def held_out(n: int) -> list[Sentence]:
    """Return ``n`` test sentences of every kind that are not in the training data."""
    seen = _texts()
    return list(itertools.islice((s for s in sentences(TEST_SEED) if str(s) not in seen), n))


@cache
def _texts() -> frozenset[str]:
    """Return the training data as texts."""
    return frozenset(map(str, training_sentences()))


def train(
    model: RobertaPreLayerNormForSequenceClassification, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Train on the training sentences for one epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=STEPS, pct_start=0.1
    )
    rng, start = random.Random(TRAINING_SEED), time.perf_counter()
    blank, first = tokenizer.unk_token_id, len(SPECIAL)
    model.train()
    for step, batch in enumerate(batches(training_sentences(), rng), 1):
        inputs = encoded(tokenizer, batch)
        ids = inputs["input_ids"]
        ids[(torch.rand(ids.shape) < BLANKED) & (ids >= first)] = blank
        loss = model(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            seconds = time.perf_counter() - start
            print(f"step {step:5} of {STEPS}   loss {loss:.3f}   {seconds:4.0f} s", flush=True)


@torch.no_grad()
def right(model: Any, tokenizer: PreTrainedTokenizerFast, some: list[Sentence]) -> list[bool]:
    """Return for every sentence whether the model predicts the number of its verb."""
    order = sorted(range(len(some)), key=lambda i: len(some[i].words))  # less padding
    found = [False] * len(some)
    for start in range(0, len(some), 256):
        chosen = order[start : start + 256]
        inputs = encoded(tokenizer, [some[i] for i in chosen])
        labels = inputs.pop("labels")
        correct = model(**inputs).logits.argmax(-1) == labels
        for i, same in zip(chosen, correct.tolist(), strict=True):
            found[i] = same
    return found


def report(model: Any, tokenizer: PreTrainedTokenizerFast, test: list[Sentence]) -> None:
    """Print the accuracy by kind of sentence, beside that of the number of the nearest noun."""
    kinds = {"all kinds of the training data": known}
    for count in range(MOST_ATTRACTORS + 1):
        kinds[f"  attractors: {count}"] = lambda s, count=count: known(s) and s.attractors == count
    for count in (MOST_ATTRACTORS + 1, MOST_ATTRACTORS + 2):
        name = f"attractors: {count}, never trained on"
        kinds[name] = lambda s, count=count: s.attractors == count
    for order in HELD_OUT:
        kinds[f"order {order}, never trained on"] = lambda s, order=order: order in s.template
    told = dict(zip(test, right(model, tokenizer, test), strict=True))
    print(f"{'held-out sentences':32} number   model   nearest noun")
    for name, wanted in kinds.items():
        some = list(filter(wanted, test))
        model_share = sum(told[s] for s in some) / len(some)
        nearest_share = sum(s.nearest == s.plural for s in some) / len(some)
        print(f"{name:32} {len(some):6} {model_share:7.3f} {nearest_share:14.3f}")


def save(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the weights in half precision, and the tokenizer for any transformers version."""
    model.eval().half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name, change in (
        ("config.json", {"dtype": "float32", "torch_dtype": "float32"}),
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ):
        settings = json.loads((folder / name).read_text()) | change
        (folder / name).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def load(folder: Path = FOLDER) -> tuple[Any, Any]:
    """Return the trained model and its tokenizer."""
    model = RobertaPreLayerNormForSequenceClassification.from_pretrained(folder).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)


def main() -> None:
    """Train, write the files, load them again, and print the accuracy."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer))
    train(model, tokenizer)
    save(model, tokenizer, folder)
    report(*load(folder), held_out(20_000))


if __name__ == "__main__":
    main()
