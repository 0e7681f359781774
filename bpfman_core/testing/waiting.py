"""Waiting for the kernel, with a deadline and never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL = 0.002  # seconds


def wait_until(condition: Callable[[], object], what: str, *, timeout: float = 5.0) -> None:
    """Return once `condition()` is true. Raises AssertionError naming `what` after `timeout` s."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(_POLL)
