"""Probes in the kernel (kprobes) and in user programs (uprobes), through perf's own units.

A unit is a directory of /sys/bus/event_source/devices: it gives its type number, and the bit that
makes a probe one of the function's return (kernel/events/core.c, perf_probe_attrs; Linux 4.17).
"""

from __future__ import annotations

import struct
from pathlib import Path

from bpfman_core.errors import Unsupported
from bpfman_core.kernel import links
from bpfman_core.kernel.attr import address, buffer
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import AttachType
from bpfman_core.kernel.syscall import perf_event_open

_UNITS = Path("/sys/bus/event_source/devices")
_OPTIONS = {"kprobe": "CONFIG_KPROBES", "uprobe": "CONFIG_UPROBES"}
_SIZE = 112  # struct perf_event_attr, PERF_ATTR_SIZE_VER5


def attach(
    program: Fd, unit: str, name: str, offset: int, *, at_return: bool, pid: int | None = None
) -> Fd:
    """Run `program` at a probe, on all CPUs; gives the link (Linux 5.15).

    `unit` is kprobe or uprobe; `name` a function of the kernel, or the path of a file; `offset` is
    in bytes, into the function or the file. `pid` makes a uprobe one of that process only. Raises
    Unsupported where the kernel has no such probes, KernelError otherwise.
    """
    held = buffer(name.encode() + b"\0")
    config = 1 << _return_bit(unit) if at_return else 0
    head = struct.pack("=IIQQQQQII", _type(unit), _SIZE, config, 1, 0, 0, 0, 0, 0)
    attributes = (head + struct.pack("=QQ", address(held), offset)).ljust(_SIZE, b"\0")
    everywhere = pid is None
    with perf_event_open(
        attributes, pid=-1 if pid is None else pid, cpu=0 if everywhere else -1
    ) as event:
        return links.create(program, event.fileno(), AttachType.PERF_EVENT)


def require(unit: str) -> None:
    """Raise Unsupported where the kernel was built without these probes."""
    _type(unit)


def _type(unit: str) -> int:
    try:
        return int((_UNITS / unit / "type").read_text())
    except FileNotFoundError:
        raise Unsupported(
            f"{unit}s are not built into this kernel: {_OPTIONS[unit]} is not set", feature=unit
        ) from None


def _return_bit(unit: str) -> int:
    text = (_UNITS / unit / "format" / "retprobe").read_text()
    return int(text.strip().removeprefix("config:"))
