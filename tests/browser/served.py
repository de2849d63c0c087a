"""Start the real server of a host on loopback, for one test."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.notebooks import ROOT

START_S = 120  # importing torch and loading a model, on a busy machine


@contextmanager
def served(command: list[str], folder: Path, path: str = "", **variables: str) -> Iterator[str]:
    """Start a server in a folder; yield its address and end it afterwards.

    Parameters
    ----------
    command
        With ``{port}`` where the port belongs.
    folder
        Where it runs; also its home, so that it finds no settings of the user.
    path
        Answers once the server is ready.
    **variables
        Variables of its environment.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    base = {"HOME": str(folder), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [part.format(port=port) for part in command],
            cwd=folder,
            env=os.environ | base | variables,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60).read()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        pytest.fail(f"{command} did not start:\n{log.read_text()}")
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
