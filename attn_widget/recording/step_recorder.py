"""`StepRecorder`: what each generation step read, how likely its tokens were, and its attention.

A step is one call of the module that generation calls again and again: the model, or a module
inside a wrapper. It is found by watching, since a wrapper's own forward may never be called.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.kinds import is_whole
from attn_widget.recording.output import find_logits
from attn_widget.recording.stitch_steps import release_tensors, stitch_steps
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.recorder import Recorder
from attn_widget.records import Progress, Report, Step

IDS = ("decoder_input_ids", "input_ids")
EMBEDDINGS = ("decoder_inputs_embeds", "inputs_embeds")
UNKNOWN = -1  # in the place of an id, where a step read a vector that is of no id


@dataclass
class Reads:
    """What one module read and returned at each of its calls by generation."""

    module: torch.nn.Module
    target: bool = False  # whether it reads as a decoder, beside an encoder
    # The new ids of each call, (1, position); UNKNOWN where it read vectors.
    ids: list[torch.Tensor] = field(default_factory=list)
    vectors: torch.Tensor | None = None  # (1, position, channel) of the first call, in place of ids
    likely: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    @property
    def all_ids(self) -> torch.Tensor:
        """Return the ids of all positions that have rows."""
        return torch.cat(self.ids, dim=1)


class StepRecorder(Recorder):
    """Records each generation step of a model.

    Parameters
    ----------
    model, weights
        As in `Recorder`.
    top
        How many of the likeliest tokens of each step are kept.
    total
        How many steps there will be, for the progress.
    progress
        Called after each step.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        weights: bool | str,
        top: int,
        total: int,
        progress: Report | None,
    ) -> None:
        super().__init__(model, weights)
        self._read: dict[int, Reads] = {}  # by id of the module that generation called
        # Module, name of the attention, number of its call within a step -> calls, step by step.
        self._by_step: dict[tuple[int, str, int], list[AttentionCall]] = {}
        self._n_calls: dict[str, int] = {}
        self._running: list[torch.nn.Module] = []  # modules that run now, the outermost first
        self._top, self._total, self._progress = top, total, progress

    @contextlib.contextmanager
    def following(self, model: torch.nn.Module) -> Iterator[None]:
        """Follow which module generation calls inside; the hooks are gone when it ends."""
        handles = []
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(self._begin, with_kwargs=True))
                handles.append(module.register_forward_hook(self._end, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if not self.on_thread():
            return
        self._running.append(module)
        if len(self._running) > 1:
            return
        self._n_calls = {}
        reads = self._read.setdefault(id(module), Reads(module))
        named = next((n for n in IDS if isinstance(kwargs.get(n), torch.Tensor)), None)
        ids = kwargs[named] if named else _first_ids(args, kwargs)
        vectors = next((kwargs[n] for n in EMBEDDINGS if kwargs.get(n) is not None), None)
        reads.target |= named == "decoder_input_ids"
        if ids is None and vectors is not None:
            ids = torch.full(vectors.shape[:2], UNKNOWN, device=vectors.device)
            reads.vectors = vectors if reads.vectors is None else reads.vectors
        if ids is not None:
            reads.ids.append(_new_ids(reads, ids))

    def _end(self, module: Any, args: Any, output: Any) -> None:
        if not self.on_thread() or not self._running or self._running[-1] is not module:
            return
        self._running.pop()
        reads = self._read.get(id(module))
        if self._running or reads is None or not reads.ids:
            return
        logits = find_logits(output, module)
        if logits is None or logits.ndim != 3:
            return
        if len(logits) != 1 or len(reads.ids[-1]) != 1:
            raise InputError(
                f"generate must follow one sequence of ids, got {len(logits)}. Write one at a time."
            )
        shares = logits[0, -1].float().softmax(-1)
        reads.likely.append((shares, shares.topk(min(self._top, len(shares))).indices))
        if self._progress is not None:
            done = min(len(reads.likely), self._total)
            self._progress(Progress("writing", done, self._total))

    def add(self, call: AttentionCall, output: Any = None) -> None:
        """Keep one step's call beside those of the steps before."""
        super().add(call, output)
        number = self._n_calls.get(call.name, 0)
        self._n_calls[call.name] = number + 1
        outermost = id(self._running[0]) if self._running else 0
        before = self._by_step.setdefault((outermost, call.name, number), [])
        if before:
            release_tensors(before[-1], keep_keys=False)
        before.append(call)
        self.calls.clear()

    def steps_read(self) -> Reads:
        """Return what the module of the steps read: the one that gave logits most often."""
        found = max(self._read.values(), key=lambda reads: len(reads.likely), default=None)
        if found is None or not found.likely or len(found.likely) != len(found.ids):
            raise InputError(
                "model.generate must call one module with the text so far, and read logits from "
                "it, at every step, got another loop. Capture the written text instead.",
                code="runner.run(text)",
            )
        return found

    def joined_calls(self) -> list[AttentionCall]:
        """Return one call per attention, with the rows of all steps, in the order they ran."""
        reads = self.steps_read()
        n_first, n_steps = reads.ids[0].shape[1], len(reads.ids)
        out = []
        for (module, name, _), parts in self._by_step.items():
            if module != id(reads.module):
                out.extend(parts)  # an encoder's, which runs before the steps
            elif len(parts) not in (1, n_steps):
                raise InputError(
                    f"generate must run the same attentions at every step, got others at {name}."
                )
            elif len(parts) == n_steps and parts[0].shape[2] == n_first:
                release_tensors(parts[-1], keep_keys=True)
                out.append(stitch_steps(parts, n_first))
            else:  # an encoder's, which ran once, or again at every step with the same result
                out.append(parts[0] if parts[0].weights is not None else parts[-1])
        return out

    def steps(self, result: Any, name_of: Any) -> tuple[Step, ...]:
        """Return the chosen and the likeliest tokens of every step.

        Parameters
        ----------
        result
            What generation returned.
        name_of
            ``id -> text``.
        """
        reads = self.steps_read()
        chosen = [int(part[0, 0]) for part in reads.ids[1:]]
        chosen.append(_last_id(reads, chosen, getattr(result, "sequences", result)))
        first = reads.ids[0].shape[1] - 1
        return tuple(
            Step(
                position=first + i,
                token=name_of(token),
                id=token,
                probability=float(shares[token]),
                top=tuple((name_of(int(j)), float(shares[j])) for j in best),
            )
            for i, (token, (shares, best)) in enumerate(zip(chosen, reads.likely, strict=True))
        )


def _first_ids(args: Any, kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """Return the first argument that holds ids ``(item, position)``, whatever it is called."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor) and value.ndim == 2 and is_whole(value):
            return value
    return None


def _new_ids(reads: Reads, ids: torch.Tensor) -> torch.Tensor:
    """Return the ids of one step that were not read before.

    With a cache a step reads the new ids alone; without one it reads the whole text again.
    """
    if not reads.ids or len(ids) != 1:
        return ids
    known = reads.all_ids
    n = known.shape[1]
    if ids.shape[1] > n:
        return ids[:, n:]
    if ids.shape[1] > 1 and ids.shape[1] == n and not torch.equal(ids, known):
        raise InputError(
            f"prompt and max_new_tokens must fit into what the model reads at once, got more than "
            f"{n} tokens. Shorten the prompt, or write fewer tokens."
        )
    return ids


def _last_id(reads: Reads, chosen: list[int], result: Any) -> int:
    """Return the token of the last step, which no later step read.

    Some models return less than they wrote, or a text: then it is taken to be the likeliest.
    """
    likeliest = int(reads.likely[-1][1][0])
    if not isinstance(result, torch.Tensor) or result.ndim != 2:
        return likeliest
    written = result[0].tolist()
    before = written[:-1]
    follows = before[len(before) - len(chosen) :] == chosen
    alone = not chosen and reads.vectors is None and len(written) <= reads.ids[0].shape[1]
    return int(written[-1]) if written and follows and not alone else likeliest
