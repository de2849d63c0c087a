"""`FamilyCall`: one call of an attention function of transformers, to be run whole or in rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.softmax import BLOCK_BYTES


@dataclass(frozen=True)
class FamilyCall:
    """One call of an attention function of transformers: its arguments and its two functions."""

    module: Any
    query: Any
    key: Any
    value: Any
    kwargs: dict[str, Any]
    eager: Callable[..., Any]
    configured: Callable[..., Any]

    def run(self, function: Callable[..., Any], mask: Any) -> tuple[Any, Any]:
        """Return the output and the weights of one of the functions."""
        return function(self.module, self.query, self.key, self.value, mask, **self.kwargs)

    def run_rows(
        self, function: Callable[..., Any], mask: Any, rows: Any, **more: Any
    ) -> tuple[Any, Any]:
        """Return the output and the weights of some query rows."""
        n_queries, n_keys = self.query.shape[2], self.key.shape[2]

        def part(term: Any) -> Any:
            fits = isinstance(term, torch.Tensor) and term.ndim >= 3 and term.shape[-2] == n_queries
            return term[..., rows, :] if fits and term.shape[-1] in (n_keys, 1) else term

        kwargs = {name: part(value) for name, value in (self.kwargs | more).items()}
        query = self.query[:, :, rows]
        return function(self.module, query, self.key, self.value, part(mask), **kwargs)

    def run_in_blocks(self, mask: Any) -> torch.Tensor:
        """Return the eager output, in blocks of query rows: no n×n tensor of all heads."""
        batch, heads, n_queries, _ = self.query.shape
        block = max(1, BLOCK_BYTES // (batch * heads * self.key.shape[2] * 4))
        parts = [
            self.run_rows(self.eager, mask, slice(start, start + block))[0]
            for start in range(0, n_queries, block)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def open_mask(self) -> torch.Tensor:
        """Return the mask of the last causal row, which sees every key; some families need one."""
        return self.query.new_zeros(1, 1, 1, self.key.shape[2])
