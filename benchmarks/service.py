"""Mebibytes of memory of a service at rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import BPFMAN
from benchmarks.result import Result
from bpfman_core.rpc.probe import available
from bpfman_core.testing.runtime import environment, private_runtime
from bpfman_core.testing.waiting import wait_until


def measure(rounds: int) -> Iterator[Result]:
    """After it has answered one request, against an interpreter that sleeps."""
    with private_runtime() as paths:
        settings = {**os.environ, **environment(paths)}
        command = [BPFMAN, "system", "service", "--timeout=0"]
        with (
            subprocess.Popen(command, env=settings) as served,
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as bare,
        ):
            wait_until(lambda: available(paths.socket), "the service listens", timeout=30)
            subprocess.run([BPFMAN, "list"], env=settings, check=True, capture_output=True)
            found = [_resident(process.pid) for process in (served, bare)]
            bare.kill()
            served.send_signal(signal.SIGTERM)
    yield Result("service at rest (aim: 60 MiB)", found[0], "python asleep", found[1], "MiB")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
