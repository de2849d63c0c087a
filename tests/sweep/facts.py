"""What a configuration says about the inputs of its model."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from tests.sweep.shrink_rules import FIRST_ID, PATCH, SIDE

LENGTH = 11


class Facts:
    """Looks names up in a configuration and in those inside it."""

    def __init__(self, config: Any, length: int = LENGTH) -> None:
        self.config = config
        self.length = length  # of a text, in tokens
        subs = [v for v in vars(config).values() if isinstance(v, PretrainedConfig)]
        deeper = [v for s in subs for v in vars(s).values() if isinstance(v, PretrainedConfig)]
        self.all = [config, *subs, *deeper]

    def __call__(self, *names: str, default: Any = None) -> Any:
        for config in self.all:
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return default

    def number(self, *names: str, default: int) -> int:
        value = self(*names, default=default)
        while isinstance(value, list | tuple):
            value = value[-1]
        if isinstance(value, dict):
            value = next(iter(value.values()), default)
        return value if isinstance(value, int) else default

    @property
    def side(self) -> int:
        return self.number("image_size", "img_size", "input_size", "resolution", default=SIDE)

    @property
    def patch(self) -> int:
        return self.number("patch_size", default=PATCH)

    @property
    def channels(self) -> int:
        return self.number("num_channels", "in_channels", "in_chans", "image_channels", default=3)

    @property
    def width(self) -> int:
        return self.number("hidden_size", "d_model", "embed_dim", "n_embd", default=64)

    @property
    def ids(self) -> int:
        vocab = self.number("vocab_size", default=FIRST_ID)
        return max(6, min(vocab, FIRST_ID))
