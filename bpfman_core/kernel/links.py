"""BPF links: create, update atomically, detach, and what the kernel says of one."""

from __future__ import annotations

import errno
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

from bpfman_core.errors import KernelError
from bpfman_core.kernel.attr import pack
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.maps import raw_info
from bpfman_core.kernel.syscall import Command, bpf


class AttachType(IntEnum):
    """The members of enum bpf_attach_type in use."""

    NONE = 0
    TRACE_FENTRY = 24
    TRACE_FEXIT = 25
    XDP = 37
    PERF_EVENT = 41
    TCX_INGRESS = 46
    TCX_EGRESS = 47


_REPLACE = 1 << 2  # BPF_F_REPLACE: the update names the program that it expects to replace
_GONE_WITHIN = 5.0  # seconds


@dataclass(frozen=True)
class LinkInfo:
    """`struct bpf_link_info`, as far as it is used.

    `ifindex` is meaningful for network links only: 0 there means that the interface is gone.
    """

    id: int
    type: int
    program_id: int
    ifindex: int


def create(program: Fd, target: int, kind: AttachType, *, flags: int = 0) -> Fd:
    """Attach a program to `target`, an ifindex or a descriptor as `kind` wants it."""
    fields = (program.fileno(), target, kind, flags)
    return Fd(bpf(Command.LINK_CREATE, pack("IIII", *fields, size=64)))


def update(link: Fd, new: Fd, old: Fd) -> None:
    """Replace the link's program at once; KernelError with EPERM unless it was `old` till now."""
    fields = (link.fileno(), new.fileno(), _REPLACE, old.fileno())
    bpf(Command.LINK_UPDATE, pack("IIII", *fields))


def info(link: Fd) -> LinkInfo:
    """What the kernel says of a link."""
    kind, ident, program_id, _, ifindex = struct.unpack_from("=5I", raw_info(link, 48))
    return LinkInfo(ident, kind, program_id, ifindex)


def destroy(link: Fd) -> None:
    """Detach a link whose pin is gone, close it, and return once the kernel has forgotten it."""
    ident = info(link).id
    try:
        bpf(Command.LINK_DETACH, pack("I", link.fileno()))
    except KernelError as error:  # perf event links cannot be detached, only closed
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOLINK):
            raise
    link.close()
    deadline = time.monotonic() + _GONE_WITHIN
    while exists(ident) and time.monotonic() < deadline:
        time.sleep(0.001)


def exists(link_id: int) -> bool:
    """Whether the kernel has a link with this id."""
    try:
        Fd(bpf(Command.LINK_GET_FD_BY_ID, pack("III", link_id, 0, 0))).close()
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True
