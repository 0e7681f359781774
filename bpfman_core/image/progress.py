"""Who is told how many bytes have come or gone; nobody, unless a caller asks to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[int], None] | None] = ContextVar("progress", default=None)


@contextmanager
def reported(to: Callable[[int], None]) -> Iterator[None]:
    """Within the block, call `to` with the number of bytes of every piece."""
    token = _listener.set(to)
    try:
        yield
    finally:
        _listener.reset(token)


def advance(count: int) -> None:
    """So many bytes more."""
    to = _listener.get()
    if to is not None:
        to(count)
