"""A line on a terminal for what takes long; nothing anywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_AFTER = 0.5  # seconds
_EVERY = 0.1  # seconds


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Say what goes on, how long it has taken and how much has come or gone, while it lasts."""
    if not sys.stderr.isatty():
        yield
        return
    from bpfman_core import progress

    line = _Line(what)
    try:
        with progress.reported(line.add):
            yield
    finally:
        line.stop()


class _Line:
    def __init__(self, what: str) -> None:
        self._what = what
        self._bytes = 0
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, count: int) -> None:
        self._bytes += count

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if self._over.wait(_AFTER):
            return
        while True:
            seconds = time.monotonic() - self._begun
            moved = f", {self._bytes / 1e6:.1f} MB" if self._bytes else ""
            sys.stderr.write(f"\r\x1b[K{self._what}: {seconds:.0f} s{moved}")
            sys.stderr.flush()
            if self._over.wait(_EVERY):
                break
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
