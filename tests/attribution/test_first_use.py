"""The first flow on a machine compiles the kernel and reports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np
import attn_widget as aw
seen = []
aw.flow(np.full((4, 1, 6, 6), 1 / 6), progress=lambda p: seen.append((p.what, p.done, p.total,
bool(p.exact.any())))) json.dump(seen, sys.stdout)
"""


def flow_with_cache(folder):
    """Return the progress messages of a new process that computes a flow."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_first_flow_says_that_it_compiles_once_and_the_next_process_does_not(tmp_path):
    first, second = flow_with_cache(tmp_path), flow_with_cache(tmp_path)
    assert first[0] == ["compiling (once)", 0, 0, False]
    notices = [what for what, *_ in first]
    assert notices == ["compiling (once)"] * notices.count("compiling (once)") + ["flow"] * 7
    assert any(tmp_path.rglob("*.nbc"))
    assert [done for what, done, *_ in second if what == "flow"] == list(range(7))
    assert len(second) < len(first)
