"""Imports go one way between packages, form no cycle within one, and load nothing heavy early."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import attn_widget

ROOT = Path(attn_widget.__file__).parent

# A package may import from these packages only, and from itself. Imports for type checking count.
# `api`, `bertviz` and `cli` are above all of them.
ALLOWED = {
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
PACKAGES = {*ALLOWED, "api", "bertviz", "cli"}


def names_imported(source: str) -> set[str]:
    """Return the dotted names that a file imports, anywhere in it, also for type checking."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports must be absolute"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("attn_widget.")}


def forbidden_imports(package: str, source: str) -> set[str]:
    """Return the packages that a file imports and its package may not."""
    imported = {name.split(".")[1] for name in names_imported(source)} & PACKAGES
    return imported - ALLOWED[package] - {package}


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def cycle_of(sources: dict[str, str]) -> list[str]:
    """Return a cycle of imports between modules of the same package; [] if there is none."""
    imports = {
        name: {
            other
            for other in names_imported(source) & set(sources)
            if other != name and other.split(".")[1] == name.split(".")[1]
        }
        for name, source in sources.items()
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


FILES = [(p.relative_to(ROOT).parts[0].removesuffix(".py"), p) for p in ROOT.rglob("*.py")]


@pytest.mark.parametrize(
    ("package", "path"), [f for f in FILES if f[0] in ALLOWED], ids=lambda v: str(v)[-40:]
)
def test_every_file_imports_only_from_packages_below(package, path):
    assert forbidden_imports(package, path.read_text()) == set()


def test_a_forbidden_import_would_be_found():
    assert forbidden_imports("pages", "def f():\n    from attn_widget.widget import widget") == {
        "widget"
    }
    typed = "if TYPE_CHECKING:\n    from attn_widget.widget.widget import AttentionWidget"
    assert forbidden_imports("figures", typed) == {"widget"}
    assert forbidden_imports("attribution", "import attn_widget.recording.capture") == {"recording"}
    assert forbidden_imports("widget", "from attn_widget import api") == {"api"}


def test_no_modules_of_one_package_import_each_other():
    # The package's own lazy names and those of bertviz are not files of a lower package.
    sources = {module_name(p): p.read_text() for package, p in FILES if package in ALLOWED}
    assert cycle_of(sources) == []


def test_a_cycle_would_be_found():
    a, b = "attn_widget.heads.a", "attn_widget.heads.b"
    there, back = (
        "from attn_widget.heads import b",
        "if TYPE_CHECKING:\n    import attn_widget.heads.a",
    )
    assert set(cycle_of({a: there, b: back})) == {a, b}
    assert cycle_of({a: there, b: ""}) == []


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
    code = "import attn_widget as aw, numpy as np\n"
    code += "aw.rollout(np.full((2, 1, 3, 3), 1 / 3)); aw.attribute"
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
