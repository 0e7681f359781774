"""Static tracepoints: found in tracefs, attached through a perf event."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from bpfman_core.errors import InvalidRequest, did_you_mean
from bpfman_core.kernel import links
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import AttachType
from bpfman_core.kernel.syscall import mount_detached, perf_event_open

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_TYPE_TRACEPOINT = 2  # PERF_TYPE_TRACEPOINT
_ATTRIBUTE_SIZE = 112  # struct perf_event_attr, PERF_ATTR_SIZE_VER5
_SAMPLE_RAW = 1 << 10  # PERF_SAMPLE_RAW


def attach(program: Fd, name: str) -> Fd:
    """Run `program` at the tracepoint CATEGORY/NAME, on all CPUs; gives the link (Linux 5.15).

    The perf event is opened on one CPU but a BPF program on it runs on all: the kernel calls it
    from the tracepoint itself, before it looks for the CPU's events (trace_call_bpf).
    """
    fields = (_TYPE_TRACEPOINT, _ATTRIBUTE_SIZE, number(name), 1, _SAMPLE_RAW)
    attributes = struct.pack("=IIQQQ", *fields).ljust(_ATTRIBUTE_SIZE, b"\0")
    with perf_event_open(attributes, pid=-1, cpu=0) as event:
        return links.create(program, event.fileno(), AttachType.PERF_EVENT)


def number(name: str) -> int:
    """The id of the tracepoint CATEGORY/NAME. Raises InvalidRequest with near misses."""
    category, _, event = name.partition("/")
    if not category or not event or "/" in event or ".." in name:
        raise InvalidRequest(
            f"{name!r} is no tracepoint", hint="write CATEGORY/NAME, as in sched/sched_switch"
        )
    with _events() as events:
        try:
            descriptor = os.open(f"{category}/{event}/id", os.O_RDONLY, dir_fd=events)
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidRequest(
                f"this kernel has no tracepoint {name!r}", hint=_near(events, category, event)
            ) from None
        with open(descriptor, encoding="ascii") as file:
            return int(file.read())


@contextmanager
def _events() -> Iterator[int]:
    """A descriptor on the directory of events, of a tracefs that only we see if none is mounted."""
    for place in _PLACES:
        if os.path.isdir(f"{place}/events"):
            descriptor = os.open(f"{place}/events", os.O_RDONLY | os.O_DIRECTORY)
            break
    else:
        with mount_detached("tracefs") as root:
            flags = os.O_RDONLY | os.O_DIRECTORY
            descriptor = os.open("events", flags, dir_fd=root.fileno())
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _near(events: int, category: str, event: str) -> str | None:
    categories = _directories(events, ".")
    if category not in categories:
        return did_you_mean(category, categories)
    names = (f"{category}/{name}" for name in _directories(events, category))
    return did_you_mean(f"{category}/{event}", names)


def _directories(parent: int, name: str) -> list[str]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    finally:
        os.close(descriptor)
