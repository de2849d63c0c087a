"""One family: built small, run, recorded, and compared with what it computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoConfig  # noqa: F401  (fills transformers' tables)

import attn_widget as aw
from attn_widget.errors import AttnWidgetError, NoAttentionError
from tests.recording.families import peak
from tests.sweep import families
from tests.sweep.facts import LENGTH
from tests.sweep.from_output import equals_output
from tests.sweep.matching import TOLERANCE, find, find_rows, nearest
from tests.sweep.mixing import falsely_named, unnamed_layers
from tests.sweep.observer import Observed
from tests.sweep.own_maps import compare_with_own
from tests.sweep.result import Result
from tests.sweep.running import (
    NotRun,
    build,
    first_that_runs,
    last_frame,
    observe,
    one_line,
    run,
    tensors,
)  # fmt: skip

LARGEST_SCORE = 15.0
LONG = 128


def examine(name: str) -> list[Result]:
    """Return what became of every model class of a family."""
    try:
        classes = families.model_classes(name)
    except Exception as error:
        return [Result(name, "", "not built", one_line(error))]
    if not classes:
        return [Result(name, "", "not built", "it has no model class")]
    found = []
    for cls in classes:
        found.append(_examine(name, cls))
        if found[-1].outcome == "exact" and splits_long_texts(name):
            found.append(_examine(name, cls, LONG))
    return found


def splits_long_texts(name: str) -> bool:
    """Return whether a family has a size beyond which it attends in blocks or windows."""
    names = vars(families.config_class(name)())
    return any(re.search("block_size|attention_window|chunk_length|local_radius", n) for n in names)


def _examine(name: str, cls: type, length: int = LENGTH) -> Result:
    result = Result(name, cls.__name__, "exact")
    if length != LENGTH:
        result.model += f", {length} tokens"
    try:
        model = build(name, cls)
    except Exception as error:
        result.outcome, result.why = "not built", one_line(error)
        return result
    try:
        inputs, plain = first_that_runs(model, length)
    except NotRun as error:
        result.outcome, result.why = "not run", str(error)
        return result
    result.inputs = {n: list(v.shape) for n, v in inputs.items() if isinstance(v, torch.Tensor)}
    observed = observe(model, inputs)
    for spread in (0.1, 0.05, 0.02):
        # Scores of hundreds leave no exact digits after their softmax: draw smaller weights.
        if max((one.reach for one in observed if one.attends), default=0.0) <= LARGEST_SCORE:
            break
        peak(model, spread)
        plain = run(model, inputs)
        observed = observe(model, inputs)
    try:
        compare(result, model, inputs, plain, observed)
    except NoAttentionError as error:
        attended = any(one.attends for one in observed)
        result.outcome = "refused" if attended else "no attention"
        result.why = error.message
    except AttnWidgetError as error:
        result.outcome, result.why = "refused", error.message
    except Exception as error:
        result.outcome = "unexplained"
        result.why = f"{one_line(error)} [{last_frame(error)}]"
    return result


def compare(
    result: Result,
    model: Any,
    inputs: dict[str, Any],
    plain: Any,
    observed: list[Observed],
    record: Callable[..., Any] = aw.capture,
) -> None:
    """Record one pass and note in the result what of it is not what the model computed."""
    caught: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, output: caught.append(output))
    try:
        torch.manual_seed(0)
        seen = record(model, dict(inputs), weights=True)
        torch.manual_seed(0)
        light = record(model, dict(inputs), weights=False)
    finally:
        handle.remove()
    result.layers, result.missing = len(seen.layers), list(seen.missing)
    result.peak = min(layer.weights.max().item() for layer in seen.layers)
    problems: list[str] = []
    for a, b in zip(tensors(plain), tensors(caught[0]), strict=True):
        if a.shape != b.shape or not torch.allclose(a, b, atol=1e-4, rtol=1e-3, equal_nan=True):
            problems.append("the output is another one while it is recorded")
            break
    covered, unfound = _against_observed(result, seen, observed)
    sizes = {len(v) for v in inputs.values() if isinstance(v, torch.Tensor) and v.ndim > 1}
    _hidden(problems, seen, observed, covered, items=sizes.pop() if len(sizes) == 1 else 1)
    for path in unnamed_layers(model, lambda: run(model, inputs), seen):
        problems.append(f"{path} mixes positions and is neither shown nor named")
    for path in falsely_named(model, lambda: run(model, inputs), seen):
        problems.append(f"{path} is named as missing and leaves every position by itself")
    _against_recomputed(problems, seen, light)
    _second_item(result, problems, model, inputs)
    own = compare_with_own(result, problems, model, inputs, plain, seen)
    for layer, why in unfound:
        # What is computed in blocks that share keys is laid out whole by the family itself only.
        if find(layer.weights.float(), own) is not None:
            result.notes.append(f"own map: {layer.name}")
        elif equals_output(model, lambda: run(model, inputs), layer):
            result.notes.append(f"from output: {layer.name}")
        else:
            problems.append(why)
    if problems:
        result.outcome, result.why = "wrong", "; ".join(problems)
    elif seen.missing:
        result.outcome = "exact, parts refused"


def _second_item(result: Result, problems: list[str], model: Any, inputs: dict[str, Any]) -> None:
    """Compare the second of two items with the same item recorded alone."""
    if not all(isinstance(v, torch.Tensor) and v.ndim and len(v) == 1 for v in inputs.values()):
        return
    other = {n: torch.randn_like(v) if v.is_floating_point() and v.std() > 0 else v.flip(-1)
             for n, v in inputs.items()}  # fmt: skip
    both = {name: torch.cat([value, other[name]]) for name, value in inputs.items()}
    try:
        one, two = tensors(run(model, other))[0], tensors(run(model, both))[0]
    except Exception:
        return
    if two.shape[1:] != one.shape[1:] or len(two) != 2 or (two[1] - one[0]).abs().max() > 1e-3:
        result.notes.append("two items: what it computes for one depends on the other")
        return
    alone = aw.capture(model, other, weights=True)
    second = aw.capture(model, both, weights=True, item=1)
    for a, b in zip(alone.layers, second.layers, strict=True):
        if b.n_queries == 2 * a.n_queries and b.n_keys == 2 * a.n_keys:
            result.notes.append("two items: both in one sequence")
            return
        if a.weights.shape != b.weights.shape:
            shapes = (tuple(a.weights.shape), tuple(b.weights.shape))
            problems.append(f"two items: {a.name} has the shape {shapes[1]}, alone {shapes[0]}")
        elif (error := (a.weights - b.weights).abs().max().item()) > 1e-3:
            problems.append(f"two items: {a.name} of the second is off by {error:.1e}")
        else:
            continue
        return
    result.notes.append("two items: the second is right")


def _pools(observed: Sequence[Observed]) -> tuple[list[torch.Tensor], list[int]]:
    """Return all maps, with what was really multiplied with the values, and whose each is."""
    pool, owner = [], []
    for i, one in enumerate(observed):
        if one.softmax:
            pool.append(one.weights.float())
            owner.append(i)
    for i, one in enumerate(observed):
        for used in one.used:
            for layout in (used, used.mT):
                if layout.numel():
                    pool.append(layout.float())
                    owner.append(i)
    return pool, owner


def _against_observed(
    result: Result, seen: Any, observed: Sequence[Observed]
) -> tuple[dict[int, set[int]], list[tuple[Any, str]]]:
    """Compare every layer with the softmaxes that ran.

    Returns which of them are shown, and the layers that are none of them.
    """
    covered: dict[int, set[int]] = {}
    unfound = []
    pool, owner = _pools(observed)
    for layer in seen.layers:
        weights = layer.weights.float()
        near = [i for i, o in enumerate(owner) if _inside(observed[o].path, layer.name)]
        # In the layer's own module first: windows of one key are equal everywhere.
        order = near + [i for i in range(len(pool)) if i not in near]
        found = find(weights, [pool[i] for i in order])
        if found is None:
            # Rows only of its own module: numbers of another layer prove nothing.
            found = find_rows(weights, [pool[i] for i in near])
            if found is None:
                shapes = [list(pool[i].shape) for i in near[:3]]
                error = nearest(weights, [pool[i] for i in near])
                why = f"(there: {shapes}, nearest {error:.1e})"
                why = f"{layer.name} {tuple(weights.shape)} is no softmax that ran {why}"
                unfound.append((layer, why))
            else:
                result.notes.append(f"rows: {layer.name}")
            for i in near:
                covered.setdefault(owner[i], set()).add(-1)
            continue
        result.error = max(result.error, found.error)
        for index, place in found.places:
            covered.setdefault(owner[order[index]], set()).add(place)
    return covered, unfound


def _inside(path: str, name: str) -> bool:
    """Return whether one module path is the other or lies inside it."""
    return path == name or path.startswith(f"{name}.") or name.startswith(f"{path}.") or not path


def _hidden(
    problems: list[str],
    seen: Any,
    observed: Sequence[Observed],
    covered: dict[int, set[int]],
    items: int,
) -> None:
    """Note attention that ran and is neither shown nor named; of several items one is shown."""
    for i, one in enumerate(observed):
        if not one.attends or any(_inside(one.path, name) for name in seen.missing):
            continue
        if not one.softmax and any(_inside(one.path, layer.name) for layer in seen.layers):
            continue
        places = covered.get(i)
        if places is None:
            if any(_same(one, observed[j]) for j in covered):
                continue
            problems.append(f"{one.path} {list(one.weights.shape)} is neither shown nor named")
        elif -1 not in places and one.weights.ndim > 2:
            queries = {layer.n_queries for layer in seen.layers}
            axis = next((a for a in (-2, 0, 1) if one.weights.shape[a] in queries), -2)
            maps = one.weights.movedim(axis, -2).flatten(0, -3).float()
            shown = [place for place in places if place < len(maps)]
            # A map that equals a shown one is shown: windows that see one key, equal heads.
            left = [m for m in maps if (maps[shown] - m).abs().amax((1, 2)).min() > TOLERANCE]
            if len(left) > len(maps) * (items - 1) // items:
                count = f"{len(maps) - len(left)} of {len(maps)} maps shown"
                problems.append(f"{one.path} {list(one.weights.shape)}: {count}")


def _same(a: Observed, b: Observed) -> bool:
    return a.weights.shape == b.weights.shape and torch.equal(a.weights, b.weights)


def _against_recomputed(problems: list[str], seen: Any, light: Any) -> None:
    """Compare weights that were kept with those recomputed from queries and keys."""
    if len(seen.layers) != len(light.layers):
        problems.append(f"weights=False has {len(light.layers)} layers, not {len(seen.layers)}")
        return
    for a, b in zip(seen.layers, light.layers, strict=True):
        if a.weights.sum(-1).max() > 1 + 1e-4:
            problems.append(f"rows of {a.name} sum to {a.weights.sum(-1).max():.4f}")
        error = (b.weights_for() - a.weights).abs().max().item()
        if not error <= TOLERANCE:
            problems.append(f"{a.name} is recomputed with an error of {error:.1e}")
    return
