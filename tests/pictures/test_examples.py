import doctest
import importlib
import pkgutil

import pytest

from attn_widget import pictures

MODULES = [module.name for module in pkgutil.iter_modules(pictures.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_every_module_run(name):
    module = importlib.import_module(f"attn_widget.pictures.{name}")
    assert doctest.testmod(module).failed == 0


def test_the_entry_point_and_the_checks_have_examples():
    for name in ("views", "validation", "cache", "attention_sinks"):
        module = importlib.import_module(f"attn_widget.pictures.{name}")
        assert any(test.examples for test in doctest.DocTestFinder().find(module)), name
