"""The documentation runs: docstring examples, the README's Python, the notebooks."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import nbformat
import pytest

import attn_widget
from attn_widget.cli import execute, main

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FUNCTIONS = [n for n in attn_widget.__all__ if inspect.isfunction(getattr(attn_widget, n))]


@pytest.mark.parametrize("name", ["", *attn_widget.__all__])
def test_every_docstring_example_runs(name):
    thing = getattr(attn_widget, name) if name else attn_widget
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    out: list[str] = []
    at_hand = {
        n: getattr(attn_widget, n) for n in attn_widget.__all__
    }  # examples may use the public names as they are
    for case in doctest.DocTestFinder(recurse=bool(name)).find(
        thing, name or "attn_widget", globs=at_hand
    ):
        runner.run(case, out=out.append)
    assert runner.failures == 0, "".join(out)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_says_what_it_takes_and_shows_how(name):
    doc = inspect.getdoc(getattr(attn_widget, name)) or ""
    for part in ("Parameters\n---", "Raises\n---", ">>> "):
        assert part in doc, f"{name} lacks {part!r}"
    for parameter, how in inspect.signature(getattr(attn_widget, name)).parameters.items():
        if how.kind in (how.VAR_POSITIONAL, how.VAR_KEYWORD):
            continue  # passed on: explained where they go
        assert re.search(rf"\b{parameter}\b", doc), f"{name} does not explain {parameter}"


def test_the_readme_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # the README is ours


def test_the_readme_links_to_every_notebook_and_to_nothing_that_is_not_there():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert [place for place in linked if not (ROOT / place).is_file()] == []
    assert [path.name for path in NOTEBOOKS if f"notebooks/{path.name}" not in linked] == []


def test_the_readmes_pictures_exist():
    pictures = re.findall(r'(?:src(?:set)?="|\]\()(docs/[^")]+)', (ROOT / "README.md").read_text())
    assert pictures
    assert [p for p in pictures if not (ROOT / p).is_file()] == []


def timed(notebook: Path):
    """Notebooks that load SmolLM2 or ask a model hundreds of times take a minute: `make test-slow` runs them."""
    slow = any(word in notebook.read_text() for word in ("SmolLM2-135M", "verb_number"))
    return pytest.param(notebook, id=notebook.stem, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("notebook", [timed(path) for path in NOTEBOOKS])
def test_every_notebook_executes(notebook, tmp_path):
    document = nbformat.read(execute(notebook, tmp_path), as_version=4)
    widgets = [
        o for c in document.cells for o in c.get("outputs", [])
        if "application/vnd.jupyter.widget-view+json" in o.get("data", {})
    ]  # fmt: skip
    assert widgets


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_notebook_is_committed_without_traces_of_a_machine(notebook):
    text = notebook.read_text()
    assert not re.search(r"/(home|root|Users|work|tmp)/", text)


def test_a_missing_notebook_is_named(capsys):
    assert main(["demo", "no/such.ipynb"]) == 1
    assert "notebook must be a file, got no/such.ipynb." in capsys.readouterr().err
