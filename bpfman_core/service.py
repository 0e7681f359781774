"""The service: answers requests until it is told to stop, to start anew, or has been idle.

| what happens                 | programs              | the socket's file      |
|------------------------------|-----------------------|------------------------|
| SIGTERM, SIGINT              | unloaded, unless kept | removed, if it is ours |
| idle                         | stay                  | removed, if it is ours |
| SIGHUP: executes itself anew | stay                  | stays, always in use   |
| crash                        | stay                  | stays, replaced later  |
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from grpclib.server import Server

from bpfman_core.api import Api
from bpfman_core.rpc import notify
from bpfman_core.rpc.answer import Answering
from bpfman_core.rpc.calls import Calls
from bpfman_core.rpc.listener import BACKLOG, Listener, listen
from bpfman_core.rpc.server import services

_log = logging.getLogger(__name__)

_IDLE_WHEN_ACTIVATED = 15.0  # seconds
_FLUSH = 5.0  # seconds that replies may take to leave when the service ends
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Duties:
    """What the service does besides answering.

    `prepare` is called before the first request: take up the state, test the host. `unload_all` is
    called when the service is stopped; None leaves the programs running. Both run in a thread.
    """

    prepare: Callable[[], object]
    unload_all: Callable[[], object] | None


def serve(path: Path, api: Api, duties: Duties, *, idle_timeout: float | None = None) -> None:
    """Serve `api` at the unix socket `path` until there is a reason to end.

    `idle_timeout` is after how many seconds without a request that is; 0 is never, None is 15 s for
    a service that systemd started by its socket and never for another. A second SIGINT ends the
    process at once. Raises AlreadyExists where a service listens already, ServiceError where it is
    not possible to listen, and whatever `prepare` raises.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until there is somebody to heed them
    listener = listen(path)
    if idle_timeout is None:
        idle_timeout = _IDLE_WHEN_ACTIVATED if listener.passed else 0
    try:
        asyncio.run(_Service(listener, api, duties, idle_timeout).run())
    finally:
        listener.close()


class _Event(Enum):
    STOP = "told to stop"
    RELOAD = "told to execute itself anew"
    IDLE = "idle"


class _Service:
    def __init__(self, listener: Listener, api: Api, duties: Duties, idle_timeout: float) -> None:
        self._listener = listener
        self._api = api
        self._duties = duties
        self._idle_timeout = idle_timeout
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._told_to_stop = False

    async def run(self) -> None:
        self._watch_signals()
        await _in_thread(self._duties.prepare)
        event = await self._serve()
        while event is _Event.RELOAD:
            await self._execute_anew()
            event = await self._serve()
        notify.stopping()
        if event is _Event.STOP and self._duties.unload_all is not None:
            await _in_thread(self._duties.unload_all)

    async def _serve(self) -> _Event:
        """Answer requests up to the next event, and those that are running then to their end."""
        calls = Calls()
        answering = Answering(calls)
        server = Server(services(self._api, answering))
        accepting = self._listener.accepting()
        await server.start(sock=accepting, backlog=BACKLOG)
        notify.ready()
        _log.info("listening", extra={"socket": str(self._listener.path)})

        event = await self._next_event(calls)

        _log.info("ending: %s", event.value)
        asyncio.get_running_loop().remove_reader(accepting)
        calls.stopping = True
        await calls.finished()
        await answering.flush(_FLUSH)
        server.close()
        calls.close()
        return event

    async def _next_event(self, calls: Calls) -> _Event:
        if not self._idle_timeout:
            return await self._events.get()
        idle = asyncio.create_task(self._report_idle(calls))
        try:
            return await self._events.get()
        finally:
            idle.cancel()

    async def _report_idle(self, calls: Calls) -> None:
        await calls.quiet_for(self._idle_timeout)
        self._events.put_nowait(_Event.IDLE)

    async def _execute_anew(self) -> None:
        """Replace this process by a new one on the same socket. Returns only if that fails.

        Signals are held back on the way, for the new process to see.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        await asyncio.sleep(0)
        if self._events.empty():
            notify.reloading()
            try:
                os.execve(sys.executable, sys.orig_argv, self._listener.environment())
            except OSError as error:
                _log.error("cannot execute %s: %s", sys.executable, error.strerror)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._events.put_nowait, _Event.RELOAD)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _stop(self) -> None:
        self._told_to_stop = True
        self._events.put_nowait(_Event.STOP)

    def _interrupt(self) -> None:
        if self._told_to_stop:
            os._exit(128 + signal.SIGINT)
        self._stop()


async def _in_thread(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, work)
