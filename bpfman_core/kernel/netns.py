"""Network namespaces: a thread enters one for the length of a block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bpfman_core.errors import InvalidRequest, KernelError
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.syscall import setns

_CURRENT = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000


@contextmanager
def inside(path: str | None) -> Iterator[int]:
    """Be in the network namespace that `path` names (None: stay); gives its inode number.

    Only the network namespace of the calling thread changes: mounts, and so all pins, stay in
    sight. Raises InvalidRequest where `path` names none.
    """
    if path is None:
        yield os.stat(_CURRENT).st_ino
        return
    with _open(_CURRENT) as home, _open(path) as other:
        _enter(other, path)
        try:
            yield os.fstat(other.fileno()).st_ino
        finally:
            setns(home.fileno(), _CLONE_NEWNET)


def _enter(namespace: Fd, path: str) -> None:
    try:
        setns(namespace.fileno(), _CLONE_NEWNET)
    except KernelError as error:
        raise InvalidRequest(f"{path} is no network namespace") from error


def _open(path: str) -> Fd:
    try:
        return Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise InvalidRequest(
            f"cannot open the network namespace {path}: {error.strerror}"
        ) from None
