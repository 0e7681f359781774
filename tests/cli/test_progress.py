"""What takes long says so, on a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

SLOW = """
import time
from bpfman_core.cli.progress import shown
from bpfman_core import progress
with shown("Pulling it"):
    progress.advance(2_500_000)
    time.sleep(float({seconds}))
"""


def run(seconds: float, stderr: int) -> None:
    code = SLOW.format(seconds=seconds)
    subprocess.run([sys.executable, "-c", code], stderr=stderr, check=True)


@pytest.mark.parametrize("seconds", [0.0, 1.2])
def test_a_terminal(seconds: float) -> None:
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        try:
            run(seconds, theirs)
            os.set_blocking(ours, False)
            said = (terminal.read(65536) or b"").decode()
        finally:
            os.close(theirs)
    if seconds:
        assert "Pulling it: 1 s, 2.5 MB" in said
        assert said.endswith("\r\x1b[K")
    else:
        assert said == ""


def test_no_terminal(tmp_path) -> None:
    with open(tmp_path / "said", "wb") as file:
        run(0.8, file.fileno())
    assert (tmp_path / "said").read_bytes() == b""
