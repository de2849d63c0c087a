"""Which heads do this, over any number of texts: metrics or a relation, resumed from a file, here or on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from attn_widget.errors import InputError
from attn_widget.heads.accumulator import Tally
from attn_widget.heads.head_table import HeadTable
from attn_widget.heads.measures import Header, Measure, Measured, Metrics, Pairs
from attn_widget.heads.metrics import check_names
from attn_widget.heads.relations import relation_of
from attn_widget.heads.results_file import Ledger
from attn_widget.heads.search_result import HeadSearch
from attn_widget.records import Capture, HeadScores, Progress

Batch = list[tuple[int, Any]]
Answer = tuple[list[Measured | str], Header | None]


def search_heads(
    runner: Any,
    texts: Any,
    metric: Any = None,
    *,
    relation: Any = None,
    attention: str | None = None,
    file: str | Path | None = None,
    batch: int = 32,
    progress: Callable[[Progress], None] | bool | None = None,
    engine: str | None = None,
    workers: int | None = None,
    ray_options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> HeadSearch:
    """Return how much each head does something, over one text or a corpus, with intervals and baselines.

    Parameters
    ----------
    runner
        A `ModelRunner`, or a function without arguments that makes one (each Ray worker calls it). None where
        ``texts`` are captures.
    texts
        A text, or any iterable of them, read as it is needed: texts, pairs ``(text, pair)``, whatever ``runner.run``
        takes first, or captures.
    metric
        What `head_metrics` takes as names; all metrics where neither this nor ``relation`` is given.
    relation
        Which key each query should find; heads are ranked by it. Pairs ``(query, key)``: positions of tokens, or
        ``(start, stop)`` in characters of the text, or a list of such pairs for each text. A regular expression with
        the groups ``query`` and ``key``. Or a function of a text that returns pairs.
    attention
        Which attention of the captures, such as ``cross``; the first where left out.
    file
        Where results are kept as they come. A search that was interrupted goes on from it.
    batch
        How many texts are run, counted and kept at a time.
    progress
        True for a bar, or a function that is called after each batch; it may raise `Cancelled`.
    engine
        None: this process. ``"ray"``: workers of the Ray cluster that is at hand, else of one on this machine.
    workers
        How many Ray workers; as many as there are processors where left out.
    ray_options
        What each worker asks of Ray, such as ``{"num_gpus": 1}``.
    seed
        Of the bootstrap.

    Returns
    -------
    HeadSearch
        For metrics, the mean over texts. For a relation, over all queries that have a partner: ``hits``, how often one
        of its keys gets the most attention (special tokens do not compete), and ``share``, the attention its keys get.
        Words of several tokens: the mean over the query's, the sum over the key's. Intervals are percentiles of
        bootstrap samples of the texts, or of the pairs where one text has all.

    Raises
    ------
    InputError
        If there is no text, none that can be run, no match of the relation, a pair that is not in its text, or the
        file is of another model or search. A text that cannot be run is skipped, counted and named.
    MethodError
        If Ray is asked for and not installed, or a batch ends every worker that tries it.

    Notes
    -----
    Memory does not grow with the corpus, but for a few bytes per text when resuming. The file knows a model by its
    runner's ``name``. Baselines: the median head, and the best single distance between query and key, which needs no
    head at all; it is chosen on the same pairs, in the baseline's favour.

    References
    ----------
    Clark et al. 2019, "What Does BERT Look At?", sections 4.1 and 4.2 (words, most attended, fixed offset).
    Chamandy et al. 2012, "Estimating Uncertainty for Massive Data Streams" (bootstrap without keeping texts).

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> attention = np.stack([np.eye(4, k=-1) + np.diag([1, 0, 0, 0]), np.full((4, 4), 0.25)])[None]
    >>> seen = aw.from_arrays(attention, ["she", "found", "her", "keys"])
    >>> found = aw.search_heads(None, seen, relation=[(1, 0), (3, 2)])
    >>> found.best
    (0, 0)
    >>> found.scores["share"].values
    array([[1.  , 0.25]])
    """
    one_text = isinstance(texts, str | Capture)
    if not one_text and not isinstance(texts, Iterable):
        raise InputError(
            f"texts must be a text or an iterable of texts, got {type(texts).__name__}."
        )
    measure = _measure(metric, relation, attention, one_text)
    _check(batch, engine, workers)
    tally = Tally(seed)
    ledger = None
    if file is not None:
        ledger = Ledger(
            file,
            getattr(runner, "name", "captures" if runner is None else "model"),
            *_named(measure),
        )
        for index, result in ledger.read():
            _count(tally, index, result)
    header = ledger.header if ledger is not None else None
    items = enumerate([texts] if one_text else texts)
    todo = ((i, item) for i, item in items if ledger is None or not ledger.has(i, item))
    total = 1 if one_text else len(texts) if hasattr(texts, "__len__") else 0
    with _Reporting(progress, total) as report:
        for asked, (results, names) in _answers(
            runner, measure, _batches(todo, batch), engine, workers, ray_options
        ):
            header = header or names
            if ledger is not None:
                ledger.write(
                    [(*pair, result) for pair, result in zip(asked, results, strict=True)], names
                )
            for (index, _), result in zip(asked, results, strict=True):
                _count(tally, index, result)
            report(tally.n_texts + tally.n_skipped)
    return _result(tally, measure, header)


def measured_batch(runner: Any, measure: Measure, batch: Batch) -> Answer:
    """Return what was measured of each text of a batch, or why it was skipped, and what the numbers are called."""
    results: dict[int, Measured | str] = {}
    header = None
    for (index, item), capture in zip(
        batch, _captures(runner, [item for _, item in batch]), strict=True
    ):
        if isinstance(capture, InputError):
            results[index] = capture.message
            continue
        header = header or measure.header(capture)
        results[index] = measure.measured(capture, item, index)
    return [results[index] for index, _ in batch], header


def _captures(runner: Any, items: list[Any]) -> Iterator[Capture | InputError]:
    """Return the capture of every text, or in its place why it cannot be run."""
    if all(isinstance(item, Capture) for item in items):
        yield from items
    elif hasattr(runner, "run_many"):
        yield from runner.run_many(items)
    else:
        if not hasattr(runner, "run"):
            raise InputError(
                f"runner must be able to run texts, got {type(runner).__name__}. Give a model's runner, or captures.",
                code="aw.ModelRunner(model, tokenizer)",
            )
        for item in items:
            try:
                yield runner.run(*item) if _is_pair(item) else runner.run(item)
            except InputError as error:
                yield error


def _is_pair(item: Any) -> bool:
    """Return whether an item is two texts for a model of pairs."""
    return (
        isinstance(item, tuple) and len(item) == 2 and all(isinstance(part, str) for part in item)
    )


def _answers(
    runner: Any,
    measure: Measure,
    batches: Iterator[Batch],
    engine: str | None,
    workers: int | None,
    ray_options: Any,
) -> Iterator[tuple[Batch, Answer]]:
    """Return batches with what was measured of them, as they are done."""
    if engine == "ray":
        from attn_widget.heads.ray_engine import on_ray

        yield from on_ray(
            runner, partial(_with, measure), batches, workers, dict(ray_options or {})
        )
        return
    made = runner() if callable(runner) and not hasattr(runner, "run") else runner
    for batch in batches:
        yield batch, measured_batch(made, measure, batch)


def _with(measure: Measure, runner: Any, batch: Batch) -> Answer:
    """Return `measured_batch` with its arguments in the order in which a worker has them."""
    return measured_batch(runner, measure, batch)


def _batches(items: Iterator[tuple[int, Any]], size: int) -> Iterator[Batch]:
    """Return items in lists of a size."""
    while batch := list(islice(items, size)):
        yield batch


def _measure(metric: Any, relation: Any, attention: str | None, one_text: bool) -> Measure:
    """Return what is to be measured, checked before any work."""
    if relation is None:
        return Metrics(metric, attention, check_names(metric))
    if metric is not None:
        raise InputError(
            f"metric must be left out with a relation, got {metric!r}. Search for one at a time."
        )
    return Pairs(relation_of(relation, one_text), attention)


def _named(measure: Measure) -> tuple[str, str | None]:
    """Return what a results file must agree on."""
    return measure.title, measure.attention


def _check(batch: Any, engine: Any, workers: Any) -> None:
    """Refuse what no search could use."""
    for name, value in (("batch", batch), ("workers", 1 if workers is None else workers)):
        if not hasattr(value, "__index__") or value < 1:
            raise InputError(
                f"{name} must be a whole number of 1 or more, got {value!r}. Leave it out for ours."
            )
    if engine not in (None, "ray"):
        raise InputError(f'engine must be None or "ray", got {engine!r}. Choose one of these.')
    if workers is not None and engine is None:
        raise InputError(
            f"workers must be left out in one process, got {workers}. Workers are Ray's.",
            code='engine="ray"',
        )


def _count(tally: Tally, index: int, result: Measured | str) -> None:
    """Add one text's result to the means, or to what was skipped."""
    if isinstance(result, str):
        tally.skip(index, result)
    else:
        tally.add(index, result)


def _result(tally: Tally, measure: Measure, header: Header | None) -> HeadSearch:
    """Return the means as they are handed on, or say why there are none."""
    if not tally.n_texts:
        if not tally.n_skipped:
            raise InputError("texts must hold at least one text, got none. Give a text.")
        index, reason = tally.skipped[0]
        raise InputError(
            f"texts must hold one that can be run, got {tally.n_skipped} skipped; text {index}: {reason}"
        )
    if isinstance(measure, Pairs):
        if not tally.n_pairs:
            raise InputError(
                f"relation must match at least once, got 0 matches of {measure.title!r} in {tally.n_texts} texts. "
                "Try it on one text first."
            )
        if tally.hidden == tally.n_pairs:
            raise InputError(
                f"relation must give keys that their queries may see, got {tally.hidden} of {tally.n_pairs} behind the "
                "query of a causal model. Exchange query and key."
            )
    means, (low, high) = tally.means(), tally.interval()
    tables = [
        HeadTable({
            name: HeadScores(title, values, header.attention, unit)
            for name, title, unit, values in zip(header.names, header.titles, header.units, array, strict=True)
        })
        for array in (means, low, high)
    ]  # fmt: skip
    return HeadSearch(
        measure.title, *tables, n_texts=tally.n_texts, n_matched=tally.n_matched, skipped=tuple(tally.skipped),
        n_skipped=tally.n_skipped, n_pairs=tally.n_pairs, hidden=tally.hidden, position=tally.by_position(),
    )  # fmt: skip


class _Reporting:
    """Tells how far a search has come: a bar, a function, or nobody."""

    def __init__(self, progress: Any, total: int) -> None:
        self._progress, self._total, self._bar = progress, total, None

    def __enter__(self) -> Callable[[int], None]:
        if self._progress is True:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._total or None, desc="searching heads", unit=" texts")
            return lambda done: self._bar.update(done - self._bar.n)
        if not self._progress:
            return lambda done: None
        return lambda done: self._progress(Progress("searching heads", done, self._total))

    def __exit__(self, *error: Any) -> None:
        if self._bar is not None:
            self._bar.close()
