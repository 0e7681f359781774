"""Who is at the other end of a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

from grpclib.server import Stream

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


@dataclass(frozen=True)
class Caller:
    """A process as the kernel saw it when it connected."""

    uid: int
    pid: int


def transport(stream: Stream[Any, Any]) -> asyncio.Transport:
    """The connection of a request; grpclib keeps it in the peer, which has no accessor for it."""
    found = stream.peer._transport
    assert isinstance(found, asyncio.Transport)
    return found


def caller(connection: asyncio.Transport) -> Caller:
    """Asks the kernel (SO_PEERCRED)."""
    end: socket.socket = connection.get_extra_info("socket")
    raw = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return Caller(uid=uid, pid=pid)
