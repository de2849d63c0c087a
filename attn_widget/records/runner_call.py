"""`RunnerCall`: which call of a runner made a capture, so that it can be made again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from attn_widget.errors import InputError

# What a tokenizer makes of a text alone.
TEXT_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
# Options that describe one input: they say nothing of another text.
OF_ONE_INPUT = frozenset({"tokens", "item"})
NOT_KEPT = frozenset({"progress"})  # has no effect on the capture

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class RunnerCall:
    """One call of a runner: the function and its arguments.

    Parameters
    ----------
    function
        ``run``, ``generate`` or ``gradients``.
    text
        The first argument, of any kind that the function takes.
    pair
        The second text, or None.
    options
        All other arguments, by name.

    Examples
    --------
    >>> call = RunnerCall("generate", "The key", options={"max_new_tokens": 4})
    >>> again = call.with_texts("The door", "")
    >>> again.function, again.text, again.options
    ('generate', 'The door', {'max_new_tokens': 4})
    """

    function: str = "run"
    text: Any = None
    pair: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_texts(self, text: str, pair: str) -> RunnerCall:
        """Return the same call for another text and second text ("" for none).

        Raises
        ------
        InputError
            If the first argument held more than a text, which another text would drop.
        """
        if beyond := _beyond_text(self.text):
            raise InputError(
                f"text must stay as it is where the capture was made of {beyond}, got {text!r}. "
                "Make the whole input again.",
                code="w = aw.AttentionWidget(runner.run(inputs), runner)",
            )
        options = {k: v for k, v in self.options.items() if k not in OF_ONE_INPUT}
        return replace(self, text=text, pair=pair or None, options=options)

    def with_gradients(self) -> RunnerCall:
        """Return the call that makes the same capture with gradients."""
        return replace(self, function="gradients")

    def make(self, runner: Any, **options: Any) -> Any:
        """Return what this call gives; ``options`` are added to its own."""
        pair = () if self.pair is None else (self.pair,)
        return getattr(runner, self.function)(self.text, *pair, **{**self.options, **options})


def keeps_call(function: F) -> F:
    """Return a function of a runner whose captures know, as ``made_by``, the call that made them.

    Its first argument is the runner, its second the text. Where it returns a list of captures,
    each knows the call for its own text.
    """
    signature = inspect.signature(function)
    first = list(signature.parameters)[1]
    flexible = [
        name
        for name, one in signature.parameters.items()
        if one.kind is inspect.Parameter.VAR_KEYWORD
    ]

    @functools.wraps(function)
    def called(runner: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(runner, *args, **kwargs)
        given = dict(list(signature.bind(runner, *args, **kwargs).arguments.items())[1:])
        for name in flexible:
            given |= given.pop(name, {})
        text, pair = given.pop(first), given.pop("pair", None)
        options = {name: value for name, value in given.items() if name not in NOT_KEPT}
        made = RunnerCall(function.__name__, text, pair, options)
        if isinstance(result, list):
            pairs = zip(result, text, strict=True)
            return [replace(one, made_by=replace(made, text=own)) for one, own in pairs]
        return replace(result, made_by=made)

    return called  # type: ignore[return-value]


def _beyond_text(given: Any) -> str:
    """Return what an input holds beside a text: names of tensors; "" where it is a text alone."""
    if given is None or isinstance(given, str | list | tuple):
        return ""
    if isinstance(given, Mapping):
        return ", ".join(sorted(set(given) - TEXT_INPUTS))
    is_ids = "int" in str(getattr(given, "dtype", "")) and given.ndim <= 2
    return "" if is_ids else "a picture or a sound"
