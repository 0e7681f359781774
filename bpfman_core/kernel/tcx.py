"""TCX: programs in a row on one direction of an interface, each held by a link (Linux 6.6)."""

from __future__ import annotations

import errno
import struct

from bpfman_core.errors import Conflict, Full, KernelError, Unsupported
from bpfman_core.kernel import interfaces
from bpfman_core.kernel.attr import address, pack, room
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import AttachType
from bpfman_core.kernel.syscall import Command, bpf

DIRECTIONS = {"ingress": AttachType.TCX_INGRESS, "egress": AttachType.TCX_EGRESS}

_BEFORE, _AFTER, _LINK = 1 << 3, 1 << 4, 1 << 13  # BPF_F_BEFORE, BPF_F_AFTER, BPF_F_LINK


def attach(
    program: Fd,
    interface: str,
    direction: str,
    *,
    before: Fd | None = None,
    after: Fd | None = None,
    first: bool = False,
) -> Fd:
    """Put a program on an interface of this namespace: beside another link, first, or else last.

    Raises InvalidRequest where there is no such interface, Unsupported before Linux 6.6, Full where
    63 programs are there, Conflict where this one is, or where its neighbour or interface is gone.
    """
    ifindex = interfaces.index(interface)
    neighbour = before or after
    flags = _LINK if neighbour else 0
    flags |= _BEFORE if before or first else _AFTER if after else 0
    relative = neighbour.fileno() if neighbour else 0
    fields = (program.fileno(), ifindex, DIRECTIONS[direction], flags, relative)
    try:
        return Fd(bpf(Command.LINK_CREATE, pack("IIIII", *fields, size=64)))
    except KernelError as error:
        where = f"{direction} of {interface}"
        if not interfaces.exists(ifindex):
            raise Conflict(f"interface {interface} has gone away") from error
        match error.errno:
            case errno.EINVAL:
                raise Unsupported(
                    "this kernel has no TCX hooks", feature="tcx", hint="they came with Linux 6.6"
                ) from error
            case errno.EEXIST:
                raise Conflict(f"the program is on {where} already") from error
            case errno.ERANGE | errno.ENOSPC:
                raise Full(f"{where} already has 63 programs", hint="detach one first") from error
            case errno.ENOENT | errno.ESTALE:
                raise Conflict(
                    f"the programs on {where} changed meanwhile", hint="try again"
                ) from error
        raise


def on(ifindex: int, direction: str) -> list[tuple[int, int]]:
    """Kernel ids of the programs on an interface, in order, each with that of its link, 0 if none.

    Empty before Linux 6.6, and where the interface is gone.
    """
    room_for = 64
    programs, links = room(4 * room_for), room(4 * room_for)
    attributes = pack(
        "IIIIQIIQQQQ",
        *(ifindex, DIRECTIONS[direction], 0, 0, address(programs), room_for, 0),
        *(0, address(links), 0, 0),
    )
    try:
        bpf(Command.PROG_QUERY, attributes)
    except KernelError as error:
        if error.errno in (errno.EINVAL, errno.ENODEV, errno.ENOENT):
            return []
        raise
    count = struct.unpack_from("=I", attributes.raw, 24)[0]
    layout = f"={count}I"
    return list(
        zip(struct.unpack_from(layout, programs), struct.unpack_from(layout, links), strict=True)
    )
