"""Runs what requests ask for in threads, and knows when none is running.

Each kind has threads of its own, so that a list is answered while loads wait for each other, and
a program is unloaded while registries take their time. All methods are for the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from bpfman_core import progress
from bpfman_core.errors import Busy

T = TypeVar("T")


class Kind(Enum):
    """What a request may wait for: nothing, other changes, or registries before that."""

    READ = "read"
    CHANGE = "change"
    FETCH = "fetch"


class Calls:
    """The requests being answered. `stopping` tells new ones that they come too late."""

    def __init__(self, threads: int = 8) -> None:
        self.stopping = False
        self._pools = {kind: ThreadPoolExecutor(threads, kind.value) for kind in Kind}
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

    async def run(self, work: Callable[[], T], kind: Kind) -> T:
        """`work` in a thread. A change is never cut short: without its caller it runs to its end.

        What is fetched is given up, where the caller goes away or the service is to stop.
        """
        gone = False

        def check(_: int) -> None:
            if gone or self.stopping:
                why = "the caller went away" if gone else "the service is stopping"
                raise Busy(f"{why}; nothing was changed")

        def watched() -> T:
            with progress.reported(check):
                return work()

        future = asyncio.get_running_loop().run_in_executor(self._pools[kind], watched)
        self._begin()
        future.add_done_callback(lambda _: self._end())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            gone = True
            raise

    async def finished(self) -> None:
        """Return when nothing is running."""
        await self._none_running.wait()

    async def quiet_for(self, seconds: float) -> None:
        """Return when nothing has been running for that long."""
        while (left := self._quiet_in(seconds)) > 0:
            await asyncio.sleep(left)

    def close(self) -> None:
        """Let the threads go."""
        for pool in self._pools.values():
            pool.shutdown()

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
