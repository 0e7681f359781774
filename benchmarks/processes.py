"""Runs commands for their time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

BPFMAN = Path(sys.executable).with_name("bpfman")


def wall(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> float:
    """Milliseconds from start to end."""
    begin = time.perf_counter()
    _run(command, environment)
    return (time.perf_counter() - begin) * 1e3


def cpu(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> float:
    """Milliseconds of CPU, in user space and in the kernel, to a microsecond."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent(before, after)


def spent(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    """Milliseconds of CPU between two readings."""
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def _run(command: Sequence[str | Path], environment: Mapping[str, str] | None) -> None:
    subprocess.run(
        command, env={**os.environ, **(environment or {})}, check=True, stdout=subprocess.DEVNULL
    )
