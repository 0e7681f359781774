"""BPF maps: create, fill, freeze, read, and what the kernel says of one."""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

from bpfman_core.errors import KernelError
from bpfman_core.kernel.attr import address, buffer, pack, room
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.syscall import Command, bpf

READ_ONLY_FOR_PROGRAMS = 1 << 7  # BPF_F_RDONLY_PROG


class MapType(IntEnum):
    """The map types that bpfman itself creates or must recognise."""

    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_PERCPU_HASH = 10
    PERCPU_CGROUP_STORAGE = 21


_PER_CPU = {
    MapType.PERCPU_HASH,
    MapType.PERCPU_ARRAY,
    MapType.LRU_PERCPU_HASH,
    MapType.PERCPU_CGROUP_STORAGE,
}


@dataclass(frozen=True)
class MapInfo:
    """`struct bpf_map_info`, as far as it is used. Sizes in bytes."""

    id: int
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


def create(
    kind: MapType, *, value_size: int, entries: int, name: str, key_size: int = 4, flags: int = 0
) -> Fd:
    """Create a map. `name` is cut to the kernel's 15 bytes."""
    fields = (kind, key_size, value_size, entries, flags, 0, 0, name.encode()[:15])
    return Fd(bpf(Command.MAP_CREATE, pack("7I16s", *fields, size=72)))


def update(map_fd: Fd, key: bytes, value: bytes) -> None:
    """Set one element."""
    held = buffer(key), buffer(value)
    attributes = pack("IIQQQ", map_fd.fileno(), 0, address(held[0]), address(held[1]), 0)
    bpf(Command.MAP_UPDATE_ELEM, attributes)


def lookup(map_fd: Fd, key: bytes) -> bytes:
    """One element's value; in a per-CPU map that of every possible CPU, each padded to 8 bytes.

    The size comes from the kernel's own description of the map, because the kernel writes that
    much whatever buffer it is given. Raises KernelError with ENOENT where there is no element.
    """
    about = info(map_fd)
    size = about.value_size
    if about.type in _PER_CPU:
        size = (size + 7) // 8 * 8 * possible_cpus()
    held, value = buffer(key), room(size)
    attributes = pack("IIQQQ", map_fd.fileno(), 0, address(held), address(value), 0)
    bpf(Command.MAP_LOOKUP_ELEM, attributes)
    return value.raw


def has(map_fd: Fd, key: bytes) -> bool:
    """Whether there is an element for a key."""
    try:
        lookup(map_fd, key)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def freeze(map_fd: Fd) -> None:
    """No system call may change the map from now on."""
    bpf(Command.MAP_FREEZE, pack("I", map_fd.fileno()))


def open_by_id(map_id: int) -> Fd:
    """A descriptor of the map with this kernel id."""
    return Fd(bpf(Command.MAP_GET_FD_BY_ID, pack("III", map_id, 0, 0)))


def info(map_fd: Fd) -> MapInfo:
    """What the kernel says of a map."""
    data = raw_info(map_fd, 88)
    kind, ident, key_size, value_size, entries, flags = struct.unpack_from("=6I", data)
    name = data[24:40].split(b"\0")[0].decode()
    return MapInfo(ident, kind, key_size, value_size, entries, flags, name)


def raw_info(fd: Fd, size: int, prefill: bytes = b"") -> bytes:
    """The first `size` bytes of the info structure of a map, program or link."""
    data = room(size)
    ctypes.memmove(data, prefill, len(prefill))
    bpf(Command.OBJ_GET_INFO_BY_FD, pack("IIQ", fd.fileno(), size, address(data)))
    return data.raw


@cache
def possible_cpus() -> int:
    """How many CPUs the kernel may ever have: the number of values in a per-CPU element."""
    text = Path("/sys/devices/system/cpu/possible").read_text()
    return int(text.strip().rpartition("-")[2]) + 1
