"""How a request is answered, whichever it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from weakref import WeakSet

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from bpfman_core.errors import BpfmanError, Busy
from bpfman_core.rpc.calls import Calls, Kind
from bpfman_core.rpc.failures import VerifierLogs, to_status
from bpfman_core.rpc.peer import Caller, caller, transport

Request = TypeVar("Request")
Reply = TypeVar("Reply")

_RECEIVE = 5.0  # seconds that a message may take to come; else it would hold up the end

_log = logging.getLogger(__name__)


class Answering:
    """Runs the work of requests in threads, turns errors into statuses, logs every change."""

    def __init__(self, calls: Calls) -> None:
        self.logs = VerifierLogs()
        self._calls = calls
        self._connections: WeakSet[asyncio.Transport] = WeakSet()

    async def read(self, stream: Stream[Request, Reply], work: Callable[[Request], Reply]) -> None:
        """Answer a request that changes nothing."""
        with self._calls.running():
            request = await self._receive(stream)
            try:
                reply = await self._calls.run(lambda: work(request), Kind.READ)
            except Exception as error:
                raise self._status(error) from error
            await stream.send_message(reply)

    async def change(
        self,
        stream: Stream[Request, Reply],
        work: Callable[[Request], Reply],
        what: Callable[[Request], str],
        kind: Callable[[Request], Kind] = lambda _: Kind.CHANGE,
    ) -> None:
        """Answer a request that changes things; `what` says in a few words what it asks for."""
        with self._calls.running():
            request = await self._receive(stream)
            logged = _Logged(what(request), caller(transport(stream)))
            try:
                job = lambda: logged.run(work, request)  # noqa: E731
                reply = await self._calls.run(job, kind(request))
            except Exception as error:
                raise self._status(error) from error
            await stream.send_message(reply)

    async def flush(self, seconds: float) -> None:
        """Wait up to that long until every reply has left this process, then hang up."""
        deadline = time.monotonic() + seconds
        while any(one.get_write_buffer_size() for one in self._connections):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.close()

    async def _receive(self, stream: Stream[Request, Reply]) -> Request:
        self._connections.add(transport(stream))
        if self._calls.stopping:
            raise self._status(Busy("the service is stopping", hint="try again later"))
        request = None
        with suppress(TimeoutError):
            request = await asyncio.wait_for(stream.recv_message(), _RECEIVE)
        if request is None:
            raise GRPCError(Status.INVALID_ARGUMENT, "the request has no message")
        return request

    def _status(self, error: Exception) -> GRPCError:
        if isinstance(error, BpfmanError):
            return to_status(error, self.logs)
        _log.error("a request failed unexpectedly", exc_info=error)
        text = f"{type(error).__name__}: {error}"
        return to_status(BpfmanError(text, hint="the service's log has more"), self.logs)


class _Logged:
    """One change, with the log line that tells of its end."""

    def __init__(self, what: str, by: Caller) -> None:
        self._what = what
        self._by = {"caller_uid": by.uid, "caller_pid": by.pid}

    def run(self, work: Callable[[Request], Reply], request: Request) -> Reply:
        started = time.monotonic()
        try:
            reply = work(request)
        except Exception as error:
            _log.warning("%s: failed: %s", self._what, error, extra=self._by)
            raise
        took = round(time.monotonic() - started, 3)
        _log.info("%s: done", self._what, extra={**self._by, "seconds": took})
        return reply
