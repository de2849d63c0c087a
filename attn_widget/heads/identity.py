"""A hash of any value, equal in another process exactly where results of a search are equal.

A results file holds it for the model, the measure and each text. Names are not enough: two models
of one class, or two functions of one name, give other numbers. What cannot be read is refused.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.heads.code_identity import class_parts, function_parts, named, written_by_forward

BYTES = 8  # of a hash: 16 hexadecimal digits
# Attributes that change by use, or say where a model was loaded from, and change no number.
IGNORED = {
    "training",  # a capture runs in eval mode
    "deprecation_warnings",  # of a tokenizer: which warnings were given already
    "verbose",
    "name_or_path",
    "_name_or_path",
    "_commit_hash",
    "transformers_version",
    "_is_hf_initialized",
    "_original_object_hash",  # of a generation configuration: differs in every process
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
}
# Tables of a module whose keys are numbers of the process; the order of the values counts.
BY_ORDER = {"_forward_hooks", "_forward_pre_hooks"}
STEP = 2**26  # bytes of a tensor that are read at a time


def identity(value: Any, what: str) -> str:
    """Return a hash of a value: of its numbers, its text, its code and its options.

    Parameters
    ----------
    value
        Tensors and arrays count with every byte, modules with parameters, buffers, attributes,
        hooks and code, functions with their code, defaults, closure and the globals they use.
    what
        What the value is, for the error: ``"runner"``, ``"relation"`` …

    Raises
    ------
    InputError
        If it holds something that cannot be read, such as a generator.

    Examples
    --------
    >>> identity([1, "a"], "text") == identity([1, "a"], "text")
    True
    >>> identity(lambda x: x + 1, "metric") == identity(lambda x: x + 2, "metric")
    False
    """
    return _Hasher(what).of(value).hex()


class _Hasher:
    """Hashes one value; objects that it holds several times are hashed once."""

    def __init__(self, what: str) -> None:
        self._what = what
        # By id, with the object: another object may not get the id of one that is gone.
        self._known: dict[int, tuple[Any, bytes]] = {}

    def of(self, value: Any) -> bytes:
        """Return the hash of a value."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return _hash(type(value).__name__, repr(value).encode("utf-8", "surrogatepass"))
        if id(value) not in self._known:
            # An object that holds itself is known by its class while it is read.
            self._known[id(value)] = value, _hash("itself", named(type(value)).encode())
            self._known[id(value)] = value, self._read(value)
        return self._known[id(value)][1]

    def _read(self, value: Any) -> bytes:
        """Return the hash of what is no plain number or text."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray) and value.dtype != object:
            return _array(value)
        if isinstance(value, Mapping):
            pairs = [self.of(part) for pair in value.items() for part in pair]
            return _hash("mapping", *pairs, self._more(value))
        if isinstance(value, AbstractSet):
            return _hash("set", *sorted(map(self.of, value)))
        if isinstance(value, Sequence) and not isinstance(value, range):
            return _hash("sequence", *map(self.of, value), self._more(value))
        if isinstance(value, re.Pattern):
            return _hash("pattern", self.of(value.pattern), self.of(value.flags))
        if isinstance(value, partial):
            return _hash("partial", *map(self.of, (value.func, value.args, value.keywords)))
        if isinstance(value, MethodType):
            return _hash("method", self.of(value.__func__), self.of(value.__self__))
        if isinstance(value, FunctionType):
            return _hash("function", self.of(function_parts(value)))
        if isinstance(value, type):
            return _hash("class", self.of(class_parts(value)))
        if isinstance(value, ModuleType):
            version = str(getattr(value, "__version__", ""))
            return _hash("module", value.__name__.encode(), version.encode())
        if isinstance(value, BuiltinFunctionType):
            return _hash("builtin", named(value).encode())
        return self._object(value)

    def _more(self, value: Any) -> bytes:
        """Return the hash of the class and the attributes of a container of another class."""
        if type(value).__module__ in ("builtins", "collections"):
            return b""
        return self._object(value) if hasattr(value, "__dict__") else named(type(value)).encode()

    def _object(self, value: Any) -> bytes:
        """Return the hash of an object: its class, and what it holds."""
        kind = self.of(type(value))
        if type(value).__module__ in ("_thread", "threading"):
            return kind  # a lock changes no number
        if hasattr(value, "to_str"):  # a tokenizer of Rust; every call sets these two anew
            return _hash("object", kind, self.of(_without(value.to_str())))
        if hasattr(value, "__array_interface__"):  # a picture
            return _hash("object", kind, _array(np.asarray(value)))
        own_state = getattr(type(value), "__getstate__", None)
        if hasattr(value, "__dict__"):
            plain = own_state is getattr(object, "__getstate__", None)
            state = vars(value) if plain else value.__getstate__()
            if isinstance(state, Mapping):
                if "_parameters" in state:
                    written = written_by_forward(type(value))
                    state = {name: part for name, part in state.items() if name not in written}
                try:
                    return _hash("object", kind, *self._attributes(state))
                except InputError:  # parts that cannot be read alone may be saved with the whole
                    return _hash("object", kind, self._saved(value))
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            raise self._refusal(value) from None
        if isinstance(reduced, str):
            return _hash("named", kind, reduced.encode())
        state = [list(part) if hasattr(part, "__next__") else part for part in reduced]
        return _hash("object", kind, self.of(state))

    def _saved(self, value: Any) -> bytes:
        """Return what an object is pickled to."""
        try:
            return pickle.dumps(value, protocol=4)
        except Exception:
            raise self._refusal(value) from None

    def _refusal(self, value: Any) -> InputError:
        """Return the error for a value that cannot be read."""
        return InputError(
            f"file must be omitted where the {self._what} cannot be told from others, got "
            f"{named(type(value))} in it. Omit file=, or make the {self._what} of numbers, texts, "
            "tensors and functions."
        )

    def _attributes(self, state: Mapping[str, Any]) -> list[bytes]:
        """Return the hashes of attributes, sorted by name."""
        parts = []
        for name in sorted(set(state) - IGNORED, key=str):
            held = state[name]
            parts += [self.of(name), self.of(list(held.values()) if name in BY_ORDER else held)]
        return parts

    def _tensor(self, tensor: Any) -> bytes:
        """Return the hash of a tensor: its type, its shape and its bytes."""
        about = f"{tensor.dtype} {tuple(tensor.shape)}".encode()
        if tensor.device.type == "meta":  # its values are elsewhere, such as in accelerate's hook
            return _hash("meta tensor", about)
        inner = getattr(tensor, "__tensor_flatten__", None)
        if inner is not None:  # made of other tensors, as quantised ones are
            names, context = inner()
            return _hash("tensors", about, *(self.of(getattr(tensor, n)) for n in names),
                         self.of(context))  # fmt: skip
        if tensor.is_quantized:
            return _hash("quantised", about, self.of(tensor.__reduce_ex__(4)[1][1:]),
                         self._tensor(tensor.int_repr()))  # fmt: skip
        if tensor.layout is not sys.modules["torch"].strided:
            tensor = tensor.to_dense()
        hashed = hashlib.blake2b(about, digest_size=BYTES)
        flat = tensor.detach().contiguous().reshape(-1).view(sys.modules["torch"].uint8)
        for part in flat.split(STEP):
            hashed.update(memoryview(part.cpu().numpy()))
        return hashed.digest()


def _hash(kind: str, *parts: bytes) -> bytes:
    """Return the hash of parts, each with its length: no two lists of parts read the same."""
    hashed = hashlib.blake2b(kind.encode(), digest_size=BYTES)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()


def _array(array: np.ndarray) -> bytes:
    """Return the hash of an array: its type, its shape and its bytes."""
    whole = np.ascontiguousarray(array)
    return _hash("array", f"{array.dtype.str} {array.shape}".encode(), whole.tobytes())


def _without(text: str) -> Any:
    """Return a tokenizer's JSON without how its last call padded and cut."""
    read = json.loads(text)
    return {name: part for name, part in read.items() if name not in ("truncation", "padding")}
