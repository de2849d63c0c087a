"""The examples of `ModelRunner`'s methods and of the records run."""

from __future__ import annotations

import doctest
import inspect

import pytest

import attn_widget as aw
from attn_widget import records
from attn_widget.recording.model_runner import ModelRunner
from attn_widget.records import deprecation, indices, protocols, weights

METHODS = [n for n, _ in inspect.getmembers(ModelRunner, inspect.isroutine) if n[0] != "_"]
RECORDS = [records.Tokens, records.Capture, records.LayerAttention, protocols.Runner]
RULES = [
    indices.check_index,
    indices.check_indices,
    weights.check_weights,
    weights.row_tolerance,
    deprecation.renamed_arguments,
]


def failures(thing, name: str) -> list[str]:
    """Run the examples of one docstring and return what went wrong."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    names = {n: getattr(aw, n) for n in aw.__all__} | {n.__name__: n for n in RULES}
    out: list[str] = []
    (case,) = doctest.DocTestFinder(recurse=False).find(thing, name, globs=names)
    assert case.examples
    runner.run(case, out=out.append)
    return out if runner.failures else []


@pytest.mark.parametrize("name", METHODS)
def test_every_public_method_of_a_runner_has_a_full_docstring_with_an_example(name):
    method = getattr(ModelRunner, name)
    doc = inspect.getdoc(method)
    assert "Parameters\n---" in doc
    assert "Returns\n---" in doc
    assert failures(method, name) == []


@pytest.mark.parametrize("thing", RECORDS + RULES, ids=lambda thing: thing.__name__)
def test_the_examples_of_records_and_rules_run(thing):
    assert failures(thing, thing.__name__) == []
