"""The stream of each attention call, and that of its keys, from module paths and lengths.

Paths are searched for words that every library uses for its stacks (vision, text, decoder …), never
for the name of a family.
"""

from __future__ import annotations

from collections.abc import Sequence

from attn_widget.recording.tracing.attention_call import AttentionCall

# What stacks of layers are called in module paths, most telling first.
STREAM_WORDS = (
    ("vision", ("vision", "visual", "image")),
    ("audio", ("audio", "speech")),
    ("text", ("text", "language")),
    ("decoder", ("decoder",)),
    ("encoder", ("encoder",)),
)
# The stream of a cross-attention's keys, where several have as many positions as it has keys.
PREFERRED = ("encoder", "vision", "audio", "text")


def streams_of(calls: Sequence[AttentionCall]) -> list[str]:
    """Return the stream of each call: "" for the only stack, else the word its path uses."""
    stacks = [_stack(call.name) for call in calls]
    names = dict.fromkeys(stacks)
    if len(names) == 1:
        named = {stacks[0]: ""}
    else:
        words = {stack: _word(stack) for stack in names}
        taken: dict[str, str] = {}
        named = {}
        for stack, word in words.items():
            clash = word in taken
            named[stack] = stack if clash else word
            taken[named[stack]] = stack
    lengths: dict[str, list[int]] = {}
    for call, stack in zip(calls, stacks, strict=True):
        if not call.cross:
            known = lengths.setdefault(stack, [])
            if call.shape[2] not in known:
                known.append(call.shape[2])
    out = []
    for call, stack in zip(calls, stacks, strict=True):
        name = named[stack]
        stages = lengths.get(stack, [])
        # A stack whose length changes (pyramids, pooled encoders) is one stream per length.
        if len(stages) > 1 and call.shape[2] in stages:
            name = f"{name} stage {stages.index(call.shape[2])}".strip()
        out.append(name)
    return out


def _stack(path: str) -> str:
    """Return the part of a module path above the first number: the list of the layers."""
    parts = path.split(".")
    cut = next((i for i, part in enumerate(parts) if part.isdigit()), len(parts) - 1)
    return ".".join(parts[:cut])


def _word(stack: str) -> str:
    """Return what a stack is called, from the topmost telling word in its path."""
    for part in stack.lower().split("."):
        for name, words in STREAM_WORDS:
            if any(word in part for word in words):
                return name
    return stack


def key_stream(
    call: AttentionCall, stream: str, streams: Sequence[str], calls: Sequence[AttentionCall]
) -> str:
    """Return the stream whose positions are the keys of a cross-attention."""
    sized = [
        s
        for s, r in zip(streams, calls, strict=True)
        if s != stream and not r.cross and r.shape[2] == call.shape[3]
    ]
    if sized:
        return next((s for s in PREFERRED if s in sized), sized[0])
    # Keys that belong to no stream: another model's states, or the same tokens squeezed into fewer.
    return "memory" if call.cross else f"{stream} compressed".strip()
