"""The writer lock: one process or thread changes things at a time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bpfman_core.errors import Busy

_POLL = 0.02  # seconds


@contextmanager
def writer_lock(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock file; wait up to `timeout` seconds for it.

    The kernel drops it with its holder, however that ends. Raises Busy, naming the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        _acquire(file.fileno(), path, time.monotonic() + timeout)
        os.truncate(file.fileno(), 0)
        file.write(f"process {os.getpid()} ({' '.join(sys.argv[:3])[:80]})")
        file.flush()
        yield


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another"
                raise Busy(
                    f"{holder} is changing programs and has not finished", hint="try again later"
                ) from None
            time.sleep(_POLL)
