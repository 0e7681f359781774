"""Runs what requests ask for in threads, and knows when none is running.

Changes and reads have threads of their own, so that a list is answered while loads wait for each
other. All methods are for the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Calls:
    """The requests being answered. `stopping` tells new ones that they come too late."""

    def __init__(self, threads: int = 8) -> None:
        self.stopping = False
        self._changes = ThreadPoolExecutor(threads, "change")
        self._reads = ThreadPoolExecutor(threads, "read")
        self._running = 0
        self._none_running = asyncio.Event()
        self._none_running.set()
        self._quiet_since = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count as running within the block."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    async def run(self, work: Callable[[], T], *, change: bool) -> T:
        """`work` in a thread. It is never cut short: if the caller goes away it runs to its end."""
        pool = self._changes if change else self._reads
        future = asyncio.get_running_loop().run_in_executor(pool, work)
        self._begin()
        future.add_done_callback(lambda _: self._end())
        return await asyncio.shield(future)

    async def finished(self) -> None:
        """Return when nothing is running."""
        await self._none_running.wait()

    async def quiet_for(self, seconds: float) -> None:
        """Return when nothing has been running for that long."""
        while (left := self._quiet_in(seconds)) > 0:
            await asyncio.sleep(left)

    def close(self) -> None:
        """Let the threads go."""
        self._changes.shutdown()
        self._reads.shutdown()

    def _quiet_in(self, seconds: float) -> float:
        if self._running:
            return seconds
        return self._quiet_since + seconds - time.monotonic()

    def _begin(self) -> None:
        self._running += 1
        self._none_running.clear()

    def _end(self) -> None:
        self._running -= 1
        if not self._running:
            self._quiet_since = time.monotonic()
            self._none_running.set()
