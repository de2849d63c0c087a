"""What a model computed, taken below Python: every softmax, and which of them are attention.

The recorder listens to torch's functions and to transformers' interface; this observer listens to
the operations under them, so that the two share no code and no level.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
SOFTMAX = {aten._softmax, aten._safe_softmax}
PRODUCTS = {aten.bmm, aten.baddbmm}
FORGETS = {
    aten.mm, aten.addmm, aten.convolution, aten.sum, aten.mean, aten.amax, aten.native_layer_norm,
    aten.embedding, aten.argmax, aten.native_group_norm, aten.native_batch_norm, aten.topk,
}  # fmt: skip
FUSED = {
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_flash_attention,
}


@dataclass(eq=False)
class Observed:
    """One softmax: where it ran, its result with the keys last, and whether it weighed values."""

    path: str
    weights: torch.Tensor
    attends: bool = False
    softmax: bool = True  # False: exponents of scores, normalised by the family's own code
    reach: float = 0.0  # the largest score without its sign
    used: list[torch.Tensor] = field(default_factory=list)  # what was multiplied with the values


class Observer(TorchDispatchMode):
    """Collects every softmax of a forward pass.

    A softmax attends where its input came from a product of two activations and its result is a
    factor of a product.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.seen: list[Observed] = []
        self._model = model
        self._own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self._scores: dict[int, bool] = {}
        self._from: dict[int, list[Observed]] = {}
        self._alive: list[Any] = []  # an address means something only while its tensor lives
        self._stack: list[str] = [""]
        self._hooks: list[Any] = []

    def __enter__(self) -> Any:
        for path, module in self._model.named_modules():
            self._hooks.append(
                module.register_forward_pre_hook(lambda *_, path=path: self._stack.append(path))
            )
            self._hooks.append(
                module.register_forward_hook(
                    lambda *_: self._stack.pop() and None, always_call=True
                )
            )
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in FUSED:
            self._fused(args, kwargs)
            return out
        inputs = [t for t in torch.utils._pytree.tree_leaves((args, kwargs)) if _is_tensor(t)]
        outputs = [t for t in torch.utils._pytree.tree_leaves(out) if _is_tensor(t)]
        self._alive += outputs
        if packet in SOFTMAX:
            one = Observed(self._stack[-1], out.detach().movedim(args[1], -1).clone())
            one.reach = _reach(args[0])
            if any(self._scores.get(_at(t)) for t in inputs):
                self._from[_at(out)] = [one]
            self.seen.append(one)
        elif packet is aten.exp and self._scores.get(_at(args[0])):
            one = Observed(self._stack[-1], out.detach().clone(), softmax=False)
            self._from[_at(out)] = [one]
            self.seen.append(one)
        elif packet in PRODUCTS:
            for factor in inputs:
                for one in self._from.get(_at(factor), ()):
                    one.attends = True
                    one.used.append(factor.detach().clone())
            if not any(_at(t) in self._own for t in inputs):
                for t in outputs:
                    self._scores[_at(t)] = True
        elif packet not in FORGETS:
            scores = any(self._scores.get(_at(t)) for t in inputs)
            weights = [one for t in inputs for one in self._from.get(_at(t), ())]
            for t in outputs:
                if scores:
                    self._scores[_at(t)] = True
                if weights:
                    known = self._from.setdefault(_at(t), [])
                    known += [one for one in weights if one not in known]
        return out

    def _fused(self, args: Any, kwargs: Any) -> None:
        """Compute the weights of a fused attention from its queries, keys and mask."""
        q, k = args[0].detach().float(), args[1].detach().float()
        causal = kwargs.get("is_causal", args[4] if len(args) > 4 else False)
        mask = kwargs.get("attn_mask", args[5] if len(args) > 5 else None)
        scale = kwargs.get("scale")
        if k.shape[1] != q.shape[1]:
            k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
        scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else (
                scores + mask.float()
            )  # fmt: skip
        # A row that sees nothing is zeros.
        weights = scores.softmax(-1).nan_to_num(0)
        self.seen.append(Observed(self._stack[-1], weights, attends=True, reach=_reach(scores)))


def _reach(scores: torch.Tensor) -> float:
    """Return the largest score without its sign; hidden keys have scores that are no measure."""
    seen = scores.detach().float().abs()
    return float(seen[seen < 1e4].max()) if (seen < 1e4).any() else 1e4


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _at(tensor: torch.Tensor) -> int:
    """Return the address of a tensor's memory, which its views share."""
    return tensor.untyped_storage().data_ptr()
