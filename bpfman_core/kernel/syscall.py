"""System calls that Python's `os` lacks: bpf(2) above all.

Every bpf(2) call of bpfman goes through `bpf()`; libbpf makes its own while it loads an object.
Numbers and layouts: include/uapi/linux/bpf.h of Linux 6.12, unchanged since the version that
brought each command.
"""

from __future__ import annotations

import ctypes
import errno
import os
from enum import IntEnum

from bpfman_core.errors import Denied, KernelError, Unsupported
from bpfman_core.kernel.fd import Fd

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_NUMBERS = {  # machine: bpf, perf_event_open, membarrier, fsopen (fsconfig and fsmount follow it)
    "x86_64": (321, 298, 324, 430),
    "aarch64": (280, 241, 283, 430),
}
_MEMBARRIER_CMD_GLOBAL = 1


class Command(IntEnum):
    """The bpf(2) commands in use."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_TEST_RUN = 10
    PROG_GET_NEXT_ID = 11
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    BTF_LOAD = 18
    MAP_FREEZE = 22
    LINK_CREATE = 28
    LINK_UPDATE = 29
    LINK_GET_FD_BY_ID = 30
    LINK_DETACH = 34
    PROG_BIND_MAP = 35


def _number(index: int) -> int:
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise Unsupported(f"bpfman does not know the system calls of {machine}", feature="machine")
    return _NUMBERS[machine][index]


def _invoke(name: str, number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        if code == errno.EPERM and os.geteuid() != 0:
            raise Denied(
                f"{name}: only root may do this", hint="run it as root, or start the service"
            )
        raise KernelError(name, code)
    return result


def bpf(command: Command, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """Make the system call with a filled `union bpf_attr`; returns what the kernel returned.

    Raises KernelError with the errno, or Denied where the process is not root.
    """
    size = ctypes.c_uint(len(attributes))
    return _invoke(f"bpf({command.name})", _number(0), ctypes.c_long(command), attributes, size)


def perf_event_open(attributes: bytes, pid: int, cpu: int) -> Fd:
    """Open a performance event; `attributes` is a packed `struct perf_event_attr`."""
    close_on_exec = ctypes.c_ulong(8)
    no_group = ctypes.c_int(-1)
    arguments = (attributes, ctypes.c_int(pid), ctypes.c_int(cpu), no_group, close_on_exec)
    return Fd(_invoke("perf_event_open", _number(1), *arguments))


def wait_for_readers() -> None:
    """Return when no CPU runs a BPF program that it entered before this call (8 to 16 ms asleep).

    membarrier(MEMBARRIER_CMD_GLOBAL) is synchronize_rcu() (kernel/sched/membarrier.c).
    A kernel booted with nohz_full refuses it with EINVAL; then a generous sleep must do.
    """
    try:
        _invoke("membarrier", _number(2), _MEMBARRIER_CMD_GLOBAL, 0, 0)
    except KernelError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        import time

        time.sleep(1)


def mount_detached(filesystem: str) -> Fd:
    """A directory descriptor on a fresh mount of `filesystem` that appears nowhere in the tree.

    The mount lasts as long as the descriptor. fsopen, fsconfig, fsmount: Linux 5.2.
    """
    first = _number(3)
    with Fd(_invoke("fsopen", first, filesystem.encode(), 1)) as context:
        create = 6  # FSCONFIG_CMD_CREATE
        _invoke("fsconfig", first + 1, context.fileno(), create, None, None, 0)
        return Fd(_invoke("fsmount", first + 2, context.fileno(), 1, 0))


def setns(namespace: int, kind: int) -> None:
    """Move the calling thread into the namespace that descriptor `namespace` is open on."""
    if _libc.setns(namespace, kind) != 0:
        raise KernelError("setns", ctypes.get_errno())


def mount(source: str, target: str, filesystem: str) -> None:
    """Mount a filesystem with no flags."""
    if _libc.mount(source.encode(), target.encode(), filesystem.encode(), 0, None) != 0:
        raise KernelError("mount", ctypes.get_errno(), detail=f"{filesystem} on {target}")
