"""One family: built small, run, recorded, and compared with what it computed."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from transformers import AutoConfig  # noqa: F401  (fills transformers' tables)

import attn_widget as aw
from attn_widget.errors import AttnWidgetError, NoAttentionError
from tests.recording.families import peak
from tests.sweep import families
from tests.sweep.inputs import attempts, forward_parameters
from tests.sweep.matching import TOLERANCE, find, find_rows, nearest
from tests.sweep.mixing import unnamed_layers
from tests.sweep.observer import Observed, Observer
from tests.sweep.shrink import small_config

OUTCOMES = (
    "exact", "exact, parts refused", "refused", "wrong", "unexplained", "no attention",
    "not built", "not run",
)  # fmt: skip
LARGEST = 40_000_000
LARGEST_SCORE = 15.0


@dataclass
class Result:
    """What became of one model class."""

    family: str
    model: str
    outcome: str
    why: str = ""
    layers: int = 0
    error: float = 0.0
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inputs: dict[str, list[int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(name: str) -> list[Result]:
    """Return what became of every model class of a family."""
    try:
        classes = families.model_classes(name)
    except Exception as error:
        return [Result(name, "", "not built", _line(error))]
    if not classes:
        return [Result(name, "", "not built", "it has no model class")]
    return [_examine(name, cls) for cls in classes]


def _examine(name: str, cls: type) -> Result:
    result = Result(name, cls.__name__, "exact")
    try:
        model = build(name, cls)
    except Exception as error:
        result.outcome, result.why = "not built", _line(error)
        return result
    try:
        inputs, plain = first_that_runs(model)
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
        _compare(result, model, inputs, plain, observed)
    except NoAttentionError as error:
        attended = any(one.attends for one in observed)
        result.outcome = "refused" if attended else "no attention"
        result.why = error.message
    except AttnWidgetError as error:
        result.outcome, result.why = "refused", error.message
    except Exception as error:
        result.outcome = "unexplained"
        result.why = f"{_line(error)} [{_last_frame(error)}]"
    return result


def build(name: str, cls: Any) -> Any:
    """Return a small model of a class, with weights that make attention peaked."""
    config = small_config(families.config_class(name))
    with torch.device("meta"):
        size = sum(p.numel() for p in cls(config).parameters())
    if size > LARGEST:
        raise ValueError(f"still {size:,} parameters after everything was made small")
    config = small_config(families.config_class(name))
    torch.manual_seed(0)
    model = cls._from_config(config, dtype=torch.float32).eval()
    peak(model, 0.2)
    return model


class NotRun(Exception):
    """No input was found with which a model runs."""


def run(model: Any, inputs: dict[str, Any], **more: Any) -> Any:
    """Return a model's output; forwards that draw numbers draw the same each time."""
    torch.manual_seed(0)
    with torch.no_grad():
        return model(**inputs, **more)


def first_that_runs(model: Any) -> tuple[dict[str, Any], Any]:
    """Return inputs with which the model runs and gives finite numbers, and its output."""
    errors: list[str] = []
    torch.manual_seed(1)
    tried = ((inputs, cache) for cache in (True, False) for inputs in attempts(model))
    for inputs, cache in tried:
        if not cache:  # some hybrids keep a cache that only certain layers can fill
            for config in (model.config, *vars(model.config).values()):
                if getattr(config, "use_cache", False) is True:
                    config.use_cache = False
        for spread in (None, 0.05):
            if spread is not None:
                peak(model, spread)
            try:
                plain = run(model, inputs)
            except Exception as error:
                errors.append(_line(error) + " " + _last_frame(error))
                break
            if all(t.isfinite().all() for t in tensors(plain)[:1]):
                return inputs, plain
            errors.append("its output is not finite")
    names = " ".join(forward_parameters(model))
    raise NotRun(" | ".join(list(dict.fromkeys(errors))[:4]) or f"no recipe for {names}")


def observe(model: Any, inputs: dict[str, Any]) -> list[Observed]:
    """Return every softmax of a forward pass."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with Observer(model) as observer:
            run(model, inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return observer.seen


def tensors(output: Any) -> list[torch.Tensor]:
    """Return the floating-point tensors of an output, in order."""
    leaves = torch.utils._pytree.tree_leaves(_plain(output))
    return [t for t in leaves if isinstance(t, torch.Tensor) and t.is_floating_point()]


def _plain(output: Any) -> Any:
    if hasattr(output, "items"):
        return [_plain(v) for _, v in output.items()]
    if isinstance(output, list | tuple):
        return [_plain(v) for v in output]
    return output


def _compare(
    result: Result, model: Any, inputs: dict[str, Any], plain: Any, observed: list[Observed]
) -> None:
    caught: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, output: caught.append(output))
    try:
        torch.manual_seed(0)
        seen = aw.capture(model, dict(inputs), weights=True)
        torch.manual_seed(0)
        light = aw.capture(model, dict(inputs), weights=False)
    finally:
        handle.remove()
    result.layers, result.missing = len(seen.layers), list(seen.missing)
    problems: list[str] = []
    for a, b in zip(tensors(plain), tensors(caught[0]), strict=True):
        if a.shape != b.shape or not torch.allclose(a, b, atol=1e-4, rtol=1e-3, equal_nan=True):
            problems.append("the output is another one while it is recorded")
            break
    covered = _against_observed(result, problems, seen, observed)
    _hidden(problems, seen, observed, covered)
    for path in unnamed_layers(model, lambda: run(model, inputs), seen):
        problems.append(f"{path} mixes positions and is neither shown nor named")
    _against_recomputed(problems, seen, light)
    _against_own(result, problems, model, inputs, plain, seen)
    if problems:
        result.outcome, result.why = "wrong", "; ".join(problems)
    elif seen.missing:
        result.outcome = "exact, parts refused"


def _pools(observed: Sequence[Observed]) -> tuple[list[torch.Tensor], list[int]]:
    """Return all maps, with what was really multiplied with the values, and whose each is."""
    pool, owner = [], []
    for i, one in enumerate(observed):
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
    result: Result, problems: list[str], seen: Any, observed: Sequence[Observed]
) -> dict[int, set[int]]:
    """Compare every layer with the softmaxes that ran; return which of them are shown."""
    covered: dict[int, set[int]] = {}
    pool, owner = _pools(observed)
    for layer in seen.layers:
        weights = layer.weights.float()
        found = find(weights, pool)
        if found is None:
            # Rows only of the layer's own module: numbers of another layer prove nothing.
            near = [i for i, o in enumerate(owner) if _inside(observed[o].path, layer.name)]
            found = find_rows(weights, [pool[i] for i in near])
            if found is None:
                shapes = [list(pool[i].shape) for i in near[:3]]
                error = nearest(weights, [pool[i] for i in near])
                problems.append(
                    f"{layer.name} {tuple(weights.shape)} is no softmax that ran "
                    f"(there: {shapes}, nearest {error:.1e})"
                )
                continue
            result.notes.append(f"rows: {layer.name}")
            for i in near:
                covered.setdefault(owner[i], set()).add(-1)
            continue
        result.error = max(result.error, found.error)
        for index, place in found.places:
            covered.setdefault(owner[index], set()).add(place)
    return covered


def _inside(path: str, name: str) -> bool:
    """Return whether one module path is the other or lies inside it."""
    return path == name or path.startswith(f"{name}.") or name.startswith(f"{path}.") or not path


def _hidden(
    problems: list[str], seen: Any, observed: Sequence[Observed], covered: dict[int, set[int]]
) -> None:
    """Note attention that ran and is neither shown nor named."""
    for i, one in enumerate(observed):
        if not one.attends or any(_inside(one.path, name) for name in seen.missing):
            continue
        places = covered.get(i)
        if places is None:
            if any(_same(one, observed[j]) for j in covered):
                continue
            problems.append(f"{one.path} {list(one.weights.shape)} is neither shown nor named")
        elif -1 not in places and one.weights.ndim > 2:
            queries = {layer.n_queries for layer in seen.layers}
            axis = next((a for a in (-2, 0, 1) if one.weights.shape[a] in queries), -2)
            count = one.weights[..., 0].numel() // one.weights.shape[axis]
            if len(places) < count:
                problems.append(
                    f"{one.path} {list(one.weights.shape)}: {len(places)} of {count} maps shown"
                )


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


def _against_own(
    result: Result, problems: list[str], model: Any, inputs: dict[str, Any], plain: Any, seen: Any
) -> None:
    """Compare with the family's own maps, where they are a softmax per head."""
    try:
        model.set_attn_implementation("eager")
        own = run(model, inputs, output_attentions=True)
    except Exception as error:
        result.notes.append(f"no reference: {_line(error)}")
        return
    first, again = tensors(plain)[:1], tensors(own)[:1]
    if (
        first
        and again
        and (first[0].shape != again[0].shape or (first[0] - again[0]).abs().max() > 1e-3)
    ):
        result.notes.append("no reference: its eager path computes another output")
        return
    maps = list(_attentions(own))
    if not maps:
        result.notes.append("no reference: it returns no attention")
        return
    recorded = [layer.weights.float() for layer in seen.layers]
    for path, one in maps:
        kind = _kind_of_reference(one)
        if kind:
            result.notes.append(f"reference: {kind}")
            continue
        if not _shown(one, recorded):
            alike = [w for w in recorded if w.shape == one.shape[-3:]]
            averages = [w.mean(0) for w in alike]
            if any((one[0] - mean).abs().max() <= TOLERANCE for mean in averages):
                result.notes.append("reference: averages over heads")
            elif alike and not seen.missing:
                problems.append(f"its own {path} {list(one.shape)} is not among the layers")
            else:
                result.notes.append(f"reference: {path} {list(one.shape)} is laid out differently")


def _attentions(output: Any, path: str = "") -> Any:
    """Yield the attention maps of an output, wherever they stand in it."""
    if hasattr(output, "items"):
        for name, value in output.items():
            if "attention" in name or hasattr(value, "items"):
                yield from _attentions(value, f"{path}.{name}".strip("."))
    elif isinstance(output, list | tuple) and "attention" in path:
        for i, value in enumerate(output):
            yield from _attentions(value, f"{path}[{i}]")
    elif isinstance(output, torch.Tensor) and "attention" in path and output.ndim >= 3:
        yield path, output.float()


def _kind_of_reference(own: torch.Tensor) -> str:
    """Return why a map cannot be compared, from its numbers; empty where it can."""
    if not own.isfinite().all():
        return "not finite"
    sums = own.sum(-1)
    if (own < -TOLERANCE).any():
        return "scores before the softmax"
    if not ((sums - 1).abs() < 1e-3).all() and (sums > 1 + 1e-3).any():
        return "rows that do not sum to 1"
    return ""


def _shown(own: torch.Tensor, recorded: Sequence[torch.Tensor]) -> bool:
    """Return whether a map of the family is one of the recorded layers."""
    for weights in recorded:
        found = find(weights, [own])
        if found is not None:
            return True
    return False


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"


def _last_frame(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
