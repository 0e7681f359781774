"""Private network namespaces, veth pairs between them, and packets on these."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.kernel import netns
from bpfman_core.testing.waiting import wait_until

ETHERTYPE = 0x88B5
"""The packets of tests: "local experimental" of IEEE 802, so nothing else speaks it."""

PREFIX = f"bpfman-test-{os.getpid()}-"
"""How the names of this process's namespaces and directories begin."""

_ADDRESSES = b"\xff" * 6 + b"\x02bpfma"  # to everyone, from a locally administered address
_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 8 << 20  # bytes
_FIRST_INDEX = 1000
_FRAME = 60  # bytes, the least that Ethernet carries

_numbers = itertools.count()


@dataclass(frozen=True)
class Namespace:
    """A named network namespace."""

    name: str

    @property
    def path(self) -> Path:
        """The file that stands for it, as `--netns` wants it."""
        return Path("/run/netns") / self.name

    def inside(self) -> AbstractContextManager[int]:
        """Be in it, with the calling thread, for the length of a block."""
        return netns.inside(str(self.path))

    def ip(self, *arguments: str) -> str:
        """The output of `ip` in this namespace."""
        return _ip("-n", self.name, *arguments)


class Listener:
    """A packet socket behind an interface: what got past every program on it."""

    def __init__(self, ears: socket.socket) -> None:
        self._ears = ears
        self._frames: list[bytes] = []

    def frames(self) -> list[bytes]:
        """All frames so far."""
        while True:
            try:
                self._frames.append(self._ears.recv(65536))
            except BlockingIOError:
                return self._frames

    def wait_for(self, count: int) -> list[bytes]:
        """Wait until at least `count` frames are there; gives all so far."""
        wait_until(lambda: len(self.frames()) >= count, f"{count} frames received")
        return self.frames()


@dataclass(frozen=True)
class Port:
    """One end of a veth pair."""

    name: str
    namespace: Namespace

    @property
    def index(self) -> int:
        """The ifindex, in its namespace."""
        with self.namespace.inside():
            return socket.if_nametoindex(self.name)

    def send(self, count: int = 1, payload: bytes = b"") -> None:
        """Send `count` frames with this payload, so that the other end receives them."""
        with self._open(0) as wire:
            for _ in range(count):
                wire.send(frame(payload))

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Catch the frames of tests that arrive here and get past the programs on this end."""
        with self._open(ETHERTYPE) as ears:
            ears.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            ears.setblocking(False)
            yield Listener(ears)

    def delete(self) -> None:
        """Delete the interface, and so the pair."""
        self.namespace.ip("link", "delete", self.name)

    def _open(self, protocol: int) -> socket.socket:
        """A packet socket on this end; with protocol 0 it sends only."""
        with self.namespace.inside():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        opened.bind((self.name, protocol))
        return opened

    def running(self) -> bool:
        """Whether the interface and its carrier are up."""
        with self._open(0) as asking:
            request = struct.pack("16sH14x", self.name.encode(), 0)
            reply = fcntl.ioctl(asking, _SIOCGIFFLAGS, request)
        return bool(struct.unpack("16sH14x", reply)[1] & _IFF_RUNNING)


@dataclass(frozen=True)
class Veth:
    """A veth pair over two namespaces. Programs go on `near`; what `far` sends arrives there."""

    near: Port
    far: Port


def frame(payload: bytes = b"") -> bytes:
    """An Ethernet frame of at least 60 bytes for everyone, with this payload."""
    return (_ADDRESSES + struct.pack("!H", ETHERTYPE) + payload).ljust(_FRAME, b"\0")


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A fresh network namespace, without IPv6 so that nobody speaks unasked."""
    made = Namespace(f"{PREFIX}{next(_numbers)}")
    _ip("netns", "add", made.name)
    try:
        with made.inside():
            for scope in ("all", "default"):
                switch = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
                if switch.exists():
                    switch.write_text("1")
        made.ip("link", "set", "lo", "up")
        yield made
    finally:
        _ip("netns", "delete", made.name)


@contextmanager
def veth_pair(near: Namespace, far: Namespace) -> Iterator[Veth]:
    """A veth pair that is up, its names found nowhere else.

    The ends get different ifindexes: with equal ones the kernel takes a second to notice the
    carrier (net/core/link_watch.c, linkwatch_urgent_event).
    """
    number = next(_numbers)
    name, index = f"bm{os.getpid()}x{number}", _FIRST_INDEX + 2 * number
    pair = Veth(Port(f"{name}a", near), Port(f"{name}b", far))
    peer = ("peer", "name", pair.far.name, "index", str(index + 1), "netns", far.name)
    near.ip("link", "add", pair.near.name, "index", str(index), "type", "veth", *peer)
    try:
        for port in (pair.near, pair.far):
            port.namespace.ip("link", "set", port.name, "up")
        for port in (pair.near, pair.far):
            wait_until(port.running, f"{port.name} is up")
        yield pair
    finally:
        _delete_if_any(pair.near)


def _delete_if_any(port: Port) -> None:
    if f" {port.name}@" in port.namespace.ip("link", "show"):
        port.delete()


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
