"""The socket that the service listens on: made here, passed by systemd, or left by ourselves."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.errors import AlreadyExists, InvalidRequest, ServiceError
from bpfman_core.rpc.probe import available

_PASSED = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
_HANDED_OVER = "BPFMAN_LISTENER"

BACKLOG = 1024
"""How many connections may wait while nobody accepts, as during a reload."""


@dataclass(frozen=True)
class Listener:
    """A listening unix socket. One that was `passed` belongs to systemd, and so does its file.

    `inode` tells the file that we made from one that another service put in its place.
    """

    listening: socket.socket
    path: Path
    passed: bool
    inode: int

    def accepting(self) -> socket.socket:
        """A second descriptor of the same socket, to accept from and to close."""
        return self.listening.dup()

    def environment(self) -> dict[str, str]:
        """The environment in which this program, executed anew, finds the same socket again."""
        self.listening.set_inheritable(True)
        if self.passed:
            return dict(os.environ)
        return {**os.environ, _HANDED_OVER: str(self.listening.fileno())}

    def close(self) -> None:
        """Stop listening, and remove the socket's file if it is ours."""
        self.listening.close()
        if self.passed or not self.path.exists():
            return
        with _locked(self.path.parent):
            if self.path.exists() and self.path.stat().st_ino == self.inode:
                self.path.unlink()


def listen(path: Path) -> Listener:
    """The socket to serve: one that was passed to this process, else a new one at `path`.

    A file that a dead service left is replaced. Raises AlreadyExists where another service listens.
    """
    handed_over = os.environ.pop(_HANDED_OVER, None)
    if handed_over is not None:
        return _adopted(int(handed_over), passed=False)
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        if os.environ.get("LISTEN_FDS") != "1":
            raise ServiceError("more than one socket was passed", hint="the unit must name one")
        return _adopted(_PASSED, passed=True)
    try:
        _make_directory(path.parent)
        with _locked(path.parent):
            return _bound(path)
    except OSError as error:
        raise ServiceError(f"cannot listen at {path}: {error.strerror or error}") from error


def _adopted(descriptor: int, *, passed: bool) -> Listener:
    adopted = socket.socket(fileno=descriptor)
    listening = adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if adopted.family != socket.AF_UNIX or not listening:
        raise ServiceError("the socket that was passed is no listening unix socket")
    adopted.set_inheritable(False)
    path = Path(adopted.getsockname())
    return Listener(adopted, path, passed, path.stat().st_ino)


def _bound(path: Path) -> Listener:
    if available(path):
        raise AlreadyExists(
            f"a service listens at {path} already", hint="stop it, or choose another --socket-path"
        )
    if path.exists() and not path.is_socket():
        raise InvalidRequest(f"{path} is no socket, and is left alone")
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o660)
        bound.listen(BACKLOG)
        return Listener(bound, path, passed=False, inode=path.stat().st_ino)
    except OSError:
        bound.close()
        raise


def _make_directory(directory: Path) -> None:
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other services from making or removing a socket in `directory` meanwhile."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
