"""Search for heads over any number of texts: metrics or a relation, resumable, local or on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attn_widget.errors import InputError
from attn_widget.heads.batches import (
    Batch,
    batches_of,
    measured_batches,
    runner_identity,
    runner_of,
    shares_passes,
)
from attn_widget.heads.head_table import HeadTable
from attn_widget.heads.measures import Header, Measure, Measured, Metrics, Pairs
from attn_widget.heads.relations import relation_of
from attn_widget.heads.requested_metrics import check_names
from attn_widget.heads.results_file import ResultsFile
from attn_widget.heads.running_means import RunningMeans
from attn_widget.heads.search_result import HeadSearch
from attn_widget.records import Capture, HeadScores, Progress, Report


def search_heads(
    runner: Any,
    texts: Any,
    metric: Any = None,
    *,
    relation: Any = None,
    attention: str | None = None,
    file: str | Path | None = None,
    batch: int = 32,
    progress: Report | bool | None = None,
    engine: str | None = None,
    workers: int | None = None,
    ray_options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> HeadSearch:
    """Return metrics of each head over one text or a corpus, or how well each finds a relation.

    Parameters
    ----------
    runner
        A `ModelRunner`, or a function without arguments that makes one (each Ray worker calls it).
        None where ``texts`` are captures.
    texts
        A text, or any iterable of them, read one batch at a time: texts, pairs ``(text, pair)``,
        other inputs of ``runner.run``, or captures.
    metric
        Metrics as `head_metrics` takes their names; all metrics where neither this nor
        ``relation`` is given.
    relation
        Which key each query should find; heads are ranked by it. Pairs ``(query, key)``: positions
        of tokens, or ``(start, stop)`` in characters of the text, or a list of such pairs for each
        text. A regular expression with the groups ``query`` and ``key``. Or a function of a text
        that returns pairs.
    attention
        Which attention of the captures, such as ``cross``. Omit it for the first.
    file
        Where results are written as they come. A search that was interrupted is resumed from it.
    batch
        How many texts are run, counted and written at a time.
    progress
        True for a bar, or a function that is called after each batch; it may raise `Cancelled`.
    engine
        None: this process. ``"ray"``: workers of the Ray cluster that is running, else of a new
        one on this machine.
    workers
        How many Ray workers. Omit it for as many as there are processors.
    ray_options
        What each worker requests from Ray, such as ``{"num_gpus": 1}``.
    seed
        Of the bootstrap.

    Returns
    -------
    HeadSearch
        For metrics, the mean over texts. For a relation, the mean over all queries that have a key
        in it: ``hits``, how often one of these keys has the largest weight (special tokens are
        excluded), and ``share``, the attention on these keys. Words of several tokens: the mean
        over the query's, the sum over the key's. Intervals are percentiles of bootstrap samples of
        the texts, or of the pairs where one text has all.

    Raises
    ------
    InputError
        If there is no text, none that can be run, no match of the relation, a pair that is not in
        its text, or the file is of another model or search. A text that cannot be run is skipped,
        counted and named.
    MethodError
        If Ray is requested and not installed, or a batch ends every worker that tries it.

    Notes
    -----
    Memory does not grow with the corpus, but for a few bytes per text when resuming. The file
    belongs to one model (a hash of its weights, buffers, options, tokenizer and code), one measure
    (a hash of its code and values) and these texts in this order; fewer of them, or more, may be
    given. A result is taken from it only where a new search would give the same to the last digit:
    texts that share forward passes with others than before are measured again. Baselines: the
    median head, and the best single distance between query and key, which needs no head; it is
    chosen on the same pairs, which favours the baseline.

    References
    ----------
    Clark et al. 2019, "What Does BERT Look At?", sections 4.1 and 4.2 (words, most attended key,
    fixed offset).
    Chamandy et al. 2012, "Estimating Uncertainty for Massive Data Streams" (bootstrap without
    keeping texts).

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> attention = np.stack([np.eye(4, k=-1) + np.diag([1, 0, 0, 0]), np.full((4, 4), 0.25)])
    >>> capture = aw.from_arrays(attention[None], ["she", "found", "her", "keys"])
    >>> found = aw.search_heads(None, capture, relation=[(1, 0), (3, 2)])
    >>> found.best
    (0, 0)
    >>> found.scores["share"].values
    array([[1.  , 0.25]])
    """
    one_text = isinstance(texts, str | Capture)
    if not one_text and not isinstance(texts, Iterable):
        raise InputError(
            f"texts must be a text or an iterable of texts, got {type(texts).__name__}. "
            "Give a list of texts."
        )
    measure = _measure(metric, relation, attention, one_text)
    _check(batch, engine, workers)
    means = RunningMeans(seed)
    runner = runner_of(runner, engine)
    known = _opened(file, runner, measure, engine, ray_options)
    batches = batches_of(enumerate([texts] if one_text else texts), batch)
    waiting: dict[int, Batch] = {}  # by its first text to be measured: the whole batch
    total = 1 if one_text else len(texts) if hasattr(texts, "__len__") else 0
    with _reporting(progress, total) as report:

        def unknown() -> Iterator[Batch]:
            """Count what the file holds, and return the rest of each batch."""
            for whole in batches:
                found = [None] * len(whole) if known is None else known.results(
                    whole, means.n_matched == 0
                )  # fmt: skip
                rest = [text for text, result in zip(whole, found, strict=True) if result is None]
                for (index, _), result in zip(whole, found, strict=True):
                    if result is not None:
                        _count(means, index, result)
                if rest:
                    waiting[rest[0][0]] = whole
                    yield rest
                else:
                    report(means.n_texts + means.n_skipped)

        header: Header | None = None
        for rest, (results, names) in measured_batches(
            runner, measure, unknown(), engine, workers, ray_options
        ):
            header = header or names
            numbered = [(index, one) for (index, _), one in zip(rest, results, strict=True)]
            whole = waiting.pop(rest[0][0])
            if known is not None:
                known.write(whole, numbered, names)
            for index, result in numbered:
                _count(means, index, result)
            report(means.n_texts + means.n_skipped)
    header = header or (None if known is None else known.header)
    return _result(means, measure, header)


def _opened(
    file: str | Path | None,
    runner: Any,
    measure: Measure,
    engine: str | None,
    ray_options: Mapping[str, Any] | None,
) -> ResultsFile | None:
    """Return the results file, checked against this model and this measure; None without one."""
    if file is None:
        return None
    name = getattr(runner, "name", "captures" if runner is None else "model")
    model_hash = runner_identity(runner, engine, ray_options)
    return ResultsFile(file, name, model_hash, measure, shares_passes(runner, engine))


def _measure(metric: Any, relation: Any, attention: str | None, one_text: bool) -> Measure:
    """Return what is measured of each text, checked before any work."""
    if relation is None:
        return Metrics(metric, attention, check_names(metric))
    if metric is not None:
        raise InputError(
            f"metric must be left out with a relation, got {metric!r}. Search for one at a time."
        )
    return Pairs(relation_of(relation, one_text), attention)


def _check(batch: Any, engine: Any, workers: Any) -> None:
    """Refuse a batch size, an engine or a number of workers that no search can use."""
    for name, value in (("batch", batch), ("workers", 1 if workers is None else workers)):
        if not hasattr(value, "__index__") or value < 1:
            raise InputError(
                f"{name} must be a whole number of 1 or more, got {value!r}. "
                "Omit it to use the default."
            )
    if engine not in (None, "ray"):
        raise InputError(f'engine must be None or "ray", got {engine!r}. Choose one of these.')
    if workers is not None and engine is None:
        raise InputError(
            f"workers must be left out in one process, got {workers}. Workers are Ray's.",
            code='engine="ray"',
        )


def _count(means: RunningMeans, index: int, result: Measured | str) -> None:
    """Add one text's result to the means, or to the skipped texts."""
    if isinstance(result, str):
        means.skip(index, result)
    else:
        means.add(index, result)


def _result(means: RunningMeans, measure: Measure, header: Header | None) -> HeadSearch:
    """Return the means as a `HeadSearch`, or the reason that there are none."""
    if not means.n_texts or header is None:
        if not means.n_skipped:
            raise InputError("texts must hold at least one text, got none. Give a text.")
        index, reason = means.skipped[0]
        raise InputError(
            f"texts must hold one that can be run, got {means.n_skipped} skipped; "
            f"text {index}: {reason}"
        )
    if isinstance(measure, Pairs):
        if not means.n_pairs:
            raise InputError(
                f"relation must match at least once, got 0 matches of {measure.title!r} in "
                f"{means.n_texts} texts. Try it on one text first."
            )
        if means.hidden == means.n_pairs:
            raise InputError(
                "relation must give keys that their queries can attend to, got "
                f"{means.hidden} of {means.n_pairs} after the query of a causal model. "
                "Exchange query and key."
            )

    def table(arrays: Any) -> HeadTable:
        columns = zip(header.names, header.titles, header.units, arrays, strict=True)
        return HeadTable(
            {
                name: HeadScores(title, values, header.attention, unit)
                for name, title, unit, values in columns
            }
        )

    low, high = means.interval()
    return HeadSearch(
        measure.title,
        scores=table(means.means()),
        low=table(low),
        high=table(high),
        n_texts=means.n_texts,
        n_matched=means.n_matched,
        skipped=tuple(means.skipped),
        n_skipped=means.n_skipped,
        n_pairs=means.n_pairs,
        hidden=means.hidden,
        position=means.by_position(),
    )


@contextmanager
def _reporting(progress: Report | bool | None, total: int) -> Iterator[Callable[[int], object]]:
    """Return a function that reports how many texts are done: to a bar, a function, or nothing."""
    if progress is True:
        from tqdm import tqdm  # text: a saved notebook keeps no line of a widget that is gone

        with tqdm(total=total or None, desc="searching heads", unit=" texts") as bar:
            yield lambda done: bar.update(done - bar.n)
    elif callable(progress):
        yield lambda done: progress(Progress("searching heads", done, total))
    else:
        yield lambda done: None
