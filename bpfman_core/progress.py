"""Who is told how many bytes have come or gone; nobody, unless a caller asks to be.

Who is told may raise: that ends the work, at the next piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[int], None] | None] = ContextVar("progress", default=None)


@contextmanager
def reported(to: Callable[[int], None]) -> Iterator[None]:
    """Within the block, and in this thread, call `to` with the number of bytes of every piece."""
    token = _listener.set(to)
    try:
        yield
    finally:
        _listener.reset(token)


def advance(count: int) -> None:
    """So many bytes more; 0 before something that may take long."""
    to = _listener.get()
    if to is not None:
        to(count)
