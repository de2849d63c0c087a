"""Which families there are: a walk over the configurations of the installed transformers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto import modeling_auto


def family_names() -> list[str]:
    """Return the model type of every configuration that transformers has."""
    return list(transformers.CONFIG_MAPPING.keys())


def config_class(name: str) -> Any:
    """Return the configuration class of a model type."""
    return transformers.CONFIG_MAPPING[name]


def model_classes(name: str) -> list[type]:
    """Return the model classes to try for a model type, each of them another model.

    The library's base classes; where it lists none, the one class of the configuration's own module
    that is nearest to a base class.
    """
    config = config_class(name)
    try:
        found = transformers.MODEL_MAPPING.get(config, None)
    except ValueError:  # the table names a class that is not there
        found = None
    listed = list(found) if isinstance(found, list | tuple) else [found] if found else []
    # The table sometimes names a part, which is built from a configuration inside this one.
    fitting = [cls for cls in listed if issubclass(config, cls.config_class or config)]
    if fitting:
        return fitting
    own = list(_of_module(config))
    if own:
        # Shorter names are nearer to the base: ...Model before ...ForImageClassification.
        return [min(own, key=lambda cls: ("For" in cls.__name__, len(cls.__name__)))]
    for mapping in _mappings():
        if config in mapping:
            found = mapping[config]
            return [found[0] if isinstance(found, list | tuple) else found]
    return []


def _of_module(config: type) -> Iterator[type]:
    """Yield the model classes whose configuration is this one, from the folder it stands in."""
    package = config.__module__.rsplit(".", 1)[0]
    folder = Path(inspect.getfile(config)).parent
    for file in sorted(folder.glob("modeling_*.py")):
        try:
            module = importlib.import_module(f"{package}.{file.stem}")
        except ImportError:
            continue
        yield from _of_file(module, config)


def _of_file(module: Any, config: type) -> Iterator[type]:
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if (
            issubclass(cls, transformers.PreTrainedModel)
            and cls.__module__ == module.__name__
            and getattr(cls, "config_class", None) is config
            and "forward" in vars(cls)
        ):
            yield cls


def _mappings() -> Iterator[Any]:
    """Yield the library's tables of configuration -> model class."""
    for name, table in vars(modeling_auto).items():
        if name.startswith("MODEL_FOR") and not name.endswith("NAMES"):
            yield table
