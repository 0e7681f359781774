"""Time limits that hold whatever a server sends.

A socket's timeout is for each read; headers, trailers and interim answers that never end satisfy
it for ever. Here connections are cut by another thread, which also asks whoever is told of progress
whether to go on.
"""

from __future__ import annotations

import contextvars
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bpfman_core import progress

_POLL = 0.25  # seconds between questions whether to go on


class Deadline:
    """Cuts the connections of a session when their time is up; for one thread at a time.

    `passed` tells whether the last block took too long.
    """

    def __init__(self, session: requests.Session) -> None:
        self.passed = False
        self._ended: Exception | None = None
        self._sockets: list[socket.socket] = []
        for prefix in ("https://", "http://"):
            session.mount(prefix, _Adapter(self._sockets))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut what is open when the block takes longer; it then fails as if the peer had.

        Where whoever is told of progress ends it meanwhile, raises what they did.
        """
        self.passed = False
        over, told = threading.Event(), contextvars.copy_context()
        threading.Thread(target=told.run, args=(self._watch, over, seconds), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            if self._ended is not None:
                raise self._ended

    def _watch(self, over: threading.Event, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not over.wait(min(_POLL, max(0.0, end - time.monotonic()))):
            try:
                progress.advance(0)
            except Exception as error:
                self._ended = error
            self.passed = time.monotonic() >= end
            if self.passed or self._ended is not None:
                self._cut()
                return

    def _cut(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # beneath TLS, if there is any


class _Adapter(requests.adapters.HTTPAdapter):
    """Makes connections that add their sockets to a list."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        super().__init__()

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = _pools(self._sockets)

    def proxy_manager_for(self, *args: Any, **settings: Any) -> Any:
        manager = super().proxy_manager_for(*args, **settings)
        manager.pool_classes_by_scheme = _pools(self._sockets)
        return manager


def _pools(sockets: list[socket.socket]) -> dict[str, type]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> Any:
            return _noted(super()._new_conn(), sockets)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> Any:
            return _noted(super()._new_conn(), sockets)

        def _connect_tls_proxy(self, *words: Any, **named: Any) -> Any:
            return _noted(super()._connect_tls_proxy(*words, **named), sockets)

        def connect(self) -> None:
            super().connect()  # which hands the descriptor on to another object
            _noted(self.sock, sockets)

    plain: Any = type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    tls: Any = type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": Tls})
    return {"http": plain, "https": tls}


def _noted(found: Any, sockets: list[socket.socket]) -> Any:
    sockets[:] = [one for one in sockets if one.fileno() >= 0]
    if isinstance(found, socket.socket):
        sockets.append(found)
    return found
