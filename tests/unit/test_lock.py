"""One writer at a time; the others wait, or hear who it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bpfman_core.errors import Busy
from bpfman_core.lock import writer_lock

HOLDER = """
import sys
from pathlib import Path
from bpfman_core.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], **pipes)
    assert process.stdout.readline() == b"held\n"
    return process


def test_another_process_is_named(tmp_path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        with (
            pytest.raises(Busy, match=f"process {process.pid} .*is changing programs"),
            writer_lock(path, timeout=0.1),
        ):
            pass
        process.stdin.close()
    with writer_lock(path, timeout=1):
        assert str(os.getpid()) in path.read_text()


def test_a_killed_holder_lets_go(tmp_path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.kill()
        process.wait()
        with writer_lock(path, timeout=5):
            pass


def test_threads_wait_for_each_other(tmp_path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with writer_lock(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) == 80
