"""The house has one staircase: imports go one way, and the package opens its doors only when asked."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import attn_widget

ROOT = Path(attn_widget.__file__).parent

# A room may import from these rooms only (and from itself). `api`, `bertviz` and `cli` stand on top.
STAIRCASE = {
    "errors": set(),
    "bundle": set(),
    "records": {"errors"},
    "recording": {"errors", "records"},
    "attribution": {"errors", "records"},
    "truth": {"errors", "records", "attribution"},
    "heads": {"errors", "records", "attribution"},
    "pictures": {"errors", "records", "attribution", "truth", "heads"},
    "figures": {"errors", "records", "attribution", "pictures"},
    "pages": {"errors", "records", "attribution", "pictures", "figures", "bundle"},
    "widget": {
        "errors",
        "records",
        "attribution",
        "truth",
        "heads",
        "pictures",
        "figures",
        "pages",
        "bundle",
    },
}


def rooms_imported(source: str) -> set[str]:
    """Return the rooms of the package that a file's text imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        rooms |= {p[1] for p in parts if p[0] == "attn_widget" and len(p) > 1}
    return rooms & (set(STAIRCASE) | {"api", "bertviz", "cli"})


def wrong_imports(room: str, source: str) -> set[str]:
    """Return the imports of a file that its room may not make."""
    return rooms_imported(source) - STAIRCASE[room] - {room}


FILES = [(p.relative_to(ROOT).parts[0].removesuffix(".py"), p) for p in ROOT.rglob("*.py")]


@pytest.mark.parametrize(
    ("room", "path"), [f for f in FILES if f[0] in STAIRCASE], ids=lambda v: str(v)[-40:]
)
def test_every_file_imports_only_from_rooms_below(room, path):
    assert wrong_imports(room, path.read_text()) == set()


def test_a_wrong_import_would_be_found():
    assert wrong_imports("pictures", "def f():\n    from attn_widget.widget import widget") == {
        "widget"
    }
    assert wrong_imports("attribution", "import attn_widget.recording.capture") == {"recording"}
    assert wrong_imports("widget", "from attn_widget import api") == {"api"}


def _modules_after(line: str) -> str:
    heavy = ("anywidget", "numba", "torch", "transformers")
    code = f"{line}\nimport sys; print(*(m for m in {heavy} if m in sys.modules))"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_the_package_brings_in_neither_torch_nor_anywidget():
    assert _modules_after("import attn_widget") == ""


def test_heavy_imports_would_be_seen():
    assert "torch" in _modules_after("import torch")


def test_attribution_works_without_torch():
    code = "import attn_widget as aw, numpy as np; aw.rollout(np.full((2, 1, 3, 3), 1 / 3)); aw.attribute"
    assert "torch" not in _modules_after(code).split()


def test_public_names_are_sorted_and_none_is_hidden_by_a_submodule():
    assert list(attn_widget.__all__) == sorted(attn_widget.__all__)
    modules = {m.name for m in pkgutil.iter_modules(attn_widget.__path__)}
    assert not modules & set(attn_widget.__all__)


def test_every_public_name_survives_importing_every_module():
    for module in pkgutil.walk_packages(attn_widget.__path__, "attn_widget."):
        importlib.import_module(module.name)
    for name in attn_widget.__all__:
        assert callable(getattr(attn_widget, name)), name


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        AttributeError, match=r"has no attribute 'roll_out'. Public names: .*AttentionWidget"
    ):
        attn_widget.roll_out  # noqa: B018
