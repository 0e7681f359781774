"""Servers that are asked as registries and as proxies, and what is said where they fail."""

from __future__ import annotations

import gc
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from select import select

from bpfman_core.errors import BpfmanError
from bpfman_core.image.remote.credentials import Credentials
from tests.image.hostile import (
    Asked,
    Hostile,
)
from tests.image.registries import PASSWORD, USER, serving

ALICE = {"username": USER, "password": PASSWORD}
BASIC = Credentials(**ALICE).basic()
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Connecting(Asked):
    """Asked as a proxy is, too, and by those that leave without a word of TLS."""

    def do_GET(self) -> None:  # noqa: N802
        with suppress(ssl.SSLError):
            super().do_GET()

    do_HEAD = do_CONNECT = do_GET  # noqa: N815


@contextmanager
def started(tls: Path | None = None) -> Iterator[Hostile]:
    found = Hostile()
    with serving(type("Handler", (Connecting,), {"hostile": found}), tls) as found.host:
        yield found


class Tunnel:
    """Connects to this host, whichever was asked for; keeps what it was shown."""

    def __init__(self, host: str) -> None:
        self.host, self.heads, self.passed = host, [], b""

    def __call__(self, asked: Asked) -> None:
        self.heads.append(dict(asked.headers))
        asked.close_connection = True
        name, _, port = self.host.partition(":")
        with socket.create_connection((name, int(port))) as there:
            asked.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {there: asked.connection, asked.connection: there}
            while True:
                for one in select([*other], [], [])[0]:
                    piece = one.recv(1 << 16)
                    if not piece:
                        return
                    self.passed += piece
                    other[one].sendall(piece)


@dataclass(frozen=True)
class Refusal:
    kind: type[BaseException]
    said: str
    told: str
    """All that may be told of it."""


def refusal(action: Callable[[], object]) -> Refusal:
    """The error of an action; what a traceback holds open shows here, not in a later test."""
    try:
        action()
    except BpfmanError as error:
        told = "".join([repr(error), *traceback.format_exception(error)])
        found = Refusal(type(error), str(error), told)
    gc.collect()
    return found
