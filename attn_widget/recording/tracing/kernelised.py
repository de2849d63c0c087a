"""Efficient attention without a softmax, recorded as the matrix it implies.

Kernelised, clustered and other attentions form no weights, but for given queries and keys all of
them are linear in the values: ``output = A v``. With the identity as values the output is A itself,
however it was computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.recording.tracing.attention_call import AttentionCall, four_axes
from attn_widget.recording.tracing.depth import depth_of
from attn_widget.recording.tracing.recorder import Recorder


def implied_weights(
    attention: Callable[..., Any],
    q: Float[torch.Tensor, "*lead query channel"],
    k: Float[torch.Tensor, "*lead key channel"],
    v: Float[torch.Tensor, "*lead key value"],
    *args: Any,
    **kwargs: Any,
) -> Float[torch.Tensor, "*lead query key"]:
    """Return the matrix that an attention function implies, ``(…, query, key)``.

    ``A = attention(q, k, I)``, because ``attention(q, k, v) = A v``.

    Parameters
    ----------
    attention
        A function or module of queries, keys, values and further arguments, linear in the values.
    q, k, v
        ``(…, query, channel)``, ``(…, key, channel)``, ``(…, key, channel)``.

    Returns
    -------
    Tensor
        Rows sum to what the attention's own normaliser gives: 1 for those of the literature.

    Raises
    ------
    InputError
        If the function is not linear in the values, so that it implies no matrix, or gives negative
        weights.

    Notes
    -----
    Costs one call with as many channels as there are keys. Katharopoulos et al. 2020 (kernelised),
    Choromanski et al. 2021 (random features), Vyas et al. 2020 (clustered).

    Examples
    --------
    >>> import torch
    >>> def kernelised(q, k, v):
    ...     q, k = torch.relu(q) + 0.1, torch.relu(k) + 0.1
    ...     return (q @ (k.mT @ v)) / (q @ k.sum(-2)[..., None])
    >>> q, k, v = torch.rand(5, 3), torch.rand(7, 3), torch.rand(7, 4)
    >>> weights = implied_weights(kernelised, q, k, v)
    >>> weights.shape, bool(torch.allclose(weights.sum(-1), torch.ones(5)))
    (torch.Size([5, 7]), True)
    """
    n_keys = k.shape[-2]
    identity = torch.eye(n_keys, dtype=v.dtype, device=v.device).expand(
        *v.shape[:-2], n_keys, n_keys
    )
    weights = _first(attention(q, k, identity, *args, **kwargs))
    output = _first(attention(q, k, v, *args, **kwargs))
    tolerance = 1e-4 if v.dtype in (torch.float32, torch.float64) else 5e-2
    fits = isinstance(weights, torch.Tensor) and weights.shape[-2:] == (q.shape[-2], n_keys)
    if not fits or not torch.allclose(weights @ v, output, atol=tolerance, rtol=tolerance):
        got = tuple(weights.shape) if isinstance(weights, torch.Tensor) else type(weights).__name__
        raise InputError(
            "attention must be linear in the values and the same every time, got something else "
            f"(output {got} for the identity). Fix its random features, or give the part that "
            "mixes q, k and v alone."
        )
    lowest = float(weights.min())
    if lowest < -tolerance:
        raise InputError(
            f"attention must imply weights of 0 or more, got {lowest:.4g}. "
            "Use a feature map that is not negative."
        )
    return weights.clamp(min=0)


@contextlib.contextmanager
def trace_implied(
    model: torch.nn.Module, recorder: Recorder, paths: Sequence[str]
) -> Iterator[None]:
    """Record the submodules at these paths as the matrices they imply."""
    found = dict(model.named_modules())
    for path in paths:
        if path not in found:
            near = (
                ", ".join([p for p in found if p.endswith(path.rsplit(".", 1)[-1])][:3])
                or "none alike"
            )
            raise InputError(
                f"implied must name modules of the model, got {path!r} ({near}). Check the path."
            )
    handles = []
    try:
        for path in paths:
            handles.append(
                found[path].register_forward_pre_hook(_enter(recorder), with_kwargs=True)
            )
            handles.append(
                found[path].register_forward_hook(
                    _leave(recorder), with_kwargs=True, always_call=True
                )
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(recorder: Recorder) -> Callable[..., None]:
    """Return a hook that stops the other tracers inside the module."""

    def enter(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if recorder.on_thread():
            recorder.suspend()

    return enter


def _leave(recorder: Recorder) -> Callable[..., None]:
    """Return a hook that records what the module implies."""

    def leave(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not recorder.on_thread():
            return
        try:
            if output is None:  # the module raised
                return
            names = ("q", "k", "v"), ("query", "key", "value")
            q, k, v = (
                args[:3]
                if len(args) > 2
                else next(
                    [kwargs[n] for n in triple]
                    for triple in names
                    if all(n in kwargs for n in triple)
                )
            )
            rest = {n: value for n, value in kwargs.items() if n not in {*names[0], *names[1]}}
            weights = implied_weights(module.forward, q, k, v, *args[3:], **rest)
            if weights.ndim == 3:
                weights, v = weights[:, None], v[:, None]
            call = AttentionCall(
                recorder.name_of(module),
                four_axes(weights),
                weights.dtype,
                weights=weights,
                v=v,
                depth=max(map(depth_of, (*args, *kwargs.values()))),
            )
            recorder.add(call, _first(output))
        finally:
            recorder.resume()

    return leave


def _first(output: Any) -> Any:
    """Return the mixed values of an attention that returns more than those."""
    return output[0] if isinstance(output, tuple | list) else output
